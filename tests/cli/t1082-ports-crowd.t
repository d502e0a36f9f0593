#!/bin/bash
# Many connections through published ports at once: what each costs, that all of them work, what is left behind, and no more descriptors.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

netload=$TOP/build/$(uname -m)/tests/lib/netload
[ -x "$netload" ] || bail_out "$netload is missing (make test makes it)"

# Two descriptors a connection, and the forwarder keeps some for UDP: where the machine allows less, a few connections less.
hard=$(ulimit -Hn)
crowd=10000
if [ "$hard" != unlimited ] && [ "$hard" -lt 50000 ]; then crowd=$(((hard - 128) * 3 / 8 - 100)); fi

# up LIMIT [OPTION]...: a container that echoes, published as 127.0.0.1:8080; `portd` is the list of the forwarder's processes.
up() {
    launch c sh -c 'ulimit -n $0; exec "$@"' $1 rootlet run --net=none --port-driver=builtin -p 127.0.0.1:8080:7/tcp "${@:2}" $netload serve 127.0.0.1 7
    is "$line" listening "up: $*"
    portd=$(pgrep rootlet-portd | tr '\n' ' ')
}
down() {
    finish c
    status_is 0 'it ends'
}
pss() { for pid in $portd; do cat /proc/$pid/smaps_rollup; done | awk '/^Pss:/ { sum += $2 } END { print sum * 1024 }'; }
descriptors() { for pid in $portd; do ls /proc/$pid/fd; done | wc -l; }
# Exchanges through the port until the forwarder has no more descriptors than this; each is a turn of its loop.
calm_down() {
    for _ in {1..500}; do
        run $netload connect 127.0.0.1 8080 0 1
        if [ "$(descriptors)" -le "$1" ]; then return; fi
    done
}
busy() { echo "${line##* }"; }

for who in root user; do
    up $hard
    open_before=$(descriptors)
    run $netload connect 127.0.0.1 8080 0 8
    status_is 0 'it works'
    calm_down $open_before
    before=$(pss)

    launch crowd $netload hold 127.0.0.1 8080 $crowd busy
    hear crowd
    is "$line" "open $crowd 0" "$crowd connections at a time"
    each=$((($(pss) - before) / crowd))
    ok "an idle one costs no more than 1 KiB of memory ($each bytes)" [ $each -le 1024 ]
    is $(($(descriptors) - open_before)) $((2 * crowd + 2)) 'and its two sockets, but no pipe'
    tell crowd echo
    hear crowd
    like "$line" "^echoed $crowd 0 " 'each of them works'
    first=$(busy)
    tell crowd echo
    hear crowd
    like "$line" "^echoed $crowd 0 " 'and works again'
    ok "a busy one among them goes on meanwhile ($first, $(busy) exchanges)" [ "$(busy)" -gt "$first" ]
    each=$((($(pss) - before) / crowd))
    ok "nothing is kept of what went through ($each bytes)" [ $each -le 1024 ]
    finish crowd
    status_is 0 'they end'
    calm_down $open_before
    is "$(descriptors)" "$open_before" 'and leave no descriptor behind'

    # --- in bulk: pipes while bytes wait, and a few that are kept
    run $netload send 127.0.0.1 8080 1 4
    status_is 0 'four streams'
    calm_down $((open_before + 16))
    ok 'leave a few pipes for the next' [ "$(descriptors)" -le $((open_before + 16)) ]
    down
done

# --- no more descriptors
for who in root user; do
    up 80
    launch crowd $netload hold 127.0.0.1 8080 20
    hear crowd
    is "$line" 'open 20 0' 'descriptors are scarce: 20 connections'
    launch more $netload hold 127.0.0.1 8080 30
    is "$line" 'connected 30' '30 more are welcome'
    tell crowd echo
    hear crowd
    like "$line" '^echoed 20 0 ' 'those that are up go on while others wait'
    finish crowd
    status_is 0 'they end'
    hear more
    is "$line" 'open 30 0' 'and make room for those who waited'
    finish more
    status_is 0 'which end as well'
    down
    is "$(grep -c 'no more than .* connections for now .*ulimit -n' <<<"$stderr")" 1 'one warning says why, and what to do'
done

# --- with the last ones: whether it is the client's connection or the server's that gets none depends on how many there are
for nofile in 80 81; do
    launch c sh -c 'ulimit -n $0; exec "$@"' $nofile rootlet run --net=none --port-driver=builtin -p 0.0.0.0:8080:7/tcp $netload serve 127.0.0.1 7
    who=root
    launch crowd in-world $netload hold 192.0.2.2 8080 20
    hear crowd
    is "$line" 'open 20 0' "$nofile descriptors: 20 clients from elsewhere"
    launch more in-world $netload hold 192.0.2.2 8080 30
    finish crowd
    hear more
    is "$line" 'open 30 0' '30 more, when there is room'
    finish more
    who=user
    down
    err_unlike 'source addresses are not kept' 'their addresses are not given up for that'
done

# --- peers that vanish
who=root
launch c rootlet run --net=none --port-driver=builtin -p 0.0.0.0:8080:7/tcp $netload serve 127.0.0.1 7
launch crowd in-world $netload hold 192.0.2.2 8080 1
hear crowd
like "$(ss -tnoH state established sport = :8080)" 'timer:\(keepalive,(1min|[0-5]?[0-9]sec),0\)' 'a client that says nothing is asked within a minute'
finish crowd
down
nothing_left 'nothing is left'
done_testing
