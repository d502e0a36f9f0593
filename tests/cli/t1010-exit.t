#!/bin/bash
# What becomes of the command: exit status, signals, standard streams, what it inherits.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

for who in root user; do
    for how in '' '--pidns' '--pidns --reaper=false' '--net=slirp4netns --copy-up=/etc' '--net=none --utsns --ipcns --cgroupns'; do
        run rootlet run $how sh -c 'echo out; echo err >&2; exit 42'
        status_is 42 "run $how: the status is the command's"
        out_is out "run $how: its output"
        err_is err "run $how: and what it says on stderr, nothing else"
        run rootlet run $how sh -c 'kill -TERM $$'
        [ "$how" = '--pidns --reaper=false' ] || status_is 143 "run $how: a signal is 128 + its number"
        run rootlet run $how /nowhere/program
        status_is 127 "run $how: not found"
        err_like "/nowhere/program" 'is named'
        run rootlet run $how /etc/passwd
        status_is 126 "run $how: found, and no program"
        err_like "/etc/passwd" 'is named'
    done
    run rootlet run no-such-program-anywhere
    status_is 127 'not found in PATH'
    run $aliases/rootlesskit sh -c 'exit 42'
    status_is 42 "rootlesskit: the status is the command's"
    run $aliases/rootlesskit sh -c 'kill -TERM $$'
    status_is 255 'rootlesskit: a signal is 255'
    run $aliases/rootlesskit /nowhere/program
    status_is 1 'rootlesskit: not found is 1'
    err_like "/nowhere/program" 'and named'
done

who=user
echo 'a script' >/tmp/text
run rootlet run sh -c 'printf "%s\n" "$0" "$@"' 'with blanks' '' '*' $'a\nb'
out_is $'with blanks\n\n*\na\nb' 'the arguments arrive as they are'
echo 'from stdin' >/tmp/input
feed /tmp/input rootlet run cat
out_is 'from stdin' 'standard input is the caller'"'"'s'
run sh -c 'cd /usr/lib && exec rootlet run pwd'
out_is /usr/lib 'the working folder is kept'
run sh -c 'umask 027; exec rootlet run sh -c umask'
out_is 0027 'so is the umask'
run sh -c 'ulimit -n 777; exec rootlet run sh -c "ulimit -n"'
out_is 777 'so are the limits'
# Two signals of the C library's own (32, 33) do not count: whoever is started by make 4.3 finds them ignored, and libc lets nobody change that.
for how in '' '--pidns'; do
    run rootlet run $how grep -E '^Sig(Blk|Ign):' /proc/self/status
    out_like $'SigBlk:\t0000000000000000\nSigIgn:\t0000000[01][08]0000000' "run $how: no signal is blocked or ignored"
    run env --ignore-signal=HUP,USR2 rootlet run $how grep -E '^SigIgn:' /proc/self/status
    out_like $'SigIgn:\t0000000[01][08]0000801' "run $how: those that the caller ignored still are (nohup)"
done
run rootlet run grep -E '^(CapEff|CapPrm|NoNewPrivs|Seccomp):' /proc/self/status
like "$stdout" 'CapEff:.000001[f-]' 'the command has the capabilities of its user namespace'
like "$stdout" $'NoNewPrivs:\t0' 'and may gain privileges'
run rootlet run sh -c 'exec 0<&- 1>&- 2>&-; exit 5'
status_is 5 'a command may close its standard streams'
run sh -c 'rootlet run sh -c "exit 6" <&- >&- 2>&-'
status_is 6 'which may be closed from the beginning'

# --- signals that come from outside
cat >/tmp/catch <<-'END'
	#!/usr/bin/perl
	# Say each signal that comes; QUIT the second time ends it with status 9.
	use POSIX 'pause';
	$| = 1;
	my $quits = 0;
	for my $name (qw(HUP INT QUIT USR1 USR2 TERM ALRM WINCH IO VTALRM PROF CONT TTIN TTOU)) {
	    $SIG{$name} = sub { print "$name\n"; exit 9 if $name eq 'QUIT' && $quits++ };
	}
	print "ready\n";
	pause while 1;
END
chmod 755 /tmp/catch
for who in root user; do
    for how in '' '--pidns' '--pidns --reaper=false' '--net=none'; do
        launch catch rootlet run $how /tmp/catch
        is "$line" ready "run $how: it is up"
        got=''
        for name in HUP INT QUIT USR1 USR2 TERM ALRM WINCH IO VTALRM PROF CONT TTIN TTOU; do
            kill -$name "${pid[catch]}"
            hear catch
            got+=" $line"
        done
        is "$got" ' HUP INT QUIT USR1 USR2 TERM ALRM WINCH IO VTALRM PROF CONT TTIN TTOU' "run $how: every signal is passed on"
        kill -QUIT "${pid[catch]}"
        await catch
        status_is 9 "run $how: and it ends when it wants to"
    done
    launch child rootlet run sh -c 'echo ready; exec cat'
    kill -TERM "${pid[child]}"
    await child
    status_is 143 'SIGTERM ends a command that does not catch it'
    err_is '' 'without a word'
done
nothing_left 'nothing is left'
done_testing
