#!/bin/bash
# enter as nsenter, side by side with util-linux's; what both names do with wrong words and with targets that are gone.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

peer=/usr/bin/nsenter ours=$aliases/nsenter

# What a command sees of where it is.
cat >/tmp/where <<-'EOT'
	#!/bin/sh
	id -u; id -g; id -G; pwd
	stat -L -c '%n %i' /proc/self/ns/*
	stat -c '%d %i' / .
	grep -E '^(Groups|CapEff|NoNewPrivs|SigBlk|SigIgn)' /proc/self/status
	ls /proc/self/fd
	exit 42
EOT
chmod 755 /tmp/where

# both WHAT OPTION... : the peer and ours say the same and end with the same status.
both() {
    local what=$1 out code
    shift
    run $peer "$@"
    out=$stdout code=$status
    run $ours "$@"
    status_is "$code" "$what: the exit status of util-linux's nsenter ($code)"
    out_is "$out" "$what: the output, too"
}

# fails WHAT PATTERN COMMAND...
fails() {
    local what=$1 pattern=$2
    shift 2
    run "$@"
    status_is 1 "$what: status 1"
    out_is '' 'nothing is run'
    err_like "$pattern" 'and it says why'
    is "$(wc -l <<<"$stderr")" 1 'in one line'
}

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)
    cd /usr/lib || bail_out 'no /usr/lib'
    launch c rootlet run --state-dir "$tmp/state" --net=none --pidns --utsns --ipcns --cgroupns --copy-up=/etc sh -c 'cd /usr/share; touch /etc/inside; echo ready; read x; exit 0'
    init=$(cat "$tmp/state/child_pid")
    target=$(pgrep -P "$init")
    for options in '-m -U --preserve-credentials -F' '-m -U -n --preserve-credentials -F' '-U --preserve-credentials -n -m' \
        '-w/usr/lib --preserve-credentials -m -U -F -n' '-r/ -w/usr/lib --preserve-credentials -m -U -F' '-U' '-U -m -u -i -n -C' '-U -m -w' '-U -m -r' \
        '-U -m -r -w' '-U -m -W /etc' '-U -m --wdns=/etc' '-U -w/etc' '-U -m -r/usr -W /' '-U -S 5' '-U -G 7' '-U -S 5 -G 7' \
        '-U --setuid=5 --setgid 7 -m' '-U -m -p' '-U -m -p -F' '-U -p -n -m -S 1' '--user --mount --net --uts --ipc --pid --cgroup' \
        '--us --mo --pre' '-U -S 70000' '-U -G 70000' '-U -W /nowhere' '-U -w/nowhere' '-U -r/nowhere' '-m' '-n -U/nowhere' ''; do
        both "-t PID $options" -t "$target" $options /tmp/where
    done
    for options in "-n/proc/$target/ns/net -U/proc/$target/ns/user" "--net=/proc/$target/ns/net --user=/proc/$target/ns/user" \
        "-t $target -U -n/proc/self/ns/mnt" '-n/etc/passwd' '-n/nowhere'; do
        both "${options//$target/PID}" $options /tmp/where
    done
    for command in 'exit 3' 'kill -HUP $$' 'kill -KILL $$' 'kill -USR1 $$' 'exec /nowhere/x' 'grep SigIgn /proc/self/status'; do
        both "$command" -t "$target" -U -m sh -c "$command"
        both "$command, with -p" -t "$target" -U -m -p sh -c "$command"
    done
    for command in true false /nowhere/x no-such-command /etc/passwd /etc; do
        both "$command" -t "$target" -U -m -- $command
        both "$command, with -p" -t "$target" -U -m -p -- $command
    done
    # One who waits sees the signal itself under the peer's name, and 128 + N under ours.
    for program in $peer $ours 'rootlet enter'; do
        run python3 -c 'import subprocess, sys; print(subprocess.call(sys.argv[1:]))' $program -t "$target" -U -p sh -c 'kill -TERM $$'
        out_is "$([ "$program" = 'rootlet enter' ] && echo 143 || echo -15)" "${program##*/} -p: a death by signal"
    done
    if [ $who = root ]; then
        both '--all' -t "$target" -a /tmp/where
        both '--all but for one' -t "$target" -a -n/proc/self/ns/net /tmp/where
    fi
    # --all is lenient where the peer is not: what is the same already (here: time) is left alone if it cannot be joined.
    run $ours -t "$target" -a sh -c 'id -u; pwd; ls /etc/inside; readlink /proc/self/ns/net'
    status_is 0 'nsenter -a'
    out_is "0"$'\n'/$'\n'/etc/inside$'\n'"$(readlink "/proc/$target/ns/net")" 'is in all of them'
    run $ours -t "$target" -U -m -S follow -G follow -e sh -c 'id -u; id -g'
    out_is $'0\n0' '-S follow'
    run env X=outside $ours -t "$target" -U -m -e env
    out_unlike 'X=outside' '-e: the environment is not ours'
    is "$(sort <<<"$stdout")" "$(tr '\0' '\n' <"/proc/$target/environ" | sort)" "but all of it the target's"
    echo 'echo "$0 $(id -u)"' >"$tap_dir/script"
    feed "$tap_dir/script" env SHELL=/bin/dash $ours -t "$target" -U
    out_is '/bin/dash 0' 'no command: $SHELL'
    feed "$tap_dir/script" env -u SHELL rootlet enter -t "$target" -U
    out_is '/bin/sh 0' 'or /bin/sh'

    # Descriptors: callers of the peer may hand some on; under our own name nothing comes in but 0 to 2 and activation sockets.
    run sh -c "exec $ours -t $target -U -m -p ls /proc/self/fd 7</etc/hostname"
    out_is $'0\n1\n2\n3\n7' 'nsenter hands on what its caller has opened, and has nothing of its own left open' # 3 is of ls
    run sh -c "exec rootlet enter -t $target -U -m -p ls /proc/self/fd 7</etc/hostname"
    out_is $'0\n1\n2\n3' 'rootlet enter hands nothing on'
    run sh -c "exec 3</etc/hostname 4</etc/passwd; LISTEN_PID=\$\$ LISTEN_FDS=1 exec rootlet enter -t $target -U -m -p sh -c 'test \$LISTEN_PID = \$\$ && cat <&3; ls /proc/self/fd'"
    out_is $'sandbox\n0\n1\n2\n3\n4' 'but activation sockets' # 4 is of ls
    run sh -c "exec $ours -t $target -U -m -p true >&-"
    status_is 0 'a closed standard output'
    run python3 -c 'import signal, subprocess, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); import os; os.execvp(sys.argv[1], sys.argv[1:])' $ours -t "$target" -U -p sh -c 'exit 5'
    status_is 5 'with SIGCHLD ignored'

    # ------------------------------------------------------------------ errors
    fails 'a process that is not there' 'no process 2147483647' $ours -t 2147483647 -n true
    for bad in 0 -1 x '' ' 1' 1x 4294967297 99999999999999999999 +1; do
        fails "the process '$bad'" "bad value '${bad//+/.}'" $ours -t "$bad" -n true
    done
    for bad in x -1 4294967295 0x10 '' ' 0'; do
        fails "the uid '$bad'" "--setuid: bad value '$bad'" $ours -t "$target" -U -S "$bad" true
    done
    fails '-n without a target' '--net: whose' $ours -n true
    fails '-a without a target' '--all: whose' $ours -a true
    fails '-w without a target' '--wd: whose' $ours -w true
    fails '-S follow without a target' '--setuid=follow: whose' $ours -S follow true
    fails 'two targets' 'exclude' $ours -t 1 --state-dir=/x true
    fails 'two working directories' 'wd and --wdns exclude' $ours -w/ -W / true
    fails 'an unknown option' "did you mean '--target'" $ours --tagret=1 true
    fails 'an ambiguous one' "'--setuid' or '--setgid'" $ours --set=1 true
    fails 'nothing to enter' 'nothing to enter' rootlet enter true
    fails 'nothing of a process to enter' 'nothing to enter' rootlet enter -t "$target" true
    fails 'the own user namespace' 'in it already' $ours -U/proc/self/ns/user true
    fails 'a file that is no namespace' 'net namespace: that is none' $ours -t "$target" -U -n/etc/passwd true
    fails 'a namespace of another kind' 'net namespace: that is none' $ours -t "$target" -U -n/proc/self/ns/uts true
    fails 'a directory for a namespace' 'net namespace: that is none' $ours -t "$target" -U -n/etc true
    mkfifo -m 666 "$tmp/fifo"
    fails 'a FIFO does not block' 'net namespace: that is none' $ours -t "$target" -U -n"$tmp/fifo" true
    rm "$tmp/fifo"
    fails 'a uid that is not mapped' 'uid to 70000.*not mapped' $ours -t "$target" -U -S 70000 true
    if [ $who = user ]; then
        fails 'without the user namespace' 'net namespace: Operation not permitted.*--user' $ours -t "$target" -n true
        fails "root's process" 'uid 0: run this as that user, or as root' $ours -t 1 -m true
        fails 'no privilege for -S' 'uid to 5.*CAP_SETUID' $ours -S 5 true
    fi
    # Each step fails: nothing is run, and the step is named.
    while read -r calls error pattern; do
        fails "$calls: $error" "$pattern" strace -qq -o /dev/null -e trace=$calls -e inject=$calls:error=$error $ours -t "$target" -U -m -p -w true
    done <<-'EOT'
		prctl EPERM cannot hide
		setns EPERM cannot join the user namespace
		setns ENOMEM cannot join the user namespace
		setgroups EPERM supplementary groups
		setresgid EAGAIN cannot set the gid
		setresuid EAGAIN cannot set the uid
		fchdir EACCES working directory
		fork,clone,clone3 EAGAIN cannot fork
	EOT
    # A zombie: its parent knows that it has ended, and does not fetch it.
    launch z python3 -c 'import os, sys
