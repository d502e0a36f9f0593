#!/bin/bash
# netd's locks: what the kernel says of the process, and what the fake root of its guest can do to it.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

# From the guest's user namespace, with all capabilities there: everything by which one process reaches into another.
intruder='
import ctypes, os, sys
pid, libc, got = int(sys.argv[1]), ctypes.CDLL(None, use_errno=True), []
def attempt(what, action):
    try:
        if action() is not False:
            got.append(what)
    except OSError:
        pass
def traced(request):
    if libc.ptrace(request, pid, 0, 0) != 0:
        return False
    libc.ptrace(17, pid, 0, 0)
def remote():
    buf = ctypes.create_string_buffer(8)
    vec = (ctypes.c_void_p * 2)(ctypes.addressof(buf), 8)
    return libc.process_vm_readv(pid, vec, 1, vec, 1, 0) >= 0
attempt("PTRACE_ATTACH", lambda: traced(16))
attempt("PTRACE_SEIZE", lambda: traced(0x4206))
attempt("process_vm_readv", remote)
for name in ("mem", "environ", "maps", "auxv", "syscall"):
    attempt(name, lambda: os.read(os.open(f"/proc/{pid}/{name}", os.O_RDONLY), 1))
for name in ("root", "cwd", "exe", "ns/mnt", "ns/net", "ns/user"):
    attempt(name, lambda: os.readlink(f"/proc/{pid}/{name}"))
attempt("fd", lambda: os.listdir(f"/proc/{pid}/fd"))
attempt("map_files", lambda: os.listdir(f"/proc/{pid}/map_files"))
attempt("pidfd_getfd", lambda: libc.syscall(438, os.pidfd_open(pid), 0, 0) >= 0)
attempt("setns", lambda: libc.setns(os.pidfd_open(pid), 0x20000) == 0)
print("got:", *got)
'
for way in "${all_ways[@]}"; do
    choose "$way"
    hold
    start_netd netd -c --enable-sandbox --enable-seccomp $target tap0
    netd=${pid[netd]}
    status_file=$(cat "/proc/$netd/status")
    like "$status_file" $'NoNewPrivs:\t1\nSeccomp:\t2\n' "no new privileges, system calls filtered ($link)"
    # The fast path's one, CAP_NET_ADMIN over the guest's network; and root may serve ports below 1024 (CAP_NET_BIND_SERVICE).
    allowed="000000000000[01]$([ $who = root ] && echo '[04]' || echo 0)00"
    for set in Prm Eff; do like "$status_file" "Cap$set:.$allowed"$'\n' "Cap$set"; done
    for set in Inh Amb; do like "$status_file" "Cap$set:.0000000000000000"$'\n' "Cap$set: none"; done
    [ $who = root ] || isnt "$(stat -c %u "/proc/$netd/environ")" 1001 "its files in /proc are not the user's: it is not dumpable"
    is "$(ls -A "/proc/$netd/root/")" '' 'its root is empty'
    like "$(grep ' / / ' "/proc/$netd/mountinfo")" ' ro,nosuid,nodev,noexec' 'and read-only'
    is "$(wc -l <"/proc/$netd/mountinfo")" 1 'and all that is mounted'
    isnt "$(readlink "/proc/$netd/ns/mnt")" "$(readlink /proc/self/ns/mnt)" 'in a mount namespace of its own'
    keeper=$(pgrep -x netd-keeper)
    if [ $who = user ]; then
        for one in $netd $keeper; do
            run nsenter --preserve-credentials -U -t $target -- python3 -c "$intruder" $one
            out_is 'got:' "the guest's fake root gets nowhere ($one)"
            run python3 -c "$intruder" $one
            out_is 'got:' 'nor does another process of the same user'
        done
    fi
    inside curl -sS http://203.0.113.80/
    out_is 'hello from outside' 'netd never noticed'
    finish netd
    finish holder
done
nothing_left 'nothing is left'
done_testing
