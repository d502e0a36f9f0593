#!/bin/bash
# Options of `run` and of the names it stands in for: how they are written, which there are, what is refused before anything happens.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
who=user

# Callers look for these words in the help text to learn what they may use.
run $aliases/rootlesskit --help
status_is 0 'rootlesskit --help'
err_is '' 'on stdout only'
for word in --debug --print-semver --help -h --version -v --state-dir --net --mtu --cidr --ifname --disable-host-loopback --ipv6 --detach-netns \
    --slirp4netns-binary --slirp4netns-sandbox --slirp4netns-seccomp --pasta-binary --vpnkit-binary --lxc-user-nic-binary --lxc-user-nic-bridge \
    --copy-up --copy-up-mode --propagation --port-driver --publish -p --source-ip-transparent --workers --pidns --cgroupns --utsns --ipcns --reaper \
    --evacuate-cgroup2 --subid-source; do
    like " ${stdout//[,=]/ } " "[[:space:]]${word}[[:space:]]" "the help has $word"
done
for word in host none slirp4netns pasta vpnkit builtin implicit rprivate rslave tmpfs+symlink auto; do
    like "$stdout" "${word/+/\\+}" "the help has the value $word"
done
run $aliases/slirp4netns --help
status_is 0 'slirp4netns --help'
for word in -c --configure -e --exit-fd -r --ready-fd -m --mtu -6 --enable-ipv6 -a --api-socket --cidr --disable-host-loopback --netns-type --userns-path \
    --enable-sandbox --enable-seccomp --outbound-addr --outbound-addr6 --disable-dns --macaddress --target-type -h --help -v --version; do
    like " ${stdout//[,=]/ } " "[[:space:][]${word}[[:space:]]" "its help has $word"
done

# How they are written.
run rootlet run --copy-up /etc --copy-up=/run sh -c 'readlink /etc/passwd && readlink /run/rootlet'
out_like '^\.ro[^/]*/passwd.\.ro[^/]*/rootlet$' '--flag value and --flag=value, one of them twice'
for word in '' =true; do
    run rootlet run --pidns$word sh -c 'readlink /proc/self/ns/pid'
    isnt "$stdout" "$(readlink /proc/self/ns/pid)" "--pidns$word"
done
run rootlet run --pidns=false sh -c 'readlink /proc/self/ns/pid'
out_is "$(readlink /proc/self/ns/pid)" '--pidns=false'
run rootlet run --pidns --pidns=false sh -c 'readlink /proc/self/ns/pid'
out_is "$(readlink /proc/self/ns/pid)" 'the last of them counts'
run rootlet run echo --help --pidns -- x
out_is '--help --pidns -- x' 'options end at the first word that is none'
run rootlet run -- echo -- --help
out_is '-- --help' 'or at --'
run rootlet run --net none echo ok
out_is ok 'a value may be the next word'

# What is refused. The option (or value) and what is wrong with it must be in the message.
refused() {
    local what=$1
    shift
    run "$@"
    status_is 1 "refused: ${*:2}"
    err_like "$what" "and the message says: $what"
    out_is '' 'nothing was run'
}
refused 'ipv6.*mtu.*1280' rootlet run --net=slirp4netns --ipv6 --mtu=1279 echo no
refused 'command' rootlet run
refused 'command' $aliases/rootlesskit
refused 'command' $aliases/rootlesskit --net=none
refused 'net.*(moon|host)' rootlet run --net=moon echo no
refused 'host.*none.*slirp4netns' rootlet run --net=moon echo no
refused 'pidns.*maybe|maybe.*pidns' rootlet run --pidns=maybe echo no
refused 'mtu' rootlet run --net=slirp4netns --mtu=65522 echo no
refused 'mtu' rootlet run --net=slirp4netns --mtu=-1 echo no
refused 'mtu' rootlet run --net=slirp4netns --mtu=15x echo no
refused 'mtu' rootlet run --net=slirp4netns --mtu=99999999999999999999 echo no
refused 'mtu.*host|host.*mtu' rootlet run --net=host --mtu=1500 echo no
refused 'cidr.*host|host.*cidr' rootlet run --net=host --cidr=10.0.5.0/24 echo no
refused 'ifname.*host|host.*ifname' rootlet run --net=host --ifname=tap1 echo no
refused 'cidr.*none|none.*cidr' rootlet run --net=none --cidr=10.0.5.0/24 echo no
refused 'ifname.*none|none.*ifname' rootlet run --net=none --ifname=tap1 echo no
refused 'port-driver.*(none|host)' rootlet run --net=none --port-driver=socat echo no
refused '10\.0\.5\.0/24' rootlet run --net=slirp4netns --cidr=10.0.5.7/24 echo no
refused 'cidr' rootlet run --net=slirp4netns --cidr=10.0.5.0/33 echo no
refused 'cidr' rootlet run --net=slirp4netns --cidr=10.0.5.0 echo no
refused 'cidr' rootlet run --net=slirp4netns --cidr=fd00::/64 echo no
refused 'ifname.*/|/.*ifname|tap/0' rootlet run --net=slirp4netns --ifname=tap/0 echo no
refused 'ifname|interface' rootlet run --net=slirp4netns --ifname=abcdefghijklmnop echo no
refused 'publish.*port-driver|port-driver.*publish|port driver' rootlet run --net=slirp4netns --port-driver=none -p 8080:80/tcp echo no
refused 'publish.*port-driver|port-driver.*publish|port driver' $aliases/rootlesskit --net=slirp4netns -p 127.0.0.1:8080:80/tcp echo no
refused '8080' rootlet run --net=slirp4netns --port-driver=builtin -p 8080 echo no
refused 'tpc' rootlet run --net=slirp4netns --port-driver=builtin -p 127.0.0.1:8080:80/tpc echo no
refused '70000' rootlet run --net=slirp4netns --port-driver=builtin -p 127.0.0.1:70000:80/tcp echo no
refused 'sctp' rootlet run --net=slirp4netns --port-driver=builtin -p 127.0.0.1:8080:80/sctp echo no
refused 'copy-up.*/tmp' rootlet run --copy-up=/tmp echo no
refused 'copy-up.*etc' rootlet run --copy-up=etc echo no
refused '/nowhere' rootlet run --copy-up=/nowhere echo no
refused 'copy-up-mode.*overlay' rootlet run --copy-up=/etc --copy-up-mode=overlay echo no
refused 'propagation.*copy-up|copy-up.*propagation' rootlet run --copy-up=/etc --propagation=rshared echo no
refused 'propagation.*copy-up|copy-up.*propagation' rootlet run --copy-up=/etc --propagation=shared echo no
refused 'propagation' rootlet run --propagation=sideways echo no
refused 'reaper.*pidns' rootlet run --reaper=true echo no
refused 'evacuate-cgroup2' rootlet run --evacuate-cgroup2=x echo no
refused 'evacuate-cgroup2' rootlet run --evacuate-cgroup2=x --pidns echo no
refused 'subid-source' rootlet run --subid-source=heaven echo no
refused 'publish|-p' rootlet run -p
refused 'print-semver' rootlet run --print-semver=micro
nothing_left 'and nothing is left of what was refused'
done_testing
