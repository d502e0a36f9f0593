#!/bin/bash
# Bad clients of the API, many at once (tests/lib/api-hostile.py): the supervisor, its ports and its good clients are none the worse.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
LIMIT=110
in_sandbox --root

kinds='silent unfinished drip half_closed malformed heads lengths chunks bodies documents pipeline deaf crowd lists descriptors watchers'
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$supervisor/status"; }

# One connection through the published port; each line in is echoed by the server inside, and comes out here.
traffic='
import socket, sys
s = socket.create_connection(("127.0.0.1", 8007), 20)
f = s.makefile("rw")
print("ready", flush=True)
for line in sys.stdin:
    f.write(line * 1000)
    f.flush()
    got = [f.readline() for _ in range(1000)]
    print("moved" if set(got) == {line} else "lost", flush=True)
'
for who in root user; do
    state=/tmp/$([ $who = root ] && echo root || echo tester)/state
    launch c rootlet run --state-dir $state --net=slirp4netns --copy-up=/etc --port-driver=builtin -p 127.0.0.1:8007:7/tcp $servers echo:127.0.0.1:7
    supervisor=$(strangers | awk '/rootlet run/ { print $1; exit }')
    launch t python3 -c "$traffic"
    run $TOP/tests/lib/api-hostile.py $state/api.sock "$supervisor" half_closed crowd
    status_is 0 'the server is warm'
    before=$(rss)
    spawn bad $TOP/tests/lib/api-hostile.py $state/api.sock "$supervisor" $kinds
    for kind in $kinds; do
        tell t "beside $kind"
        hear bad
        is "$line" "$kind ok" "bad clients: $kind"
        hear t
        is "$line" moved 'beside them the traffic moves'
    done
    hear bad
    is "$line" 'no descriptors are left' 'when they are gone, so are their descriptors'
    await bad
    after=$(rss)
    ok "and their memory ($before kB before, $after kB after)" [ "$after" -lt $((before + 16384)) ]
    run rootlet ctl --socket $state/api.sock list-ports
    is "$(sed 1d <<<"$stdout" | tr -s ' ')" '1 tcp 127.0.0.1 8007 7 ' 'the ports are what they were'
    finish t
    # Its end is not kept waiting by those who are still there.
    spawn silent $client unix $state/api.sock --
    launch watcher curl -sSN --unix-socket $state/api.sock http://x/v1/events
    kill -STOP "${pid[watcher]}"
    finish c
    status_is 0 'it ends, and waits for no client'
    err_is '' 'of whom there was nothing to say'
    kill -KILL "${pid[watcher]}"
    await watcher
    await silent
    nothing_left 'nothing is left'
done
done_testing
