#!/bin/bash
# forward's start, with each system call of each of its processes failing in turn: it serves, or ends and says why; and nothing is left.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# In "$@": strace's options. Prints "UP STATUS": UP is 1 if it said that all is up, and it is told to end then. -D: it is our own child.
# (The three seconds are for the one fault that leaves it running without a word: that of the word.)
start='rm -f /tmp/tester/fifo /tmp/tester/trace
mkfifo /tmp/tester/fifo
strace -f -D -qq -o /tmp/tester/trace "$@" rootlet forward --target $target --api-socket /tmp/tester/api -p 127.0.0.1:8080:80/tcp -p 127.0.0.1:8007:7/udp --ready-fd 3 3>/tmp/tester/fifo &
up=$(timeout 3 head -c 1 /tmp/tester/fifo)
kill $! 2>/dev/null
wait $!
echo "${up:-0} $?"'
portds() { pgrep -x rootlet-portd; }

who=user
launch ns unshare -Urn sh -c 'ip link set lo up; echo ready; exec cat'
target=${pid[ns]}
run env target=$target sh -c "$start" sh
out_is '1 0' 'without a fault'
# Memory, and what the C library and the end do, is not the question here.
plan=$(sed 's/^[0-9]* *//' /tmp/tester/trace | grep -oE '^[a-z_0-9]+\(' | tr -d '(' |
    grep -vE '^(execve|exit|exit_group|brk|mmap|munmap|mprotect|madvise|arch_prctl|set_tid_address|rt_sig.*|restart_syscall|wait4|waitid|sigaltstack|gettid|getpid|getppid|getuid|geteuid|getgid|getegid)$' |
    sort | uniq -c)
tried=0 wrong=''
while read -r count call; do
    for ((n = 1; n <= count && n <= 3; n++)); do
        run env target=$target sh -c "$start" sh -e inject=$call:error=ENOMEM:when=$n
        tried=$((tried + 1))
        case $status:$stdout in
        '0:1 '*) ;;
        '0:0 0' | '0:0 1') [ -n "$stderr" ] || wrong+="$call $n: no message"$'\n' ;;
        *) wrong+="$call $n: $status $stdout $stderr"$'\n' ;;
        esac
        left=$(portds)
        if [ -n "$left" ]; then $client gone $left || wrong+="$call $n: a process is left"$'\n'; fi
        if [ -e /tmp/tester/api ]; then
            [ $call = unlink ] || [ $call = lstat ] || [ $call = newfstatat ] || wrong+="$call $n: the API socket is left"$'\n'
            rm /tmp/tester/api
        fi
    done
done <<<"$plan"
is "$wrong" '' 'each fault ends well'
ok "$tried faults" test $tried -gt 80
rm /tmp/tester/fifo /tmp/tester/trace
finish ns
nothing_left 'nothing is left'
done_testing
