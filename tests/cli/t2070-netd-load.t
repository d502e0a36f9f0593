#!/bin/bash
# Ten thousand connections, and as many UDP flows, through libslirp at a time; fewer on the packet link, where nothing differs but the link.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

load=$TOP/tests/lib/load.py
LIMIT=90
count=10000
ulimit -Sn "$(ulimit -Hn)"
ok 'there are descriptors enough for this test' test "$(ulimit -n)" -gt $((count + 1000)) || diag "raise the hard limit of open files (now $(ulimit -Hn))"
in_guest() { launch "$1" nsenter --preserve-credentials -U -n -t "$target" -- "${@:2}"; }
memory() { awk '/VmRSS/ { print $2 }' "/proc/${pid[netd]}/status"; }
fds() { find "/proc/${pid[netd]}/fd" -mindepth 1 | wc -l; }
launch world in-world $load serve 203.0.113.80 9
for way in "${ways[@]}"; do
    choose "$way"
    if [ $link = tap ]; then count=10000; else count=4000; fi
    for kind in tcp udp; do
        hold
        start_netd netd -c --disable-dns $(no_fast) $target tap0
        idle=$(memory)
        in_guest many $load $kind 203.0.113.80 9 $count
        is "$line" "open $count" "$count flows, $kind ($link)"
        in_guest steady $load steady 203.0.113.80 9
        tell many go
        tell steady go
        hear steady
        is "$line" moved 'another connection moves on beside them'
        hear many
        is "$line" "echoed $count" 'each of them carries what it is given'
        ok 'each has a socket of its own' test "$(fds)" -gt $count
        full=$(memory)
        diag "$kind, $link: $idle kB idle, $full kB with $count, $(((full - idle) * 1024 / count)) bytes each"
        ok 'memory for each is in bounds' test $((full - idle)) -lt $((count * 24))
        finish many
        status_is 0 'none was cut'
        finish steady
        finish netd
        status_is 0 'the end'
        finish holder
    done
done
finish world
nothing_left 'nothing is left'
done_testing
