#!/bin/bash
# The command's environment and descriptors.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

for who in root user; do
    id=$([ $who = root ] && echo 0 || echo 1001)
    run env USER=someone HOME=/nowhere SOMETHING='a b' rootlet run --state-dir "/tmp/$([ $who = root ] && echo root || echo tester)/state" env
    status_is 0 'the environment'
    like "$stdout"$'\n' "(^|"$'\n'")ROOTLESSKIT_STATE_DIR=/tmp/[a-z]+/state"$'\n' 'has the state directory'
    like "$stdout"$'\n' "(^|"$'\n'")ROOTLESSKIT_PARENT_EUID=$id"$'\n' "has the caller's uid"
    like "$stdout"$'\n' "(^|"$'\n'")ROOTLESSKIT_PARENT_EGID=$id"$'\n' 'and gid'
    inner=$(grep -v ^ROOTLESSKIT_ <<<"$stdout" | grep -v ^_= | sort)
    run env USER=someone HOME=/nowhere SOMETHING='a b' env
    is "$inner" "$(grep -v ^_= <<<"$stdout" | sort)" 'and is the same otherwise'
    run env -i "$ROOTLET" run /usr/bin/env
    status_is 0 'an empty environment will do'
    run $aliases/rootlesskit sh -c 'echo $ROOTLESSKIT_PARENT_EUID; test -S $ROOTLESSKIT_STATE_DIR/api.sock && echo socket'
    out_is "$id"$'\nsocket' 'under the other name too; the API socket is there before the command'
done

# 3 is the folder that is being read.
list='import os; print(*sorted(map(int, os.listdir("/proc/self/fd"))))'
for who in root user; do
    for how in '' '--pidns' '--pidns --reaper=false' '--net=slirp4netns --copy-up=/etc --copy-up=/run' \
        '--net=slirp4netns --port-driver=builtin -p 127.0.0.1:8080:80/tcp' '--pidns --net=none --propagation=rslave'; do
        run bash -c 'exec 7</etc/passwd 9>/dev/null 300</etc/group; exec "$@"' x rootlet run $how /usr/bin/python3 -S -c "$list"
        out_is '0 1 2 3' "run $how: no descriptor leaks into the command"
    done
done

# Socket activation, sd_listen_fds(3).
who=user
activate='exec 3</etc/passwd 4</etc/group 5</etc/hosts; export LISTEN_FDS=2 LISTEN_PID=$$; exec "$@"'
show='echo $LISTEN_FDS $(test $LISTEN_PID = $$ && echo mine); readlink /proc/$$/fd/3 /proc/$$/fd/4; test -e /proc/$$/fd/5 && echo leak; :'
for how in '' '--pidns' '--pidns --reaper=false' '--net=slirp4netns --copy-up=/etc'; do
    run bash -c "$activate" x rootlet run $how sh -c "$show"
    status_is 0 "run $how: with sockets from the caller"
    out_like '^2 mine.(/etc|.*/\.ro[^/]*)/passwd.(/etc|.*/\.ro[^/]*)/group$' "run $how: they are 3 and 4, for the command's pid"
done
run bash -c "${activate/LISTEN_PID=\$\$/LISTEN_PID=1}" x rootlet run sh -c 'test -e /proc/$$/fd/3 || echo none'
out_is none "sockets that are for somebody else are not passed on"
nothing_left 'nothing is left'
done_testing
