#!/bin/bash
# A command on a terminal: it keeps it, Ctrl-C arrives once, Ctrl-Z and fg work.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

terminal() { feed "$tap_dir/script" "$TOP/tests/lib/terminal.py" "$@"; }
script() { cat >"$tap_dir/script"; }

cat >/tmp/count <<-'END'
	#!/usr/bin/perl
	# Count SIGINT; SIGUSR1: say how many came, and end.
	use POSIX 'pause';
	$| = 1;
	my $count = 0;
	$SIG{INT} = sub { $count++; print "interrupted\n" };
	$SIG{USR1} = sub { print "total $count\n"; exit 7 };
	print "ready\n";
	pause while 1;
END
chmod 755 /tmp/count

for who in root user; do
    script </dev/null
    for how in '' '--net=slirp4netns --copy-up=/etc' '--pidns --reaper=false'; do
        terminal rootlet run $how sh -c 'tty; echo said >/dev/tty'
        status_is 0 "run $how: on a terminal"
        out_like '^/dev/pts/[0-9]+.said' 'which stays the controlling one'
    done
    terminal rootlet run --pidns sh -c 'tty; echo said >/dev/tty'
    out_like '^/dev/pts/[0-9]+' '--pidns with the reaper: still on the terminal'

    # The terminal sends the signal to everybody in the foreground; the supervisor must not send it once more.
    # Signals are passed on in their order, so that a second SIGINT would be counted before SIGUSR1 is answered.
    for how in '' '--net=none'; do
        script <<-'END'
			expect ready
			send \x03
			expect interrupted
			signal USR1
			expect total
		END
        terminal rootlet run $how /tmp/count
        out_like 'total 1' "run $how: Ctrl-C arrives once"
        status_is 7 'and is the command'"'"'s to answer'
    done
    script <<-'END'
		expect ready
		send \x03
	END
    terminal rootlet run sh -c 'echo ready; exec cat'
    status_is 130 'Ctrl-C ends a command that does not catch it'
    terminal rootlet run --pidns sh -c 'echo ready; exec cat'
    status_is 130 'under the reaper, too'
    terminal rootlet run --pidns --reaper=false sh -c 'trap "exit 130" INT; echo ready; while read x; do :; done'
    status_is 130 'or without it'

    # --- job control of a shell outside
    for how in '' '--net=slirp4netns --copy-up=/etc'; do
        script <<-END
			expect bash-
			send rootlet run $how sh -c 'echo re""ady; read x; echo g""ot \$x'\n
			expect ready
			send \x1a
			expect Stopped
			expect bash-
			send jobs; fg\n
			expect Stopped
			send word\n
			expect got word
			send exit 3\n
		END
        terminal bash --norc --noprofile -i
        status_is 3 "run $how: Ctrl-Z stops it, fg goes on"
    done

    # A command that is stopped by hand stops alone: its API answers.
    launch c rootlet run --state-dir "/tmp/$who.state" sh -c 'echo ready; exec cat'
    kill -STOP "$(cat "/tmp/$who.state/child_pid")"
    ok 'SIGSTOP is for the command alone' curl -sSf --max-time 10 --unix-socket "/tmp/$who.state/api.sock" http://x/v1/info
    kill -CONT "$(cat "/tmp/$who.state/child_pid")"
    finish c
    status_is 0 'which goes on after SIGCONT'

    # --- a shell inside
    script <<-'END'
		expect bash-
		send echo in""side $$\n
		expect inside
		send sleep 1000 &\n
		expect [1]
		send jobs\n
		expect Running
		send kill %1; wait; exit 4\n
	END
    terminal rootlet run bash --norc --noprofile -i
    status_is 4 'an interactive shell inside'
    out_unlike 'job control|process group' 'has job control'
done
nothing_left 'nothing is left'
done_testing
