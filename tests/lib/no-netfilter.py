#!/usr/bin/python3
"""no-netfilter.py COMMAND [ARG]...: run it as on a kernel without nfnetlink, which refuses socket(AF_NETLINK, ..., NETLINK_NETFILTER).

By a seccomp filter that looks at the arguments of socket(2); everything else is allowed. Needs CAP_SYS_ADMIN, or sets no_new_privs.
"""
import ctypes
import os
import platform
import struct
import sys

AF_NETLINK, NETLINK_NETFILTER, EPROTONOSUPPORT = 16, 12, 93
SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2

program = b"".join(struct.pack("HBBI", *step) for step in (
    (LOAD, 0, 0, 0),  # the call's number
    (EQUAL, 0, 5, SOCKET),
    (LOAD, 0, 0, 16),  # the lower half of the first argument
    (EQUAL, 0, 3, AF_NETLINK),
    (LOAD, 0, 0, 32),  # of the third
    (EQUAL, 0, 1, NETLINK_NETFILTER),
    (RETURN, 0, 0, ERRNO | EPROTONOSUPPORT),
    (RETURN, 0, 0, ALLOW)))
code = ctypes.create_string_buffer(program, len(program))
header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if os.geteuid() != 0 and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
    sys.exit(f"no-netfilter.py: no_new_privs: {os.strerror(ctypes.get_errno())}")
if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, header, 0, 0):
    sys.exit(f"no-netfilter.py: seccomp: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
