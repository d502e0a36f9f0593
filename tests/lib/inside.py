#!/usr/bin/python3
"""inside.py PID: makes system calls from inside of a process (x86_64), as somebody would who took it over, and says what became of each.

A line each: "NAME: ok" (a descriptor or another success), or the error's name. The caller is root, who may trace it; the filter of the
process holds for calls that a tracer makes it do as well. It goes on afterwards as if nothing had been.
"""
import ctypes
import errno
import os
import socket
import sys

ATTACH, DETACH, GETREGS, SETREGS, STEP = 16, 17, 12, 13, 9
NAMES = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs").split()
AF_ALG, AF_VSOCK = 38, 40
MAP_PRIVATE_ANONYMOUS, RWX, RW = 0x22, 7, 3


class Registers(ctypes.Structure):
    """struct user_regs_struct of <sys/user.h>."""
    _fields_ = [(name, ctypes.c_ulong) for name in NAMES]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, data=None):
    """ptrace(2), or an exception."""
    if libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace({request})")


class Tracee:
    """A process that waits in a system call."""

    def __init__(self, pid):
        self.pid = pid
        ptrace(ATTACH, pid)
        os.waitpid(pid, 0)
        self.before = self.registers()
        if ctypes.c_long(self.before.orig_rax).value < 0:
            sys.exit("the process is in no system call")

    def registers(self):
        """What they are now."""
        registers = Registers()
        ptrace(GETREGS, self.pid, ctypes.addressof(registers))
        return registers

    def at_call(self, number, *args):
        """Registers for the system call instruction that the process is behind."""
        registers = Registers.from_buffer_copy(self.before)
        registers.rax, registers.orig_rax, registers.rip = number, ctypes.c_ulong(-1).value, self.before.rip - 2
        for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), args):
            setattr(registers, name, ctypes.c_ulong(value).value)
        return registers

    def call(self, number, *args):
        """Make it, and return what it gave."""
        registers = self.at_call(number, *(args + (0,) * (6 - len(args))))
        ptrace(SETREGS, self.pid, ctypes.addressof(registers))
        ptrace(STEP, self.pid)
        _, status = os.waitpid(self.pid, 0)
        if not os.WIFSTOPPED(status):
            sys.exit(f"the process ended: {status:#x}")
        return ctypes.c_long(self.registers().rax).value

    def go_on(self):
        """The call that it was in, from the beginning."""
        again = Registers.from_buffer_copy(self.before)
        again.rax, again.orig_rax, again.rip = self.before.orig_rax, ctypes.c_ulong(-1).value, self.before.rip - 2
        ptrace(SETREGS, self.pid, ctypes.addressof(again))
        ptrace(DETACH, self.pid)


def main():
    """See the top of this file."""
    pid = int(sys.argv[1])
    tracee = Tracee(pid)

    def opens(number, *args):
        fd = tracee.call(number, *args)
        if fd >= 0:
            tracee.call(3, fd)
        return fd

    def maps(protection):
        at = tracee.call(9, 0, 4096, protection, MAP_PRIVATE_ANONYMOUS, -1, 0)
        if not -4096 < at < 0:
            tracee.call(11, at, 4096)
        return at

    attempts = {
        "socket AF_INET": lambda: opens(41, socket.AF_INET, socket.SOCK_STREAM, 0),
        "socket AF_INET6": lambda: opens(41, socket.AF_INET6, socket.SOCK_DGRAM, 0),
        "mmap": lambda: maps(RW),
        "its own limits": lambda: tracee.call(302, 0, 7, 0, 0),
        "socket AF_UNIX": lambda: opens(41, socket.AF_UNIX, socket.SOCK_STREAM, 0),
        "socket AF_NETLINK": lambda: opens(41, socket.AF_NETLINK, socket.SOCK_RAW, 0),
        "socket AF_PACKET": lambda: opens(41, socket.AF_PACKET, socket.SOCK_RAW, 0),
        "socket AF_VSOCK": lambda: opens(41, AF_VSOCK, socket.SOCK_STREAM, 0),
        "socket AF_ALG": lambda: opens(41, AF_ALG, socket.SOCK_SEQPACKET, 0),
        "mmap PROT_EXEC": lambda: maps(RWX),
        "mprotect PROT_EXEC": lambda: tracee.call(10, 0, 0, RWX),
        "another's limits": lambda: tracee.call(302, os.getpid(), 7, 0, 0),
        "tgkill": lambda: tracee.call(234, os.getpid(), os.getpid(), 0),
        "tkill": lambda: tracee.call(200, os.getpid(), 0),
        "kill": lambda: tracee.call(62, os.getpid(), 0),
        "open": lambda: tracee.call(2, 0, 0, 0),
        "openat": lambda: tracee.call(257, -100, 0, 0, 0),
        "openat2": lambda: tracee.call(437, -100, 0, 0, 0),
        "execve": lambda: tracee.call(59, 0, 0, 0),
        "execveat": lambda: tracee.call(322, -100, 0, 0, 0, 0),
        "fork": lambda: tracee.call(57),
        "vfork": lambda: tracee.call(58),
        "clone": lambda: tracee.call(56, 0, 0, 0, 0, 0),
        "clone3": lambda: tracee.call(435, 0, 0),
        "ptrace": lambda: tracee.call(101, 0, 0, 0, 0),
        "process_vm_readv": lambda: tracee.call(310, os.getpid(), 0, 0, 0, 0, 0),
        "pidfd_open": lambda: tracee.call(434, os.getpid(), 0),
        "unshare": lambda: tracee.call(272, 0),
        "setns": lambda: tracee.call(308, -1, 0),
        "mount": lambda: tracee.call(165, 0, 0, 0, 0, 0),
        "chroot": lambda: tracee.call(161, 0),
        "pivot_root": lambda: tracee.call(155, 0, 0),
        "setuid": lambda: tracee.call(105, 0),
        "capset": lambda: tracee.call(126, 0, 0),
        "prctl": lambda: tracee.call(157, 4, 1, 0, 0, 0),
        "bpf": lambda: tracee.call(321, 0, 0, 0),
        "io_uring_setup": lambda: tracee.call(425, 1, 0),
        "keyctl": lambda: tracee.call(250, 0, 0, 0, 0, 0),
        "perf_event_open": lambda: tracee.call(298, 0, 0, -1, -1, 0),
        "userfaultfd": lambda: tracee.call(323, 0),
        "memfd_create": lambda: tracee.call(319, 0, 0),
        "x32's getpid": lambda: tracee.call(0x40000000 | 39),
    }
    try:
        for name, attempt in attempts.items():
            got = attempt()
            print(f"{name}: {errno.errorcode.get(-got, got) if -4096 < got < 0 else 'ok'}")
    finally:
        tracee.go_on()


main()
