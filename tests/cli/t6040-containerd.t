#!/bin/bash
# A real caller: Debian's containerd, started and entered as containerd-rootless.sh and nerdctl do it, with our executable as rootlesskit.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2
# shellcheck source=tests/lib/docker.sh
. "$TOP/tests/lib/docker.sh"
who=user
name=docker.io/library/small:latest
image /tmp/small.tar
"$TOP/tests/lib/oci-image.py" /tmp/small.tar $name /tmp/image.tar && chmod 644 /tmp/image.tar
state=$runtime/containerd-rootless
data=/home/tester/.local/share/containerd
mkdir -p /run/containerd /var/lib/containerd 2>/dev/null
cat >/tmp/inside <<'END_INSIDE'
#!/bin/sh
# The second stage: what came along from outside goes, what is the user's comes in its place.
set -e -x
rm -f /run/containerd /run/xtables.lock /var/lib/containerd /var/lib/cni /etc/containerd
for pair in "$XDG_RUNTIME_DIR/containerd /run/containerd" "$HOME/.local/share/containerd /var/lib/containerd"; do
    set -- $pair
    mkdir -p "$1" "$2"
    mount --bind "$1" "$2"
done
exec containerd
END_INSIDE
chmod 755 /tmp/inside

for how in '' '--detach-netns' '--pidns --cgroupns --ipcns --utsns --evacuate-cgroup2=containerd'; do
    launch d $peer_env "$TOP/tests/lib/notify.py" $aliases/rootlesskit --state-dir=$state --net=slirp4netns --mtu=65520 \
        --slirp4netns-sandbox=auto --slirp4netns-seccomp=auto --disable-host-loopback --port-driver=builtin \
        --copy-up=/etc --copy-up=/run --copy-up=/var/lib --propagation=rslave $how /tmp/inside
    like "$line" '^ready' "containerd is ready $how"
    # nerdctl's way in; a detached network namespace is joined by the containers alone.
    kinds='-m -U -n -F' network=--net-host
    case $how in
    *detach*) kinds='-m -U -F' network="--with-ns network:$state/netns" ;;
    *pidns*) kinds='-m -U -n -p -C' ;;
    esac
    # ctr asks for cpu shares, which cannot be where the cgroup tree has no such controller.
    network="--cpu-shares=0 $network"
    ctr() { run $peer_env nsenter --preserve-credentials $kinds -t "$(cat $state/child_pid)" -- ctr "$@"; }
    ctr image import /tmp/image.tar
    status_is 0 'ctr image import'
    ctr snapshots --snapshotter overlayfs ls
    out_like 'sha256:.* Committed' "into the kernel's overlay"
    ctr run --rm $network $name c1 sh -c 'id -u; cat /sys/class/net/tap0/mtu; wget -q -O - http://203.0.113.80/; exit 3'
    status_is 3 'ctr run'
    out_is $'0\n65520\nhello from outside' 'with a network'
    ctr run -d $network --mount type=bind,src=/usr,dst=/usr,options=rbind:ro --mount "type=bind,src=$TOP/tests/lib,dst=/tests,options=rbind:ro" \
        $name web sh -c "mkfifo /fifo; $run_servers <>/fifo"
    status_is 0 'a container in the background'
    run rootlet ctl --socket $state/api.sock add-ports 0.0.0.0:8080:80/tcp
    status_is 0 'whose port is published'
    run curl -sS --retry 5 --retry-all-errors http://192.0.2.2:8080/
    out_is inside 'and reached'
    ctr task exec --exec-id e1 web cat /proc/1/comm
    out_is sh 'ctr task exec'
    ctr task exec --user 1000:1001 --exec-id e2 web sh -c 'touch /tmp/file; id -u'
    out_is 1000 'as another user'
    is "$(find "$data" -name file -path '*/fs/tmp/*' -exec stat -c %u:%g {} +)" 100999:101000 'whose files belong to subordinate ids'
    case $how in
    *pidns*)
        # What containerd-rootless.sh leaves to the death of the daemon's namespace.
        all=$(strangers | grep -v notify.py | cut -d' ' -f1)
        kill -KILL "${line#ready }"
        ok 'rootlesskit is killed: all processes end, those of the container included' $client gone $all
        await d
        ;;
    *)
        ctr task kill --signal KILL web
        status_is 0 'ctr task kill'
        ctr task delete web
        status_is 0 'ctr task delete'
        err_like 'exit code 137' 'which knows its end'
        ctr container delete web
        status_is 0 'ctr container delete'
        finish d
        status_is 0 'containerd ends'
        ;;
    esac
    is "$(strangers)" '' 'no process is left'
    run $aliases/rootlesskit rm -rf $data
    status_is 0 'its data can be removed'
    rm -rf "${runtime:?}"/*
done
nothing_left 'nothing is left'
done_testing
