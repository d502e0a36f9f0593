#!/bin/bash
# Published ports outlive the process that forwards: killed, killed again, stopped, or not to be started for a while.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

portd() { pgrep -x rootlet-portd; }
# news WANT WHAT: the watcher's next event, and the port's id.
news() {
    hear w || line='{"event":"(nothing)"}'
    is "$(json '" ".join([d["event"]] + [str(d["port"]["id"]) for _ in "1" if "port" in d])' <<<"$line")" "$1" "$2"
}
forwarder() { curl -sS --unix-socket $socket http://x/v1/info | json 'd["portDriver"].get("forwarder", "works")'; }
listed() { curl -sS --unix-socket $socket http://x/v1/ports | json '[p["spec"]["parentPort"] for p in d]'; }

# A connection to the echo server that lives until its end is seen.
hold='
import socket
s = socket.create_connection(("127.0.0.1", 8008), 20)
s.sendall(b"hello\n")
print(s.recv(100).decode().strip(), flush=True)
try:
    print("end" if not s.recv(1) else "more", flush=True)
except ConnectionResetError:
    print("reset", flush=True)
'
for who in root user; do
    state=/tmp/$([ $who = root ] && echo root || echo tester)/state
    socket=$state/api.sock
    ctl="rootlet ctl --socket $socket"
    launch c rootlet run --state-dir $state --net=slirp4netns --copy-up=/etc --port-driver=builtin \
        -p 127.0.0.1:8080:80/tcp -p 127.0.0.1:8007:7/udp -p 127.0.0.1:8008:7/tcp -p '[::1]:8080:80/tcp6' $servers --hello inside http:127.0.0.1:80 echo:127.0.0.1:7
    supervisor=$(strangers | awk '/rootlet run/ { print $1; exit }')
    spawn w $ctl watch
    for id in 1 2 3 4; do news "present $id" 'a port'; done
    news watching 'and no more'
    launch held python3 -c "$hold"
    is "$line" hello 'a connection is up'
    udp() { run $client from 4000 127.0.0.1 8007 "$1"; } # one client, one flow
    udp first
    out_is first 'and a UDP client known'

    # --- killed
    for turn in 1 2 3 4 5; do
        killed=$(portd)
        kill -KILL "$killed"
        is "$(listed)" '[8080, 8007, 8008, 8080]' "kill $turn: the API says what is published"
        ok 'it is gone' $client gone "$killed"
        run curl -sS --max-time 20 http://127.0.0.1:8080/ 'http://[::1]:8080/'
        out_is $'inside\ninside' 'new connections are served'
        udp "datagram $turn"
        out_is "datagram $turn" 'UDP, too, from a client that was known before'
        news interrupted 'watchers are told that it was lost'
        news restored 'and is there again'
        isnt "$(portd)" "$killed" 'it is another one'
    done
    is "$(forwarder)" works 'all is well'
    finish held
    like "$stdout" '^(end|reset)$' 'a connection that was up has ended, and does not hang'

    # --- stopped: the API goes on, and whoever comes waits until it is killed
    stopped=$(portd)
    kill -STOP "$stopped"
    is "$(listed)" '[8080, 8007, 8008, 8080]' 'portd is stopped: the API answers'
    spawn waits curl -sS --max-time 25 http://127.0.0.1:8080/
    run $ctl remove-ports 4
    status_is 0 'a port can be taken back'
    err_is '' 'without a complaint'
    news interrupted 'the one that does not answer is given up'
    news 'remove 4' 'the port is gone'
    news restored 'and the next one started'
    await waits
    out_is inside 'the client that came meanwhile is served'
    run $client connect ::1 8080
    out_is ECONNREFUSED 'the port that was taken back is closed'
    ok 'the one that was stopped is gone' $client gone "$stopped"

    # --- it cannot be started for a while
    if [ $who = user ]; then # for root processes are not counted
        run prlimit --pid "$supervisor" --nproc --output SOFT --noheadings --raw
        processes=$stdout
        run prlimit --pid "$supervisor" --nproc=1:
        status_is 0 'processes run short'
        kill -KILL "$(portd)"
        news interrupted 'there is no process to be had for the next one'
        is "$(forwarder) $(listed)" 'restarting [8080, 8007, 8008]' 'the API says so, and what is published all the same'
        run $ctl info
        status_is 0 'ctl info knows'
        out_like 'restarting' 'and says it'
        spawn tcp curl -sS --max-time 25 http://127.0.0.1:8080/
        spawn udp $client udp 127.0.0.1 8007 early
        run $ctl add-ports '127.0.0.1:8081-8082:80-81/tcp'
        out_is $'5\n6' 'ports can be published'
        news 'add 5' 'one'
        news 'add 6' 'and another'
        launch taken $client listen 8090
        run $ctl add-ports 127.0.0.1:8083:80/tcp 127.0.0.1:8090:80/tcp
        status_is 1 'a batch with one that is taken'
        finish taken
        run $ctl remove-ports 6
        news 'remove 6' 'and one taken back'
        spawn other $ctl watch
        for id in 1 2 3 5; do
            hear other
            like "$line" "present.*\"id\":$id," 'a watcher that comes now hears of the ports'
        done
        hear other
        like "$line" interrupted 'and that they wait'
        ok 'the next one cannot be started' timeout "$LIMIT" sh -c 'until grep -q "cannot start portd again" "$1"; do :; done' x "$tap_dir/err-c"
        run prlimit --pid "$supervisor" --nproc="$processes:"
        news restored 'processes are to be had again'
        is "$(forwarder) $(listed)" 'works [8080, 8007, 8008, 8081]' 'the API says what is published'
        await tcp
        out_is inside 'who came meanwhile was waited for'
        await udp
        out_is early 'the datagram, too'
        run curl -sS http://127.0.0.1:8081/
        out_is inside 'what was published meanwhile is served'
        run sh -c "$client connect 127.0.0.1 8082; $client connect 127.0.0.1 8083"
        out_is $'ECONNREFUSED\nECONNREFUSED' 'and nothing else'
    fi
    finish c
    await w
    status_is 0 'the end'
    if [ $who = user ]; then
        await other
        ran='rootlet run' stderr=$(cat "$tap_dir/err-c")
        err_like 'portd ended \(signal 9\); starting it again' 'each death is said'
    fi
    nothing_left 'nothing is left'
done
done_testing
