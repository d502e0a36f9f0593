#!/bin/bash
# In a real terminal, tmux: shells inside and outside, window sizes, full-screen programs, the end of the terminal.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

tmux() { feed "$tap_dir/script" "$TOP/tests/lib/tmux.py" "$@"; }
script() { cat >"$tap_dir/script"; }
seq 1000 >/tmp/lines
cat >/tmp/size <<-'END'
	#!/usr/bin/python3
	# Wait for a new window size (not by a handler: the signal may come just before one begins to wait), say it, and then read.
	import os, signal, sys
	signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
	print("ready", flush=True)
	signal.sigwait({signal.SIGWINCH})
	os.system("stty size")
	sys.stdin.read()
END
chmod 755 /tmp/size

for who in root user; do
    state=/tmp/$who.state
    for how in 'rootlet run' 'rootlet run --pidns' 'rootlet run --net=slirp4netns --copy-up=/etc' "$aliases/rootlesskit --pidns"; do
        script <<-END
			expect bash-
			send '$how bash --norc --noprofile -i' Enter
			expect bash-
			send 'PS1=in""ner' Enter
			expect inner
			send 'stty size' Enter
			expect 24 80
			expect inner
			send /tmp/size Enter
			expect ready
			resize 101 41
			expect 41 101
			send C-d
			expect inner
			send "less /tmp/lines" Enter
			expect /tmp/lines
			expect /tmp/lines
			screen 39
			send 500g
			expect 500
			expect :
			reads less
			send C-z
			expect Stopped
			expect inner
			send "stty -a | grep -o ' icanon'; fg" Enter
			expect icanon
			expect \\x1b[?1049h
			send q
			expect inner
			unscreen 520
			send "stty -a | grep -o ' echo '; sh -c 'echo bu\"\"sy; exec sleep 1000' & wait" Enter
			expect echo
			expect busy
			send C-c
			expect inner
			send "jobs; kill %1; wait" Enter
			expect Running
			expect inner
			send suspend Enter
			expect Stopped
			expect bash-
			send "jobs; fg" Enter
			expect Stopped
			send "echo ba\"\"ck; exit 4" Enter
			expect back
			expect bash-
			send "exit \$?" Enter
		END
        tmux bash --norc --noprofile -i
        status_is 4 "$how: an interactive shell: sizes, Ctrl-C, less, Ctrl-Z, bg, suspend, its exit status"
        out_unlike 'no job control|cannot set terminal' 'without complaints'

        # A full-screen program alone: the shell outside gets its terminal back as it was.
        script <<-END
			expect bash-
			send '$how less /tmp/lines' Enter
			expect /tmp/lines
			expect /tmp/lines
			screen 20
			send 500g
			expect 500
			expect :
			reads less
			send C-z
			expect Stopped
			expect bash-
			resize 90 30
			send "stty -a | grep -o ' icanon'; fg" Enter
			expect icanon
			expect \\x1b[?1049h
			send q
			expect bash-
			send "stty -a | grep -o ' echo '; stty size; exit 5" Enter
			expect echo
			expect 30 90
		END
        tmux bash --norc --noprofile -i
        status_is 5 "$how less: Ctrl-Z, a new size, fg and q, and the terminal is as before"

        # The terminal goes: SIGHUP to the foreground, whoever that is.
        for command in "sh -c 'echo re\"\"ady; exec cat'" "bash --norc --noprofile -i -c 'echo re\"\"ady; exec bash --norc --noprofile -i'"; do
            script <<-END
				expect bash-
				send "${how} --state-dir $state ${command//\"/\\\"}" Enter
				expect ready
				close $state/child_pid
			END
            tmux bash --norc --noprofile -i
            status_is 0 "$how ${command%% *}: ends with its terminal"
            nok 'and leaves no state directory' test -e $state/child_pid
        done
        # As the pane's own command the supervisor leads the session.
        script <<-END
			expect ready
			close $state/child_pid
		END
        tmux $how --state-dir $state sh -c 'echo ready; exec cat'
        status_is 0 "$how, which is the session's leader: ends with its terminal"
    done
done
nothing_left 'nothing is left'
done_testing
