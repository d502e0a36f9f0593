#!/bin/bash
# ctl, and RootlessKit's own rootlessctl, against a running instance.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

for who in root user; do
    state=/tmp/$([ $who = root ] && echo root || echo tester)/state
    for ctl in 'rootlet ctl' $aliases/rootlessctl /usr/bin/rootlessctl; do
        launch c rootlet run --state-dir $state --net=slirp4netns --copy-up=/etc --port-driver=builtin $servers --hello inside http:127.0.0.1:80
        ctl="$ctl --socket $state/api.sock"
        run $ctl list-ports
        status_is 0 "$ctl: nothing is published"
        out_like '^ID +PROTO +PARENTIP +PARENTPORT +CHILDIP +CHILDPORT *$' 'the heading'
        run $ctl add-ports 127.0.0.1:8081:80/tcp
        status_is 0 'add-ports'
        out_is 1 'prints the number'
        run curl -sS http://127.0.0.1:8081/
        out_is inside 'and the port is open'
        run $ctl add-ports 127.0.0.1:8082:80/tcp '[::1]:8083:80/tcp' 127.0.0.1:8084:7/udp
        out_is $'2\n3\n4' 'three at once'
        run curl -sS 'http://[::1]:8083/'
        out_is inside 'one with an IPv6 address'
        run $ctl list-ports
        is "$(tail -n +2 <<<"$stdout" | tr -s ' ' | sed 's/ $//')" \
            $'1 tcp 127.0.0.1 8081 80\n2 tcp 127.0.0.1 8082 80\n3 tcp ::1 8083 80\n4 udp 127.0.0.1 8084 7' 'the list'
        run $ctl list-ports --json
        is "$(json '[[p["id"], p["spec"]["parentPort"]] for p in (d if isinstance(d, list) else [d])][0]' <<<"$(head -n 1 <<<"$stdout")")" '[1, 8081]' 'as JSON'
        run $ctl remove-ports 1 3
        out_is $'1\n3' 'remove-ports prints what it removed'
        run $client connect 127.0.0.1 8081
        out_is ECONNREFUSED 'which is closed'
        run $ctl add-ports 127.0.0.1:8082:81/tcp
        status_is 1 'a port that is published already'
        err_like '8082|2' 'and the message says so'
        run $ctl remove-ports 99
        status_is 1 'a number that is none'
        isnt "$stderr" '' 'is an error on stderr'
        run $ctl info
        status_is 0 'info'
        out_like "$state" 'names the state directory'
        out_like 'slirp4netns' 'the network driver'
        out_like 'builtin' 'and the port driver'
        run $ctl info --json
        is "$(json '[d["apiVersion"], d["stateDir"]]' <<<"$stdout")" "[\"1.1.1\", \"$state\"]" 'as JSON'
        run env ROOTLESSKIT_STATE_DIR=$state ${ctl% --socket*} list-ports
        out_like '8082' '$ROOTLESSKIT_STATE_DIR says where'
        finish c
    done
    run rootlet run --net=none --port-driver=builtin rootlet ctl list-ports
    out_like '^ID ' 'inside it finds its own instance'
    for ctl in 'rootlet ctl' $aliases/rootlessctl; do
        run $ctl --socket /nowhere/api.sock list-ports
        status_is 1 "$ctl: nobody there"
        err_like '/nowhere/api.sock' 'is named'
        run $ctl list-ports
        status_is 1 'no socket at all'
        err_like '(--socket|ROOTLESSKIT_STATE_DIR)' 'and what to do'
        run $ctl --socket /nowhere/api.sock add-ports 8080
        status_is 1 'a spec that is none'
        run $ctl
        status_is 1 'no command'
    done
done
nothing_left 'nothing is left'
done_testing
