#!/usr/bin/python3
"""Become a program whose root directory holds nothing but what is in DIR.

    empty-root.py [--ro] DIR COMMAND [ARG]...

To be called in a mount namespace of one's own, with the right to mount. DIR/proc becomes /proc (a new one where this process is the
first of a pid namespace, else the one that is there); --ro: nothing can be written to. COMMAND is a path within DIR. There is no
other way to the old root: it is unmounted before COMMAND starts.
"""
import ctypes
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 1, 32, 4096, 16384, 1 << 18, 2


def check(what, result):
    if result < 0:
        sys.exit(f"empty-root.py: cannot {what}: {os.strerror(ctypes.get_errno())}")


args = sys.argv[1:]
read_only = args[0] == "--ro"
root, command = args[read_only], args[read_only + 1:]
path = root.encode()
check("make mounts private", libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
check("bind the new root", libc.mount(path, path, None, MS_BIND, None))
if os.getpid() == 1:
    check("mount proc", libc.mount(b"proc", path + b"/proc", b"proc", 0, None))
else:
    check("bind proc", libc.mount(b"/proc", path + b"/proc", None, MS_BIND | MS_REC, None))
if read_only:
    check("make it read-only", libc.mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY, None))
os.chdir(root)
check("change the root", libc.syscall({"x86_64": 155, "aarch64": 41}[os.uname().machine], b".", b"."))
check("unmount the old root", libc.umount2(b".", MNT_DETACH))
os.chdir("/")
os.execve(command[0], command, {})
