#!/bin/bash
# Published ports with several workers: each does its part, one that dies is replaced, and what its end takes along.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

netload=$TOP/build/$(uname -m)/tests/lib/netload
faulter=$TOP/build/$(uname -m)/tests/lib/faulter
[ -x "$netload" ] || bail_out "$netload is missing (make test makes it)"

up() {
    launch c rootlet run --net=none --port-driver=builtin --state-dir /tmp/$who/state -p 127.0.0.1:8080:7/tcp -p 127.0.0.1:8007:9/udp "$@" \
        sh -c "exec 3<&0; $servers echo:127.0.0.1:9 <&3 & exec $netload serve 127.0.0.1 7"
    local first=$line
    hear c
    is "$(sort <<<"$first"$'\n'"$line")" $'listening\nready' "up: $*"
}
# Exchanges through the ports until COMMAND succeeds, at most 2000.
exchange_until() {
    for _ in {1..2000}; do
        if "$@"; then return; fi
        as-$who $netload connect 127.0.0.1 8080 0 1 >/dev/null 2>&1
    done
    return 1
}
worker() { pgrep -x "rootlet-portd-$1"; }
is_replaced() { # NUMBER OLD_PID, by one that has the listener already
    local now
    now=$(worker "$1") && [ "$now" != "$2" ] && [ "$(sockets "$now")" -ge "$idle" ]
} 2>/dev/null
sockets() { find /proc/$1/fd -lname 'socket:*' | wc -l; }
# share_of NUMBER: connections that this worker has
share_of() { echo $((($(sockets "$(worker $1)") - idle) / 2)); }

for who in root user; do
    up --workers=3
    is "$(pgrep -c rootlet-portd)" 4 'three workers, and who starts them'
    idle=$(sockets "$(worker 2)")
    idle_0=$(sockets "$(worker 0)")
    run $client udp 127.0.0.1 8007 'a datagram'
    out_is 'a datagram' 'UDP'

    # --- each does its part
    launch crowd $netload hold 127.0.0.1 8080 90
    hear crowd
    is "$line" 'open 90 0' '90 connections'
    one=$(share_of 1) two=$(share_of 2)
    ok "each worker has its part of them ($one and $two of 90)" [ $one -ge 20 -a $one -le 40 -a $two -ge 20 -a $two -le 40 ]

    # --- one is killed
    before=$(worker 1)
    kill -KILL $before
    tell crowd echo
    hear crowd
    is "$line" "echoed 90 $one 0" "a worker's death takes its connections along, and no others"
    ok 'another one takes its place' exchange_until is_replaced 1 $before
    launch more $netload hold 127.0.0.1 8080 90
    hear more
    is "$line" 'open 90 0' 'new connections'
    ok "which it has a part of ($(share_of 1) of 90)" [ "$(share_of 1)" -ge 20 ]
    finish more
    finish crowd

    # --- the one with UDP, and the one who starts them
    before=$(worker 0)
    kill -KILL $before
    idle_2=$idle idle=$idle_0
    ok 'the first worker is replaced' exchange_until is_replaced 0 $before
    idle=$idle_2
    run $client udp 127.0.0.1 8007 'a datagram'
    out_is 'a datagram' 'and UDP is served again'
    before=$(worker 2)
    kill -KILL "$(pgrep -x rootlet-portd)"
    ok 'the whole forwarder is replaced' exchange_until is_replaced 2 $before
    is "$(pgrep -c rootlet-portd)" 4 'and nothing of the old one is left'
    run $netload connect 127.0.0.1 8080 0 8
    status_is 0 'ports are served'

    # --- ports come and go
    run rootlet ctl --socket /tmp/$who/state/api.sock add-ports 127.0.0.1:8081:7/tcp 127.0.0.1:8082:7/tcp
    status_is 0 'ports are added'
    launch crowd $netload hold 127.0.0.1 8082 30
    hear crowd
    is "$line" 'open 30 0' 'and served'
    run rootlet ctl --socket /tmp/$who/state/api.sock remove-ports 4
    status_is 0 'one is taken back'
    run $client connect 127.0.0.1 8082
    out_is ECONNREFUSED 'by all of them'
    tell crowd echo
    hear crowd
    is "$line" 'echoed 30 0 0' 'its connections stay'
    finish crowd

    # --- one that does not answer
    before=$(worker 1)
    kill -STOP $before
    run rootlet ctl --socket /tmp/$who/state/api.sock add-ports 127.0.0.1:8083:7/tcp
    status_is 0 'a worker that hangs holds nobody up'
    ok 'and is replaced' exchange_until is_replaced 1 $before
    launch crowd $netload hold 127.0.0.1 8083 30
    hear crowd
    is "$line" 'open 30 0' 'the port is served'
    finish crowd
    finish c
    err_like 'portd-1 does not answer' 'which it says'
    is "$(pgrep rootlet)" '' 'at the end no worker is left'

    # --- a crowd
    up --workers=2
    portd=$(pgrep rootlet-portd)
    pss() { for pid in $portd; do cat /proc/$pid/smaps_rollup; done | awk '/^Pss:/ { sum += $2 } END { print sum * 1024 }'; }
    run $netload connect 127.0.0.1 8080 0 8
    before=$(pss)
    launch crowd $netload hold 127.0.0.1 8080 10000 busy
    hear crowd
    is "$line" 'open 10000 0' '10000 connections at a time'
    each=$((($(pss) - before) / 10000))
    ok "an idle one costs no more than 1 KiB of memory ($each bytes)" [ $each -le 1024 ]
    tell crowd echo
    hear crowd
    like "$line" '^echoed 10000 0 [1-9]' 'each of them works, and the busy one'
    finish crowd
    finish c
    err_is '' 'nothing to complain of'
