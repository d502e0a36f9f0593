#!/bin/bash
# The ways in which launchers call rootlesskit: the option lines of dockerd-rootless.sh, containerd-rootless.sh, buildkit, nerdctl and users.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
who=user

mkdir -p /run/docker /run/containerd
touch /run/xtables.lock
# A launcher starts itself once more inside, tidies what came along from outside, and becomes the daemon. This daemon serves on a port
# that is published through the API, as dockerd's does.
cat >/tmp/launcher <<'END'
#!/bin/sh
set -e -x
if [ -z "$_INSIDE" ]; then
    _INSIDE=1
    export _INSIDE
    # What it may use is found out from the help text.
    rootlesskit --help | grep -qw -- --detach-netns && :
    rootlesskit --help | grep -qw -- --port-driver
    rootlesskit --help | grep -qw -- --disable-host-loopback
    slirp4netns --help | grep -qw -- --enable-ipv6
    slirp4netns --help | grep -qw -- --enable-sandbox
    slirp4netns --help | grep -qw -- --enable-seccomp
    test "$(rootlesskit --version | cut -d' ' -f1,2)" = 'rootlesskit version'
    exec rootlesskit --state-dir="$XDG_RUNTIME_DIR/dockerd-rootless" --net=slirp4netns --mtu=65520 --slirp4netns-sandbox=auto \
        --slirp4netns-seccomp=auto --disable-host-loopback --port-driver=builtin --copy-up=/etc --copy-up=/run \
        --propagation=rslave $MORE "$0" "$@"
fi
test "$(id -u)" = 0
rm -f /run/docker /run/containerd /run/xtables.lock
mkdir /run/docker /run/containerd
if [ -e /etc/ssl ]; then
    realpath_etc_ssl=$(realpath /etc/ssl)
    rm -f /etc/ssl
    mkdir /etc/ssl
    mount --rbind "$realpath_etc_ssl" /etc/ssl
fi
mount -t tmpfs tmpfs /run/docker
test -d "$XDG_RUNTIME_DIR"
test -S "$ROOTLESSKIT_STATE_DIR/api.sock"
rootlessctl --socket "$ROOTLESSKIT_STATE_DIR/api.sock" add-ports 0.0.0.0:8080:80/tcp >/dev/null
exec "$@"
END
chmod 755 /tmp/launcher
for more in '' '--pidns --cgroupns --utsns --ipcns' '--ipv6'; do
    launch c env PATH=$aliases:/usr/sbin:/usr/bin:/sbin:/bin MORE="$more" /tmp/launcher $servers --hello inside http:127.0.0.1:80
    is "$line" ready "the launcher gets to its daemon $more"
    state=/run/user/1001/dockerd-rootless
    run curl -sS http://127.0.0.1:8080/
    out_is inside 'whose port is open'
    enter="nsenter --preserve-credentials -m -U -t $(cat $state/child_pid) -F"
    run $enter -n -- sh -c 'curl -sS http://web.test/; cat /sys/class/net/tap0/mtu; ls -d /run/docker'
    out_is $'hello from outside\n65520\n/run/docker' 'nsenter finds network and mounts'
    run sh -c "cd /usr/lib && nsenter -w/usr/lib --preserve-credentials -m -U -t $(cat $state/child_pid) -F -n -- pwd"
    out_is /usr/lib "nerdctl's way in"
    run $client connect 192.0.2.2 8080
    out_is connected 'the world may come'
    finish c
    status_is 0 'it ends'
    err_unlike 'cannot|warning' 'without complaints'
    nothing_left 'and leaves nothing'
done
ok 'what the launcher removed inside is still there outside' test -d /run/docker -a -d /run/containerd -a -e /run/xtables.lock

# containerd-rootless.sh
run $aliases/rootlesskit --state-dir=/run/user/1001/containerd-rootless --net=slirp4netns --mtu=65520 --slirp4netns-sandbox=auto --slirp4netns-seccomp=auto \
    --disable-host-loopback --port-driver=builtin --copy-up=/etc --copy-up=/run --copy-up=/var/lib --propagation=rslave \
    sh -ec 'rm -f /run/containerd /var/lib/containerd; mkdir -p /run/containerd /var/lib/containerd; mount --bind /tmp/tester /var/lib/containerd; curl -sS http://web.test/'
out_is 'hello from outside' 'the options of containerd-rootless.sh'
# buildkit; users who remove what belongs to subordinate ids
run $aliases/rootlesskit sh -c 'echo $ROOTLESSKIT_PARENT_EUID; mkdir -p /tmp/tester/layers/x; chown -R 55:55 /tmp/tester/layers; chmod 700 /tmp/tester/layers/x'
out_is 1001 'buildkit: without options'
run rm -rf /tmp/tester/layers/x
status_isnt 0 'what belongs to a subordinate id cannot be removed'
run $aliases/rootlesskit rm -rf /tmp/tester/layers
status_is 0 'but by rootlesskit rm -rf'
nok 'it is gone' test -e /tmp/tester/layers
# A daemon that starts others and is asked to stop by a signal to rootlesskit.
launch c $aliases/rootlesskit --pidns --net=slirp4netns --copy-up=/etc sh -c 'trap "echo stopping; exit 0" TERM; echo ready; while :; do read x || :; done'
kill -TERM "${pid[c]}"
await c
status_is 0 'SIGTERM is for the daemon'
out_is stopping 'which has its own idea of an end'
nothing_left 'nothing is left'
done_testing
