#!/bin/bash
# A machine without /dev/net/tun: the link is a packet socket.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --no-tun

sha=$(curl -sS http://203.0.113.80/sha256/5000000)
head -c 3000000 /dev/urandom >/tmp/upload
chmod 644 /tmp/upload
upload="$(sha256sum </tmp/upload | cut -d' ' -f1) 3000000"
for who in root user; do
    for mtu in 1500 65520; do
        net="rootlet run --net=slirp4netns --mtu=$mtu --copy-up=/etc"
        run $net sh -c 'cat /sys/class/net/tap0/mtu; ip -o -4 addr show dev tap0; curl -sS http://web.test/ && curl -sS http://203.0.113.80/bytes/5000000 | sha256sum'
        status_is 0 "MTU $mtu"
        out_like "^$mtu.*10\.0\.2\.100/24.*hello from outside.$sha" "MTU $mtu: name, address, 5 MB"
        run $net curl -sS --data-binary @/tmp/upload http://203.0.113.80/
        out_is "$upload" "MTU $mtu: 3 MB out"
        run $net $client udp 203.0.113.80 7 'a datagram'
        out_is 'a datagram' "MTU $mtu: UDP"
        run $net --ipv6 curl -sS -6 http://web.test/
        out_is 'hello from outside' "MTU $mtu: IPv6"
    done
    run rootlet run --net=slirp4netns --link=tap true
    status_is 1 '--link=tap cannot be'
    err_like '/dev/net/tun' 'and says why'
    run rootlet run --net=slirp4netns --link=string true
    status_is 1 'a link that is none'
    err_like 'string' 'is named'
done
nothing_left 'nothing is left'
done_testing