pid = os.fork() or os._exit(0)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(pid, flush=True)
sys.stdin.read()'
    zombie=$line
    fails 'a zombie' "process $zombie.*has ended" $ours -t "$zombie" -n true
    fails 'a zombie, by its working directory' "process $zombie.*has ended" $ours -t "$zombie" -w true
    finish z

    # The init of the pid namespace is gone, while the namespace is held open.
    exec 9<"/proc/$target/ns/pid" 8<"/proc/$target/ns/user"
    tell c ''
    await c
    status_is 0 'the target ends'
    fails 'a pid namespace whose init has ended' 'its init has ended' sh -c "$ours -U/proc/self/fd/8 -p/proc/self/fd/9 true"
    exec 9<&- 8<&-
    fails 'a target that has ended' "no process $target" $ours -t "$target" -U true
    nothing_left 'nothing is left'
done

# ---------------------------------------------------------------------- RootlessKit's own instance
who=user tmp=/tmp/tester
for how in '' '--pidns' '--net=slirp4netns --copy-up=/etc'; do
    launch c /usr/bin/rootlesskit --state-dir $tmp/state $how sh -c 'echo ready; read x; exit 0'
    target=$(cat $tmp/state/child_pid)
    both "RootlessKit $how, nerdctl's line" -w/usr/lib --preserve-credentials -m -U -t "$target" -F /tmp/where
    # (The peer cannot join the network that it is in already.)
    case $how in *net=*)
        both "RootlessKit $how, nerdctl's line with the network" -w/usr/lib --preserve-credentials -m -U -t "$target" -F -n /tmp/where
        both "RootlessKit $how, the users' line" -U --preserve-credentials -n -m -t "$target" /tmp/where
        ;;
    esac
    run rootlet enter --state-dir $tmp/state sh -c 'id -u; echo $ROOTLESSKIT_PARENT_EUID $ROOTLESSKIT_STATE_DIR'
    out_is $'0\n1001 /tmp/tester/state' "RootlessKit $how, by its state directory"
    tell c ''
    await c
    status_is 0 'which goes on undisturbed'
done

# setgroups is denied where a user has mapped one id by himself.
launch c unshare -Ur sh -c 'echo $$; read x; exit 0'
both 'setgroups denied' -t "$line" -U id -u
err_like 'setgroups is denied.*--preserve-credentials' 'with the way out'
both 'setgroups denied, credentials kept' -t "$line" -U --preserve-credentials id -u
who=root
both 'setgroups denied, root drops them outside' -t "$line" -U id
who=user
tell c ''
await c

# --all for the user, who has no rights over the machine's pid namespace.
launch c rootlet run --net=none sh -c 'echo $$; read x; exit 0'
run $ours -t "$line" -a sh -c 'id -u; ls /sys/class/net'
out_is $'0\nlo' '--all leaves out what is the same'
tell c ''
await c

# SELinux: nothing to do where it is off, refused where it is on.
run $ours -Z true
status_is 0 '-Z without SELinux'
who=root
run unshare -m sh -c "mount -t tmpfs none /sys/fs && mkdir /sys/fs/selinux && touch /sys/fs/selinux/enforce && $ours -Z true"
status_is 1 '-Z with it'
err_like 'SELinux' 'is refused'
nothing_left 'nothing is left'
done_testing
