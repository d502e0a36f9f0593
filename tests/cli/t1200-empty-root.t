#!/bin/bash
# In a root directory that holds nothing but the executable (and the command), with /proc and an id map: no shell, no ip, no newuidmap,
# no /etc, no /dev, no /sys, no /tmp.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

empty=$TOP/tests/lib/empty-root.py
# The commands: programs that stand alone.
busybox=$(type -P busybox)

for who in root user; do
    dir=/tmp/$([ $who = root ] && echo root || echo tester)/empty
    mkdir -p $dir/proc
    cp "$ROOTLET" "$busybox" $dir
    cp "$busybox" $dir/wget
    [ $who = root ] || chown -R tester $dir
    for start in 'unshare --mount --pid --fork' 'unshare --user --map-root-user --map-auto --mount --pid --fork' \
        'unshare --user --map-root-user --mount --pid --fork' 'unshare --user --map-root-user --mount'; do
        [ "$who:${start#*--user}" != "user:$start" ] || continue # an ordinary user cannot mount without a user namespace
        for option in '' --ro; do
            in_empty() { run $start $empty $option $dir "$@"; }
            what="${start#unshare } $option:"
            in_empty /rootlet --version
            out_like '^rootlet ' "$what it starts"
            in_empty /rootlet run -- /busybox id -u
            status_is 0 "$what run"
            out_is 0 "$what is root"
            in_empty /rootlet run --net=slirp4netns -- /wget -q -O - http://203.0.113.80/
            status_is 0 "$what run --net=slirp4netns"
            out_is 'hello from outside' "$what has a network"
            in_empty /rootlet run --pidns --ipcns --utsns --net=slirp4netns -- /rootlet run --net=slirp4netns -- /wget -q -O - http://203.0.113.80/
            out_is 'hello from outside' "$what once more inside"
            in_empty /rootlet run --net=slirp4netns -- /busybox sh -c 'exit 5'
            status_is 5 "$what the command's status"
            in_empty /rootlet run -- /nowhere
            status_is 127 "$what not found"
        done
    done

    # A port published out of there, and somebody else's network namespace.
    start='unshare --user --map-root-user --map-auto --mount --pid --fork'
    launch c $start $empty $dir /rootlet run --pidns --net=slirp4netns --port-driver=builtin -p 127.0.0.1:8080:80/tcp -- \
        /busybox sh -c '/busybox mkdir /www; echo inside >/www/index.html; /busybox httpd -p 127.0.0.1:80 -h /www; echo ready; /busybox cat'
    is "$line" ready 'a server'
    run curl -sS http://127.0.0.1:8080/
    out_is inside 'is published'
    finish c
    rm -rf $dir
done
nothing_left 'nothing is left'
done_testing
