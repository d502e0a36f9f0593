#!/bin/bash
# forward for podman's containers, which know nothing of it: without a network of their own, and with podman's slirp4netns.
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
notify=$TOP/tests/lib/notify.py
who=user
podman="podman --cgroup-manager=cgroupfs --runtime=crun --storage-driver=vfs --network-cmd-path=$aliases/slirp4netns"

for network in none slirp4netns; do
    launch web $podman run --name web --interactive --rm --network=$network --rootfs $rootfs sh -c 'httpd -p 80 -h /www && echo ready && exec cat'
    is "$line" ready "a container, --network=$network"
    run $podman inspect -f '{{.State.Pid}} {{.NetworkSettings.SandboxKey}}' web
    read -r target path <<<"$stdout"
    like "$target" '^[1-9]' 'whose process podman tells'
    launch f $notify rootlet forward --target $target -p 8080:80/tcp
    like "$line" '^ready ' 'forward by that'
    run curl -sS http://127.0.0.1:8080/ http://192.0.2.2:8080/ 'http://[::1]:8080/'
    out_is $'inside\ninside\ninside' 'its port is published'
    caller=$who who=root
    launch g $notify rootlet forward --target $target -p 127.0.0.1:8081:80/tcp
    run curl -sS http://127.0.0.1:8081/
    out_is inside 'by root, too'
    finish g
    who=$caller
    if [ -n "$path" ]; then
        launch g $podman unshare $notify rootlet forward --netns $path -p 127.0.0.1:8081:80/tcp
        run curl -sS http://127.0.0.1:8081/
        out_is inside "by its path, which is there in podman's own namespaces only"
        finish g
        run rootlet forward --netns $path -p 127.0.0.1:8081:80/tcp
        status_is 1 'outside of these'
        err_like "'$path' is no network namespace .*unmounted" 'it is none'
    fi
    finish web
    await f
    status_is 0 'forward ends with the container'
    err_like "process $target has ended" 'and says so'
done
like "$path" '/netns/' 'one had a path'
done_testing
