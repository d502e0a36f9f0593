#!/bin/bash
# The REST API on api.sock, as its clients speak it.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# call METHOD PATH [CURL ARG]...: the answer's body is in stdout, its status code in $code.
call() {
    local method=$1 path=$2
    shift 2
    run curl -sS -o - -w '\n%{http_code}' --unix-socket "$socket" -X "$method" "http://any-host/v1$path" "$@"
    code=${stdout##*$'\n'}
    stdout=${stdout%$'\n'*}
}
spec() { printf '{"proto":"%s","parentIP":"%s","parentPort":%s,"childIP":"%s","childPort":%s}' "$@"; }

for who in root user; do
    state=/tmp/$([ $who = root ] && echo root || echo tester)/state
    socket=$state/api.sock
    launch c rootlet run --state-dir $state --net=slirp4netns --copy-up=/etc --port-driver=builtin -p 127.0.0.1:8080:80/tcp $servers --hello inside http:127.0.0.1:80 echo:127.0.0.1:7
    call GET /info
    is "$code" 200 'GET /v1/info'
    is "$(json '[d["apiVersion"], d["stateDir"], d["childPID"]]' <<<"$stdout")" "[\"1.1.1\", \"$state\", $(cat $state/child_pid)]" 'version, state directory, process'
    like "$(json 'd["version"]' <<<"$stdout")" '^[0-9]+\.[0-9]+\.[0-9]+' 'the version of the program'
    is "$(json '[d["networkDriver"].get(k, False) for k in ("driver", "dns", "childIP", "dynamicChildIP")]' <<<"$stdout")" '["slirp4netns", ["10.0.2.3"], "10.0.2.100", false]' 'the network driver'
    is "$(json '[d["portDriver"]["driver"], sorted(d["portDriver"]["protos"])]' <<<"$stdout")" \
        '["builtin", ["tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"]]' 'the port driver'
    call GET /ports
    is "$code $stdout" '200 [{"id":1,"spec":{"proto":"tcp","parentIP":"127.0.0.1","parentPort":8080,"childPort":80}}]' 'GET /v1/ports' ||
        is "$(json '[[p["id"], p["spec"]["proto"], p["spec"]["parentPort"], p["spec"]["childPort"]] for p in d]' <<<"$stdout")" '[[1, "tcp", 8080, 80]]' 'which has the published port'

    call POST /ports -d "$(spec tcp 127.0.0.1 8081 '' 80)"
    is "$code $(json '[d["id"], d["spec"]["parentPort"]]' <<<"$stdout")" '201 [2, 8081]' 'POST /v1/ports'
    run curl -sS http://127.0.0.1:8081/
    out_is inside 'and the port is open'
    call POST /ports -d '{"proto":"udp","parentIP":"127.0.0.1","parentPort":8007,"childPort":7}'
    is "$code" 201 'UDP, without what may be left out'
    run $client udp 127.0.0.1 8007 'a datagram'
    out_is 'a datagram' 'is open, too'
    python3 -c 'import json; print(json.dumps([{"proto": "tcp", "parentIP": "127.0.0.1", "parentPort": 0, "childPort": 80}] * 1500))' >/tmp/many
    chmod 644 /tmp/many
    call POST /ports --data-binary @/tmp/many
    is "$code" 201 '1500 specs in one request, more than the usual limit of descriptors'
    ids=$(json '[p["id"] for p in d]' <<<"$stdout")
    read -ra ids < <(tr -d '[],' <<<"$ids")
    run rootlet ctl --socket $socket remove-ports "${ids[@]}"
    status_is 0 'and their end'
    call POST /ports -d "$(spec tcp 127.0.0.1 8081 '' 81)"
    is "$code" 400 'a port that is published already'
    like "$(json 'd["message"]' <<<"$stdout")" '(id|ID|port) 2|2' 'the answer names which one holds it'
    call DELETE /ports/2
    is "$code $stdout" '200 ' 'DELETE'
    run $client connect 127.0.0.1 8081
    out_is ECONNREFUSED 'and the port is closed'
    run curl -sS http://127.0.0.1:8080/
    out_is inside 'the others stay'
    call POST /ports -d "$(spec tcp 127.0.0.1 8081 '' 80)"
    is "$code $(json 'd["id"]' <<<"$stdout")" '201 1504' 'opened again it has a new number'
    call DELETE /ports/2
    isnt "$code" 200 'a number that is gone stays gone'

    # --- what is wrong with a request, and that it is said
    while read -r want method path body; do
        call "$method" "$path" ${body:+-d "$body"}
        like "$code" "^$want\$" "$method $path ${body:0:60}"
        [ $method = PATCH ] || [ "${want#4}" = "$want" ] || like "$(json 'd["message"]' <<<"$stdout" 2>&1)" '.+' 'with a message'
    done <<-'END'
		400 POST /ports {
		400 POST /ports []
		400 POST /ports "x"
		400 POST /ports {}
		400 POST /ports {"proto":"tcp"}
		400 POST /ports {"proto":"tpc","parentIP":"127.0.0.1","parentPort":8091,"childPort":80}
		400 POST /ports {"proto":"sctp","parentIP":"127.0.0.1","parentPort":8091,"childPort":80}
		400 POST /ports {"proto":"tcp","parentIP":"moon","parentPort":8091,"childPort":80}
		400 POST /ports {"proto":"tcp","parentIP":"203.0.113.80","parentPort":8091,"childPort":80}
		400 POST /ports {"proto":"tcp","parentIP":"127.0.0.1","parentPort":65536,"childPort":80}
		400 POST /ports {"proto":"tcp","parentIP":"127.0.0.1","parentPort":-1,"childPort":80}
		400 POST /ports {"proto":"tcp","parentIP":"127.0.0.1","parentPort":80.5,"childPort":80}
		400 POST /ports {"proto":"tcp","parentIP":"127.0.0.1","parentPort":"8091","childPort":80}
		400 POST /ports {"proto":"tcp","parentIP":"127.0.0.1","parentPort":8091,"childPort":0}
		400 POST /ports {"proto":"tcp","parentIP":"127.0.0.1","parentPort":8091,"childPort":80}{}
		4.. DELETE /ports/99
		4.. DELETE /ports/x
		4.. DELETE /ports/-1
		4.. DELETE /ports/18446744073709551617
		4.. DELETE /ports
		4.. GET /nowhere
		4.. PUT /ports {}
		4.. PATCH /info {}
	END
    head -c 2000000 /dev/zero | tr '\0' ' ' >/tmp/big
    echo '{}' >>/tmp/big
    call POST /ports --data-binary @/tmp/big
    like "$code" '^4' 'a body of 2 MB is refused'
    call POST /ports -H 'Transfer-Encoding: chunked' -d "$(spec tcp 127.0.0.1 8092 '' 80)"
    is "$code" 201 'a body in chunks'
    run $client unix $socket $'GARBAGE\r\n\r\n'
    unlike "$stdout" ' 200 ' 'what is not HTTP'

    # --- several at once: all or none
    call POST /ports -d "[$(spec tcp 127.0.0.1 8093 '' 80),$(spec tcp 127.0.0.1 8094 '' 80)]"
    is "$code $(json '[p["spec"]["parentPort"] for p in d]' <<<"$stdout")" '201 [8093, 8094]' 'two specs in one POST'
    call POST /ports -d "[$(spec tcp 127.0.0.1 8095 '' 80),$(spec tcp 127.0.0.1 8093 '' 80)]"
    is "$code" 400 'two of which one is taken'
    run $client connect 127.0.0.1 8095
    out_is ECONNREFUSED 'and none is opened'
    call POST /ports -d "$(spec tcp 127.0.0.1 0 '' 80)"
    run curl -sS "http://127.0.0.1:$(json 'd["spec"]["parentPort"]' <<<"$stdout")/"
    out_is inside 'port 0 is answered with the free port that was taken'

    # --- batches of many clients at once, each of which meets others: all of one, or none of it
    run bash -c 'for i in {0..9}; do rootlet ctl --socket $0 add-ports "127.0.0.1:$((8200 + i * 5))-$((8209 + i * 5)):80-89/tcp" & done; wait; :' $socket
    call GET /ports
    is "$(json '(lambda p: [len(p) % 10, sorted(set(p)) == sorted(p), len(p) >= 40, all((x - 8200) // 5 * 5 + 8200 in p for x in p)])([x["spec"]["parentPort"] for x in d if 8200 <= x["spec"]["parentPort"] < 8300])' <<<"$stdout")" \
        '[0, true, true, true]' 'ten overlapping batches at once'
    run bash -c 'for i in {1..8}; do rootlet ctl --socket $0 add-ports 127.0.0.1:8300-8319:80-99/tcp 127.0.0.1:8300-8319:80-99/udp & done; wait; :' $socket
    is "$(wc -l <<<"$stdout")" 40 'eight batches that are the same: one of them'

    # --- clients that say nothing keep nobody waiting
    for i in 1 2 3 4 5 6 7 8; do spawn silent$i $client unix $socket --; done
    call GET /info
    is "$code" 200 'eight silent clients, and one that asks'
    run curl -sS http://127.0.0.1:8080/
    out_is inside 'nor do they stop the network'
    finish c
    status_is 0 'it ends'
    for i in 1 2 3 4 5 6 7 8; do await silent$i; done

    # --- the OpenAPI file beside the source says it all, and nothing else
    launch c rootlet run --state-dir $state --net=slirp4netns --copy-up=/etc --port-driver=builtin sh -c 'echo ready; exec cat'
    mapfile -t routes < <(grep -o '{"[A-Z]*", "/v1[^"]*"' net/restapi.c | tr -d '{", ')
    run "$TOP/tests/lib/openapi.py" $socket net/rest.openapi.yaml "${routes[@]}"
    out_like '^[0-9]+ answers as in the file$' 'the OpenAPI file and the server agree'
    finish c

    # --- ports do not take the last descriptors: the API could not take one back
    launch c prlimit --nofile=80 rootlet run --state-dir $state --net=slirp4netns --copy-up=/etc --port-driver=builtin $servers --hello inside http:127.0.0.1:80
    run rootlet ctl --socket $socket add-ports 127.0.0.1:8400-8499:80-179/tcp
    status_is 1 'more ports than descriptors'
    err_like 'limit of open files' 'which is said'
    run bash -c 'i=8400; while rootlet ctl --socket $0 add-ports 127.0.0.1:$i:80/tcp; do i=$((i + 1)); done' $socket
    like "$(wc -l <<<"$stdout")" '^[1-9][0-9]$' 'as many as there is room for'
    for i in 1 2 3 4 5 6 7 8 9 10; do spawn silent$i $client unix $socket --; done
    run curl -sS http://127.0.0.1:8400/
    out_is inside 'the first of them is served'
    run rootlet ctl --socket $socket remove-ports 1 2 3
    out_is $'1\n2\n3' 'and the API takes ports back'
    finish c
    status_is 0 'it ends'
    for i in 1 2 3 4 5 6 7 8 9 10; do await silent$i; done

    # --- other drivers
    launch c rootlet run --state-dir $state sh -c 'echo ready; exec cat'
    call GET /info
    is "$(json '[k in d for k in ("networkDriver", "portDriver")]' <<<"$stdout")" '[false, false]' '--net=host: no drivers'
    call POST /ports -d "$(spec tcp 127.0.0.1 8081 '' 80)"
    is "$code" 400 'no port driver, no ports'
    like "$(json 'd["message"]' <<<"$stdout")" 'port driver' 'and it says so'
    for path in /ports /events; do
        call GET $path
        is "$code" 400 "nor $path"
        like "$(json 'd["message"]' <<<"$stdout")" 'port driver' 'which it says'
    done
    finish c
    launch c rootlet run --state-dir $state --net=slirp4netns --copy-up=/etc --port-driver=builtin sh -c 'echo ready; exec cat'
    call GET /ports
    is "$stdout" '[]' 'nothing is published: an empty list'
    finish c
    launch c rootlet run --state-dir $state --net=none --port-driver=implicit sh -c 'echo ready; exec cat' || :
    finish c
done
nothing_left 'nothing is left'
done_testing
