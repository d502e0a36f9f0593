#!/bin/bash
# podman with runc, on the machine's own cgroups, with our executable in the place of slirp4netns; and buildah beside it.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
mount --make-rshared / # what podman expects of the machine

rootfs=/tmp/tester/rootfs
mkdir -p $rootfs/{bin,proc,sys,dev,etc,tmp,run,usr,tests}
cp "$(type -P busybox)" $rootfs/bin
for name in sh cat ip wget; do ln -s busybox $rootfs/bin/$name; done
printf 'FROM scratch\nCOPY bin /bin\nRUN wget -q -O - http://web.test/\n' >$rootfs/Containerfile
chown -R tester:tester $rootfs
LIMIT=30
who=user
podman="podman --cgroup-manager=cgroupfs --runtime=runc --storage-driver=vfs --network-cmd-path=$aliases/slirp4netns"
launch loopback $servers --hello 'host loopback' http:127.0.0.1:8000
run $podman run --rm --network=slirp4netns:enable_ipv6=true --rootfs $rootfs sh -c 'ip addr show dev tap0; wget -q -O - http://203.0.113.80/; wget -q -O - http://web.test/; wget -q -O - "http://[2001:db8::80]/"'
status_is 0 'podman run with runc'
out_like '10\.0\.2\.100/24.*fd00:.*hello from outside.hello from outside.hello from outside$' 'has a network'
run $podman run --rm --network=slirp4netns --rootfs $rootfs wget -q -T 5 -O - http://10.0.2.2:8000/
status_isnt 0 "the host's loopback is closed"
run $podman run --rm --network=slirp4netns:allow_host_loopback=true,outbound_addr=eth0,mtu=9000 --rootfs $rootfs sh -c 'cat /sys/class/net/tap0/mtu; wget -q -O - http://10.0.2.2:8000/; wget -q -O - http://203.0.113.80/client'
out_like $'^9000\nhost loopback\n192\.0\.2\.2 ' 'its options'
# A UDP port and a TCP port, by both of podman's ways. (libslirp answers no datagram from the host's loopback while that is closed: another address.)
for name in lib lib64; do ln -s usr/$name $rootfs/$name; done
for handler in slirp4netns rootlesskit; do
    launch c $podman run --interactive --rm --network=slirp4netns:port_handler=$handler --publish=192.0.2.2:8007:7/udp --publish=127.0.0.1:8080:7/tcp \
        --volume=/usr:/usr:ro --volume=$TOP/tests/lib:/tests:ro --rootfs $rootfs /usr/bin/python3 -S /tests/servers.py echo:0.0.0.0:7
    is "$line" ready "published ports, port_handler=$handler"
    netd=$(pgrep -x slirp4netns)
    run $client udp 192.0.2.2 8007 'a datagram'
    out_is 'a datagram' 'UDP'
    run $client tcp 127.0.0.1 8080 'some bytes'
    out_is 'some bytes' 'TCP'
    finish c
    status_is 0 'the end'
    ok 'with which our process ends' $client gone "$netd"
done
run env PATH=$aliases:/run/rootlet/bin:/usr/sbin:/usr/bin:/sbin:/bin buildah --storage-driver=vfs bud --isolation=rootless --runtime=runc $rootfs
status_is 0 'buildah with runc'
out_like 'hello from outside' 'has a network'
finish loopback
done_testing
