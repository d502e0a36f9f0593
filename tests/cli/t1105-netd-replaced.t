#!/bin/bash
# A netd that dies under `run` is replaced, and nothing but its connections is lost.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

members() { strangers | while read -r id _; do echo "$id $(cat "/proc/$id/comm")"; done; }
member() { members | awk -v name="$1" '$2 ~ name { print $1; exit }'; }

for way in "${all_ways[@]}"; do
    choose "$way"
    launch c rootlet run --net=slirp4netns --link=$link --ipv6 --copy-up=/etc -p 127.0.0.1:8080:80/tcp -p 127.0.0.1:8007:7/udp \
        $servers --hello inside http:0.0.0.0:80 echo:0.0.0.0:7
    is "$line" ready 'an instance with a server'
    target=$(member servers)
    in_there() { run nsenter --preserve-credentials -U -n -t "$target" -- "$@"; }
    [ $who = user ] || in_there() { run nsenter -n -t "$target" -- "$@"; }
    # All that does not come and go with router advertisements.
    looks='ip -o link show tap0 | sed "s/state [A-Z]*//; s/NO-CARRIER,//"; ip -o addr show dev tap0 permanent | grep -v fe80; ip route show proto static; ip -6 route show proto static'
    in_there sh -c "$looks"
    before=$stdout
    like "$before" '10\.0\.2\.100/24.*fd00::100/64' "a network ($link)"
    for turn in 1 2 3; do
        netd=$(member netd)
        kill -KILL "$netd"
        ok 'netd is killed' $client gone "$netd"
        in_there curl -sS --connect-timeout 20 http://203.0.113.80/ 'http://[2001:db8::80]/'
        out_is $'hello from outside\nhello from outside' "time $turn: new connections are made"
        in_there $client dns 10.0.2.3 web.test A tcp
        out_is 203.0.113.80 'names are found'
        run curl -sS http://127.0.0.1:8080/
        out_is inside 'the published port is open'
        run $client udp 127.0.0.1 8007 'a datagram'
        out_is 'a datagram' 'UDP too'
    done
    in_there sh -c "$looks"
    out_is "$before" 'interface, addresses and routes are what they were'
    finish c
    status_is 0 'the end'
    nothing_left 'nothing is left'
done
# Without an interface there is nothing to serve, however often it were started.
says() { timeout "$LIMIT" sh -c 'until grep -qE "$1" "$2"; do :; done' x "$1" "$tap_dir/err-c"; }
for who in root user; do
    launch c rootlet run --debug --net=slirp4netns --link=tap --copy-up=/etc sh -c 'ip link delete tap0; echo ready; exec cat'
    is "$line" ready 'a command that deletes its interface'
    ok 'is the end of netd' says 'netd: up -> (stopped|waiting)'
    finish c
    status_is 0 'but not of the command'
    err_like 'the interface is gone .*netd: up -> stopped' 'which is said once'
    err_unlike 'starting it again' 'and nobody is started in its place'
done
nothing_left 'nothing is left'
done_testing
