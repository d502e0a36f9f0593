#!/bin/bash
# `run --net`: the network that a command gets under each driver's name, and what it must not reach.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# Servers on the host's loopback, and on its own address.
launch loopback $servers --hello 'host loopback' http:127.0.0.1:8000 'http:[::1]:8000' dns:127.0.0.1:53 echo:127.0.0.1:8007
launch outward $servers --hello 'host address' http:192.0.2.2:8000
net='rootlet run --net=slirp4netns --copy-up=/etc'
sha=$(curl -sS http://203.0.113.80/sha256/5000000)
head -c 3000000 /dev/urandom >/tmp/upload
chmod 644 /tmp/upload
upload="$(sha256sum </tmp/upload | cut -d' ' -f1) 3000000"

for who in root user; do
    run $net sh -c 'ip -o -4 addr show dev tap0; ip -o link show dev tap0; ip route; ip -o addr show dev lo'
    status_is 0 'it comes up'
    err_is '' 'without a word'
    out_like 'inet 10\.0\.2\.100/24 ' 'the address is 10.0.2.100/24'
    out_like 'mtu 65520 ' "the MTU is the driver's default"
    out_like 'default via 10\.0\.2\.2 dev tap0' 'the default route'
    out_like 'inet 127\.0\.0\.1/8' 'lo is up'
    run $net sh -c 'cat /etc/resolv.conf; getent hosts localhost; cat /proc/sys/net/ipv4/tcp_congestion_control'
    out_like '^nameserver 10\.0\.2\.3' 'resolv.conf'
    out_like 'localhost' 'hosts'
    out_like '(cubic|reno)$' 'a congestion control that does not pace'
    run $net sh -c 'getent hosts "$(hostname)"'
    status_is 0 'the own host name resolves'
    run $net curl -sS http://203.0.113.80/ http://web.test/
    out_is $'hello from outside\nhello from outside' 'HTTP, by address and by name'
    run $net curl -sS http://203.0.113.80/client
    out_like '^192\.0\.2\.2 ' "the world sees the host's address"
    run $net sh -c 'curl -sS http://203.0.113.80/bytes/5000000 | sha256sum'
    out_like "^$sha" '5 MB arrive as they were sent'
    run $net curl -sS --data-binary @/tmp/upload http://203.0.113.80/
    out_is "$upload" '3 MB leave as they are'
    run $net sh -c "for p in 1 2 3 4; do curl -sS http://203.0.113.80/bytes/1000000 | wc -c & done; wait"
    out_is $'1000000\n1000000\n1000000\n1000000' 'four at the same time'
    run $net $client tcp 203.0.113.80 7 'half closed'
    out_is 'half closed' 'an end in one direction leaves the other one open'
    run $net $client udp 203.0.113.80 7 'a datagram'
    out_is 'a datagram' 'UDP'
    run $net $client connect 203.0.113.80 81
    out_is ECONNREFUSED 'a port that nobody serves refuses'
    run $net sh -c "$client dns 10.0.2.3 web.test; $client dns 10.0.2.3 web.test AAAA; $client dns 10.0.2.3 nowhere.test"
    out_is $'203.0.113.80\n2001:db8::80\nNXDOMAIN' 'DNS over UDP'
    run $net sh -c "$client dns 10.0.2.3 big.test; $client dns 10.0.2.3 big.test A tcp | wc -l"
    out_is $'TRUNCATED\n100' 'a long answer, over TCP'

    run rootlet run --net=slirp4netns sh -c 'cat /etc/resolv.conf; curl -sS http://web.test/'
    out_like 'nameserver 10\.0\.2\.3.*hello from outside' 'without --copy-up=/etc a name resolves, too'
    err_like '/etc' 'with a warning'
    is "$(cat /etc/resolv.conf)" 'nameserver 192.0.2.1' "the host's resolv.conf is what it was"

    # --- other numbers
    run $net --mtu=1500 sh -c 'cat /sys/class/net/tap0/mtu; curl -sS http://203.0.113.80/bytes/5000000 | sha256sum'
    out_like "^1500.$sha" '--mtu=1500'
    run $net --mtu=0 cat /sys/class/net/tap0/mtu
    out_is 65520 "--mtu=0 is the driver's default"
    run $net --cidr=10.9.8.0/24 sh -c 'ip -o -4 addr show dev tap0; ip route; cat /etc/resolv.conf; curl -sS http://web.test/'
    out_like '10\.9\.8\.100/24.*default via 10\.9\.8\.2.*nameserver 10\.9\.8\.3.*hello from outside' '--cidr'
    run $net --ifname=eth7 sh -c 'ls /sys/class/net; curl -sS http://web.test/'
    out_is $'eth7\nlo\nhello from outside' '--ifname'
    run $net --ipv6 sh -c 'ip -6 -o addr show dev tap0 scope global; ip -6 route; curl -sS "http://[2001:db8::80]/"; curl -sS -6 http://web.test/'
    out_like 'fd00:.*default via fd00::2.*hello from outside.*hello from outside' '--ipv6'
    err_is '' 'without a word'

    # --- the host's loopback
    open="$net --host-loopback"
    run $open curl -sS http://10.0.2.2:8000/
    out_is 'host loopback' "--host-loopback: the gateway is the host's loopback"
    run $open $client udp 10.0.2.2 8007 'to loopback'
    out_is 'to loopback' '--host-loopback: over UDP, too'
    run $aliases/rootlesskit --net=slirp4netns --copy-up=/etc curl -sS http://10.0.2.2:8000/
    out_is 'host loopback' "under the name rootlesskit without being asked, as its users expect"
    run $net curl -sS http://192.0.2.2:8000/
    out_is 'host address' "and the host's own address is itself"
    closed="$aliases/rootlesskit --net=slirp4netns --copy-up=/etc --disable-host-loopback"
    for address in 10.0.2.2 10.0.2.3 127.0.0.1; do
        for how in "$closed" "$net"; do
            run $how curl -sS --max-time 3 "http://$address:8000/"
            status_isnt 0 "--disable-host-loopback, or run's default: not through $address"
            out_is '' 'not a byte'
        done
    done
    for address in '[fd00::2]' '[fd00::3]' '[::1]' '[::ffff:127.0.0.1]' '[::ffff:10.0.2.2]'; do
        run $closed --ipv6 curl -sS -g --max-time 3 "http://$address:8000/"
        status_isnt 0 "--disable-host-loopback: not through $address"
        out_is '' 'not a byte'
    done
    run $closed env CLIENT_DEADLINE=1 $client udp 10.0.2.2 8007 'to loopback'
    out_is '' '--disable-host-loopback: not over UDP'
    run $closed curl -sS http://web.test/ http://192.0.2.2:8000/
    out_is $'hello from outside\nhost address' 'everything else works still'
    echo 'nameserver 127.0.0.1' >/etc/resolv.conf
    run $closed getent hosts web.test
    out_like '2001:db8::80|203.0.113.80' "and names, when the host's resolver is on its loopback"
    echo 'nameserver 192.0.2.1' >/etc/resolv.conf

    # --- other drivers' names are other address plans
    run rootlet run --net=vpnkit --host-loopback --copy-up=/etc sh -c 'ip -o -4 addr; ip route; cat /etc/resolv.conf; curl -sS http://web.test/ http://192.168.65.2:8000/'
    out_like '192\.168\.65\.3/24.*default via 192\.168\.65\.1.*nameserver 192\.168\.65\.1.*hello from outside.host loopback' '--net=vpnkit'
    run rootlet run --net=gvisor-tap-vsock --copy-up=/etc sh -c 'ip -o -4 addr; ip route; cat /etc/resolv.conf; curl -sS http://web.test/'
    out_like '10\.0\.2\.100/24.*default via 10\.0\.2\.1.*nameserver 10\.0\.2\.1.*hello from outside' '--net=gvisor-tap-vsock'
    for driver in pasta vdeplug_slirp; do
        run rootlet run --net=$driver --copy-up=/etc curl -sS http://web.test/
        out_is 'hello from outside' "--net=$driver"
    done

    # --- none, host
    run rootlet run --net=none sh -c "ls /sys/class/net; $client connect 127.0.0.1 1; $client connect 203.0.113.80 80"
    out_is $'lo\nECONNREFUSED\nENETUNREACH' '--net=none: lo is up, and nothing else is there'
    run rootlet run --net=host sh -c "curl -sS http://127.0.0.1:8000/ http://web.test/"
    out_is $'host loopback\nhello from outside' "--net=host: the host's network"

    # --- both kinds of link
    run $net --link=tap curl -sS http://web.test/
    out_is 'hello from outside' '--link=tap'
    run $net --link=packet sh -c 'curl -sS http://web.test/ && curl -sS http://203.0.113.80/bytes/5000000 | sha256sum'
    out_like "^hello from outside.$sha" '--link=packet'
    run $net --link=packet curl -sS --data-binary @/tmp/upload http://203.0.113.80/
    out_is "$upload" '--link=packet: 3 MB leave as they are'
done
finish loopback
finish outward
nothing_left 'nothing is left'
done_testing
