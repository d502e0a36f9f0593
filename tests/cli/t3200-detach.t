#!/bin/bash
# run --detach: when it returns, with what, and what it leaves to whom.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086,SC2034
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# Instances are orphans: their supervisors are children of whoever adopts them.
supervisor_of() { sed 's/.*) [A-Z] //; s/ .*//' "/proc/$(cat "$1/child_pid")/stat"; }
mkdir /tmp/gates
gate=/tmp/gates/gate
mkfifo -m 666 $gate
# A word through a FIFO, with a deadline.
passes() { if [ "${2:-read}" = read ]; then timeout "$LIMIT" cat "$1" >/dev/null; else timeout "$LIMIT" sh -c 'echo >"$0"' "$1"; fi; }
# The adopter reaps the supervisor, in its own time.
nothing_stays() {
    ok "$1: its processes" $client gone $(strangers | cut -d' ' -f1)
    nothing_left "$1"
}
full='--net=slirp4netns --copy-up=/etc -p 127.0.0.1:8080:80/tcp'

# The supervisor is held before it looks at its first event; the child, which has said that it is ready, is killed; and on it goes.
cat >/tmp/untimely <<-'EOT'
	import os, re, signal, subprocess, sys
	log = "/tmp/untimely.log"
	calls = "epoll_wait,epoll_pwait"
	strace = ["strace", "-f", "-qq", "-o", log, "-e", "trace=sendmsg," + calls, "-e", f"inject={calls}:signal=STOP:when=1", "--"]
	p = subprocess.Popen(strace + sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
	def seen(pattern):
	    while True:
	        found = re.search(pattern, open(log).read() if os.path.exists(log) else "", re.M)
	        if found:
	            return found
	supervisor = seen(r"^(\d+) +--- stopped by SIGSTOP").group(1)
	child = open(f"/proc/{supervisor}/task/{supervisor}/children").read().split()[0]
	seen(rf"^{child} +sendmsg.*= \d|^{child} +<... sendmsg.*= \d")
	os.kill(int(child), signal.SIGKILL)
	os.kill(int(supervisor), signal.SIGCONT)
	out, err = p.communicate()
	sys.stderr.write(err)
	sys.stdout.write(out)
	os.unlink(log)
	sys.exit(p.returncode)
EOT

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)
    for how in '' '--pidns' '--pidns --reaper=false' "$full" "$full --pidns"; do
        # `run` reads to the end of stdout and stderr through pipes here: it returns because nobody keeps them.
        run bash -c 'set -o pipefail; rootlet run -d "$@" 2>&1 | cat' -- $how -- sh -c 'echo to stdout; echo to stderr >&2; cat; exec sleep 1000'
        status_is 0 "run -d $how: it returns"
        state=$(tail -n 1 <<<"$stdout")
        like "$state" "^$tmp/rootlet-[^/]*$" 'its last line is the state directory'
        is "$(stat -c '%a %U' "$state/log")" "600 $([ $who = root ] && echo root || echo tester)" 'the log is for nobody else'
        child=$(cat "$state/child_pid") supervisor=$(supervisor_of "$state")
        is "$(ps -o sid=,tty= -p "$supervisor" | tr -d ' ')" "$supervisor?" 'the supervisor has a session of its own and no terminal'
        members="$supervisor $(pgrep -P "$supervisor") $(pgrep -P "$child")"
        held=$(for p in $members; do for fd in 0 1 2; do readlink "/proc/$p/fd/$fd"; done; done | sort -u)
        is "$held" "/dev/null"$'\n'"$state/log" 'all of them have the log for stdout and stderr, and nothing for stdin'
        is "$(for p in $members; do find "/proc/$p/fd" -lname 'pipe:*'; done)" '' 'and no pipe of the caller'
        run curl -sSf --unix-socket "$state/api.sock" http://x/v1/info
        is "$(json 'd["childPID"]' <<<"$stdout")" "$child" 'the API answers'
        run rootlet ctl stop --time=1 "$state" # as the init of a pid namespace, sleep ignores SIGTERM
        status_is 0 'it is stopped'
        out_is "$state" 'by its name'
        nothing_stays 'and nothing is left'
    done

    # What the command says stands in the log; what the start says, there and on the caller's stderr.
    run rootlet run -d --net=slirp4netns --state-dir $tmp/state sh -c "echo one; echo two >&2; echo >$gate; exec sleep 1000"
    status_is 0 'a start with a warning'
    out_is $tmp/state 'stdout has the directory only'
    err_like '^rootlet run: warning: /etc is not copied up' 'the caller sees the warning'
    passes $gate
    is "$(sed 's/^rootlet run: warning.*/warning/' $tmp/state/log | uniq)" $'warning\none\ntwo' 'the log has it too, and what the command says'
    kill -TERM "$(supervisor_of $tmp/state)"
    nothing_stays 'SIGTERM to the supervisor reaches the command and ends the instance, and its log'
    run rootlet run -d --state-dir $tmp/state sh -c "read x <$gate"
    passes $gate write
    nothing_stays 'the end of the command is the end of the instance'

    # The start fails: as in the foreground, and nothing stays.
    run rootlet run -d /nowhere/command
    status_is 127 'a command that is not there'
    err_like 'cannot run' 'is named'
    out_is '' 'nothing on stdout'
    for how in --pidns "$full" "$full --pidns"; do
        run rootlet run -d $how nosuchcommand
        status_is 127 "the same with $how"
        err_like "cannot run 'nosuchcommand'" 'and the message'
    done
    run rootlet run -d /etc
    status_is 126 'one that cannot be run'
    run $aliases/rootlesskit -d --pidns nosuchcommand
    status_is 1 'rootlesskit -d: 1'
    run $aliases/rootlesskit --detach true
    status_is 0 'rootlesskit --detach'
    out_like "^$tmp/" 'prints the directory too'
    who_=$who
    for how in '' --pidns; do
        who=root
        run python3 /tmp/untimely "as-$who_" rootlet run -d --state-dir $tmp/state $how touch $tmp/ran
        who=$who_
        status_is 137 "a child that is killed before it can run the command: no success ($how)"
        out_is '' 'and nothing on stdout'
        err_like '^rootlet run: .*killed by signal 9 before' 'but why'
        nok 'the command was not run' test -e $tmp/ran
    done
    for how in true false; do
        run rootlet run -d --pidns $how
        status_is 0 "a command that has ended already ($how) was started all the same"
        out_like "^$tmp/" 'and its directory printed'
    done
    run rootlet run -d --net=none --port-driver=builtin -p 203.0.113.250:80:80/tcp true
    status_is 1 'a port that cannot be published'
    err_like '203.0.113.250' 'is named'
    out_is '' 'and nothing printed'
    run rootlet run -d --net=slirp4netns --mtu 70000 true
    status_is 1 'a bad option'
    run rootlet run -d
    status_is 1 'no command'
    run rootlet run -d --state-dir $tmp/state sleep 1000
    status_is 0 'an instance'
    run rootlet run -d --state-dir $tmp/state true
    status_is 1 'a second one in the same directory'
    err_like "$tmp/state.*in use" 'and the message says so'
    ok 'the first one has its log' test -e $tmp/state/log
    run rootlet ctl --socket $tmp/state/api.sock stop
    out_is $tmp/state 'ctl --socket stop'
    run rootlet run -d --state-dir /proc/nowhere true
    status_is 1 'no state directory'
    err_like /proc/nowhere 'is named'
    run bash -c 'rootlet run -d --net=none sleep 1000 >/dev/full'
    status_is 1 'stdout is full'
    err_like 'standard output' 'and the message'
    run bash -c 'set -o pipefail; exec 3> >(exec <&-; echo closed >&2); pid=$!; wait $pid; rootlet run -d sleep 1000 >&3'
    status_is 1 'nobody reads stdout'
    nothing_stays 'nothing is left of those'

    # The caller goes before the start is over. A helper for the ids holds the start until then.
    for sig in INT TERM HUP QUIT KILL; do
            printf '#!/bin/sh\n[ "$1" = -g ] || { echo $PPID >%s; read x <%s; }\necho 100000 65536 | sed "s/^/0: ${*#-g} /"\n' $gate $gate >$tmp/getsubids
        chmod 755 $tmp/getsubids
        spawn c env GETSUBIDS=$tmp/getsubids rootlet run -d --subid-source=dynamic --state-dir $tmp/state sleep 1000
        supervisor=$(timeout $LIMIT cat $gate)
        caller=$(sed 's/.*) [A-Z] //; s/ .*//' "/proc/$supervisor/stat")
        isnt "$caller" 1 "SIG$sig: the caller waits"
        all=$(strangers | cut -d' ' -f1)
        kill -$sig "$caller"
        [ $sig != KILL ] || ok 'the caller is gone' $client gone "$caller"
        passes $gate write
        await c
        case $sig in
        INT) want=130 ;;
        TERM) want=143 ;;
        HUP) want=129 ;;
        QUIT) want=131 ;;
        KILL) want=137 ;;
        esac
        status_is $want "SIG$sig during the start: the status"
        out_is '' "no directory is printed"
        ok 'everything ends' $client gone $all $supervisor
        rm $tmp/getsubids
        nothing_stays 'and nothing is left'
    done

    # The supervisor is killed.
    run rootlet run -d --state-dir $tmp/state $full --pidns sleep 1000
    all=$(strangers | cut -d' ' -f1)
    kill -KILL "$(supervisor_of $tmp/state)"
    ok 'the detached supervisor is killed: all of them end' $client gone $all
    run rootlet ctl ps
    is "$(wc -l <<<"$stdout")" 1 'ps does not know it any more'
    run rootlet ctl stop $tmp/state
    status_is 1 'it cannot be stopped'
    err_like "no instance is running in '$tmp/state'" 'and the message says why'
    run rootlet run -d --state-dir $tmp/state true
    status_is 0 'the next one on this directory works'
    ok 'it ends' $client gone $(strangers | cut -d' ' -f1)
    nothing_stays 'and nothing is left'

    # Sockets by which it was activated go through; other descriptors do not.
    run bash -c 'exec 3</etc/hostname 4</etc/passwd 7</etc/group; LISTEN_FDS=1 LISTEN_PID=$$ exec rootlet run -d --state-dir '$tmp/state' sh -c "ls -l /proc/\$\$/fd; echo \$LISTEN_PID \$\$; echo >'$gate'; exec sleep 1000"'
    status_is 0 'socket activation'
    passes $gate
    run cat $tmp/state/log
    out_like '3 -> /etc/hostname' 'the activation socket passes'
    out_unlike '(passwd|group)' 'nothing else'
    is "$(awk 'NF == 2 && $1 ~ /^[0-9]+$/ { print $1 == $2 }' <<<"$stdout")" 1 'LISTEN_PID is the command'
    run rootlet ctl stop $tmp/state
    status_is 0 'stopped'

    # Twenty at once.
    run bash -c 'for i in {1..20}; do rootlet run -d --state-dir $TMPDIR/s$i --net=slirp4netns --copy-up=/etc --pidns sleep 1000 & all+=($!); done; for p in ${all[@]}; do wait $p || echo $?; done'
    is "$(sort <<<"$stdout")" "$(printf "$tmp/s%d\n" {1..20} | sort)" 'twenty at once'
    run rootlet ctl ps
    is "$(tail -n +2 <<<"$stdout" | grep -c 'slirp4netns .* sleep 1000$')" 20 'ps shows them'
    run rootlet ctl stop --all
    status_is 0 'stop --all'
    is "$(sort <<<"$stdout")" "$(printf "$tmp/s%d\n" {1..20} | sort)" 'stops all of them'
    err_is '' 'without force: a reaper passes SIGTERM on'
    nothing_stays 'nothing is left'
done

# Nothing can be written to anywhere: the state directory is in memory, and has a name in /proc alone.
who=user
chmod 755 /tmp /dev/shm
chown root /tmp/tester /run/user/1001
run rootlet run true
status_is 0 'without a place for the state directory'
err_is '' 'there is nothing to complain about'
run rootlet run -d --pidns sleep 1000
status_is 0 'run -d'
state=$stdout
like "$state" '^/proc/[0-9]+/fd/[0-9]+$' 'prints a name that is good for this user'
run rootlet ctl ps
out_like "host +- +[0-9]+s +$state +sleep 1000" 'ps knows it'
run rootlet ctl --socket "$state/api.sock" info
out_like "State Directory: $state" 'the API answers'
run rootlet ctl stop "$state"
out_is "$state" 'it is stopped'
chown tester /tmp/tester /run/user/1001
nothing_stays 'nothing is left'
done_testing
