#!/bin/bash
# Clients' addresses that cannot be kept: not wanted, refused by the kernel, or no answer comes back. All are served, with one warning at most.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
# shellcheck source=tests/lib/bridge.sh
. "$TOP/tests/lib/bridge.sh"

from_world() {
    local caller=$who
    who=root
    run in-world "$@"
    who=$caller
}
# ask WANT TEXT PROTO/ADDRESS/PORT...: whom the servers see when the world asks.
ask() {
    local want=$1 text=$2
    shift 2
    from_world $client whom "$@"
    is "$(sed 's/.* //' <<<"$stdout" | tr '\n' ' ')" "$want " "$text" || tap_show
}
warnings() {
    is "$(grep -c 'source addresses are not kept' <<<"$stderr"):$(grep -vc 'source addresses are not kept\|^$' <<<"$stderr")" "$1:0" "$2" || tap_show
}
# start MAKER COMMAND...: the instance, as root by way of MAKER, then as $who.
start() {
    local caller=$who maker=$1
    shift
    who=root
    launch c sh -c "$maker"'; exec "$@"' sh as-$caller "$@"
    who=$caller
    is "$line" ready "up: $maker"
}
enter_netns() { run rootlet enter --state-dir $tmp/state "$@"; }
ports=(-p 0.0.0.0:8001:1/udp -p 0.0.0.0:8002:2/tcp -p 0.0.0.0:8003:10.0.2.100:3/tcp -p 0.0.0.0:8004:10.0.2.100:4/udp)
serve=(peer:0.0.0.0:1 http:0.0.0.0:2 http:0.0.0.0:3 peer:0.0.0.0:4 'peer:[::]:1' 'http:[::]:2')
all='udp/192.0.2.2/8001 tcp/192.0.2.2/8002 tcp/192.0.2.2/8003 udp/192.0.2.2/8004'
instance=(rootlet run --net=slirp4netns --ipv6 --copy-up=/etc --port-driver=builtin)
local='127.0.0.1 127.0.0.1 10.0.2.100 10.0.2.100' kept='192.0.2.1 192.0.2.1'

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)

    start : "${instance[@]}" --source-ip-transparent=false "${ports[@]}" $servers "${serve[@]}"
    ask "$local" '--source-ip-transparent=false' $all
    finish c
    warnings 0 'is no reason for a warning'

    # --- what the kernel refuses
    start 'unshare -m sh -c "mount --bind -o ro /proc/sys /proc/sys; exec \"\$@\"" sh "$@"; exit $?' "${instance[@]}" "${ports[@]}" $servers "${serve[@]}"
    ask "$local $local" '/proc/sys cannot be written to' $all $all
    finish c
    warnings 1 'which is told once'

    start "exec $TOP/tests/lib/no-netfilter.py "'"$@"' "${instance[@]}" "${ports[@]}" $servers "${serve[@]}"
    ask "$kept 10.0.2.100 10.0.2.100" 'no nf_tables: what is at a loopback address sees its clients' $all
    finish c
    warnings 1 'for the rest there is one warning'

    launch c rootlet run --net=slirp4netns --copy-up=/etc --port-driver=builtin "${ports[@]}" \
        sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; exec "$@"' sh $servers "${serve[@]:0:4}"
    is "$line" ready 'a network without IPv6'
    ask "$kept 192.0.2.1 192.0.2.1" 'where IPv4 is none the worse' $all
    ask '127.0.0.1 127.0.0.1' 'and IPv6 clients are served' udp/fd00::2/8001 tcp/fd00::2/8002
    finish c
    warnings 1 'with a warning'

    # --- no program is needed
    mkdir -m 777 $tmp/bin
    for name in ip iptables ip6tables iptables-nft nft sysctl tc; do
        printf '#!/bin/sh\necho "$0 $*" >>%s/called\nexit 1\n' $tmp >$tmp/bin/$name
        chmod 755 $tmp/bin/$name
    done
    start : env PATH=$tmp/bin:/usr/bin "$(type -P rootlet)" "${instance[@]:1}" "${ports[@]}" $servers "${serve[@]}"
    ask "$kept 192.0.2.1 192.0.2.1" 'no program of the system is run' $all
    finish c
    warnings 0 'and nothing said'
    nok 'none at all' cat $tmp/called
    rm -r "${tmp:?}/bin"

    # --- --detach-netns
    launch c "${instance[@]}" --detach-netns --state-dir $tmp/state "${ports[@]}" sh -c 'exec nsenter --net="$ROOTLESSKIT_STATE_DIR/netns" "$@"' sh $servers "${serve[@]}"
    is "$line" ready '--detach-netns'
    ask "$kept 192.0.2.1 192.0.2.1" 'addresses are kept there as well' $all
    finish c
    warnings 0 'without a word'

    # --- answers that do not come back: a container that has no way to the client, one that is a neighbour of it, one beyond the gateway
    launch c "${instance[@]}" --state-dir $tmp/state -p 0.0.0.0:8001:172.17.0.2:80/tcp -p 0.0.0.0:8002:172.17.0.2:1/udp -p 0.0.0.0:8003:203.0.113.80:80/tcp -p 0.0.0.0:8004:203.0.113.80:7/udp \
        sh -c 'unshare -n sh -c "echo \$\$; exec \"\$@\"" sh "$@"; exit $?' sh $servers --hold http:0.0.0.0:80 peer:0.0.0.0:1
    guest=$line
    hear c
    bridge enter_netns $guest 172.17
    tell c bind
    hear c
    ask "$kept" 'a container' tcp/192.0.2.2/8001 udp/192.0.2.2/8002
    enter_netns nsenter -t $guest -n ip route del default
    ask '172.17.0.1' 'which has no way to the client any more' tcp/192.0.2.2/8001
    enter_netns nsenter -t $guest -n ip route add default via 172.17.0.1
    ask '172.17.0.1 172.17.0.1' 'and is not tried again soon' tcp/192.0.2.2/8001 tcp/192.0.2.2/8001
    from_world curl -sS http://192.0.2.2:8003/client
    out_like '^192\.0\.2\.2 ' 'a server beyond the gateway is reached, from this host'
    from_world $client udp 192.0.2.2 8004 'a datagram'
    out_is 'a datagram' 'over UDP as well'
    enter_netns ip addr add 192.0.2.77/24 dev br0
    ask '172.17.0.1' 'a client that seems to be beside the container' udp/192.0.2.2/8002
    finish c
    warnings 1 'with one warning'
done
nothing_left 'nothing is left'
done_testing
