#!/bin/bash
# The state directory: its files, who may use it, what is left of one that was killed, its end.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)
    state=$tmp/state
    for how in '' '--pidns' '--net=slirp4netns --copy-up=/etc --port-driver=builtin'; do
        launch run rootlet run $how --state-dir $state sh -c 'readlink /proc/self/ns/user; exec cat'
        user_namespace=$line
        is "$(stat -c '%a %U' $state/child_pid)" "444 $([ $who = root ] && echo root || echo tester)" "run $how: child_pid has mode 444"
        like "$(cat $state/child_pid; echo .)" '^[0-9]+\.$' 'and is a number without a newline'
        child=$(cat $state/child_pid)
        is "$(readlink "/proc/$child/ns/user")" "$user_namespace" "a process of the command's namespaces"
        ok 'api.sock is a socket' test -S $state/api.sock
        is "$(stat -c %a $state/api.sock | tail -c 3)" 00 'that nobody else may use'
        is "$(find $state -perm /022 -not -type s -not -type l)" '' 'nobody else may write to anything here'
        nok 'lock is locked' flock -n -x $state/lock true
        nok 'the directory itself is held' flock -n -x $state true
        ok 'shared' flock -n -s $state true
        run nsenter -w/ --preserve-credentials -m -U -t "$child" -F -- id -u
        [ $who = root ] || out_is 0 'nsenter by child_pid is root in there'

        run rootlet run --state-dir $state echo second
        status_is 1 'a second instance on the same directory'
        err_like "$state" 'names it'
        out_is '' 'and does nothing'
        is "$(cat $state/child_pid 2>&1)" "$child" 'the first one has its files still'
        ok 'and its socket' curl -sSf --unix-socket $state/api.sock http://x/v1/info
        tell run 'still here'
        hear run
        is "$line" 'still here' 'and its command'
        finish run
        status_is 0 'it ends'
        nok 'and the directory is gone' test -e $state
        nothing_left 'so is everything else'
    done

    # Killed: nothing could be tidied; the next one does it.
    launch run rootlet run --state-dir $state --net=none sh -c 'echo ready; exec cat'
    members=$(strangers | cut -d' ' -f1)
    kill -KILL "${pid[run]}"
    await run
    status_is 137 'killed'
    ok 'everything of it ends' $client gone $members
    ok 'the directory is still there' test -e $state/child_pid
    echo old >$state/hosts
    run rootlet run --state-dir $state sh -c "ls $state; cat $state/child_pid"
    status_is 0 'the next instance on this directory works'
    out_unlike "^${pid[run]}$" 'with its own child_pid'
    nok 'and removes the directory at its end' test -e $state
    mkdir $state
    [ $who = root ] || chown tester $state
    run rootlet run --state-dir $state true
    status_is 0 'an empty directory that is there'
    run sh -c "cd $tmp && exec rootlet run --state-dir=relative sh -c 'echo \$ROOTLESSKIT_STATE_DIR; cat \$ROOTLESSKIT_STATE_DIR/child_pid'"
    out_like "^$tmp/relative.[0-9]+$" 'a relative name becomes an absolute one'

    # The default.
    run rootlet run sh -c 'echo $ROOTLESSKIT_STATE_DIR; ls $ROOTLESSKIT_STATE_DIR; stat -c "%a" $ROOTLESSKIT_STATE_DIR'
    out_like "^$tmp/" 'without --state-dir: a fresh directory in $TMPDIR'
    like "$(tr '\n' ' ' <<<"$stdout")" ' api.sock .*child_pid .*lock .*700 $' 'with the same files, for nobody else'
    run env -u TMPDIR rootlet run sh -c 'dirname $ROOTLESSKIT_STATE_DIR'
    out_is /tmp 'or in /tmp'
    is "$(find /tmp -mindepth 1 -maxdepth 1 -newer $tap_dir/err | grep -vx /tmp/root | grep -vx /tmp/tester)" '' 'which is gone, too'
done

who=user
run rootlet run --state-dir /proc/nowhere true
status_is 1 'a directory that cannot be made'
err_like /proc/nowhere 'is named'
mkdir -m 755 /tmp/rootly
run rootlet run --state-dir /tmp/rootly true
status_is 1 "somebody else's directory"
err_like /tmp/rootly 'is named'
is "$(ls -A /tmp/rootly)" '' 'and not touched'
long=/tmp/tester/$(printf 'x%.0s' {1..120})
run rootlet run --state-dir "$long" sh -c 'cd $ROOTLESSKIT_STATE_DIR && curl -sS --unix-socket api.sock http://x/v1/info'
case $status in
0) out_like childPID 'a name that is too long for a socket address works all the same' ;;
*) err_like 'too long' 'a name that is too long for a socket address is refused with this reason' ;;
esac
nothing_left 'nothing is left'
done_testing
