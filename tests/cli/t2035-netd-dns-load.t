#!/bin/bash
# DNS through netd in numbers and sizes, and how far the host's loopback can be reached by it.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

fds() { find "/proc/${pid[netd]}/fd" -mindepth 1 | wc -l; }
listeners() { ss -Hltn | wc -l; }
for way in "${ways[@]}"; do
    choose "$way"
    hold
    before=$(listeners)
    start_netd netd -c -6 $target tap0
    is "$(listeners)" "$before" "netd listens on nothing ($link)"
    at_first=$(fds)
    inside env CLIENT_DEADLINE=60 $client asks 10.0.2.3 web.test 5000
    out_is '5000 answers' '5000 queries'
    inside $client asks fd00::3 web.test 500
    out_is '500 answers' 'and 500 over IPv6'
    is "$(fds)" "$at_first" 'leave no socket behind'
    for server in 10.0.2.3 fd00::3; do
        inside $client asks $server web.test 200 tcp
        out_is '200 answers' "200 connections to $server"
    done
    # A connection that says nothing keeps nobody from asking, and nothing listens for it.
    launch idle nsenter --preserve-credentials -U -n -t $target -- python3 -c 'import socket, sys; s = [socket.create_connection((a, 53)) for a in ("10.0.2.3", "fd00::3") * 4]; print("open", flush=True); sys.stdin.read()'
    inside $client dns 10.0.2.3 web.test A tcp
    out_is 203.0.113.80 'beside idle connections'
    is "$(listeners)" "$before" 'whose listeners are gone'
    finish idle
    # More of them than there may be: those are turned away, the others go on.
    inside python3 -c '
import socket
held, refused = [], 0
for i in range(140):
    try:
        held.append(socket.create_connection(("10.0.2.3", 53), 10))
    except ConnectionRefusedError:
        refused += 1
print(len(held), "held", refused, "refused")'
    out_is '128 held 12 refused' 'so many at a time, and one more is refused'
    inside $client dns 10.0.2.3 web.test A udp
    out_is 203.0.113.80 'queries are answered'
    inside $client dns 10.0.2.3 big.test A edns
    out_is TRUNCATED 'an answer that the client has room for and the link has not'
    finish netd
    status_is 0 'the end'
    finish holder

    hold
    start_netd netd -c --mtu=65520 $target tap0
    inside sh -c "$client dns 10.0.2.3 big.test A edns | wc -l"
    out_is 100 'one that both have room for'
    finish netd
    finish holder

    # systemd's stub resolver, and something else on the host's loopback.
    caller=$who who=root
    launch stub $servers --hello secret dns:127.0.0.53:53 http:127.0.0.53:8000 http:127.0.0.1:8000
    who=$caller
    printf 'nameserver 127.0.0.53\n' >/etc/resolv.conf
    hold
    start_netd netd -c --disable-host-loopback $target tap0
    for how in udp tcp; do
        inside $client dns 10.0.2.3 who.test A $how
        out_is 127.0.0.53 "$how: a resolver on the host's loopback, with --disable-host-loopback"
    done
    for address in 10.0.2.2 10.0.2.3 127.0.0.53; do
        inside env CLIENT_DEADLINE=1 $client connect $address 8000
        out_unlike '^connected' "nothing else is there: $address"
    done
    inside env CLIENT_DEADLINE=1 $client dns 10.0.2.2 who.test
    status_isnt 0 'nor by the gateway'
    finish netd
    finish holder
    hold
    start_netd netd -c --disable-dns --disable-host-loopback $target tap0
    for how in udp tcp; do
        inside env CLIENT_DEADLINE=1 $client dns 10.0.2.3 who.test A $how
        status_isnt 0 "$how: not with --disable-dns"
    done
    finish netd
    finish holder
    finish stub
    printf 'nameserver 192.0.2.1\n' >/etc/resolv.conf
done
nothing_left 'nothing is left'
done_testing
