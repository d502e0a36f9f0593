#!/bin/bash
# Signals: what a process sends to the supervisor (or to the reaper) reaches the command once; statuses; who else is told.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

signals=$TOP/tests/lib/signals.py
forwarded=$(for n in {1..64}; do case $n in 9 | 13 | 17 | 19 | 23 | 32 | 33 | 64) ;; *) echo $n ;; esac done)
once=$(for n in $forwarded; do echo -n " $n:1"; done; echo ' 64:1')

# told N: the signal is sent to process $to, and its arrival heard of.
told() {
    kill -"$1" "$to"
    hear c && [ "$line" = "got $1" ]
}
every_signal() {
    local n
    for n in $forwarded; do
        told $n || {
            fail "$1: signal $n arrives"
            break
        }
    done
    kill -CHLD "$to" && kill -PIPE "$to" && kill -URG "$to" && kill -64 "$to"
    await c
    out_is "total$once" "$1: every signal arrives once; CHLD, PIPE and URG do not"
}

for who in root user; do
    for how in 'rootlet run' 'rootlet run --net=slirp4netns --copy-up=/etc' 'rootlet run --pidns' 'rootlet run --pidns --reaper=false' \
        "$aliases/rootlesskit" "$aliases/rootlesskit --pidns" "$aliases/rootlesskit --pidns --reaper=false"; do
        launch c $how $signals
        to=${pid[c]} every_signal "$how: sent to the supervisor"
        status_is 7 'and the status is the command'"'"'s'
    done
    state=/tmp/$who.state
    launch c rootlet run --pidns --state-dir $state $signals
    to=$(cat $state/child_pid)
    every_signal 'rootlet run --pidns: sent to the reaper'

    # --- a whole process group: it cannot be told from two senders (real-time signals queue: none is merged with another)
    for how in '' '--pidns' '--net=slirp4netns --copy-up=/etc'; do
        launch c setsid rootlet run $how $signals
        kill -40 -- -"${pid[c]}"
        hear c
        kill -64 "${pid[c]}"
        await c
        # Under the reaper and without a terminal the command is not in the group.
        case $how in
        --pidns) out_like 'total 40:1 64:1$' "run $how: a signal to the process group arrives once" ;;
        *) out_like 'total 40:2 64:1$' "run $how: a signal to the process group arrives directly and passed on" ;;
        esac
    done
    # Services are not in it: a signal that is deadly by default does not cost the command its network.
    launch c setsid rootlet run --net=slirp4netns --copy-up=/etc --state-dir $state $signals
    services=$(pgrep -P "${pid[c]}" | grep -vx "$(cat $state/child_pid)")
    kill -USR1 -- -"${pid[c]}"
    hear c
    is "$(pgrep -P "${pid[c]}" | grep -vx "$(cat $state/child_pid)")" "$services" 'a signal to the process group spares netd'
    like "$services" '^[0-9]+$' 'which is there'
    kill -64 "${pid[c]}"
    await c

    # --- what kills
    for how in '' '--pidns' '--net=none'; do
        for n in TERM USR1 HUP KILL 34 64; do
            launch c rootlet run --state-dir $state $how sh -c 'echo ready; exec cat'
            target=${pid[c]}
            if [ $n = KILL ]; then target=$(cat $state/child_pid); fi
            kill -$n "$target"
            await c
            number=$n
            [[ $n = [0-9]* ]] || number=$(kill -l $n)
            status_is $((128 + number)) "run $how: death by $n is 128 + its number"
        done
    done
    for how in '' '--pidns' '--pidns --reaper=false'; do
        launch c $aliases/rootlesskit $how sh -c 'echo ready; exec cat'
        kill -TERM "${pid[c]}"
        await c
        status_is 255 "rootlesskit $how: SIGTERM ends a command without a handler; 255"
    done
    run rootlet run --pidns sh -c 'trap "exit 5" TERM; kill -TERM 1; while :; do :; done'
    status_is 5 'a SIGTERM to pid 1 from inside is the command'"'"'s'
    run rootlet run --pidns sh -c 'kill -KILL 1; kill -STOP 1; echo still here'
    out_is 'still here' 'pid 1 cannot be killed from inside'

    # --- stopped
    for how in '' '--pidns' '--net=none'; do
        launch c rootlet run --state-dir $state $how sh -c 'echo ready; kill -STOP $$; echo goes on; exec cat'
        ok "run $how: the API answers while the command has stopped itself" \
            curl -sSf --max-time 10 --unix-socket $state/api.sock http://x/v1/info
        # Until it has stopped there is nothing to continue. The command: the only child of the reaper, or the child.
        command=$(cat $state/child_pid)
        if [ "$how" = --pidns ]; then command=$(pgrep -P "$command"); fi
        until grep -q '^State:.T' "/proc/$command/status"; do :; done
        kill -CONT "${pid[c]}"
        hear c
        is "$line" 'goes on' 'and SIGCONT to the supervisor continues it'
        finish c
        status_is 0 'to its end'
    done

    # --- a session and a group of its own, made by the command itself
    # (Under the reaper it has one already, here without a terminal, and setsid(1) would fork.)
    for how in '' '--net=none'; do
        launch c rootlet run $how setsid $signals
        kill -40 "${pid[c]}"
        hear c
        kill -64 "${pid[c]}"
        await c
        out_is 'total 40:1 64:1' "run $how: a command that makes a session is still reached"
    done

    # --- nohup, and a shell's background: SIGHUP is not for the start to give up at
    launch c nohup rootlet run --net=slirp4netns --copy-up=/etc sh -c 'echo ready; exec cat'
    kill -HUP "${pid[c]}"
    finish c
    status_is 0 'nohup: the command keeps ignoring SIGHUP'

    # --- orphans
    run rootlet run --pidns sh -c 'i=0; while [ $i -lt 200 ]; do (true & exec true); i=$((i+1)); done
        while ps -o stat= --ppid 1 | grep -q Z; do :; done; ps -eo ppid=,stat= | grep -c Z; ls -d /proc/[0-9]* | wc -l'
    out_like '^0' '200 orphans are reaped'
    run rootlet run --pidns sh -c '(sleep 1000 & echo $!); exit 3'
    status_is 3 'the end of the reaper is not kept waiting by who is left'
    nok 'and takes it along' pgrep -x sleep
    launch c rootlet run sh -c 'sleep infinity & echo $!'
    left=$line
    ok 'without a pid namespace a child of the command outlives it' kill -0 "$left"
    kill -KILL "$left"
    finish c

    # --- socket activation: LISTEN_PID is the command's own number
    for how in '' '--pidns' '--pidns --reaper=false'; do
        run bash -c "exec 3</dev/null; export LISTEN_PID=\$\$ LISTEN_FDS=1; exec rootlet run $how sh -c 'echo \$((\$\$ - LISTEN_PID)) \$LISTEN_FDS; readlink /proc/self/fd/3'"
        out_is $'0 1\n/dev/null' "run $how: LISTEN_PID is the command's process id in its own namespace"
    done
done
nothing_left 'nothing is left'
done_testing
