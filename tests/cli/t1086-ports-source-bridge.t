#!/bin/bash
# The source address that servers in containers behind a bridge see: redirected as by dockerd, or dialled at their own addresses; IPv4 and IPv6, TCP and UDP.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086,SC2206
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
# shellcheck source=tests/lib/bridge.sh
. "$TOP/tests/lib/bridge.sh"

in_netns() { run rootlet enter --state-dir $state "$@"; }
in_target() { run nsenter --preserve-credentials -U -n -t "${pid[c]}" "$@"; }
from_world() {
    local caller=$who
    who=root
    run in-world "$@"
    who=$caller
}
# tcp FROM ADDRESS PORT WANT TEXT and udp: whom the server sees when the world, or this host, comes to ADDRESS.
tcp() {
    if [ $1 = world ]; then from_world curl -sS --max-time 15 "http://$2:$3/client"; else run curl -sS --max-time 15 "http://$2:$3/client"; fi
    out_like "^$4 " "$5"
}
udp() {
    if [ $1 = world ]; then from_world $client udp $2 $3; else run $client udp $2 $3; fi
    out_like "^$4 " "$5"
}
serve='http:0.0.0.0:80 http:[::]:80 peer:0.0.0.0:1 peer:[::]:1'
w4='192\.0\.2\.1' w6=fd00::1 h4='192\.0\.2\.2' h6=fd00::2

