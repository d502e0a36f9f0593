#!/bin/bash
# ctl watch, and GET /v1/events behind it: the ports that are there, and what happens to them.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# news NAME WANT WHAT: the next event of a watcher, as "EVENT ID PROTO PARENTPORT" (EVENT alone without a port).
event='[d["event"]] + ([d["port"]["id"], d["port"]["spec"]["proto"], d["port"]["spec"]["parentPort"]] if "port" in d else [])'
news() {
    hear "$1" || line='{"event":"(nothing)"}'
    is "$(json "' '.join(map(str, $event))" <<<"$line")" "$2" "$3"
}

for who in root user; do
    state=/tmp/$([ $who = root ] && echo root || echo tester)/state
    socket=$state/api.sock
    [ $who = root ] && ctl="rootlet ctl --socket $socket" || ctl="$aliases/rootlessctl --socket $socket"
    launch c rootlet run --state-dir $state --net=slirp4netns --copy-up=/etc --port-driver=builtin -p 127.0.0.1:8080:80/tcp -p 127.0.0.1:8090-8091:80-81/udp \
        $servers --hello inside http:127.0.0.1:80
    spawn w $ctl watch
    news w 'present 1 tcp 8080' 'a watcher is told of the ports that are there'
    like "$line" '^\{"time":"20[0-9-]{8}T[0-9:]{8}\.[0-9]{6}Z","event":"present","port":\{"id":1,"spec":\{"proto":"tcp","parentIP":"127.0.0.1","parentPort":8080,"childPort":80\}\}\}$' \
        'in the words of the API'
    news w 'present 2 udp 8090' 'of each'
    news w 'present 3 udp 8091' 'of a range, too'
    news w 'watching' 'and that these were all'

    run $ctl add-ports 127.0.0.1:8081:80/tcp
    news w 'add 4 tcp 8081' 'a port that is added'
    run $ctl add-ports 127.0.0.1:0:80/tcp '127.0.0.1:8100-8102:80-82/tcp4'
    hear w
    like "$(json 'd["port"]["spec"]["parentPort"]' <<<"$line")" '^[1-9][0-9]+$' 'a port that was chosen'
    for i in 0 1 2; do news w "add $((6 + i)) tcp4 $((8100 + i))" 'and the rest of the batch'; done
    launch taken $client listen 8112
    run $ctl add-ports '127.0.0.1:8110-8112:80-82/tcp'
    status_is 1 'a batch that fails'
    finish taken
    run $ctl remove-ports 2 6
    news w 'remove 2 udp 8090' 'is not told: the next news is what was removed'
    news w 'remove 6 tcp4 8100' 'each'

    # --- several watchers, each from its own beginning
    spawn late $ctl watch
    for want in 'present 1 tcp 8080' 'present 3 udp 8091' 'present 4 tcp 8081'; do news late "$want" 'another watcher begins with what is there now'; done
    hear late
    for want in 'present 7 tcp4 8101' 'present 8 tcp4 8102' 'watching'; do news late "$want" 'to its end'; done
    # Somebody who closes his sending side may go on listening; a client of HTTP/1.0 knows no chunks.
    launch half python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET /v1/events HTTP/1.0\r\n\r\n")
s.shutdown(socket.SHUT_WR)
for text in s.makefile():
    print(text, end="", flush=True)' $socket
    until [[ $line = *watching* ]]; do hear half; done
    launch curl curl -sSN --unix-socket $socket http://x/v1/events
    for i in 2 3 4 5 6 7; do hear curl; done
    like "$line" '"watching"' 'curl watches, too'

    # --- the forwarder's end is news
    kill -KILL "$(pgrep -x rootlet-portd)"
    for name in w late curl half; do
        news $name interrupted 'portd is killed: the forwarding is interrupted'
        news $name restored 'and restored'
    done

    # --- ends
    kill -INT "${pid[late]}"
    await late
    is "$status:$stderr:$stdout" '0::' 'SIGINT: status 0, and not a word'
    spawn term $ctl watch
    hear term
    kill -TERM "${pid[term]}"
    await term
    is "$status:$stderr" '0:' 'SIGTERM as well'
    run sh -c "($ctl watch; echo \$? >&2) | head -n 1 | cut -c 1-8"
    is "$stdout:$stderr" '{"time"::0' 'a pipe that nobody reads any more is an end, too'
    run $ctl watch more
    status_is 1 'watch takes no arguments'
    # The server hears of a watcher that is gone, without any news: its descriptors come back.
    supervisor=$(strangers | awk '/rootlet run/ { print $1; exit }')
    fds() { ls "/proc/$supervisor/fd" | wc -l; }
    before=$(fds)
    for i in 1 2 3 4 5; do
        spawn gone $ctl watch
        hear gone
        kill -KILL "${pid[gone]}"
        await gone
    done
    ok 'watchers that are killed leave no descriptors behind' timeout "$LIMIT" bash -c 'until [ "$(ls "/proc/$1/fd" | wc -l)" -le "$2" ]; do :; done' x "$supervisor" "$before"

    # --- no more than 32 at a time
    run python3 -c '
import http.client, socket, sys
def watch():
    c = http.client.HTTPConnection("x")
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.settimeout(20)
    c.sock.connect(sys.argv[1])
    c.request("GET", "/v1/events")
    r = c.getresponse()
    return c, r, r.status
