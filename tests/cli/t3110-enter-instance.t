#!/bin/bash
# enter by state directory: whatever the instance is, the command is in it; what is no instance is not entered. On a terminal, too.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

fails() { # WHAT PATTERN COMMAND...
    local what=$1 pattern=$2
    shift 2
    run "$@"
    status_is 1 "$what: status 1"
    out_is '' 'nothing is run'
    err_like "$pattern" 'and it says why'
    is "$(wc -l <<<"$stderr")" 1 'in one line'
}

# One line on what a command has.
cat >/tmp/self <<-'EOT'
	#!/bin/sh
	echo $(env | grep ^ROOTLESSKIT_ | sort) / $(id -u) / $(id -G) / $(grep -h CapEff /proc/self/status) / $(stat -L -c %i /proc/self/ns/*)
EOT
# Somebody who looks like an instance: a listener, a lock, and in child_pid whatever is wanted.
cat >/tmp/impostor <<-'EOT'
	import ctypes, fcntl, os, socket, subprocess, sys
	state, words = sys.argv[1], sys.argv[2:]
	os.mkdir(state)
	os.chdir(state)
	s = socket.socket(socket.AF_UNIX)
	s.bind("api.sock")
	s.listen()
	lock = open("lock", "w")
	if "unlocked" not in words:
	    fcntl.flock(lock, fcntl.LOCK_EX)
	if words[0] == "child":
	    words[0] = str(subprocess.Popen(["sleep", "1000"], preexec_fn=lambda: ctypes.CDLL(None).prctl(1, 9)).pid)
	if words[0] != "none":
	    open("child_pid", "w").write(words[0])
	if "world" in words:
	    os.chmod(".", 0o777)
	print("ready", flush=True)
	sys.stdin.readline()
EOT
chmod 755 /tmp/self /tmp/impostor

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)
    cd /usr/lib || bail_out 'no /usr/lib'
    run touch "$tmp/here"
    for how in '' '--pidns' '--pidns --reaper=false --utsns --ipcns --cgroupns' '--net=slirp4netns --copy-up=/etc --copy-up=/run' '--net=none --map=single --pidns'; do
        launch c rootlet run --state-dir "$tmp/state" $how sh -c '/tmp/self; read x; exit 0'
        inside=$line
        run rootlet enter --state-dir "$tmp/state" sh -c '/tmp/self; pwd; echo $(ls /proc/self/fd); exit 9'
        status_is 9 "enter --state-dir, run $how"
        err_is '' 'without a word'
        is "$(head -n1 <<<"$stdout")" "$inside" 'has the ids, capabilities, namespaces and variables of the command'
        is "$(tail -n +2 <<<"$stdout")" $'/usr/lib\n0 1 2 3' 'the working directory of outside, and no descriptor'
        cd "$tmp" || bail_out "no $tmp"
        run rootlet enter --state-dir state sh -c 'ls here; echo $ROOTLESSKIT_STATE_DIR'
        out_is "here"$'\n'"$tmp/state" 'a relative name'
        cd /usr/lib || bail_out 'no /usr/lib'
        run rootlet enter --state-dir "$tmp/state" -W /etc -S 0 pwd
        out_is /etc '--wdns goes along'
        tell c ''
        await c
        status_is 0 'the instance ends in good order'
        err_unlike 'api|error' 'and was not troubled'
    done

    launch c rootlet run --state-dir "$tmp/state" --net=slirp4netns --copy-up=/etc --copy-up=/run sh -c 'rm -f /run/gone; echo mine >/etc/inside; echo ready; read x; exit 0'
    mkdir /run/gone
    cd /run/gone || bail_out 'no /run/gone'
    run rootlet enter --state-dir "$tmp/state" pwd
    out_is / 'a working directory that is not there inside: /'
    cd /usr/lib || bail_out 'no /usr/lib'
    rmdir /run/gone
    run rootlet enter --state-dir "$tmp/state" sh -c 'cat /etc/inside; curl -sS http://203.0.113.80/'
    out_is $'mine\nhello from outside' 'mounts and network are those of the instance'
    run rootlet enter --state-dir "$tmp/state" -U -m --preserve-credentials readlink /proc/self/ns/net
    out_is "$(readlink /proc/self/ns/net)" 'namespaces that are named are all that is joined'
    fails 'no detached network' 'no detached network namespace' rootlet enter --state-dir "$tmp/state" --detached-netns true
    # From within: another instance inside this one. The first process that enters kills its init.
    run rootlet enter --state-dir "$tmp/state" sh -c 'mkdir /run/nested; mkfifo /run/nested/up
        rootlet run --pidns --net=none --state-dir /run/nested/s sh -c "echo >/run/nested/up; exec sleep 1000" & read up </run/nested/up
        rootlet enter --state-dir /run/nested/s ls /sys/class/net
        rootlet enter --state-dir /run/nested/s sh -c "kill -TERM 1; sleep 1000"; echo $?
        wait $!; echo $?'
    out_is $'lo\n137\n143' 'an instance within an instance'
    if [ $who = user ]; then
        who=root
        run rootlet enter --state-dir $tmp/state sh -c 'id -u; id -G; cat /etc/inside; head -n1 /proc/self/uid_map | tr -s " "; touch /tmp/tester/made'
        out_is $'0\n0\nmine\n 0 1001 1' 'root may enter it'
        is "$(stat -c %u:%g /tmp/tester/made)" 1001:1001 'and is no more than the fake root there'
        rm -f /tmp/tester/made
        who=user
    else
        who=user
        fails "root's instance" "$tmp.*Permission denied|uid 0" rootlet enter --state-dir $tmp/state true
        who=root
    fi
    tell c ''
    await c

    # --- what our caller has open is not for a command inside
    launch c rootlet run --state-dir "$tmp/state" sh -c 'echo ready; read x; exit 0'
    run strace -qqq -o /dev/null -e inject=close_range,getdents64:error=EIO rootlet enter --state-dir "$tmp/state" true
    status_is 1 'descriptors that cannot be closed: no command'
    err_like 'descriptors that came from outside' 'and why'
    tell c ''
    await c

    # --- no instance
    fails 'no directory' "/nowhere'.*No such" rootlet enter --state-dir=/nowhere true
    fails 'a directory without an instance' 'no instance is running' rootlet enter --state-dir="$tmp" true
    fails 'an empty name' 'needs a name' rootlet enter --state-dir= true
    launch c rootlet run --state-dir "$tmp/state" --pidns sh -c 'echo ready; exec cat'
    kill -KILL "${pid[c]}"
    await c
    fails 'an instance that was killed' "no instance is running in '$tmp/state'" rootlet enter --state-dir "$tmp/state" true
    rm -rf "$tmp/state"
    while read -r words pattern; do
        launch i python3 /tmp/impostor "$tmp/state" ${words//,/ }
        fails "no instance ($words)" "$pattern" rootlet enter --state-dir "$tmp/state" true
        tell i ''
        await i
        rm -rf "$tmp/state"
    done <<-EOT
		1 names process 1, which is no child
		$$ no child of the instance
		2147483647 its child process has ended
		-1 no process id
		1x no process id
		99999999999999999999999999999999999999 cannot read
		none only just starting
		1,unlocked its lock is free
		1,world everybody can write
	EOT
    rm -f "$tmp/here"

    # --- the network of --detach-netns
    for how in '' '--pidns --copy-up=/run'; do
        launch c rootlet run --state-dir "$tmp/state" --net=slirp4netns --detach-netns --copy-up=/etc $how sh -c 'echo ready; read x; exit 0'
        run rootlet enter --state-dir "$tmp/state" readlink /proc/self/ns/net
        out_is "$(readlink /proc/self/ns/net)" "run --detach-netns $how: enter has the command's network"
        run rootlet enter --state-dir "$tmp/state" --detached-netns sh -c 'echo $(ls /proc/self/fd); ip -o -4 addr show dev tap0; curl -sS http://203.0.113.80/'
        out_like '^0 1 2 3.*10\.0\.2\.100/24.*hello from outside' '--detached-netns: the detached one'
        tell c ''
        await c
    done

    # --- an instance in the background, whose supervisor is nobody's child
    run rootlet run --detach --state-dir "$tmp/state" --pidns sleep 1000
    status_is 0 'run --detach'
    run rootlet enter --state-dir "$tmp/state" sh -c 'id -u; tr "\0" " " </proc/1/cmdline; kill -TERM 1; exec sleep 1000'
    out_like '^0.' 'enter finds it'
    status_is 137 'and ends with it'
    until [ ! -e "$tmp/state/lock" ] || flock -n "$tmp/state/lock" true 2>/dev/null; do :; done
    rm -rf "$tmp/state"

    # --- what joins a pid namespace ends with it
    launch c rootlet run --state-dir "$tmp/state" --pidns sh -c 'echo ready; read x; exit 0'
    launch e rootlet enter --state-dir "$tmp/state" sh -c 'echo entered; exec cat'
    tell c ''
    await c
    await e
    status_is 137 'what has joined a pid namespace ends with the instance'
    nothing_left 'nothing is left'
done

# A user's process without a user namespace of its own: what root meant for the inside would be done outside, by root.
who=user
launch i python3 /tmp/impostor /tmp/tester/state child
for who in root user; do
    fails 'a child that is outside, too' 'user namespace.*no instance' rootlet enter --state-dir /tmp/tester/state id
done
tell i ''
await i
ok 'that is over' $client gone $(strangers | cut -d' ' -f1)
rm -r /tmp/tester/state

# The fake root inside may not look into what is on its way in: stopped at its first step inside, it shows nothing of itself. (Of
# the owner of the namespace, that is: when others join, the kernel sees to it. Root's strace stops it; the user's own fake root looks.)
who=user tmp=/tmp/tester
launch c rootlet run --state-dir $tmp/state sh -c 'echo ready; read x; exit 0'
cat >/tmp/peep <<-'EOT'
	import os, signal, subprocess, sys
	inside, words = sys.argv[1], sys.argv[2:]
	strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=chdir", "-e", "inject=chdir:signal=STOP", "--"]
	p = subprocess.Popen(strace + words, stdout=subprocess.PIPE, text=True)
	pid = None
	while pid is None:
	    for child in open(f"/proc/{p.pid}/task/{p.pid}/children").read().split():
	        try: # strace has others, too, for a moment
	            state = open(f"/proc/{child}/stat").read().rsplit(")", 1)[1].split()[0]
	            if state in "tT" and os.readlink(f"/proc/{child}/ns/user") == os.readlink(f"/proc/{inside}/ns/user"):
	                pid = child
	        except (FileNotFoundError, ProcessLookupError):
	            pass
	look = ["as-user", "/usr/bin/nsenter", "-U", "-t", inside, "cat", f"/proc/{pid}/environ"]
	r = subprocess.run(look, capture_output=True, text=True)
	print(r.returncode, r.stderr.strip()[-17:], flush=True)
	os.kill(int(pid), signal.SIGCONT)
	print(p.communicate()[0], end="")
EOT
who=root
run python3 /tmp/peep "$(cat $tmp/state/child_pid)" as-user rootlet enter --state-dir $tmp/state echo entered
out_is $'1 Permission denied\nentered' 'the fake root inside cannot look into what comes in'
who=user
tell c ''
await c

# ---------------------------------------------------------------------- on a terminal, with the process in between that a pid namespace needs
terminal() { feed "$tap_dir/script" "$TOP/tests/lib/terminal.py" "$@"; }
script() { cat >"$tap_dir/script"; }
cat >/tmp/count <<-'EOT'
	#!/usr/bin/perl
	# Count SIGINT; SIGUSR1: say how many came, and end.
	use POSIX 'pause';
	$| = 1;
	my $count = 0;
	$SIG{INT} = sub { $count++; print "interrupted\n" };
	$SIG{USR1} = sub { print "total $count\n"; exit 7 };
	print "ready\n";
	pause while 1;
EOT
chmod 755 /tmp/count
for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)
    launch c rootlet run --state-dir "$tmp/state" --pidns sh -c 'echo ready; read x; exit 0'
    for enter in "rootlet enter --state-dir $tmp/state" "$aliases/nsenter -t $(cat "$tmp/state/child_pid") -U -m -p"; do
        script <<-'EOT'
			expect ready
			send \x03
			expect interrupted
			signal USR1
			expect total
		EOT
        terminal $enter /tmp/count
        out_like 'total 1' "${enter%% -*}: Ctrl-C arrives once, a signal is passed on"
        status_is 7 'and the status comes back'
        script <<-'EOT'
			expect ready
			send \x03
		EOT
        terminal $enter sh -c 'echo ready; exec cat'
        status_is 130 'Ctrl-C ends a command that does not catch it'
        script <<-EOT
			expect bash-
			send $enter sh -c 'echo re""ady; read x; echo g""ot \$x; exit 5'\n
			expect ready
			send \x1a
			expect Stopped
			expect bash-
			send jobs; fg\n
			expect Stopped
			send word\n
			expect got word
			expect bash-
			send exit \$?\n
		EOT
        terminal bash --norc --noprofile -i
        status_is 5 'Ctrl-Z stops it, fg goes on'
        script <<-'EOT'
			expect bash-
			send sleep 1000 &\n
			expect [1]
			send jobs\n
			expect Running
			send tty; kill %1; wait; exit 4\n
		EOT
        terminal $enter bash --norc --noprofile -i
        status_is 4 'an interactive shell'
        out_unlike 'job control|process group' 'has job control'
        out_like '/dev/pts/' 'and the terminal'
    done
    for sig in TERM HUP USR1; do
        launch e rootlet enter --state-dir "$tmp/state" sh -c "trap 'echo caught; exit 6' $sig; echo ready; while :; do read x || :; done"
        kill -$sig "${pid[e]}"
        await e
        is "$status $stdout" '6 caught' "SIG$sig is passed on to the command"
    done
    tell c ''
    await c
done
nothing_left 'nothing is left'
done_testing
