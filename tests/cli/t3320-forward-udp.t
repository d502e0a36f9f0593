#!/bin/bash
# UDP flows: how long they last, how many there may be, what becomes of them under many clients and under forged ones.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
LIMIT=120

notify=$TOP/tests/lib/notify.py ends=$TOP/tests/lib/ends.py
# until_line TEXT: wait for a line of f's that has it.
until_line() {
    while hear f && [[ $line != *"$1"* ]]; do :; done
}
portd_of() {
    local folder
    for folder in /proc/[0-9]*; do
        if [ "$(cat $folder/comm 2>/dev/null)" = rootlet-portd ]; then echo ${folder##*/}; fi
    done
}
descriptors() { find /proc/$1/fd -mindepth 1 | wc -l; }

for who in root user; do
    api=/tmp/$([ $who = root ] && echo root || echo tester)/api
    launch ns unshare -Urn sh -c 'ip link set lo up; exec "$@"' sh $servers peer:127.0.0.1:7
    enter="nsenter -t ${pid[ns]} -U -n --preserve-credentials"

    # --- how long: two seconds instead of ninety, and its end is told
    spawn f sh -c 'exec rootlet forward --debug "$@" 2>&1' sh --target ${pid[ns]} --udp-timeout=2 -p 127.0.0.1:8007:7/udp
    until_line 'port-add 1: 0'
    portd=$(portd_of)
    before=$(descriptors $portd)
    run $ends flows 8007 -- $enter
    out_is 'flows: ok' 'a client has one flow, and another one another'
    until_line 'a flow has ended'
    until_line 'a flow has ended'
    is "$(descriptors $portd)" "$before" 'whose sockets are closed after the time that was given'
    kill "${pid[f]}"
    await f
    finish ns

    # --- how many: those of 20000 clients one after the other, with room for a part of them
    launch ns unshare -Urn sh -c 'ip link set lo up; echo ready; exec cat'
    enter="nsenter -t ${pid[ns]} -U -n --preserve-credentials"
    launch f $notify sh -c 'ulimit -n 4096; exec rootlet forward "$@"' sh --target ${pid[ns]} --api-socket $api -p 127.0.0.1:8007:7/udp
    like "$line" '^ready ' 'forward with at most 4096 descriptors'
    portd=$(portd_of)
    before=$(descriptors $portd)
    run $ends churn 20000 8007 -- $enter
    out_is '20000 clients' 'each of 20000 clients is served'
    flows=$(($(descriptors $portd) - before))
    is "$((flows > 500 && flows <= 1024))" 1 "a quarter of the descriptors at most are for UDP ($flows)"
    memory=$(awk '/^VmRSS/ { print $2 }' /proc/$portd/status)
    is "$((memory < 32768))" 1 "and not much memory ($memory KiB)" # some 1000; with sanitizers 18000
    run rootlet ctl --socket $api remove-ports 1
    is "$(descriptors $portd)" $((before - 1)) 'all are closed with the port'
    run rootlet ctl --socket $api add-ports 127.0.0.1:8007:7/udp
    run $ends churn 5 8007 -- $enter
    out_is '5 clients' 'which can be published again'
    finish f
    is "$status:$stderr" 0: 'without a word'

    # --- forged clients push out each other, and no one who has been talking with the server
    launch f $notify sh -c 'ulimit -n 4096; exec rootlet forward "$@"' sh --target ${pid[ns]} -p 8007:7/udp
    caller=$who who=root
    run in-world $ends talk 8000 192.0.2.2 8007 -- nsenter -t ${pid[ns]} -U -n # with the ids of root in there
    who=$caller
    out_is 'talk: ok' 'a client in a conversation keeps its flow while 8000 others forge their addresses'
    finish f
    finish ns
done
nothing_left 'nothing is left'
done_testing
