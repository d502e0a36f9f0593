#!/bin/bash
# A real caller: RootlessKit with our executable in the place of slirp4netns.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

who=user
kit="/usr/bin/rootlesskit --net=slirp4netns --slirp4netns-binary=$aliases/slirp4netns --copy-up=/etc"
run $kit sh -c 'curl -sS http://203.0.113.80/ http://web.test/; cat /sys/class/net/tap0/mtu; ip -o -4 addr show dev tap0'
status_is 0 'RootlessKit with our slirp4netns'
out_like '^hello from outside.hello from outside.65520.*10\.0\.2\.100/24' 'has a network'
for how in '--mtu=1500' '--cidr=10.7.0.0/24' '--ifname=net1' '--ipv6' '--pidns --cgroupns --utsns --ipcns' \
    '--slirp4netns-sandbox=auto --slirp4netns-seccomp=auto' '--slirp4netns-sandbox=true --slirp4netns-seccomp=true'; do
    run $kit $how sh -c 'curl -sS http://web.test/; ls /sys/class/net; cat /sys/class/net/*/mtu; cat /etc/resolv.conf'
    status_is 0 "$how"
    out_like 'hello from outside' 'works'
done
launch loopback $servers --hello 'host loopback' http:127.0.0.1:8000
run $kit curl -sS http://10.0.2.2:8000/
out_is 'host loopback' "the host's loopback is open"
run $kit --disable-host-loopback curl -sS --max-time 3 http://10.0.2.2:8000/
status_isnt 0 'or closed'
run $kit --disable-host-loopback curl -sS http://web.test/
out_is 'hello from outside' 'and the rest is not'
finish loopback
for driver in slirp4netns builtin; do
    launch c $kit --pidns --state-dir /tmp/tester/state --port-driver=$driver -p 127.0.0.1:8080:80/tcp -p 127.0.0.1:8007:7/udp \
        $servers --hello inside http:0.0.0.0:80 echo:0.0.0.0:7
    run curl -sS http://127.0.0.1:8080/
    out_is inside "--port-driver=$driver: TCP"
    run $client udp 127.0.0.1 8007 'a datagram'
    out_is 'a datagram' 'UDP'
    for ctl in /usr/bin/rootlessctl 'rootlet ctl'; do
        ctl="$ctl --socket /tmp/tester/state/api.sock"
        run $ctl add-ports 127.0.0.1:8081:80/tcp
        status_is 0 "$ctl"
        number=$stdout
        run curl -sS http://127.0.0.1:8081/
        out_is inside 'opens a port'
        run $ctl list-ports
        out_like "$number +tcp +127\.0\.0\.1 +8081 +80" 'lists it'
        run $ctl remove-ports "$number"
        out_is "$number" 'and closes it'
        run $client connect 127.0.0.1 8081
        out_is ECONNREFUSED 'really'
    done
    finish c
done
run $client connect 127.0.0.1 8080
out_is ECONNREFUSED 'nothing stays open'
nothing_left 'nothing is left'
done_testing
