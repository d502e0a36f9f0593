#!/bin/bash
# Every protocol and family: which clients a published port is for, and which servers they reach, with a child address and without.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

notify=$TOP/tests/lib/notify.py
# answers WHAT: each of $clients gets an answer from the published port $port.
answers() {
    run $client each hello "${clients[@]/%/,$port}"
    is "$stdout$stderr" "$(printf 'hello\n%.0s' "${clients[@]}")" "$1"
}

for who in root user; do
    # Two servers of each family, at addresses that only one of them has.
    launch ns unshare -Urn sh -c 'ip link set lo up; ip addr add 10.1.1.1/32 dev lo; ip -6 addr add fd01::1/128 dev lo nodad; exec "$@"' sh \
        $servers echo:127.0.0.1:4 'echo:[::1]:6' echo:10.1.1.1:14 'echo:[fd01::1]:16' echo:0.0.0.0:40 'echo:[::]:60'
    specs=() n=0
    # Port 8000 and so on: each protocol to a server of IPv4, of IPv6, by address and without one.
    for proto in tcp tcp4 tcp6 udp udp4 udp6; do
        for child in 4 6 10.1.1.1:14 '[fd01::1]:16' 127.0.0.1:40 '[::1]:60'; do
            specs+=(-p "$((8000 + n)):$child/$proto")
            n=$((n + 1))
        done
    done
    launch f $notify rootlet forward --target ${pid[ns]} "${specs[@]}"
    like "$line" '^ready ' 'every protocol to servers of both families'
    n=0
    for proto in tcp tcp4 tcp6 udp udp4 udp6; do
        case $proto in
        *4) clients=(127.0.0.1 192.0.2.2) ;;
        *6) clients=(::1 fd00::2) ;;
        *) clients=(127.0.0.1 192.0.2.2 ::1 fd00::2) ;;
        esac
        clients=("${clients[@]/#/${proto%[46]},}")
        for child in 4 6 10.1.1.1:14 '[fd01::1]:16' 127.0.0.1:40 '[::1]:60'; do
            port=$((8000 + n)) n=$((n + 1))
            answers "$proto to $child"
        done
    done
    port=8006 # tcp4
    run $client connect ::1 $port
    out_is ECONNREFUSED 'tcp4 is not for clients of IPv6'
    run $client connect 127.0.0.1 8012
    out_is ECONNREFUSED 'tcp6 not for those of IPv4'
    run $client udp ::1 8024
    err_like 'ConnectionRefused' 'nor is udp4'
    run $client udp 127.0.0.1 8030
    err_like 'ConnectionRefused' 'and udp6'
    # From the world, whose addresses are kept inside where a server of the same family is there.
    caller=$who who=root
    for port in 8000 8001 8002 8003 8004 8005; do
        run in-world $client each hello tcp,{192.0.2.2,fd00::2},$port udp,{192.0.2.2,fd00::2},$((port + 18))
        is "$stdout$stderr" $'hello\nhello\nhello\nhello' "from another machine, port $port"
    done
    who=$caller
    finish f
    is "$status:$stderr" 0: 'without a word'
    finish ns
done
nothing_left 'nothing is left'
done_testing
