#!/bin/bash
# --detach-netns: the command stays in the host's network namespace, and finds the new one in the state directory.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

host=$(readlink /proc/self/ns/net)
before=$(cat /etc/resolv.conf)
for who in root user; do
    for how in --net=slirp4netns '--net=slirp4netns --copy-up=/etc --copy-up=/run --propagation=rslave' --net=none; do
        run rootlet run $how --detach-netns sh -c 'readlink /proc/self/ns/net; cat /etc/resolv.conf'
        status_is 0 "run $how --detach-netns"
        out_is "$host"$'\n'"$before" "run $how: the host's network and resolv.conf"
        err_is '' "run $how: without a word"
    done
    run rootlet run --net=slirp4netns --detach-netns sh -c 'cat "$ROOTLESSKIT_STATE_DIR/resolv.conf"; nsenter --net="$ROOTLESSKIT_STATE_DIR/netns" sh -c "ip -o -4 addr; curl -sS http://203.0.113.80/"'
    out_like '10\.0\.2\.3.*10\.0\.2\.100/24.*hello from outside' 'the new network is at STATE_DIR/netns, its resolv.conf beside it'
    run rootlet run --net=slirp4netns --detach-netns --copy-up=/run --state-dir "$([ $who = root ] && echo /run/state || echo /run/user/1001/state)" \
        sh -c 'nsenter --net="$ROOTLESSKIT_STATE_DIR/netns" curl -sS http://203.0.113.80/'
    out_is 'hello from outside' 'also when the state directory is below a copied-up one'
    run rootlet run --net=slirp4netns --detach-netns --port-driver=builtin -p 127.0.0.1:8080:8000/tcp sh -c \
        'mkfifo "$ROOTLESSKIT_STATE_DIR/up"; nsenter --net="$ROOTLESSKIT_STATE_DIR/netns" python3 -c "
import http.server, sys
s = http.server.HTTPServer((\"127.0.0.1\", 8000), http.server.SimpleHTTPRequestHandler)
print(\"up\", flush=True)
s.handle_request()" >"$ROOTLESSKIT_STATE_DIR/up" & read -r up <"$ROOTLESSKIT_STATE_DIR/up"; curl -sS -o /dev/null -w "%{http_code}" http://127.0.0.1:8080/'
    out_is 200 'a published port leads into the new network'
    run rootlet run --net=host --detach-netns true
    status_is 1 'there is nothing to detach with --net=host'
    err_like 'detach-netns.*net=host' 'and it says so'
done
nothing_left 'nothing is left'
done_testing
