#!/usr/bin/python3 -S
"""A seccomp filter, as container managers set them: system calls that fail.

    deny.py CALL[,CALL]...=ERROR... COMMAND [ARG]...        for example: deny.py mount,umount2=EPERM clone3=ENOSYS id -u

More names: clone-newuser is clone(2) with CLONE_NEWUSER among its flags, and unshare-newuser the same of unshare(2); socket-inet6 is
socket(2) for IPv6, as on a machine without it. COMMAND is not
under no_new_privs when this is started with CAP_SYS_ADMIN, so that setuid programs go on working, as below Docker's own filter.
"""
import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    'x86_64': (0xC000003E, {'clone': 56, 'ptrace': 101, 'prctl': 157, 'chroot': 161, 'mount': 165, 'umount2': 166, 'unshare': 272, 'setns': 308,
                            'socket': 41, 'close_range': 436}),
    'aarch64': (0xC00000B7, {'clone': 220, 'ptrace': 117, 'prctl': 167, 'chroot': 51, 'mount': 40, 'umount2': 39, 'unshare': 97, 'setns': 268,
                             'socket': 198, 'close_range': 436}),
}
arch, calls = NUMBERS[platform.machine()]
calls |= {'pidfd_send_signal': 424, 'open_tree': 428, 'move_mount': 429, 'fsopen': 430, 'fsconfig': 431, 'fsmount': 432, 'pidfd_open': 434,
          'clone3': 435, 'openat2': 437, 'mount_setattr': 442}
CLONE_NEWUSER = 0x10000000
AF_INET6 = 10
LOAD, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x45, 0x06
NR, ARCH, ARG0, ALLOW, ERRNO = 0, 4, 16, 0x7FFF0000, 0x00050000

command = sys.argv[1:]
program = [(LOAD, 0, 0, ARCH), (JUMP_EQUAL, 1, 0, arch), (RETURN, 0, 0, ALLOW)]
while '=' in command[0]:
    names, _, error = command.pop(0).partition('=')
    refuse = (RETURN, 0, 0, ERRNO | getattr(errno, error))
    for name in names.split(','):
        call, _, flag = name.partition('-')
        program += [(LOAD, 0, 0, NR)]
        if flag == 'inet6':
            program += [(JUMP_EQUAL, 0, 3, calls[call]), (LOAD, 0, 0, ARG0), (JUMP_EQUAL, 0, 1, AF_INET6), refuse]
        elif flag:
            program += [(JUMP_EQUAL, 0, 3, calls[call]), (LOAD, 0, 0, ARG0), (JUMP_SET, 0, 1, CLONE_NEWUSER), refuse]
        else:
            program += [(JUMP_EQUAL, 0, 1, calls[call]), refuse]
program += [(RETURN, 0, 0, ALLOW)]

code = ctypes.create_string_buffer(b''.join(struct.pack('=HBBI', *op) for op in program))
fprog = struct.pack('@HP', len(program), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(fprog), 0, 0):
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(fprog), 0, 0):
        raise OSError(ctypes.get_errno(), 'cannot set the filter')
os.execvp(command[0], command)
