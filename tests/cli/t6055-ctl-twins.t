#!/bin/bash
# RootlessKit's rootlessctl beside ours, against RootlessKit's daemon and against ours: for the same words the same exit status and the
# same output, whoever asks whom.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# What differs from one instance to the next is nobody's business, nor is the order of the peer's list. (Its client, being older, drops a
# member that it does not know.)
same() {
    sed -zE 's/("childPID": |Child PID: )[0-9]+/\1PID/; s/("version": "|Implementation version: )[0-9.]+[^"\n]*/\1VERSION/; s/,\n *"dynamicChildIP": false//' |
        if [[ $1 = list* ]]; then sort; else cat; fi
}
# both WHAT [ARG]...: the words, of either client, to one server that is in the state that it was.
both() {
    local what=$1 theirs
    shift
    run /usr/bin/rootlessctl --socket $socket "$@"
    theirs=$status:$(same "${1:-}" <<<"$stdout")
    run $aliases/rootlessctl --socket $socket "$@"
    is "$status:$(same "${1:-}" <<<"$stdout")" "$theirs" "$server: $what" || tap_show
    if [ "$status" != 0 ]; then isnt "$stderr" '' 'and an error on stderr'; fi
}
# say CURL-ARG...: an answer of the API, its status in the last line, without the number of the port.
say() { curl -sS --unix-socket $socket -w '\n%{http_code}' "$@" | sed -E 's/"id":[0-9]+/"id":N/g'; }

for who in root user; do
    state=/tmp/$([ $who = root ] && echo root || echo tester)/twin
    socket=$state/api.sock
    declare -A answers=()
    for server in /usr/bin/rootlesskit $aliases/rootlesskit; do
        tries=5 # the peer's start with a network fails now and then
        until launch c $server --state-dir $state --net=slirp4netns --copy-up=/etc --disable-host-loopback --port-driver=builtin sh -c 'echo ready; exec cat' || [ $((--tries)) = 0 ]; do
            finish c
        done
        is "$line" ready "$server is up"
        both 'nothing is published' list-ports
        both 'as JSON' list-ports --json
        both 'info' info
        both 'as JSON' info --json
        both 'no spec' add-ports
        both 'a spec that is none' add-ports 8080
        both 'a protocol that is none' add-ports 127.0.0.1:8080:80/tpc
        both 'a port that is none' add-ports 127.0.0.1:88888:80/tcp
        both 'an address that is none' add-ports 127.0.0.256:8080:80/tcp
        both 'no id' remove-ports
        both 'an id that is unknown' remove-ports 99
        both 'an id that is none' remove-ports x
        # --- what one publishes, the other one sees
        run /usr/bin/rootlessctl --socket $socket add-ports 127.0.0.1:8080:80/tcp '[::1]:8081:81/tcp6' 0.0.0.0:8082:82/udp
        out_is $'1\n2\n3' "$server: theirs publishes"
        both 'the list' list-ports
        both 'as JSON' list-ports --json
        both 'a port that is taken' add-ports 127.0.0.1:8080:81/tcp
        run $aliases/rootlessctl --socket $socket remove-ports 1 3
        out_is $'1\n3' "$server: ours takes back"
        both 'the list' list-ports
        run $aliases/rootlessctl --socket $socket add-ports 127.0.0.1:8083:83/tcp 127.0.0.1:8084:127.0.0.1:84/udp4
        status_is 0 'ours publishes'
        both 'the list' list-ports --json
        run /usr/bin/rootlessctl --socket $socket add-ports --json 127.0.0.1:8085:85/tcp
        theirs=$(json 'd["spec"]["parentPort"], sorted(d), sorted(d["spec"])' <<<"$stdout")
        run $aliases/rootlessctl --socket $socket add-ports --json 127.0.0.1:8086:85/tcp
        is "$(json 'd["spec"]["parentPort"] - 1, sorted(d), sorted(d["spec"])' <<<"$stdout")" "$theirs" "$server: what was published, as JSON"
        # --- all or none, with a server that knows one at a time
        ids=$(curl -sS --unix-socket $socket http://x/v1/ports | json '[p["spec"]["parentPort"] for p in sorted(d, key=lambda p: p["id"])]')
        run $aliases/rootlessctl --socket $socket add-ports 127.0.0.1:8090:80/tcp 127.0.0.1:8091:80/tcp 127.0.0.1:8086:80/tcp
        status_is 1 "$server: one of three is taken"
        is "$(curl -sS --unix-socket $socket http://x/v1/ports | json '[p["spec"]["parentPort"] for p in sorted(d, key=lambda p: p["id"])]')" "$ids" 'and none is left'
        run $client connect 127.0.0.1 8090
        out_is ECONNREFUSED 'nor open'

        # --- the API itself, by curl: status and body of the same words are compared below
        n=0
        while read -r method path body; do
            n=$((n + 1))
            reply=$(say -X "$method" "http://any/v1$path" ${body:+-H 'Content-Type: application/json' -d "$body"})
            if [ "${reply##*$'\n'}" -ge 400 ]; then
                reply=${reply##*$'\n'}$([ "${reply##*$'\n'}" != 400 ] || json '[sorted(d), bool(d["message"])]' <<<"${reply%$'\n'*}" 2>&1) # the texts are each one's own
            fi
            if [ $server = /usr/bin/rootlesskit ]; then
                answers[$n]=$reply
            else
                is "$reply" "${answers[$n]}" "$method $path $body"
            fi
        done <<-'END'
			POST /ports {"proto":"tcp","parentIP":"127.0.0.1","parentPort":8100,"childPort":80}
			POST /ports {"proto":"tcp4","parentIP":"127.0.0.1","parentPort":8101,"childIP":"127.0.0.1","childPort":80}
			POST /ports {"proto":"udp","parentIP":"0.0.0.0","parentPort":8102,"childPort":80}
			POST /ports {"proto":"tcp6","parentIP":"::1","parentPort":8103,"childPort":80}
			POST /ports {"proto":"tcp","parentIP":"127.0.0.1","parentPort":8104,"childPort":80,"unknown":[1]}
			POST /ports {"proto":"tcp","parentIP":"127.0.0.1","parentPort":8100,"childPort":80}
			POST /ports {"proto":"tcp","parentIP":"0.0.0.0","parentPort":8100,"childPort":80}
			POST /ports {"proto":"icmp","parentIP":"127.0.0.1","parentPort":8110,"childPort":80}
			POST /ports {"proto":"tcp","parentIP":"127.0.0.1","parentPort":"8110","childPort":80}
			POST /ports {"proto":"tcp","parentIP":"nonsense","parentPort":8110,"childPort":80}
			POST /ports {"proto":"tcp","parentIP":"203.0.113.80","parentPort":8110,"childPort":80}
			POST /ports nonsense
			DELETE /ports/4711
			DELETE /ports/nonsense
			GET /nowhere
			DELETE /info
			DELETE /ports
			PUT /ports {}
		END
        finish c
        is "$status" 0 "$server ends"
    done
done
rm -rf /tmp/{root,tester}/rootlesskit[0-9]*
nothing_left 'nothing is left'
done_testing
