#!/bin/bash
# A real caller: buildah, whose build steps need the network, with our executable in the place of slirp4netns.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2
mount --make-rshared / # what buildah expects of the machine

context=/tmp/tester/context
mkdir -p $context/root/{bin,etc,tmp}
cp "$(type -P busybox)" $context/root/bin
for name in sh cat ip wget; do ln -s busybox $context/root/bin/$name; done
cat >$context/Containerfile <<'END'
FROM scratch
COPY root /
RUN ip -4 addr show dev tap0; ip route; cat /etc/resolv.conf; wget -q -O - http://203.0.113.80/; wget -q -O /page http://web.test/
RUN cat /page; wget -q -O - http://10.0.2.2:8000/
END
chown -R tester:tester $context
LIMIT=90
who=user
launch loopback $servers --hello 'host loopback' http:127.0.0.1:8000
buildah="env PATH=$aliases:/run/rootlet/bin:/usr/sbin:/usr/bin:/sbin:/bin buildah --storage-driver=vfs"
run $buildah bud --isolation=rootless --runtime=crun --tag=page $context
status_is 0 'buildah bud, with steps that need the network'
out_like 'mtu 65520 .*inet 10\.0\.2\.100/24 .*default via 10\.0\.2\.2 dev tap0.*nameserver 10\.0\.2\.3.*hello from outside' 'the first has it'
out_like 'hello from outside.*hello from outside.host loopback' "and the second; the host's loopback is open, as buildah asks for"
ok 'no netd is left' sh -c '! pgrep -x slirp4netns'
run $buildah images
out_like 'localhost/page' 'there is an image'
finish loopback
done_testing
