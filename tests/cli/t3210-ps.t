#!/bin/bash
# ctl ps and ctl stop: what is found, what is shown of it, and how it ends.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086,SC2034
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# The adopter reaps a supervisor in its own time.
nothing_stays() {
    ok "$1: its processes" $client gone $(strangers | cut -d' ' -f1)
    nothing_left "$1"
}
mkdir /tmp/gates
gate=/tmp/gates/gate
mkfifo -m 666 $gate
passes() { timeout "$LIMIT" cat $gate >/dev/null; }
supervisor_of() { sed 's/.*) [A-Z] //; s/ .*//' "/proc/$(cat "$1/child_pid")/stat"; }
# What ps --json says, as a Python value `d`: a list.
listed() { sed '1s/^/[/; $!s/$/,/; $s/$/]/' <<<"$stdout" | json "$1"; }

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester) id=$([ $who = root ] && echo 0 || echo 1001)
    run rootlet ctl ps
    status_is 0 'ps, and nothing runs'
    out_is 'PID  CHILDPID  NET  PORTS  AGE  STATEDIR  COMMAND' 'has a heading'
    run rootlet ctl ps --json
    out_is '' 'with --json it prints nothing'
    run rootlet ctl stop --all
    status_is 0 'stop --all is content'
    out_is '' 'and says nothing'

    # Ours and RootlessKit's.
    printf '#!/bin/sh\necho >%s\nexec sleep 1002\n' $gate >$tmp/inner
    chmod 755 $tmp/inner
    inner=$tmp/inner
    run rootlet run -d --state-dir $tmp/a --pidns --net=slirp4netns --copy-up=/etc -p 127.0.0.1:8080:80/tcp -p 127.0.0.1:5353:53/udp sleep 1000
    run rootlet run -d --state-dir $tmp/b sleep 1001
    run rootlet run -d --state-dir $tmp/c rootlet run --state-dir $tmp/d --pidns rootlet run --state-dir $tmp/e --net=none $inner
    passes
    spawn peer /usr/bin/rootlesskit --state-dir $tmp/f --pidns --net=slirp4netns --copy-up=/etc --disable-host-loopback --port-driver=builtin \
        sh -c "echo >$gate; exec sleep 1003"
    passes
    for ctl in 'rootlet ctl' $aliases/rootlessctl; do
        run $ctl ps
        status_is 0 "$ctl ps"
        sorted=$(tail -n +2 <<<"$stdout" | sed -E 's/  +/|/g' | sort -t'|' -k6)
        want=$(
            echo "$(supervisor_of $tmp/a)|$(cat $tmp/a/child_pid)|slirp4netns|127.0.0.1:8080:80/tcp,127.0.0.1:5353:53/udp|Ns|$tmp/a|sleep 1000"
            echo "$(supervisor_of $tmp/b)|$(cat $tmp/b/child_pid)|host|-|Ns|$tmp/b|sleep 1001"
            echo "$(supervisor_of $tmp/c)|$(cat $tmp/c/child_pid)|host|-|Ns|$tmp/c|rootlet run --state-dir $tmp/d --pidns rootlet run --state-dir $tmp/e --net=none $inner"
            echo "$(cat $tmp/c/child_pid)|$(cat $tmp/d/child_pid)|host|-|Ns|$tmp/d|rootlet run --state-dir $tmp/e --net=none $inner"
            echo "E|E|none|-|Ns|$tmp/e|sleep 1002"
            echo "$(supervisor_of $tmp/f)|$(cat $tmp/f/child_pid)|slirp4netns|-|Ns|$tmp/f|sleep 1003"
        )
        is "$(sed -E "s/\|[0-9]+[sm]\|/|Ns|/; /\|${tmp//\//\\/}\/e\|/s/^[0-9]+\|[0-9]+/E|E/" <<<"$sorted")" "$want" 'lists all of them, the peer among them, and one in a pid namespace'
        is "$(awk '{ print index($0, NR == 1 ? "STATEDIR" : "'$tmp'/") }' <<<"$stdout" | sort -u | wc -l)" 1 'in columns'
    done
    run rootlet ctl ps --json
    is "$(listed '[[p["stateDir"][-1], p["uid"], p["answers"], p["networkDriver"], p["portDriver"], [e["spec"]["parentPort"] for e in p["ports"]], p["command"][0], p["ageSeconds"] < 100] for p in sorted(d, key=lambda p: p["stateDir"])]' |
        sed 's/\], \["/],\n["/g')" \
        '[["a", '$id', true, "slirp4netns", "builtin", [8080, 5353], "sleep", true],
