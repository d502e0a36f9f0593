#!/bin/bash
# A real caller: podman with our executable in the place of slirp4netns, run by an ordinary user.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2
mount --make-rshared / # what podman expects of the machine

rootfs=/tmp/tester/rootfs
mkdir -p $rootfs/{bin,proc,sys,dev,etc,tmp,run,www}
cp "$(type -P busybox)" $rootfs/bin
for name in sh cat ip wget httpd; do ln -s busybox $rootfs/bin/$name; done
echo inside >$rootfs/www/index.html
chown -R tester:tester $rootfs
who=user
podman="podman --cgroup-manager=cgroupfs --runtime=crun --storage-driver=vfs --network-cmd-path=$aliases/slirp4netns"
launch loopback $servers --hello 'host loopback' http:127.0.0.1:8000

run $podman run --rm --network=slirp4netns --rootfs $rootfs sh -c 'cat /sys/class/net/tap0/mtu; ip -4 addr show dev tap0; ip route; cat /etc/resolv.conf; wget -q -O - http://203.0.113.80/; wget -q -O - http://web.test/'
status_is 0 'podman run --network=slirp4netns'
out_like '^65520.*10\.0\.2\.100/24.*default via 10\.0\.2\.2.*nameserver 10\.0\.2\.3.*hello from outside.hello from outside$' 'has a network'
run $podman run --rm --network=slirp4netns --rootfs $rootfs wget -q -O - http://10.0.2.2:8000/
status_isnt 0 "the host's loopback is closed"
run $podman run --rm --network=slirp4netns:allow_host_loopback=true,cidr=10.5.0.0/24,mtu=1500,enable_ipv6=true,outbound_addr=192.0.2.2 --rootfs $rootfs \
    sh -c 'cat /sys/class/net/tap0/mtu; ip addr show dev tap0; wget -q -O - http://10.5.0.2:8000/'
out_like '^1500.*10\.5\.0\.100/24.*fd00:.*host loopback$' 'its options'
for handler in slirp4netns rootlesskit; do
    launch web $podman run --interactive --rm --network=slirp4netns:port_handler=$handler --publish=8080:80 --rootfs $rootfs \
        sh -c 'httpd -p 80 -h /www && echo ready && exec cat'
    is "$line" ready "a server, port_handler=$handler"
    netd=$(pgrep -x slirp4netns)
    run curl -sS http://127.0.0.1:8080/
    out_is inside 'whose port is published'
    finish web
    status_is 0 'and its end'
    ok 'with which our process ends' $client gone "$netd"
done
finish loopback
done_testing
