#!/bin/bash
# A guest that writes whatever it likes into its link: netd lives, its memory and descriptors stay bounded, and other connections move on.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

load=$TOP/tests/lib/load.py hostile=$TOP/tests/lib/hostile.py
LIMIT=60
in_guest() { launch "$1" nsenter --preserve-credentials -U -n -t "$target" -- "${@:2}"; }
fds() { find "/proc/${pid[netd]}/fd" -mindepth 1 | wc -l; }
high_water() { awk '/VmHWM/ { print $2 }' "/proc/${pid[netd]}/status"; }
moves() { # WHAT: both connections carry their 512 KiB there and back
    tell steady go
    hear steady
    is "$line" moved "$1"
    tell steady6 go
    hear steady6
    is "$line" moved "$1, by IPv6"
}
launch world in-world $load serve 203.0.113.80 9
launch world6 in-world $load serve 2001:db8::80 9
for way in 'root tap' 'user packet' 'user tap at MTU 65520'; do
    choose "${way% at MTU*}"
    case $way in
    'root tap') kinds='garbage:100000 mutated:100000 fragments:100000 spoofed:50000 poison:100 syn:100000 syn6:5000 arp:500000 ndp:500000 ports:65535 ping:20000' mtu=1500 ;;
    'user packet') kinds='garbage:20000 mutated:20000 fragments:20000 spoofed:20000 poison:100 syn:20000 syn6:5000 arp:50000 ndp:50000 ports:20000 ping:2000' mtu=1500 ;;
    *) kinds='garbage:5000 mutated:20000 fragments:20000 spoofed:20000 poison:100 syn:5000' mtu=65520 ;;
    esac
    hold
    start_netd netd -c -6 --mtu=$mtu $(no_fast) $target tap0
    in_guest steady $load steady 203.0.113.80 9
    in_guest steady6 $load steady 2001:db8::80 9
    for what in $kinds; do
        kind=${what%:*} count=${what#*:}
        spawn bad nsenter --preserve-credentials -U -n -t $target -- $hostile tap0 $kind $count
        moves "$link, MTU $mtu: $count x $kind: others move meanwhile"
        await bad
        out_is "sent $count" 'it was sent'
        moves 'and others move after it'
    done
    diag "$way: at most $(high_water) kB, now $(fds) descriptors"
    # 4096 half-open connections and 16384 UDP flows at some 16 KiB, and what there is besides.
    ok 'its memory has stayed in bounds' test "$(high_water)" -lt 400000
    ok 'and so have its descriptors' test "$(fds)" -lt 22000
    inside curl -sS http://203.0.113.80/ 'http://[2001:db8::80]/'
    out_is $'hello from outside\nhello from outside' 'new connections are made'
    inside $client dns 10.0.2.3 web.test
    out_is 203.0.113.80 'names are found'
    finish steady
    status_is 0 'the steady connection was never cut'
    finish steady6
    status_is 0 'nor the other one'
    finish netd
    status_is 0 'netd ends in order'
    err_is '' 'and had nothing to complain about'
    finish holder
done
finish world
finish world6

# Clients of the API that are silent, huge, or nothing but noise, by the hundred.
for way in "${ways[@]}"; do
    choose "$way"
    api=/tmp/$([ $who = root ] && echo root || echo tester)/api
    hold
    start_netd netd -c --api-socket=$api $target tap0
    launch crowd python3 -c '
import os, random, socket, sys
rand, held, cut = random.Random(1), [], 0
for number in range(3000):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])  # waits while there are too many
    s.settimeout(10)
    held.append(s)
    kind = number % 6
    try:
        if kind == 1:
            s.send(rand.randbytes(rand.randrange(4000)))
        elif kind == 2:
            s.send(b"{\"execute\":\"list_hostfwd\"" + b" " * 4000)
        elif kind == 3:
            s.send(b"[" * 4000)
        elif kind == 4:
            s.send(b"{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"tcp\",\"host_addr\":\"127.0.0.1\",\"host_port\":1,\"guest_port\":0}}")
        elif kind == 5:
            s.send(b"\"" * 5000)
            s.close()
    except OSError:
        cut += 1
    if len(held) > 500:
        held.pop(0).close()
print("there", flush=True)
sys.stdin.readline()
' $api
    is "$line" there '3000 clients of every bad kind'
    inside curl -sS http://203.0.113.80/
    out_is 'hello from outside' 'the network works'
    request $api '{"execute":"list_hostfwd"}'
    is "$(json 'd["return"]["entries"]' <<<"$stdout")" '[]' 'and so does the API'
    finish crowd
    ok 'memory' test "$(high_water)" -lt 20000
    finish netd
    status_is 0 'the end'
    finish holder
done
nothing_left 'nothing is left'
done_testing
