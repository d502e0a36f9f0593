#!/bin/bash
# What comes through a published port, as it was sent: ends, half ends, resets, urgent data; datagrams, their bounds, order and senders.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# A namespace in which 10.9.9.9 is somewhere, and answers nobody.
inside='ip link set lo up
ip link add ve0 type veth peer name ve1
ip link set ve0 up
ip link set ve1 up
ip addr add 10.9.9.1/24 dev ve0
ip neigh add 10.9.9.9 lladdr 02:00:00:00:00:99 dev ve0
echo ready
exec cat'
notify=$TOP/tests/lib/notify.py ends=$TOP/tests/lib/ends.py
# all_ok COUNT WHAT: so many lines, each one "NAME: ok".
all_ok() {
    tap_about is "$(grep -c ': ok$' <<<"$stdout") $(grep -v ': ok$' <<<"$stdout") $stderr" "$1  " "$2"
}

for who in root user; do
    launch ns unshare -Urn sh -c "$inside"
    is "$line" ready 'a namespace'
    enter="nsenter -t ${pid[ns]} -U -n --preserve-credentials"
    launch f $notify rootlet forward --target ${pid[ns]} -p 127.0.0.1:8080:80/tcp -p 127.0.0.1:8081:10.9.9.9:81/tcp -p 127.0.0.1:8007:7/udp -p 127.0.0.1:8009:9/udp
    like "$line" '^ready ' 'and its forwarder'
    run $ends tcp 8080 -- $enter
    all_ok 28 'TCP: each way to end, begun by the client and by the server; urgent data'
    run $ends pending ${pid[ns]} 8081 -- $enter
    all_ok 1 'a client that resets, or ends its side, while its server is being dialled'
    run $ends udp 8007 -- $enter
    all_ok 5 'UDP: sizes from 0 to 65507, boundaries, order, who gets which answer'
    run $ends late 8009 -- $enter
    all_ok 1 'UDP servers that start after their client, on 127.0.0.1 and on ::1'
    finish f
    is "$status:$stderr" 0: 'without a word'
    finish ns
done
nothing_left 'nothing is left'
done_testing