# ports ADDRESS4 ADDRESS6: specs for all servers: 80x1 and 80x2 the two containers.
specs() {
    local spec
    for spec in 8011:$1:81/tcp 8012:$1:82/tcp 8021:$1:1/udp 8022:$1:2/udp; do echo "0.0.0.0:$spec"; done
    for spec in "8031:$2:81/tcp6" "8032:$2:82/tcp6" "8041:$2:1/udp6" "8042:$2:2/udp6"; do echo "[::]:$spec"; done
}
direct() {
    local i spec
    for i in 0 1; do
        echo 0.0.0.0:805$i:172.1$((7 + i)).0.2:80/tcp
        echo 0.0.0.0:806$i:172.1$((7 + i)).0.2:1/udp
        echo "[::]:807$i:[fd17:$i::2]:80/tcp6"
        echo "[::]:808$i:[fd17:$i::2]:1/udp6"
    done
}
all_kept() {
    local i
    for i in 1 2; do
        tcp world 192.0.2.2 801$i "$w4" "$1, container $i: TCP"
        udp world 192.0.2.2 802$i "$w4" 'UDP'
        tcp world '[fd00::2]' 803$i "$w6" 'TCP, IPv6'
        udp world fd00::2 804$i "$w6" 'UDP, IPv6'
    done
    for port in 53 5000 40000; do
        from_world $client from $port 192.0.2.2 8021
        out_is "192.0.2.1 $port" "UDP: the client's port $port is kept"
        from_world $client from $port fd00::2 8081
        out_is "fd00::1 $port" 'over IPv6 as well'
    done
    tcp host 192.0.2.2 8011 "$h4" 'from an address of the host itself: TCP'
    udp host 192.0.2.2 8021 "$h4" 'UDP'
    tcp host '[fd00::2]' 8031 "$h6" 'TCP, IPv6'
    udp host fd00::2 8041 "$h6" 'UDP, IPv6'
    run sh -c "curl -sS http://127.0.0.1:8011/client; $client udp 127.0.0.1 8021; echo; curl -sS 'http://[::1]:8031/client'; $client udp ::1 8041"
    unlike "$status $stdout" "^[1-9]|$w4 |$w6 |$h4 |$h6 " 'clients of a loopback address are served'
}
direct_kept() {
    local i
    for i in 0 1; do
        tcp world 192.0.2.2 805$i "$w4" "container $i, by its own address: TCP"
        udp world 192.0.2.2 806$i "$w4" 'UDP'
        tcp world '[fd00::2]' 807$i "$w6" 'TCP, IPv6'
        udp world fd00::2 808$i "$w6" 'UDP, IPv6'
    done
}

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)
    state=$tmp/state
    for variant in 'builtin proxy' 'builtin hairpin' 'slirp4netns proxy'; do
        driver=${variant% *}
        options=()
        for spec in $(specs 10.0.2.100 '[fd00::100]') $(direct); do options+=(-p $spec); done
        launch c rootlet run --state-dir $state --net=slirp4netns --ipv6 --copy-up=/etc --port-driver=$driver "${options[@]}" \
            sh -c 'unshare -n sh -c "echo \$\$; exec \"\$@\"" sh "$@"; exit $?' sh $servers --hold $serve
        guest=$line
        hear c
        launch d rootlet enter --state-dir $state unshare -n sh -c 'echo $$; exec "$@"' sh $servers --hold $serve
        guest2=$line
        hear d
        bridge in_netns $guest 172.17
        bridge in_netns $guest2 172.18 1
        redirect in_netns ${variant#* }
        tell c bind
        hear c
        tell d bind
        hear d
        is "$line" ready "servers in two containers: $variant"
        all_kept "$variant"
        direct_kept
        if [ $driver = slirp4netns ]; then
            run rootlet ctl --socket $state/api.sock add-ports 0.0.0.0:8091:81/tcp 0.0.0.0:8092:1/udp
            tcp world 192.0.2.2 8091 "$w4" "$driver, no address is asked for: TCP"
            udp world 192.0.2.2 8092 "$w4" 'UDP'
        fi
        if [ "${variant#* }" = hairpin ]; then
            run rootlet ctl --socket $state/api.sock add-ports 0.0.0.0:8091:81/tcp 0.0.0.0:8092:3/udp '[::]:8093:81/tcp6' '[::]:8094:3/udp6'
            tcp world 192.0.2.2 8091 "$w4" 'loopback addresses are redirected: TCP'
            udp world 192.0.2.2 8092 "$w4" 'UDP'
            tcp world '[fd00::2]' 8093 "$w6" 'TCP, IPv6'
            udp world fd00::2 8094 "$w6" 'UDP, IPv6'
            run sh -c "curl -sS http://127.0.0.1:8091/client; $client udp 127.0.0.1 8092"
            like "$stdout" $'^172\\.17\\.0\\.1 [0-9]+\n172\\.17\\.0\\.1 ' 'where clients of a loopback address are masked'
        fi
        finish d
        finish c
        err_is '' 'without a word'
    done

    # --- rootlet forward, to somebody else's network
    launch c unshare --map-root-user --net sh -c 'ip link set lo up; ip link add up0 type veth peer name up1; ip addr add 10.0.2.100/24 dev up0; ip -6 addr add fd00::100/64 dev up0 nodad
        ip link set up0 up; ip link set up1 up; ip route add default via 10.0.2.2; ip -6 route add default via fd00::200; echo ready; exec cat'
    is "$line" ready 'a network'
    launch d nsenter --preserve-credentials -U -n -t "${pid[c]}" unshare -n sh -c 'echo $$; exec "$@"' sh $servers --hold $serve
    guest=$line
    hear d
    launch e nsenter --preserve-credentials -U -n -t "${pid[c]}" unshare -n sh -c 'echo $$; exec "$@"' sh $servers --hold $serve
    guest2=$line
    hear e
    bridge in_target $guest 172.17
    bridge in_target $guest2 172.18 1
    redirect in_target proxy
    for name in d e; do
        tell $name bind
        hear $name
    done
    options=()
    for spec in $(specs 10.0.2.100 '[fd00::100]') $(direct); do options+=(-p $spec); done
    launch f sh -c 'exec 3>&1 >/dev/null; exec "$@"' sh rootlet forward --target "${pid[c]}" --ready-fd=3 "${options[@]}"
    is "$line" 1 'a forwarder'
    all_kept forward
    direct_kept
    kill "${pid[f]}"
    await f
    is "$status:$stderr" 0: 'it ends, without a word'
    for name in e d c; do finish $name; done
done
nothing_left 'nothing is left'
done_testing
