#!/bin/bash
# The source address that servers see behind a published UDP port: which server sees the client's own, over which protocol.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

in_container() {
    local driver=$1
    shift
    launch c rootlet run --net=slirp4netns --ipv6 --copy-up=/etc --port-driver=$driver "$@"
    is "$line" ready "up: $driver"
}
from_world() {
    local caller=$who
    who=root
    run in-world "$@"
    who=$caller
}
# sees ADDRESS PORT SOURCE TEXT: asked from the world, the server says so.
sees() {
    from_world $client udp "$1" "$2"
    out_like "^${3//./\\.} " "$4"
}

for who in root user; do
    for driver in builtin slirp4netns; do
        in_container $driver -p 0.0.0.0:8001:1/udp -p 0.0.0.0:8002:2/udp -p 0.0.0.0:8003:3/udp -p '[::]:8004:4/udp6' -p '[::]:8005:5/udp6' -p 8006:6/udp \
            -p 0.0.0.0:8007:10.0.2.100:1/udp -p 0.0.0.0:8008:127.0.0.1:1/udp -p 0.0.0.0:8009:9/udp \
            $servers peer:0.0.0.0:1 peer:127.0.0.1:2 peer:10.0.2.100:3 'peer:[::]:4' 'peer:[::1]:5' peer:0.0.0.0:6 'peer:[::]:6'
        sees 192.0.2.2 8001 192.0.2.1 "$driver: a server on 0.0.0.0"
        sees 192.0.2.2 8002 192.0.2.1 'one on 127.0.0.1'
        [ $driver = builtin ] || sees 192.0.2.2 8003 192.0.2.1 "one on the link's address"
        sees fd00::2 8004 fd00::1 'one on [::]'
        sees fd00::2 8005 fd00::1 'one on [::1]'
        sees 192.0.2.2 8006 192.0.2.1 'both families: IPv4'
        sees fd00::2 8006 fd00::1 'and IPv6'
        run $client udp 192.0.2.2 8001
        out_like '^(127\.0\.0\.1|192\.0\.2\.2|10\.0\.2\.100) ' 'a client of this host'
        finish c
        err_is '' 'without a word'
        in_container $driver -p 0.0.0.0:8007:10.0.2.100:1/udp -p 0.0.0.0:8008:127.0.0.1:1/udp $servers peer:0.0.0.0:1
        sees 192.0.2.2 8007 192.0.2.1 "the link's address is asked for"
        finish c
    done
    # What a server sends from its port to whoever is no client leaves as ever; and nothing stays when the clients are gone.
    launch c rootlet run --state-dir /tmp/$who.state --net=slirp4netns --ipv6 --copy-up=/etc --port-driver=builtin -p 0.0.0.0:8001:1/udp -p 0.0.0.0:8002:2/udp $servers peer:0.0.0.0:1
    sees 192.0.2.2 8001 192.0.2.1 'a client'
    run sh -c "rootlet enter --state-dir /tmp/$who.state ip rule; rootlet enter --state-dir /tmp/$who.state ip route show table all type local"
    out_like 'ipproto udp sport 1 ' 'a rule for a port in use'
    out_unlike 'sport 2 ' 'none for one that is not'
    out_like '192\.0\.2\.1 dev lo .*src 127\.0\.0\.1' 'and a route for its client'
    run sh -c "rootlet enter --state-dir /tmp/$who.state $client from 1 203.0.113.80 7 outward"
    out_is outward "from a client's server port to somebody else"
    run rootlet ctl --socket /tmp/$who.state/api.sock remove-ports 1
    status_is 0 'the port is removed'
    run sh -c "rootlet enter --state-dir /tmp/$who.state ip rule; rootlet enter --state-dir /tmp/$who.state ip route show table all type local"
    out_unlike 'sport|192\.0\.2\.1' 'and its rule and route with it'
    finish c

    # --- one client in several conversations: each is answered, from the client's own port where there is one
    in_container builtin --state-dir /tmp/$who.state -p 0.0.0.0:8001:127.0.0.1:1/udp -p 0.0.0.0:8002:127.0.0.1:1/udp -p 0.0.0.0:8003:10.0.2.100:1/udp $servers peer:0.0.0.0:1
    from_world $client from 40000 192.0.2.2 8001
    out_is '192.0.2.1 40000' "the client's port is kept"
    from_world $client from 40000 192.0.2.2 8002
    out_like '^192\.0\.2\.1 ' 'another conversation of that address and port'
    out_unlike ' 40000$' 'has a port of its own'
    from_world $client from 40000 192.0.2.2 8001
    out_is '192.0.2.1 40000' 'the first one is none the worse'
    for port in 53 5000 32767; do
        from_world $client from $port 192.0.2.2 8001
        out_is "192.0.2.1 $port" "port $port, which a server may want, is kept as well"
    done
    run nsenter --preserve-credentials -U -n -t "$(cat /tmp/$who.state/child_pid)" $client takes 53 5000 32767
    out_is '53 5000 32767' 'and taken from no server'
    from_world $client udp 192.0.2.2 8003
    out_like '^10\.0\.2\.100 ' 'the same server at a second address: the way back is taken, a local address serves'
    portd=$(strangers | while read -r id _; do grep -q portd "/proc/$id/comm" && echo "$id"; done)
    kill -KILL "$portd"
    ok 'portd is killed' $client gone "$portd"
    sees 192.0.2.2 8001 192.0.2.1 'its successor serves with what it left behind'
    finish c

    # --- behind a bridge, to which a rule redirects the link's address, as dockerd does without its proxy
    launch c rootlet run --state-dir /tmp/$who.state --net=slirp4netns --copy-up=/etc --port-driver=slirp4netns -p 0.0.0.0:8001:1/udp \
        sh -c 'unshare -n sh -c "echo \$\$; exec \"\$@\"" sh "$@"; exit $?' sh $servers --hold peer:0.0.0.0:1
    guest=$line
    hear c
    run rootlet enter --state-dir /tmp/$who.state sh -ec "
        ip link add br0 type bridge
        ip addr add 172.17.0.1/16 dev br0
        ip link set br0 up
        ip link add ve0 type veth peer name ve1 netns $guest
        ip link set ve0 master br0 up
        echo 1 >/proc/sys/net/ipv4/ip_forward
        nsenter -t $guest -n sh -ec 'ip link set lo up; ip addr add 172.17.0.2/16 dev ve1; ip link set ve1 up; ip route add default via 172.17.0.1'
        nft -f - <<'END'
            table ip nat {
                chain out { type nat hook output priority -100; ip daddr != 127.0.0.0/8 fib daddr type local udp dport 1 dnat to 172.17.0.2:1; }
                chain post { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname != br0 masquerade; }
            }
