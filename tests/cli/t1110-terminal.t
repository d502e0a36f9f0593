#!/bin/bash
# A command on a terminal: it keeps it, Ctrl-C arrives once, Ctrl-Z and fg work, window sizes arrive, and who comes after finds it in order.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

terminal() { feed "$tap_dir/script" "$TOP/tests/lib/terminal.py" "$@"; }
script() { cat >"$tap_dir/script"; }
signals=$TOP/tests/lib/signals.py

# A word that a command prints is written so that the echo of what was typed does not look like it: re""ady.
for who in root user; do
    for how in 'rootlet run' 'rootlet run --net=slirp4netns --copy-up=/etc' 'rootlet run --pidns' 'rootlet run --pidns --reaper=false' \
        "$aliases/rootlesskit" "$aliases/rootlesskit --pidns" "$aliases/rootlesskit --pidns --reaper=false"; do
        # --- it is the controlling terminal; its signals come once, and a new size is told and to be seen
        script <<-END
			expect ready
			send \\x03
			expect got 2
			send \\x1c
			expect got 3
			send \\x1a
			expect got 20
			resize 33 99
			expect got 28
			signal RTMAX
		END
        terminal $how sh -c 'tty; echo said >/dev/tty; exec "$0"' $signals
        out_like '^/dev/pts/[0-9]+.said' "$how: the controlling terminal"
        out_like 'total 2:1 3:1 20:1 28:1 64:1$' 'Ctrl-C, Ctrl-\, Ctrl-Z and a new window size come once'
        status_is 7 'and are the command'"'"'s to answer'

        # --- the whole group: directly, and passed on by the supervisor. The reaper does not add a third.
        script <<-END
			expect ready
			group RTMIN
			expect got 34
			signal RTMAX
		END
        terminal $how $signals
        out_like 'total 34:2 64:1$' "$how: kill of the process group comes directly and passed on"

        # --- without a handler
        case $how in
        *'rootlet run --pidns --reaper=false') died='the command is pid 1: it has none' ;;
        *rootlesskit*) died=255 ;;
        *) died=130 ;;
        esac
        case $died in
        [0-9]*)
            script <<-'END'
				expect ready
				send \x03
			END
            terminal $how sh -c 'echo ready; exec cat'
            status_is $died "$how: Ctrl-C ends a command that does not catch it"

            # --- job control of a shell outside, twice; also with a full-screen program's habit: catch, clean up, stop, come back
            for command in "sh -c 'echo re\"\"ady; read x; echo g\"\"ot \$x; read x; echo g\"\"ot \$x'" "perl $TOP/tests/lib/fullscreen.pl"; do
                script <<-END
					expect bash-
					send $how $command\\n
					expect ready
					send \\x1a
					expect Stopped
					expect bash-
					send jobs; fg\\n
					expect Stopped
					send word\\n
					expect got word
					send \\x1a
					expect Stopped
					expect bash-
					send fg; echo it en\"\"ded; stty -a | grep -o ' icanon'\\n
					send next\\n
					expect got next
					expect it ended
					expect icanon
					send exit 3\\n
				END
                terminal bash --norc --noprofile -i
                status_is 3 "$how: Ctrl-Z stops ${command%% *}, fg goes on, twice"
            done

            # --- a job of the background that reads, or writes under tostop
            script <<-END
				expect bash-
				send $how cat &\\n
				send wait %1 2>&1; jobs\\n
				expect Stopped
				expect bash-
				send fg\\n
				expect cat
				send word\\n
				expect word
				expect word
				send \\x04
				send stty tostop; $how sh -c 'echo fi\"\"rst >/dev/tty; exit 5' &\\n
				send wait %1 2>&1; jobs\\n
				expect Stopped
				expect bash-
				send stty -tostop; fg; exit \$?\\n
				expect first
			END
            # shellcheck disable=SC2031
            terminal bash --norc --noprofile -i
            status_is 5 "$how: a background job that reads is stopped, and one that writes under tostop; fg goes on"
            ;;
        esac

        # --- a shell inside: job control, and the shell outside again after suspend
        script <<-END
			expect bash-
			send $how bash --norc --noprofile -i\\n
			send PS1=in\"\"ner\\n
			expect inner
			send sh -c 'echo re\"\"ady; exec sleep 1000'\\n
			expect ready
			send \\x1a
			expect Stopped
			expect inner
			send jobs; bg; jobs\\n
			expect Running
			send kill %1; wait; sh -c 'echo li\"\"ve; exec cat'\\n
			expect live
			send typed\\n
			expect typed
			expect typed
			send \\x03
			expect inner
			send suspend\\n
			expect Stopped
			expect bash-
			send echo ou\"\"ter; fg\\n
			expect outer
			send echo ag\"\"ain; exit 4\\n
			expect again
			expect bash-
			send exit \$?\\n
		END
        case $how in
        *--reaper=false) ;; # pid 1 cannot stop itself
        *)
            terminal bash --norc --noprofile -i
            status_is 4 "$how: a shell inside has job control, and suspend and fg work"
            out_unlike 'no job control|cannot set terminal' 'without complaints'
            ;;
        esac

        # --- who comes after, without job control: the terminal is in the foreground of the script that called
        for ending in 'exit' 'kill -KILL $$'; do
            case $how-$ending in *'run --pidns --reaper=false-kill'*) continue ;; esac # pid 1 cannot kill itself
            script <<-END
				expect inside
				send $ending\\n
				expect after
				send answer\\n
			END
            terminal sh -c "$how bash --norc --noprofile -i -c 'PS1=; echo inside; exec bash --norc --noprofile -i'; echo after; read x; test \$x = answer"
            status_is 0 "$how: after '$ending' of a shell inside a script reads the terminal"
        done
    done

    # A shell in a pid namespace cannot name the group outside to give the terminal back to it; the next reader gets it nevertheless.
    script <<-'END'
		expect bash-
		send rootlet run --pidns sh -c 'bash --norc --noprofile -i -c "echo in""side; exec bash --norc --noprofile -i"; echo af""ter; read x; test "$x" = answer'; exit $?\n
		expect inside
		expect bash-
		send exit\n
		expect after
		send answer\n
	END
    terminal bash --norc --noprofile -i
    status_is 0 'run --pidns: after a shell inside the script inside reads the terminal'

    # A pipeline is one job: each side of it may read the terminal.
    script <<-'END'
		expect ready
		send word\n
		expect got word
	END
    for how in '' '--pidns' '--net=none'; do
        terminal sh -c "rootlet run $how echo ready | { read x; echo \$x; read y </dev/tty; echo got \$y; }"
        status_is 0 "run $how: in a pipeline"
        terminal sh -c "echo x | rootlet run $how sh -c 'cat >/dev/null; echo ready; read y </dev/tty; echo got \$y' | cat"
        out_like 'got word' "run $how: with its input and output elsewhere the command has the terminal"
    done

    # --- the supervisor killed by SIGKILL
    for how in '' '--pidns' '--net=slirp4netns --copy-up=/etc'; do
        script <<-END
			expect bash-
			send rootlet run $how --state-dir /tmp/$who.state sh -c 'echo re""ady; stty -echo; exec cat'\\n
			expect ready
			kill /tmp/$who.state/child_pid
			expect bash-
			send echo us""able; exit 6\\n
			expect usable
		END
        terminal bash --norc --noprofile -i
        status_is 6 "run $how: the supervisor is killed: the shell outside has the terminal"
    done

    # A command that is stopped by hand stops alone where there is no terminal: its API answers.
    launch c rootlet run --state-dir "/tmp/$who.state" sh -c 'echo ready; exec cat'
    kill -STOP "$(cat "/tmp/$who.state/child_pid")"
    ok 'SIGSTOP is for the command alone' curl -sSf --max-time 10 --unix-socket "/tmp/$who.state/api.sock" http://x/v1/info
    kill -CONT "$(cat "/tmp/$who.state/child_pid")"
    finish c
    status_is 0 'which goes on after SIGCONT'

    # --- script(1)
    for how in '' '--pidns'; do
        run script -qec "rootlet run $how sh -c 'tty; echo said >/dev/tty; exit 9'" /dev/null
        status_is 9 "script -c 'rootlet run $how'"
        out_like '^/dev/pts/[0-9]+.*said' 'sees a controlling terminal'
    done
done
nothing_left 'nothing is left'
done_testing