["b", '$id', true, "host", "none", [], "sleep", true],
["c", '$id', true, "host", "none", [], "rootlet", true],
["d", '$id', true, "host", "none", [], "rootlet", true],
["e", '$id', true, "none", "none", [], "sleep", true],
["f", '$id', true, "slirp4netns", "builtin", [], "sleep", true]]' 'the same as JSON'
    is "$(listed '[p["pid"] for p in d if p["stateDir"].endswith("/b")]')" "[$(supervisor_of $tmp/b)]" 'with the pid'

    rm $tmp/inner

    # Who sees whom.
    if [ $who = user ]; then
        who=root
        run rootlet ctl ps
        is "$(wc -l <<<"$stdout")" 1 "root's list has nothing of others"
        run rootlet ctl ps --all
        is "$(tail -n +2 <<<"$stdout" | wc -l)" 6 'ps --all has'
        who=user
    else
        who=user
        run rootlet ctl ps --all
        is "$(wc -l <<<"$stdout")" 1 "an ordinary user does not see root's"
        run rootlet ctl stop $tmp/b
        status_is 1 'and cannot stop them'
        who=root
    fi

    # By pid, by child's pid, by directory, several.
    run rootlet ctl stop $tmp/nowhere "$(supervisor_of $tmp/b)" "$(cat $tmp/f/child_pid)" $tmp/e 1
    status_is 1 'stop: some are there, some not'
    is "$(sort <<<"$stdout")" "$tmp/b"$'\n'"$tmp/e"$'\n'"$tmp/f" 'those that are there are stopped'
    err_like "no instance is running in '$tmp/nowhere'" 'the others are named: a directory'
    err_like 'process 1 is not the supervisor' 'a process'
    await peer
    status_is 255 "the peer's parent says how its command ended"
    run rootlet ctl stop --socket $tmp/a/api.sock $tmp/c
    status_is 1 '--socket and a name'
    run rootlet ctl --socket $tmp/a/api.sock stop
    out_is $tmp/a '--socket'
    ok 'the outer ones have ended with the innermost' $client gone $(strangers | cut -d' ' -f1)
    nothing_stays 'nothing is left'

    # From inside.
    spawn c rootlet run sh -c 'rootlet ctl stop & while :; do wait; done'
    await c # and with it the end of what ctl has to say, which may outlive the instance
    status_is 143 'an instance that is stopped by its own command'
    out_like "^$tmp/" 'is found by $ROOTLESSKIT_STATE_DIR'
    run rootlet run --pidns rootlet ctl stop
    status_is 1 'from inside of a pid namespace'
    err_like 'cannot be seen from this pid namespace' 'a clear error'
    run rootlet ctl stop
    status_is 1 'no name at all'
    err_like '(--all|ps)' 'and what to do'

    # A command that does not care, one that is stopped, a supervisor that is stopped; with and without a reaper.
    for how in '' --pidns '--pidns --reaper=false'; do
        run rootlet run -d --state-dir $tmp/a $how sh -c 'trap "" TERM; exec sleep 1000'
        run rootlet ctl stop --time 0 $tmp/a
        status_is 0 "run $how: a command that ignores SIGTERM"
        out_is $tmp/a 'is stopped'
        err_like 'warning.*killed' 'by force, and ctl says so'
        nothing_stays 'and nothing is left'
    done
    run rootlet run -d --state-dir $tmp/a sleep 1000
    kill -STOP "$(cat $tmp/a/child_pid)"
    run rootlet ctl stop $tmp/a
    status_is 0 'a command that is stopped by SIGSTOP'
    err_is '' 'needs no force'
    run rootlet run -d --state-dir $tmp/a --pidns sleep 1000
    kill -STOP "$(supervisor_of $tmp/a)"
    run rootlet ctl stop $tmp/a
    status_is 0 'a supervisor that is stopped'
    err_is '' 'neither'
    # One that a debugger holds acts upon nothing but SIGKILL. It is the user's, stopped by root and by the user.
    stopper=$who tmp=/tmp/tester
    who=user
    run rootlet run -d --state-dir $tmp/a --net=none --port-driver=builtin sleep 1000
    all=$(strangers | cut -d' ' -f1)
    who=root
    launch tracer python3 -c 'import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
