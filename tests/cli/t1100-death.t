#!/bin/bash
# Whatever is killed: what must end ends, what must go on goes on, and nothing is left.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# The processes of the instance, one a line: PID NAME
members() { strangers | while read -r id _; do echo "$id $(cat "/proc/$id/comm")"; done; }
member() { members | awk -v name="$1" '$2 ~ name { print $1; exit }'; }

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)
    for how in '' '--pidns' '--pidns --reaper=false' '--net=slirp4netns --copy-up=/etc --port-driver=builtin -p 127.0.0.1:8080:80/tcp' \
        '--pidns --net=slirp4netns --copy-up=/etc --port-driver=builtin -p 127.0.0.1:8080:80/tcp'; do
        launch c rootlet run --state-dir $tmp/state $how sh -c 'echo ready; exec cat'
        all=$(members | cut -d' ' -f1)
        kill -KILL "${pid[c]}"
        await c
        status_is 137 "run $how: the supervisor is killed"
        ok 'and all of them end' $client gone $all
        is "$(strangers)" '' 'without exception'
        run $client connect 127.0.0.1 8080
        out_is ECONNREFUSED 'no port stays open'
        rm -rf $tmp/state
    done
    # Under --pidns also what the command has left in the background.
    launch c rootlet run --state-dir $tmp/state --pidns sh -c 'setsid sleep 1000 & setsid -f sleep 1001; echo ready; exec cat'
    all=$(members | cut -d' ' -f1)
    kill -KILL "${pid[c]}"
    await c
    ok '--pidns: and all that the command had left in the background' $client gone $all
    rm -rf $tmp/state
    run rootlet run --pidns sh -c 'setsid -f sleep 1000'
    nothing_left '--pidns: the end of the command is the end of all that it left'

    # --- netd and portd die: others take over; the interface, its address and the ports stay.
    launch c rootlet run --net=slirp4netns --copy-up=/etc --port-driver=builtin -p 127.0.0.1:8080:80/tcp \
        $servers --hello inside http:127.0.0.1:80
    is "$line" ready 'an instance with a server'
    target=$(member servers)
    in_there() { run nsenter --preserve-credentials -U -n -t "$target" -- "$@"; }
    [ $who = user ] || in_there() { run nsenter -n -t "$target" -- "$@"; }
    in_there curl -sS http://203.0.113.80/
    out_is 'hello from outside' 'its network works'
    netd=$(member netd) portd=$(member portd)
    isnt "$netd" '' 'netd is there'
    isnt "$portd" '' 'so is portd'
    for name in netd portd; do
        for field in NoNewPrivs:$'\t'1 Seccomp:$'\t'2; do
            like "$(cat "/proc/${!name}/status")" "$field"$'\n' "$name has $field"
        done
    done
    for name in CapPrm CapEff CapBnd; do
        is "$(grep $name "/proc/$netd/status")" "$name:"$'\t'0000000000001000 "netd has one capability, CAP_NET_ADMIN over the command's network: $name"
    done
    is "$(readlink "/proc/$netd/ns/user")" "$(readlink "/proc/$target/ns/user")" "for it is in the command's user namespace"
    is "$(readlink "/proc/$netd/ns/net")" "$(readlink /proc/self/ns/net)" "netd is in the host's network"
    is "$(readlink "/proc/$portd/ns/net")" "$(readlink "/proc/$target/ns/net")" "portd is in the command's network"
    like "$(grep CapEff "/proc/$portd/status")" '000000000000[0-9a-f]{4}$' 'portd has no capabilities but those for networks'
    for name in netd portd; do
        run nsenter --preserve-credentials -U -t "$target" -- cat "/proc/${!name}/environ"
        status_isnt 0 "the fake root inside may not look into $name"
    done
    # A signal to everybody (systemd's KillMode=control-group) is for the command: it needs its network until its own end.
    kill -TERM "$netd" "$portd"
    in_there curl -sS http://203.0.113.80/
    out_is 'hello from outside' 'SIGTERM to netd and portd: the network goes on'
    run curl -sS http://127.0.0.1:8080/
    out_is inside 'so does the port'
    is "$(member netd) $(member portd)" "$netd $portd" 'with the same processes'
    kill -KILL "$netd"
    # The first packets are lost: TCP sends them again.
    in_there curl -sS --connect-timeout 20 http://203.0.113.80/
    out_is 'hello from outside' 'netd is killed: the network works again'
    isnt "$(member netd)" "$netd" 'with another netd'
    run curl -sS http://127.0.0.1:8080/
    out_is inside 'the port was open all the time'
    kill -KILL "$portd"
    ok 'portd is killed' $client gone "$portd"
    run curl -sS --max-time 20 http://127.0.0.1:8080/
    out_is inside 'portd is killed: who comes now waits for the next one'
    isnt "$(member portd)" "$portd" 'with another portd'
    # One that hangs is as good as dead: whoever asks for a port waits once, and the next portd has it.
    portd=$(member portd)
    kill -STOP "$portd"
    run rootlet ctl --socket /tmp/"$([ $who = root ] && echo root || echo tester)"/rootlet-*/api.sock add-ports 127.0.0.1:8081:80/tcp
    status_is 0 'portd is stopped: a port can be published all the same'
    ok 'that portd is ended' $client gone "$portd"
    run curl -sS --retry 20 --retry-all-errors --retry-delay 1 http://127.0.0.1:8081/
    out_is inside 'and the port works'
    finish c
    nothing_left 'and nothing is left'

    # --- the command ends while others hold its pipes
    launch c rootlet run --net=slirp4netns --copy-up=/etc sh -c 'echo ready; exec cat'
    kill -TERM "${pid[c]}"
    await c
    status_is 143 'SIGTERM to the supervisor ends the command'
    nothing_left 'and everything else'
done

# netd and portd of an ordinary user join a user namespace whose root has all capabilities there, also over them: at no moment
# inside it may they be traceable. (When one is started again, that root is awake.)
who=user
run strace -f -qq -e trace=setns,prctl -o /tmp/tester/trace rootlet run --map=single --net=slirp4netns --copy-up=/etc \
    --port-driver=builtin true
status_is 0 'netd and portd under strace'
out=$(awk '/PR_SET_DUMPABLE/ { closed[$1] = /SUID_DUMP_DISABLE/ } /setns.*CLONE_NEWUSER/ { print closed[$1] + 0 }' /tmp/tester/trace)
is "$out" $'1\n1' 'both are closed to tracers before they join'
rm /tmp/tester/trace

# Twenty at the same time, in one state directory's parent.
who=user
run bash -c 'for i in {1..20}; do rootlet run --state-dir $TMPDIR/s$i --net=slirp4netns --copy-up=/etc --pidns sh -c "exit $i" & all+=($!); done; for p in ${all[@]}; do wait $p; echo $?; done'
is "$(tr '\n' ' ' <<<"$stdout")" "$(echo {1..20}) " 'twenty at once'
nothing_left 'nothing is left'
done_testing
