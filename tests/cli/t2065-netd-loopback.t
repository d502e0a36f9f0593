#!/bin/bash
# --disable-host-loopback: no way to a loopback address of the host, whatever frames the guest writes.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

# Says who came to the host's loopback, one a line: every address of 127.0.0.0/8 and ::1, TCP and UDP.
guard='
import select, socket, sys
poll, socks = select.poll(), {}
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.53"), (socket.AF_INET, "127.1.2.3"), (socket.AF_INET6, "::1")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, 8000))
        if kind == socket.SOCK_STREAM:
            s.listen(64)
        socks[s.fileno()] = (s, address)
        poll.register(s, select.POLLIN)
poll.register(0, select.POLLIN)
print("ready", flush=True)
while True:
    for fd, _ in poll.poll():
        if fd == 0:
            if not sys.stdin.readline():
                sys.exit()
            print("none", flush=True)
            continue
        s, address = socks[fd]
        if s.type == socket.SOCK_STREAM:
            s.accept()[0].close()
        else:
            s.recv(100)
        print(s.type.name, address, flush=True)
'
# Every frame that might lead there: TCP and UDP (whole, in fragments, with options), from likely and unlikely addresses.
cat >/tmp/tricks.py <<'E2'
import sys
sys.argv[1:] = ["tap0", "arp", "1"]
sys.path.insert(0, sys.path[0])
exec(open(PATH).read().rsplit("interface, kind", 1)[0])
link = Link("tap0")
a4, a6 = socket.inet_aton, lambda text: socket.inet_pton(socket.AF_INET6, text)
targets4 = ["10.0.2.2", "10.0.2.3", "10.0.2.1", "10.0.2.0", "10.0.2.255", "127.0.0.1", "127.0.0.53", "127.1.2.3", "0.0.0.0", "0.0.0.1", "255.255.255.255", "224.0.0.1"]
targets6 = ["fd00::2", "fd00::3", "fd00::5", "fd00::", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1", "fe80::2", "fe80::3", "ff02::1", "2002:7f00:1::"]
sources4 = ["10.0.2.100", "127.0.0.1", "10.0.2.2", "10.0.2.3", "0.0.0.0", "192.0.2.2"]
sources6 = ["fd00::100", "::1", "fd00::2", "::ffff:127.0.0.1", "fe80::1"]
port = 20000
for targets, sources, make, ip in ((targets4, sources4, a4, ip4), (targets6, sources6, a6, ip6)):
    for target in map(make, targets):
        for source in map(make, sources):
            port += 1
            syn_ = tcp(source, target, port, 8000, 7, 2)
            datagram = udp(source, target, port, 8000, b"x" * 40)
            link.ip(ip(source, target, 6, syn_))
            link.ip(ip(source, target, 17, datagram))
            if ip is ip4:
                link.ip(ip4(source, target, 17, datagram[:16], port, 0x2000))
                link.ip(ip4(source, target, 17, datagram[16:], port, 2))
                link.ip(ip4(source, target, 6, syn_[:16], port + 1000, 0x2000))
                link.ip(ip4(source, target, 6, syn_[16:], port + 1000, 2))
                # A destination that a source route would change on the way.
                option = b"\x83\x07\x04" + a4("127.0.0.1") + b"\0"
                head = struct.pack(">BBHHHBBH4s4s", 0x47, 0, 28 + len(syn_), 0, 0, 64, 6, 0, source, target) + option
                link.ip(head[:10] + struct.pack(">H", checksum(head)) + head[12:] + syn_)
            else:
                # A routing header, and a fragment header.
                link.ip(ip6(source, target, 43, b"\x06\x02\x00\x01" + bytes(4) + a6("::1") + syn_))
                link.ip(ip6(source, target, 44, b"\x06\0\0\0" + bytes(4) + syn_))
                link.ip(ip6(source, target, 0, b"\x06\0\1\4" + bytes(4) + syn_))
print("sent")
E2
sed -i "s#open(PATH)#open('$TOP/tests/lib/hostile.py')#" /tmp/tricks.py
chmod 644 /tmp/tricks.py

for way in "${ways[@]}"; do
    choose "$way"
    launch guard python3 -c "$guard"
    for mode in closed open; do
        api=/tmp/$([ $who = root ] && echo root || echo tester)/api
        hold
        if [ $mode = closed ]; then start_netd netd -c -6 --disable-host-loopback --api-socket=$api $target tap0; else start_netd netd -c -6 $target tap0; fi
        inside python3 /tmp/tricks.py
        out_is sent "all kinds of frames for the host's loopback, $mode ($link)"
        # What came before this exchange has been dealt with; and connections to dead addresses hinder nobody.
        inside curl -sS http://203.0.113.80/
        out_is 'hello from outside' 'and the network works'
        if [ $mode = closed ]; then
            inside ping -c 1 -W 1 127.0.0.1 # the guest's own
            # What a port is forwarded to is the guest's side of the link, never the host's.
            for address in 127.0.0.1 10.0.2.2 192.0.2.2; do
                request $api '{"execute":"add_hostfwd","arguments":{"proto":"udp","host_addr":"192.0.2.2","host_port":8100,"guest_addr":"'$address'","guest_port":8000}}'
                number=$(json 'd["return"]["id"]' <<<"$stdout")
                run env CLIENT_DEADLINE=1 $client udp 192.0.2.2 8100
                request $api '{"execute":"remove_hostfwd","arguments":{"id":'"$number"'}}'
            done
            tell guard ''
            hear guard
            is "$line" none 'nothing got through'
        else
            for address in 10.0.2.2 fd00::2; do
                inside $client connect $address 8000
                out_is connected "without the option the gateway $address is the host"
            done
            heard=''
            tell guard ''
            while hear guard && [ "$line" != none ]; do heard+="$line;"; done
            like "$heard" 'SOCK_STREAM 127\.0\.0\.1;' 'and frames do get there'
            like "$heard" 'SOCK_DGRAM ::1;' 'by IPv6 too'
            unlike "$heard" '127\.0\.0\.53|127\.1\.2\.3' 'but to no other address of it'
        fi
        finish netd
        finish holder
    done
    finish guard
done
rm /tmp/tricks.py
nothing_left 'nothing is left'
done_testing
