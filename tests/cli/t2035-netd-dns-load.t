#!/bin/bash
# DNS through netd in numbers and sizes, and how far the host's loopback can be reached by it.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

# A guest that plays the same SYN again when its connection is over, as a raw frame. For each line of input: a SYN, and what comes back.
cat >/tmp/replay.py <<E
import sys
exec(open("$TOP/tests/lib/hostile.py").read().rsplit("interface, kind", 1)[0])
E
cat >>/tmp/replay.py <<'E'
link, me, server = Link("tap0"), socket.inet_aton("10.0.2.77"), socket.inet_aton("10.0.2.3")
heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
heard.bind(("tap0", 3))
def send(port, seq, flags, ack=0):
    link.ip(ip4(me, server, 6, tcp(me, server, port, 53, seq, flags, b"", ack)))
def answer(*ports):
    while True:
        f = heard.recv(65536)
        if f[12:14] == b"\x08\0" and f[23] == 6 and f[30:34] == me:
            sport, port, seq, ack, _, flags = struct.unpack(">HHIIBB", f[34:48])
            if sport == 53 and port in ports and flags & 2:
                return port, seq
send(40000, 1000, 2)
port, seq = answer(40000)
send(40000, 1001, 16, seq + 1)
print("open", flush=True)
sys.stdin.readline()
send(40000, 1001, 4)
send(40001, 7, 2)  # what came before it has been dealt with when this is answered
print("closed", answer(40001)[0], flush=True)
sys.stdin.readline()
for flags in 2, 2 | 8, 0xc2:
    send(40000, 1000, flags)
send(40002, 7, 2)
print("answered", answer(40000, 40002)[0], flush=True)
E
chmod 644 /tmp/replay.py
# Somebody of the host who gets the port that a connection of netd's has had; says who came when asked.
squatter='
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
s.setblocking(False)
print("ready", flush=True)
sys.stdin.readline()
try:
    s.accept()
    print("connected", flush=True)
except BlockingIOError:
    print("nobody", flush=True)
'
fds() { find "/proc/${pid[netd]}/fd" -mindepth 1 | wc -l; }
listeners() { ss -Hltn | wc -l; }
for way in "${ways[@]}"; do
    choose "$way"
    hold
    before=$(listeners)
    start_netd netd -c -6 $target tap0
    is "$(listeners)" "$before" "netd listens on nothing ($link)"
    inside $client dns 10.0.2.3 web.test
    at_first=$(fds) # from the first query on resolv.conf is watched
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
    # A port of the host's loopback that was netd's own for a moment is not reached by playing the connection's beginning again.
    hold
    start_netd netd -c --disable-host-loopback $target tap0
    launch replay nsenter --preserve-credentials -U -n -t $target -- python3 /tmp/replay.py
    is "$line" open "a connection by raw frames ($link)"
    led=$(ss -Htn state established src 127.0.0.1 dst 127.0.0.1 | awk '{ sub(".*:", "", $3); sub(".*:", "", $4); print $3; print $4 }' | sort -u)
    tell replay go
    hear replay
    is "$line" 'closed 40001' 'and its end'
    count=0
    for port in $led; do
        launch squatter$((++count)) python3 -c "$squatter" "$port"
    done
    is "$count" 2 'its two ports are taken by others'
    tell replay go
    hear replay
    is "$line" 'answered 40002' 'the same beginning once more has no answer'
    for ((i = 1; i <= count; i++)); do
        tell squatter$i ''
        hear squatter$i
        is "$line" nobody 'and nobody comes to the port'
        finish squatter$i
    done
    finish replay
    finish netd
    finish holder
    finish stub
    printf 'nameserver 192.0.2.1\n' >/etc/resolv.conf
done
rm /tmp/replay.py
nothing_left 'nothing is left'
done_testing
