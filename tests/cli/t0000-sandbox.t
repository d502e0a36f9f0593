#!/bin/bash
# The sandbox itself: what the other tests rely on is there.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

for who in root user; do
    run id -u
    out_is "$([ $who = root ] && echo 0 || echo 1001)" 'the user is who is asked for'
    run curl -sS http://203.0.113.80/ 'http://[2001:db8::80]/'
    out_is $'hello from outside\nhello from outside' 'the world serves HTTP over IPv4 and IPv6'
    run getent ahosts web.test
    out_like '203.0.113.80.*2001:db8::80' 'and DNS'
    run $client dns 192.0.2.1 big.test A
    out_is TRUNCATED 'an answer that is too long for UDP is cut'
    run $client dns 192.0.2.1 big.test A tcp
    out_like '^203.0.113.1(.*203.0.113){99}' 'and whole over TCP'
    run $client udp 203.0.113.80 7 'an echo'
    out_is 'an echo' 'the world echoes UDP'
    run $client connect 203.0.113.80 81
    out_is ECONNREFUSED 'and refuses what nobody serves'
    run bash -c ': </dev/net/tun'
    status_is 0 'the tap device can be opened'
    run bash -c 'echo /proc/self/fd/*'
    out_is '/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3' 'no descriptor leaks in (3 is the listing itself)'
    run cat /proc/sys/net/ipv4/tcp_congestion_control
    out_like '^(cubic|reno)$' 'the network has a plain congestion control'
done

who=user
run grep -E '^(CapPrm|CapEff|CapInh|CapAmb|NoNewPrivs):' /proc/self/status
out_unlike '[1-9]' 'the ordinary user has no privileges'
run unshare --user --map-root-user --map-auto cat /proc/self/uid_map
out_like '1 +100000 +65535' 'and subordinate ids, through newuidmap'

who=root
run in-world cat /proc/net/dev
out_like out0: 'root reaches the world'
launch echo sh -c 'echo ready; exec cat'
is "$line" ready 'a launched command is heard'
tell echo 'a word'
hear echo
is "$line" 'a word' 'and talked to'
isnt "$(strangers)" '' 'its process is seen'
finish echo
status_is 0 'and ends'
nothing_left 'nothing is left of all this'
done_testing