if libc.ptrace(16, pid, None, None) != 0: sys.exit(os.strerror(ctypes.get_errno()))
os.waitpid(pid, 0x40000000); print("held", flush=True); sys.stdin.read()' "$(supervisor_of $tmp/a)"
    is "$line" held 'a supervisor that is held'
    who=$stopper
    run rootlet ctl stop --time 0 $tmp/a
    status_is 0 'is stopped'
    err_like 'supervisor .* was killed' 'by force'
    nok 'its state directory is removed' test -e $tmp/a
    finish tracer
    ok 'its processes have ended' $client gone $all
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)
    nothing_stays 'nothing is left'

    # Odd names and words.
    odd=$tmp/$'a\nb\e[31m\xff'
    run rootlet run -d --state-dir "$odd" sh -c 'exec sleep 1000' $'x\ty'
    status_is 0 'a state directory with control characters in its name'
    run rootlet ctl ps
    is "$(tail -n +2 <<<"$stdout" | sed -E 's/  +/|/g' | cut -d'|' -f3-4,6-)" "host|-|$tmp/"'a\x0ab\x1b[31m\xff|sleep 1000' 'ps escapes them'
    run rootlet ctl ps --json
    is "$(listed 'd[0]["stateDir"]' | head -c 1000)" "$(printf '%s' "$tmp/"$'a\nb\e[31m\\xff')" 'JSON has them'
    run rootlet ctl stop "$odd"
    status_is 0 'it can be stopped'
    run rootlet run -d --pidns perl -e '$0 = "odd\e[2J name"; open(my $f, ">", "/tmp/gates/gate") or die; close($f); sleep 1000'
    state=$stdout
    passes
    run rootlet ctl ps
    out_unlike $'\e' 'what a command calls itself is escaped, too'
    run rootlet ctl stop --all
    out_is "$state" 'stop --all'

    # Somebody else listens on api.sock, and says nothing.
    run rootlet run -d --state-dir $tmp/a --net=none sleep 1000
    rm $tmp/a/api.sock
    launch silent python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1]); s.listen(0); print("ready", flush=True)
full = [socket.socket(socket.AF_UNIX) for _ in range(2)]
for f in full:
    f.setblocking(False)
    try: f.connect(sys.argv[1])
    except BlockingIOError: pass
sys.stdin.read()' $tmp/a/api.sock
    run rootlet ctl ps
    status_is 0 'a listener that is silent'
    out_like "\\(no answer\\) .* $tmp/a +sleep 1000" 'is marked'
    run rootlet ctl ps --json
    is "$(listed '[d[0]["answers"], d[0]["networkDriver"]]')" '[false, null]' 'as JSON too'
    run rootlet ctl stop $tmp/a
    out_is $tmp/a 'the supervisor is found all the same'
    ok 'and not the listener' kill -0 "${pid[silent]}"
    finish silent
    nothing_stays 'nothing is left'

    # A listener in a directory where no instance is.
    run mkdir $tmp/a
    launch other python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1] + "/api.sock"); s.listen(); open(sys.argv[1] + "/child_pid", "w").write(str(os.getppid())); print("ready", flush=True)
sys.stdin.read()' $tmp/a
    run rootlet ctl stop $tmp/a
    status_is 1 'a socket of another program'
    err_like 'is not the supervisor of an instance' 'is not believed'
    finish other
    status_is 0 'and that program lives on'
    rm -r $tmp/a

    # Other programs' locks.
    mkdir $tmp/a $tmp/b $tmp/c
    for dir in a b c; do : >$tmp/$dir/lock; done
    chmod -R a+rwX $tmp/a $tmp/b $tmp/c
    printf 1 >$tmp/b/child_pid
    mkfifo -m 666 $tmp/c/child_pid
    launch locks bash -c 'cd "$0" || exit; exec 3>a/lock 4>b/lock 5>c/lock; flock 3 && flock 4 && flock 5 && echo ready; read x || :' $tmp
    is "$line" ready 'locks named lock'
    run rootlet ctl ps
    is "$(wc -l <<<"$stdout")" 1 'of other programs: no instances'
    nok 'they are held' flock -n $tmp/a/lock true
    run rootlet ctl stop $tmp/a
    status_is 1 'nor can they be stopped'
    finish locks
    status_is 0 'that program lives on'
    rm -r $tmp/a $tmp/b $tmp/c

    # While instances come and go.
    launch churn bash -c 'echo ready; for i in {1..30}; do rootlet run --state-dir $TMPDIR/x$((i % 3)) --pidns true & rootlet run -d true >/dev/null; wait; done'
    bad=0
    while kill -0 "${pid[churn]}" 2>/dev/null; do
        run rootlet ctl ps
        if [ "$status" != 0 ] || [ -n "$stderr" ] || [ "$(head -n 1 <<<"$stdout" | cut -c 1-3)" != PID ]; then bad=$((bad + 1)); fi
    done
    is $bad 0 'ps while instances come and go is always well'
    finish churn
    status_is 0 'and disturbs none of them'
    err_is '' 'not even a lock'
    nothing_stays 'nothing is left'
done
done_testing
