#!/bin/bash
# netd's command line: what it says about itself, what it refuses.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
who=user

for word in --version -v; do
    run $aliases/slirp4netns $word
    status_is 0 "slirp4netns $word"
    err_is '' 'on stdout'
    out_like '^slirp4netns version [0-9]+\.[0-9]+\.[0-9]+' 'the first line'
    out_like $'\ncommit: [^\n]+\nlibslirp: [0-9]+\.[0-9]+\.[0-9]+\nSLIRP_CONFIG_VERSION_MAX: [0-9]+\nlibseccomp: [^\n]+$' 'and the others that callers read'
done
launch holder unshare --user --map-root-user --net sh -c 'echo ready; exec cat'
target=${pid[holder]}
refused() {
    local what=$1
    shift
    run $aliases/slirp4netns "$@"
    status_is 1 "refused: $*"
    err_like "^slirp4netns: .*$what" "and the message says: $what"
}
refused '(PID|netns|namespace)'
refused '(nosuch|PID|process)' nosuch tap0
refused '(-1|PID|process|option)' -1
refused '4194304' 4194304 tap0
refused '[mM][tT][uU]' --mtu=65522 $target tap0
refused '[mM][tT][uU]' --mtu=x $target tap0
refused '10\.1\.1\.0/24' --cidr=10.1.1.1/24 $target tap0
refused 'cidr' --cidr=10.1.1.0/26 $target tap0
refused 'cidr' --cidr=10.1.1.0 $target tap0
refused nosuchif0 --outbound-addr=nosuchif0 $target tap0
refused 192.0.2.2 --outbound-addr6=192.0.2.2 $target tap0
refused 'macaddress' --macaddress=00:11:22:33:44:55 $target tap0
refused 00:11:22:33:44 -c --macaddress=00:11:22:33:44 $target tap0
refused 02:-1:00:00:00:00 -c --macaddress=02:-1:00:00:00:00 $target tap0
refused '02: 1:00:00:00:00' -c '--macaddress=02: 1:00:00:00:00' $target tap0
# A descriptor that is always readable and never has a frame would be read for ever.
refused 'fd 0.*neither' --netns-type=tapfd 0
refused 'netns-type' --netns-type=moon $target tap0
refused '/nowhere' --netns-type=path /nowhere tap0
refused '(/etc/passwd|no network namespace)' --netns-type=path /etc/passwd tap0
refused 'userns-path|/nowhere' --userns-path=/nowhere $target tap0
refused 'tap/0|name' $target tap/0
refused 'name|abcdefghijklmnop' $target abcdefghijklmnop
refused 'ready-fd' --ready-fd=x $target tap0
refused 'ready.fd 77' --ready-fd=77 $target tap0
refused 'exit-fd' --exit-fd=-3 $target tap0
refused 'api-socket|/nowhere' --api-socket=/nowhere/socket $target tap0
refused 'api-socket|long' "--api-socket=/tmp/$(printf 'x%.0s' {1..200})" $target tap0
refused 'target-type' --target-type=moon $target tap0
refused "cofnigure.*--configure" --cofnigure $target tap0
run nsenter --preserve-credentials -U -n -t $target ls /sys/class/net /proc/sys/net/ipv4/conf
out_unlike 'tap0' 'nothing of this made an interface'
finish holder
# Root's namespace is not an ordinary user's to change.
who=root
launch holder unshare --net sh -c 'echo ready; exec cat'
target=${pid[holder]}
who=user
refused "$target" $target tap0
who=root
finish holder
nothing_left 'nothing is left'
done_testing
