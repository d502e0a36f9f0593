#!/usr/bin/python3 -S
"""Somebody else's user namespace, as a container manager makes one.

    userns.py [--own=UID] UIDMAP[/GIDMAP] COMMAND [ARG]...

The maps are INSIDE:OUTSIDE:COUNT,... (the gids' as the uids', unless given); COMMAND is uid 0 and gid 0 in there, in a mount
namespace of its own. The namespace is made by UID (0 unless given), whose it is then; the maps are written by root.
"""
import ctypes
import os
import sys

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
libc = ctypes.CDLL(None, use_errno=True)

args = sys.argv[1:]
owner = int(args.pop(0).removeprefix('--own=')) if args[0].startswith('--own=') else 0
uids, _, gids = args.pop(0).partition('/')
gids = gids or uids

made_read, made_write = os.pipe()
mapped_read, mapped_write = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(made_read), os.close(mapped_write)
    libc.prctl(1, 9)  # PR_SET_PDEATHSIG
    if owner:
        os.setgroups([])
        os.setresgid(owner, owner, owner)
        os.setresuid(owner, owner, owner)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), 'unshare')
    os.write(made_write, b'x')
    if os.read(mapped_read, 1) != b'x':
        sys.exit(125)
    os.close(made_write), os.close(mapped_read)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.execvp(args[0], args)
os.close(made_write), os.close(mapped_read)
if os.read(made_read, 1) != b'x':
    sys.exit(125)
for name, text in (('uid_map', uids), ('gid_map', gids)):
    with open(f'/proc/{pid}/{name}', 'w', encoding='ascii') as file:
        file.write('\n'.join(text.replace(':', ' ').split(',')) + '\n')
os.write(mapped_write, b'x')
os.close(mapped_write), os.close(made_read)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
