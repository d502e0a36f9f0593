#!/bin/bash
# Which namespaces are new, /proc and /sys inside, the reaper, propagation.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

all='mnt user net pid ipc uts cgroup'
spaces() { # of the caller, or of a run with these options: those that differ
    local kind new=''
    run rootlet run "$@" sh -c "cd /proc/self/ns && readlink ${all// / }"
    for kind in $all; do grep -qF "$(readlink /proc/self/ns/$kind)" <<<"$stdout" || new+=" $kind"; done
    echo "${new# }"
}
for who in root user; do
    is "$(spaces)" 'mnt user' 'without options: users and mounts'
    is "$(spaces --net=host)" 'mnt user' '--net=host'
    is "$(spaces --net=none)" 'mnt user net' '--net=none'
    is "$(spaces --net=slirp4netns)" 'mnt user net' '--net=slirp4netns'
    is "$(spaces --pidns --ipcns --utsns --cgroupns)" 'mnt user pid ipc uts cgroup' 'and each one that is asked for'

    run rootlet run --utsns sh -c 'hostname inside && hostname'
    out_is inside '--utsns: an own host name'
    is "$(hostname)" sandbox 'which stays inside'

    # --- processes
    run rootlet run --pidns sh -c 'echo $$ $(ls -d /proc/[0-9]* | wc -l) $(ps -p 1 -o comm=)'
    out_like '^2 [3-7] ' '--pidns: /proc has the own processes; the command is the second, after the reaper'
    run rootlet run --pidns --reaper=true sh -c 'echo $$'
    out_is 2 '--reaper=true'
    run rootlet run --pidns --reaper=false sh -c 'echo $$; readlink /proc/self >/dev/null && test -d /proc/1'
    status_is 0 '--reaper=false: /proc fits'
    out_is 1 'and the command is the first'
    # An orphan that ends is reaped: nothing becomes a zombie while the command looks on (`gone` sees only who is reaped: ECHILD by pidfd).
    run rootlet run --pidns sh -c '(sh -c "echo \$\$; exec true" &) | { read p; while [ -d /proc/$p ]; do :; done; echo gone; }'
    out_is gone 'the reaper reaps orphans'
    run rootlet run --pidns sh -c '(sh -c "exit 3" &); sleep infinity & exit 4'
    status_is 4 "an orphan's status is not the command's, and who is left does not keep it waiting"
    run rootlet run --pidns sh -c 'ps -o sid= -p $$'
    out_like '^ *2$' 'under the reaper the command has its own session'

    # --- /proc and /sys
    run rootlet run --pidns sh -c 'grep " /proc " /proc/self/mountinfo | tail -n 1'
    like "$stdout" ' - proc ' '/proc is a new one'
    run rootlet run --net=slirp4netns sh -c 'ls /sys/class/net'
    out_is $'lo\ntap0' '/sys shows the new network'
    run rootlet run --net=none sh -c 'ls /sys/class/net; ls /sys/fs/cgroup | wc -l'
    is "$stdout" $'lo\n'"$(find /sys/fs/cgroup -mindepth 1 -maxdepth 1 | wc -l)" "and still the cgroups"
    run rootlet run sh -c 'ls /sys/class/net | grep -c eth0'
    out_is 1 'without a new network, the old /sys'
    err_is '' 'and no warning'
    # What is masked must not be unmasked: then the kernel refuses a new proc.
    run unshare --mount sh -c 'mount --bind /dev/null /proc/keys && exec rootlet run --pidns sh -c "readlink /proc/self >/dev/null; echo \$?"'
    [ $who = user ] || {
        status_is 0 'under a masked /proc it still runs'
        err_like '/proc' 'with a warning'
    }
done

# --- propagation: what the mount table of the command says
mount --make-rshared /
for who in root user; do
    while read -r how private master shared; do
        run rootlet run ${how#default} grep -E '^[0-9]+ [0-9]+ [^ ]+ [^ ]+ / ' /proc/self/mountinfo
        fields=$stdout
        is "$(grep -c master: <<<"$fields") $(grep -c shared: <<<"$fields")" "$master $shared" "run $how: private=$private master=$master shared=$shared"
    done <<-END
		default 1 0 0
		--propagation=rprivate 1 0 0
		--propagation=private 1 0 0
		--propagation=rslave 0 1 0
		--propagation=slave 0 1 0
		--propagation=rshared 0 1 1
		--propagation=shared 0 1 1
	END
done
# What is mounted outside later is seen by a slave, and what it mounts itself is not seen outside.
who=user
mkdir /tmp/later
chmod 777 /tmp/later
launch slave rootlet run --propagation=rslave sh -c 'echo ready; while read x; do ls /tmp/later; mount -t tmpfs tmpfs /tmp/later; done'
mount -t tmpfs tmpfs /tmp/later
touch /tmp/later/seen
tell slave go
hear slave
is "$line" seen 'rslave sees what is mounted outside later'
umount /tmp/later
finish slave
launch private rootlet run sh -c 'echo ready; while read x; do ls /tmp/later | grep -c seen; done'
mount -t tmpfs tmpfs /tmp/later
touch /tmp/later/seen
tell private go
hear private
is "$line" 0 'rprivate does not'
umount /tmp/later
finish private
mount --make-rprivate /
nothing_left 'nothing is left'
done_testing
