#!/bin/bash
# netd's API socket: forwarded ports, and requests that are none.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

for way in "${ways[@]}"; do
    choose "$way"
    api=/tmp/$([ $who = root ] && echo root || echo tester)/api
    hold
    start_netd netd -c --api-socket=$api $target tap0
    is "$ready" 1 'ready'
    ok 'the socket is there when it is' test -S $api
    launch server nsenter --preserve-credentials -U -n -t $target -- $servers --hello 'inside' http:10.0.2.100:80 echo:10.0.2.100:7 http:127.0.0.1:81

    request $api '{"execute":"list_hostfwd"}'
    is "$(json 'd["return"]["entries"]' <<<"$stdout") $(json 'd["entries"]' <<<"$stdout")" '[] []' 'at first nothing is forwarded'
    request $api '{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"127.0.0.1","host_port":8080,"guest_addr":"10.0.2.100","guest_port":80}}'
    is "$(json 'd["return"]["id"]' <<<"$stdout")" 1 'the first forward'
    run curl -sS http://127.0.0.1:8080/
    out_is inside 'works'
    run curl -sS http://192.0.2.2:8080/
    status_is 7 'on its own address only'
    request $api '{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8081,"guest_port":80}}'
    is "$(json 'd["return"]["id"]' <<<"$stdout")" 2 'the second, with defaults'
    run curl -sS http://192.0.2.2:8081/ http://127.0.0.1:8081/
    out_is $'inside\ninside' 'is on every address'
    who_before=$who who=root
    run in-world curl -sS http://192.0.2.2:8081/
    out_is inside 'and reached by the world'
    who=$who_before
    request $api '{"execute":"add_hostfwd","arguments":{"proto":"udp","host_addr":"127.0.0.1","host_port":8007,"guest_port":7}}'
    is "$(json 'd["return"]["id"]' <<<"$stdout")" 3 'UDP'
    run $client udp 127.0.0.1 8007 'a datagram'
    out_is 'a datagram' 'works'
    request $api '{"execute":"list_hostfwd"}'
    is "$(json '[[e["id"], e["proto"], e["host_addr"], e["host_port"], e["guest_addr"], e["guest_port"]] for e in d["return"]["entries"]]' <<<"$stdout")" \
        '[[1, "tcp", "127.0.0.1", 8080, "10.0.2.100", 80], [2, "tcp", "0.0.0.0", 8081, "10.0.2.100", 80], [3, "udp", "127.0.0.1", 8007, "10.0.2.100", 7]]' 'the list'
    request $api '{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"127.0.0.1","host_port":8080,"guest_port":81}}'
    like "$(json 'd["error"]["desc"]' <<<"$stdout")" '^bad request: .+' 'a port that is taken'
    request $api '{"execute":"remove_hostfwd","arguments":{"id":1}}'
    is "$(json 'd["return"]' <<<"$stdout")" '{}' 'a removed one'
    run $client connect 127.0.0.1 8080
    out_is ECONNREFUSED 'is closed'
    run curl -sS http://127.0.0.1:8081/
    out_is inside 'the others stay'
    request $api '{"execute":"remove_hostfwd","arguments":{"id":1}}'
    like "$(json 'd["error"]["desc"]' <<<"$stdout")" '^bad request: .+' 'and cannot be removed again'

    # --- what is no request
    while IFS= read -r text; do
        request $api "$text"
        status_is 0 "answered: ${text:0:60}"
        like "$(json 'd["error"]["desc"]' <<<"$stdout" 2>&1)" '^bad request: .+' 'with an error'
    done <<-'END'
		{
		[]
		"x"
		null
		{}
		{"execute":1}
		{"execute":"dance"}
		{"execute":"add_hostfwd"}
		{"execute":"add_hostfwd","arguments":[]}
		{"execute":"add_hostfwd","arguments":{}}
		{"execute":"add_hostfwd","arguments":{"proto":"sctp","host_port":1,"guest_port":1}}
		{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":"8080","guest_port":80}}
		{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":65536,"guest_port":80}}
		{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":0,"guest_port":80}}
		{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":-1,"guest_port":80}}
		{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":80.5,"guest_port":80}}
		{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8090,"guest_port":1e99}}
		{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8090}}
		{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"moon","host_port":8090,"guest_port":80}}
		{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"203.0.113.80","host_port":8090,"guest_port":80}}
		{"execute":"add_hostfwd","arguments":{"proto":"tcp","guest_addr":7,"host_port":8090,"guest_port":80}}
		{"execute":"remove_hostfwd"}
		{"execute":"remove_hostfwd","arguments":{}}
		{"execute":"remove_hostfwd","arguments":{"id":"2"}}
		{"execute":"remove_hostfwd","arguments":{"id":99}}
		{"execute":"list_hostfwd"} {"execute":"list_hostfwd"}
	END
    printf '{"execute":"list_hostfwd"}\0' >/tmp/zero
    feed /tmp/zero $client unix $api -
    isnt "$stdout" '' 'a zero byte is answered'
    head -c 5000 /dev/zero | tr '\0' ' ' >/tmp/big
    echo '{"execute":"list_hostfwd"}' >>/tmp/big
    feed /tmp/big $client unix $api -
    pass_or='closed or an error'
    like "$stdout" '^$|error' "a request that is too long: $pass_or"
    run $client unix $api ''
    like "$stdout" '^$|error' "an empty one: $pass_or"

    # The longest one that there may be, and one byte more.
    for size in 4095 4096; do
        printf '{"execute":"list_hostfwd"%*s}' $((size - 26)) '' >/tmp/exact
        is "$(wc -c </tmp/exact)" $size "$size bytes"
        feed /tmp/exact $client unix $api -
        if [ $size = 4095 ]; then
            is "$(json 'len(d["return"]["entries"])' <<<"$stdout")" 2 'are a request'
        else
            like "$(json 'd["error"]["desc"]' <<<"$stdout")" '^bad request: .+' 'are too many'
        fi
    done

    # --- silent clients
    for i in 1 2 3 4 5 6 7 8; do
        spawn silent$i $client unix $api --
    done
    request $api '{"execute":"list_hostfwd"}'
    is "$(json 'len(d["return"]["entries"])' <<<"$stdout")" 2 'clients that say nothing keep nobody waiting'
    run curl -sS http://127.0.0.1:8081/
    out_is inside 'and the network runs'
    for i in 1 2 3 4 5 6 7 8; do
        kill "${pid[silent$i]}"
        await silent$i
    done
    finish server
    run curl -sS --max-time 5 http://127.0.0.1:8081/
    status_isnt 0 'a forward to nobody'
    ok 'is the end of the connection, not of netd' kill -0 "${pid[netd]}"
    finish netd
    status_is 0 'it ends in order'
    nok 'and leaves no socket' test -e $api
    run $client connect 127.0.0.1 8081
    out_is ECONNREFUSED 'and no forward'
    finish holder
done
# The first thing that a guest hears of is a datagram, before netd knows where on the link the guest is.
for way in "${ways[@]}"; do
    choose "$way"
    api=/tmp/$([ $who = root ] && echo root || echo tester)/api
    hold
    start_netd netd -c -6 --api-socket=$api $target tap0
    launch server nsenter --preserve-credentials -U -n -t $target -- $servers --hello 'inside' echo:10.0.2.100:7 'echo:[fd00::100]:7' 'http:[fd00::100]:80'
    request $api '{"execute":"add_hostfwd","arguments":{"proto":"udp","host_addr":"127.0.0.1","host_port":8007,"guest_port":7}}'
    run $client udp 127.0.0.1 8007 'the first datagram'
    out_is 'the first datagram' "a datagram to a guest that has said nothing ($link)"
    request $api '{"execute":"add_hostfwd","arguments":{"proto":"udp","host_addr":"::1","host_port":8008,"guest_port":7}}'
    run $client udp ::1 8008 'the first datagram'
    out_is 'the first datagram' 'by IPv6'
    request $api '{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"::","host_port":8080,"guest_port":80}}'
    is "$(json 'd["return"]["id"]' <<<"$stdout")" 3 'a TCP port of all IPv6 addresses'
    run curl -sS 'http://[::1]:8080/' 'http://[fd00::2]:8080/'
    out_is $'inside\ninside' 'works'
    run $client connect 127.0.0.1 8080
    out_is ECONNREFUSED 'and is none of IPv4'
    request $api '{"execute":"list_hostfwd"}'
    is "$(json '[[e["proto"], e["host_addr"], e["guest_addr"]] for e in d["return"]["entries"]]' <<<"$stdout")" \
        '[["udp", "127.0.0.1", "10.0.2.100"], ["udp", "::1", "fd00::100"], ["tcp", "::", "fd00::100"]]' 'the list has them'
    request $api '{"execute":"remove_hostfwd","arguments":{"id":3}}'
    run $client connect ::1 8080
    out_is ECONNREFUSED 'a removed one is closed'
    finish server
    finish netd
    finish holder
done
nothing_left 'nothing is left'
done_testing
