#!/bin/bash
# A bare container: no newuidmap, no /dev/net/tun, no ranges for the user, and nobody may gain privileges.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --no-newuidmap --no-tun --nnp --subids=none

for who in root user; do
    launch c rootlet run --pidns --net=slirp4netns --copy-up=/etc --copy-up=/run --port-driver=builtin -p 127.0.0.1:8080:80/tcp $servers --hello inside http:127.0.0.1:80
    is "$line" ready 'an instance with a network and a port'
    run curl -sS http://127.0.0.1:8080/
    out_is inside 'the port is open'
    finish c
    case $who in
    root) err_is '' 'root misses nothing' ;;
    user)
        err_like 'warning: newuidmap is not installed \(single-id map used instead; install uidmap' 'a user is told the cause, and what to do'
        tap_about is "$(grep -c . <<<"$stderr")" 1 'in one line'
        ;;
    esac
    run rootlet run --pidns --net=slirp4netns --copy-up=/etc sh -c 'id -u; curl -sS http://web.test/'
    out_is $'0\nhello from outside' 'root inside, and everything works'
    run rootlet run rootlet run rootlet run id -u
    out_is 0 'three deep'
    run rootlet run --map=newuidmap true
    status_is 1 '--map=newuidmap'
    err_like 'newuidmap is not installed \(install uidmap|/etc/subuid' 'names the cause and what to do'
    tap_about is "$(grep -c . <<<"$stderr")" 1 'in one line'
done
run rootlet run chown 33 /tmp/tester
status_isnt 0 'other ids do not exist with a single one, as the warning said'
err_like 'no other user or group exists inside, chown and setgroups fail' 'which is worth repeating'
nothing_left 'nothing is left'
done_testing
