#!/bin/bash
# The source address that servers of the namespace itself see: TCP and UDP, IPv4 and IPv6, on which address they listen, under which
# driver, and where the client is.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086,SC2206
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# A server's number N: it listens on port N by TCP and UDP, and is published as 90N.
kinds=(0.0.0.0:10 '[::]:11' 127.0.0.1:12 '[::1]:13' 10.0.2.100:14 '[fd00::100]:15' 10.9.9.9:16 '[fd99::9]:17' '*:18' \
    0.0.0.0:20 '[::]:21' 0.0.0.0:22 '*:23' '*:24' 0.0.0.0:25 '[::]:26')
servers_of=()
for kind in "${kinds[@]}"; do servers_of+=("http:$kind" "peer:$kind"); done
# By port; by address those that are on a particular one; and others on all addresses, by one that is theirs as well. (A UDP client that
# asks one server at two of its addresses keeps its own at the first.)
specs=()
for proto in tcp udp; do
    for n in 10 11 12 13 14 15 16 17 18; do specs+=(-p 90$n:$n/$proto); done
    specs+=(-p 9114:10.0.2.100:14/$proto -p "9115:[fd00::100]:15/$proto" -p 9116:10.9.9.9:16/$proto -p "9117:[fd99::9]:17/$proto")
    specs+=(-p 9120:10.0.2.100:20/$proto -p "9121:[fd00::100]:21/$proto" -p 9122:10.9.9.9:22/$proto -p 9123:10.0.2.100:23/$proto -p "9124:[fd99::9]:24/$proto")
    specs+=(-p 9125:127.0.0.1:25/$proto -p "9126:[::1]:26/$proto")
done
addresses='ip addr add 10.9.9.9/32 dev lo; ip addr add fd99::9/128 dev lo nodad'

# ask WHO ADDRESS PORT...: whom the servers see, TCP and UDP
ask() {
    local from=$1 address=$2 port all=()
    shift 2
    for port in "$@"; do all+=(tcp/$address/$port udp/$address/$port); done
    if [ $from = world ]; then
        local caller=$who
        who=root
        run in-world $client whom "${all[@]}"
        who=$caller
    else
        run $client whom "${all[@]}"
    fi
}
# see WANT TEXT: all of them
see() {
    local odd
    odd=$(grep -v " $1$" <<<"$stdout")
    is "$status:$odd:$([ -n "$stdout" ] && echo some)" 0::some "$2" || tap_show
}
family4='9010 9012 9018' family6='9011 9013 9018'
given4='9114 9116 9120 9122 9123 9125' given6='9115 9117 9121 9124 9126'

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)
    for driver in builtin slirp4netns forward; do
        if [ $driver = forward ]; then
            launch c unshare --map-root-user --net sh -c "ip link set lo up; ip link add up0 type veth peer name up1; ip addr add 10.0.2.100/24 dev up0; ip -6 addr add fd00::100/64 dev up0 nodad
                ip link set up0 up; ip link set up1 up; ip route add default via 10.0.2.2; $addresses; "'exec "$@"' sh $servers "${servers_of[@]}"
            launch f sh -c 'exec 3>&1 >/dev/null; exec "$@"' sh rootlet forward --target "${pid[c]}" --ready-fd=3 --workers=2 "${specs[@]}"
            is "$line" 1 'rootlet forward, of two processes'
        else
            launch c rootlet run --state-dir $tmp/state --net=slirp4netns --ipv6 --copy-up=/etc --port-driver=$driver "${specs[@]}" sh -c "$addresses; "'exec "$@"' sh $servers "${servers_of[@]}"
            is "$line" ready "up: $driver"
        fi
        ask world 192.0.2.2 $family4 $given4
        see 192.0.2.1 'another host, IPv4'
        ask world fd00::2 $family6 $given6
        see fd00::1 'another host, IPv6'
        ask host 192.0.2.2 $family4 $given4
        see 192.0.2.2 "the host's own address, IPv4"
        ask host fd00::2 $family6 $given6
        see fd00::2 "the host's own address, IPv6"
        if [ $driver = slirp4netns ]; then
            ask world 192.0.2.2 9014
            see 192.0.2.1 "no address is asked for: a server on the link's is found"
        else
            run $client reset 192.0.2.2 9014
            out_is ECONNRESET "no address is asked for: a server on the link's only is not found, as with RootlessKit"
        fi
        # What there is no such address for comes from one of this namespace's own.
        ask host 127.0.0.1 $family4 $family6 $given4 $given6
        see '\(127\.0\.0\.1\|::1\|10\.0\.2\.100\|10\.9\.9\.9\|fd00::100\|fd99::9\)' 'a loopback address'
        ask host ::1 $family4 $family6 $given4 $given6
        see '\(127\.0\.0\.1\|::1\|10\.0\.2\.100\|10\.9\.9\.9\|fd00::100\|fd99::9\)' 'a loopback address, IPv6'
        ask world 192.0.2.2 9011 9013 $given6
        see '\(::1\|fd00::100\|fd99::9\)' 'from IPv4 to a server that has IPv6 only'
        ask world fd00::2 9010 9012 $given4
        see '\(127\.0\.0\.1\|10\.0\.2\.100\|10\.9\.9\.9\)' 'from IPv6 to one that has IPv4 only'
        if [ $driver = forward ]; then
            kill "${pid[f]}"
            await f
            err_is '' 'without a word'
            finish c
        else
            finish c
            err_is '' 'without a word'
        fi
    done
done
nothing_left 'nothing is left'
done_testing