END"
    is "$status:$stderr" 0: 'a bridge'
    tell c bind
    hear c
    is "$line" ready 'with a server behind it'
    sees 192.0.2.2 8001 192.0.2.1 "which sees the client's address"
    sees 192.0.2.2 8001 192.0.2.1 'the next one, too'
    finish c
    err_is '' 'without a word'

    # --- not wanted
    launch c rootlet run --net=slirp4netns --copy-up=/etc --port-driver=builtin --source-ip-transparent=false -p 0.0.0.0:8001:1/udp $servers peer:0.0.0.0:1
    sees 192.0.2.2 8001 127.0.0.1 '--source-ip-transparent=false'
    finish c
    err_is '' 'is no reason for a warning'

    # --- a kernel that refuses: /proc/sys cannot be written to
    caller=$who who=root
    launch c unshare -m sh -c 'mount --bind -o ro /proc/sys /proc/sys; exec "$@"' sh as-$caller rootlet run --net=slirp4netns --copy-up=/etc --port-driver=builtin \
        -p 0.0.0.0:8001:1/udp -p 0.0.0.0:8002:2/tcp $servers peer:0.0.0.0:1 http:0.0.0.0:2
    who=$caller
    sees 192.0.2.2 8001 127.0.0.1 'a kernel that refuses: UDP is served from a local address'
    sees 192.0.2.2 8001 127.0.0.1 'again'
    from_world curl -sS http://192.0.2.2:8002/client
    out_like '^127\.0\.0\.1 ' 'and so is TCP'
    finish c
    is "$(grep -c 'source addresses are not kept' <<<"$stderr")" 1 'which is told once'
done
nothing_left 'nothing is left'
done_testing