held = [watch() for _ in range(40)]
refused = [h for h in held if h[2] != 200]
print(len(held) - len(refused), {h[2] for h in refused}, refused[0][1].read().decode())
for c, r, _ in held:
    r.close()
    c.close()
while watch()[2] != 200:
    pass
print("again")' $socket
    out_is $'29 {503} {"message":"too many watchers"}\nagain' '32 watchers at a time, and places that become free are given again'

    finish c
    await w
    is "$status:$stderr" '0:' 'the end of the instance is the end of the watching, with status 0'
    await curl
    is "$status:$stderr" '0:' 'and of the answer: it is complete'
    await half
    is "$status:$stdout" '0:' 'and that of the half-closed one'

    # --- when there is nobody, or nothing
    run $ctl watch
    status_is 1 'no instance: status 1'
    err_like 'no socket' 'and why'
    launch c rootlet run --state-dir $state sh -c 'echo ready; exec cat'
    run $ctl watch
    status_is 1 'no ports: status 1'
    err_like 'no port driver' 'and why'
    finish c
    launch c rootlet run --state-dir $state --net=slirp4netns --copy-up=/etc --port-driver=builtin sh -c 'echo ready; exec cat'
    spawn w $ctl watch
    news w 'watching' 'nothing is published: that is said at once'
    supervisor=$(strangers | awk '/rootlet run/ { print $1; exit }')
    kill -KILL "$supervisor"
    await c
    await w
    status_is 1 'the supervisor is killed: status 1'
    err_like 'gone without an end' 'and a word about it'
    rm -rf $state

    # --- the forwarder alone
    launch netns unshare -Urn sh -c 'ip link set lo up; echo $$; exec cat'
    target=$line
    launch f bash -c 'exec 9> >(head -c 1 >/dev/null; echo ready); ulimit -Sn 128; exec rootlet forward --ready-fd 9 "$@"' x --target "$target" --api-socket /tmp/$who.sock -p 127.0.0.1:8080:80/tcp
    is "$line" ready 'the forwarder alone'
    ctl="rootlet ctl --socket /tmp/$who.sock"
    spawn w $ctl watch
    news w 'present 1 tcp 8080' 'rootlet forward is watched as well'
    news w 'watching' 'in the same way'
    run $ctl add-ports 127.0.0.1:8081:81/tcp
    news w 'add 2 tcp 8081' 'a port is added'
    kill -KILL "$(pgrep -x rootlet-portd)"
    news w interrupted 'its portd is killed'
    news w restored 'and replaced'
    run $ctl add-ports 127.0.0.1:9000-9199:80-279/tcp
    status_is 0 'more ports than the usual limit of descriptors allows'
    for i in {3..202}; do hear w; done
    is "$(json "' '.join(map(str, $event))" <<<"$line")" 'add 202 tcp 9199' 'each is told'
    finish netns
    await f
    await w
    status_is 0 'it ends with its target, and so does the watching'
done

# --- servers of other kinds. Each answers one request after the other with what it is given, and closes.
who=root
serve='
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind("/tmp/fake.sock")
s.listen()
print("ready", flush=True)
for text in sys.argv[1:]:
    c, _ = s.accept()
    while not c.recv(65536).endswith(b"\r\n\r\n"):
        pass
    c.sendall(text.encode("latin-1").decode("unicode_escape").encode("latin-1"))
    c.close()
'
chunked='HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
info='HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'
# fake WHAT STATUS STDOUT STDERR ANSWER...
fake() {
    local what=$1 want_status=$2 want_out=$3 want_err=$4
    shift 4
    rm -f /tmp/fake.sock
    launch fake python3 -c "$serve" "$@"
    run rootlet ctl --socket /tmp/fake.sock watch
    is "$status:$stdout" "$want_status:$want_out" "$what" || tap_show
    err_like "$want_err" 'and what it says'
    await fake
}
fake 'an end' 0 '{"event":"watching"}' '^$' "$chunked"'15\r\n{"event":"watching"}\n\r\n0\r\n\r\n'
fake 'events in pieces' 0 $'{"event":"watching"}\n{"event":"x"}' '^$' "$chunked"'5\r\n{"eve\r\n10\r\nnt":"watching"}\n\r\n1\r\n{\r\n9\r\n"event":"\r\n4\r\nx"}\n\r\n0\r\n\r\n'
fake 'a cut, while the instance goes on' 1 '{"event":"watching"}' 'did not read fast enough' "$chunked"'15\r\n{"event":"watching"}\n\r\n' "$info"
fake 'a cut in the middle of an event' 1 '{"event":"watching"}' 'did not read fast enough' "$chunked"'1d\r\n{"event":"watching"}\n{"event"\r\n' "$info"
fake 'RootlessKit, which knows no events' 1 '' 'knows no events' 'HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n404 page not found\n'
fake 'a refusal' 1 '' 'too many watchers' 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 31\r\n\r\n{"message":"too many watchers"}'
fake 'no JSON' 1 '' 'malformed' "$chunked"'4\r\nabc\n\r\n0\r\n\r\n'
fake 'no object' 1 '' 'malformed' "$chunked"'3\r\n17\n\r\n0\r\n\r\n'
fake 'no HTTP' 1 '' 'does not speak HTTP' '220 smtp ready\r\n'
fake 'a terminal that is to be harmed' 0 '{"event":"\u001B[2J"}' '^$' "$chunked"'16\r\n{"event":"\\u001b[2J"}\n\r\n0\r\n\r\n'
rm -f /tmp/fake.sock
nothing_left 'nothing is left'
done_testing
