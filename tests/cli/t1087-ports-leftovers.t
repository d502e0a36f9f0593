#!/bin/bash
# What `rootlet forward` changes in somebody's network namespace to keep clients' addresses: taken back at every end, by the next one if need be.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

settings='/proc/sys/net/ipv4/tcp_fwmark_accept /proc/sys/net/ipv4/fwmark_reflect /proc/sys/net/ipv6/fwmark_reflect'
inside() {
    run nsenter --preserve-credentials -U -n -t "${pid[t]}" "$@"
}
# state: all that may be changed there, in `stdout`.
state() {
    inside sh -c "ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; nft list ruleset; cat $settings"
}
from_world() {
    local caller=$who
    who=root
    run in-world "$@"
    who=$caller
}
target() {
    launch t unshare --map-root-user --net sh -c 'ip link set lo up; exec "$@"' sh $servers --hello inside http:0.0.0.0:80 peer:0.0.0.0:1 peer:0.0.0.0:2 'http:[::]:80' 'peer:[::]:1'
    is "$line" ready 'a network namespace'
    state
    untouched=$stdout
}
# forward NAME SPEC...: one that is up.
forward() {
    local name=$1 spec specs=()
    shift
    for spec in "$@"; do specs+=(-p "$spec"); done
    launch $name sh -c 'exec 3>&1 >/dev/null; exec "$@"' sh rootlet forward --target "${pid[t]}" --ready-fd=3 --workers=$workers "${specs[@]}"
    is "$line" 1 "rootlet forward $*"
}
end_of() {
    kill -${2:-TERM} "${pid[$1]}"
    await $1
}
portd_of() { strangers | while read -r id _; do [ "$(sed 's/.*) [A-Z] \([0-9]*\).*/\1/' /proc/$id/stat)" != "${pid[$1]}" ] || echo "$id"; done; }
clean() {
    state
    out_is "$untouched" "$1"
}
sees() {
    from_world curl -sS http://192.0.2.2:$1/client
    out_like '^192\.0\.2\.1 ' "$3: TCP"
    from_world $client udp 192.0.2.2 $2
    out_like '^192\.0\.2\.1 ' 'and UDP'
}

for who in root user; do
    workers=1
    target
    forward a 0.0.0.0:8001:80/tcp 0.0.0.0:8002:1/udp '[::]:8003:80/tcp6' '[::]:8004:1/udp6'
    sees 8001 8002 'one forwarder'
    from_world curl -sS 'http://[fd00::2]:8003/client'
    out_like '^fd00::1 ' 'IPv6'
    from_world $client udp fd00::2 8004
    out_like '^fd00::1 ' 'and UDP'
    state
    out_like 'ipproto udp sport 1 .*proto 114' 'its rules can be told from others'
    out_like 'table inet rootlet-ports-0' 'and its tables'
    end_of a
    status_is 0 'SIGTERM'
    err_is '' 'without a word'
    clean 'nothing is left, and the settings are as they were'

    # --- a forwarder beside another one, of several processes
    workers=2
    forward a 0.0.0.0:8001:80/tcp 0.0.0.0:8002:127.0.0.1:1/udp
    forward b 0.0.0.0:8011:80/tcp 0.0.0.0:8012:127.0.0.1:1/udp 0.0.0.0:8013:127.0.0.1:2/udp
    sees 8001 8002 'the first of two'
    sees 8011 8013 'the second'
    from_world $client udp 192.0.2.2 8012
    out_like '^192\.0\.2\.1 ' 'the same server by the second: as it comes from the same address'
    end_of a
    from_world curl -sS http://192.0.2.2:8011/client
    out_like '^192\.0\.2\.1 ' 'without the first: TCP'
    sees 8011 8012 'once more'
    end_of b
    clean 'and without both nothing is left'
    forward a 0.0.0.0:8001:80/tcp
    forward b 0.0.0.0:8011:80/tcp
    end_of b
    from_world curl -sS http://192.0.2.2:8001/client
    out_like '^192\.0\.2\.1 ' 'the second one ends first'
    end_of a
    clean 'nothing is left either'
    inside sh -c 'echo 1 >/proc/sys/net/ipv4/fwmark_reflect'
    forward a 0.0.0.0:8001:80/tcp
    inside sh -c 'echo 0 >/proc/sys/net/ipv4/fwmark_reflect'
    forward b 0.0.0.0:8011:80/tcp
    end_of b
    end_of a
    clean 'a setting that was switched off between the two'

    # --- killed
    workers=1
    forward a 0.0.0.0:8001:80/tcp 0.0.0.0:8002:1/udp
    sees 8001 8002 'before'
    portd=$(portd_of a)
    kill -KILL "$portd"
    ok 'portd is killed' $client gone "$portd"
    from_world curl -sS --retry 5 --retry-all-errors http://192.0.2.2:8001/client
    out_like '^192\.0\.2\.1 ' 'its successor: TCP'
    sees 8001 8002 'and again'
    end_of a
    err_like '^rootlet forward: warning: portd ended \(signal 9\)[^'$'\n'']*$' 'which is all it says'
    clean 'its successor clears up after both'
    forward a 0.0.0.0:8001:80/tcp 0.0.0.0:8002:1/udp
    sees 8001 8002 'once more'
    portd=$(portd_of a)
    end_of a KILL
    ok 'both are killed' $client gone "$portd"
    state
    out_like 'proto 114' 'something is left'
    forward b 0.0.0.0:8001:80/tcp
    state
    out_unlike 'ipproto' 'the next one has taken away what was for clients'
    end_of b
    clean 'and the rest at its end'

    # --- what is not ours stays
    inside sh -c "ip rule add priority 29293 ipproto udp sport 9 table 9; ip route add local 198.51.100.1 dev lo table 9
        ip route add local 198.51.100.2 dev lo proto 114; nft add table inet rootlet-ports-x; echo 1 >/proc/sys/net/ipv4/fwmark_reflect"
    is "$status:$stderr" 0: 'somebody else has rules and settings'
    state
    untouched=$stdout
    forward a 0.0.0.0:8001:80/tcp 0.0.0.0:8002:1/udp
    sees 8001 8002 'beside them'
    inside sh -c 'echo 0 >/proc/sys/net/ipv6/fwmark_reflect'
    end_of a
    clean 'they stay'
    finish t
done
nothing_left 'nothing is left'
done_testing