done

# --- clients' addresses
from_world() {
    local caller=$who
    who=root
    run in-world "$@"
    who=$caller
}
for who in root user; do
    launch c rootlet run --workers=2 --net=slirp4netns --copy-up=/etc --port-driver=builtin -p 0.0.0.0:8001:1/udp -p 0.0.0.0:8080:2/tcp \
        $servers peer:0.0.0.0:1 http:0.0.0.0:2
    idle=$(sockets "$(worker 0)")
    for time in first second; do
        from_world $client udp 192.0.2.2 8001
        out_like '^192\.0\.2\.1 ' "the $time worker 0 keeps UDP clients' addresses"
        for _ in 1 2 3 4; do
            from_world curl -sS http://192.0.2.2:8080/client
            out_like '^192\.0\.2\.1 ' "and every worker those of TCP clients"
        done
        [ $time = first ] || continue
        before=$(worker 0)
        kill -KILL $before
        for _ in {1..200}; do
            if is_replaced 0 $before; then break; fi
            from_world curl -sS http://192.0.2.2:8080/client
        done
        ok 'another one' is_replaced 0 $before
    done
    finish c
    err_unlike 'source addresses' 'without a word of what would be missing'
done

# --- how many
who=user
up --workers=auto
half=$(($(nproc) / 2))
is "$(pgrep -c 'rootlet-portd-')" $((half > 8 ? 8 : half > 1 ? half : 0)) 'auto: one for every two processors; one alone needs nobody who starts it'
finish c
for value in 0 9 many ''; do
    run rootlet run --net=none -p 127.0.0.1:8080:7/tcp --workers=$value true
    status_is 1 "--workers=$value"
    err_like 'workers.*auto' 'is refused'
done

# --- a worker that cannot be started
holder=(unshare --user --map-root-user --net sh -c 'echo $$; exec cat')
for who in root user; do
    launch h "${holder[@]}"
    target=$line
    for fault in 0.2:clone3:1:EAGAIN 0.2:clone3:2:EAGAIN 0.2:socketpair:3:EMFILE 0.2.2:epoll_create1:1:EMFILE 0.2.1:prlimit64:1:KILL; do
        user=()
        if [ $who = user ]; then user=(--user 1001:1001); fi
        timeout 20 $faulter "${user[@]}" --fault $fault --deadline 15 --last cat --out /tmp/fault -- \
            $ROOTLET forward --workers=2 --target $target -p 127.0.0.1:8080:7/tcp >/tmp/said 2>&1
        ran="faulter $fault" stdout=$(cat /tmp/said) stderr=$(cat /tmp/fault)
        err_like '^hit ' "$fault"
        err_like 'end exit 1' 'the start fails'
        out_like 'forwarder|portd' 'and says why'
        err_unlike 'left |slow ' 'with nothing left'
    done
    finish h
done
nothing_left 'nothing is left'
done_testing
