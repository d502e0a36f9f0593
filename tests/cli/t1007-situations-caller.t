#!/bin/bash
# What `run` may find when it is started: signals ignored, streams closed, a umask, a working folder that is gone, an environment that is
# empty or huge, files missing from /etc and /dev, an executable that is in no file system any more.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
net='rootlet run --pidns --net=slirp4netns --copy-up=/etc'
world='curl -sS http://web.test/'
hello='hello from outside'
works() { # WHAT COMMAND...
    local what=$1
    shift
    run "$@"
    status_is 0 "$what"
    out_is "$hello" "$what: it works"
    err_is '' "$what: without a word"
}

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)

    # --- signals: SIGCHLD ignored would make every wait fail, and is the command's to have
    for how in '' --pidns '--pidns --reaper=false' '--net=none --detach-netns' '--net=slirp4netns --copy-up=/etc --port-driver=builtin'; do
        run env --ignore-signal=CHLD rootlet run $how sh -c 'exit 7'
        status_is 7 "SIGCHLD is ignored, run $how"
        err_is '' 'which does no harm'
        run env --ignore-signal=CHLD grep SigIgn: /proc/self/status
        bare=$stdout
        run env --ignore-signal=CHLD rootlet run $how grep SigIgn: /proc/self/status
        out_is "$bare" 'and the command finds it as it was'
    done
    run env --ignore-signal rootlet run --pidns --net=slirp4netns --copy-up=/etc sh -c "$world; exit 7"
    status_is 7 'all signals are ignored'
    run env --block-signal $net sh -c "$world; grep SigBlk: /proc/self/status"
    out_is "$hello"$'\n'"$(env --block-signal sh -c 'grep SigBlk: /proc/self/status')" 'all signals are blocked, and the command has what it would have without'

    # --- streams that are closed: nothing of ours takes their place
    for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
        run sh -c "$net --port-driver=builtin sh -c 'for n in 0 1 2 3 4 5 6 7 8; do readlink /proc/\$\$/fd/\$n >&9; done 9>\$TMPDIR/list; :' $closed; rc=\$?; cat \$TMPDIR/list; rm \$TMPDIR/list; exit \$rc"
        status_is 0 "closed from the beginning: $closed"
        out_unlike 'socket|anon_inode|pidfd|net:|user:' 'no descriptor of ours is there'
        out_like '/dev/null' 'but /dev/null'
    done

    # --- umask
    for umask in 000 077 0777; do
        run sh -c "umask $umask; exec rootlet run --pidns --net=slirp4netns --copy-up=/etc --state-dir=$tmp/masked sh -c 'umask; stat -c %a /etc $tmp/masked $tmp/masked/lock $tmp/masked/child_pid $tmp/masked/api.sock $tmp/masked/resolv.conf | tr \"\n\" \" \"; $world'"
        status_is 0 "umask $umask"
        out_is "$(printf '%04o' $((8#$umask)))"$'\n'"755 700 600 444 600 644 $hello" 'is the command'"'"'s; our files have the modes that they need'
        run sh -c "umask $umask; exec rootlet run --net=slirp4netns --detach-netns sh -c 'nsenter --net=\$ROOTLESSKIT_STATE_DIR/netns $world'"
        out_is "$hello" "umask $umask: --detach-netns"
    done

    # --- sessions and working folders
    works 'a session without a terminal' setsid -w $net $world
    works 'a working folder that is gone' bash -c "mkdir $tmp/gone && cd $tmp/gone && rmdir $tmp/gone && exec $net $world"
    run bash -c "mkdir $tmp/gone && cd $tmp/gone && rmdir $tmp/gone && exec rootlet run --state-dir=relative true"
    status_is 1 'a state directory relative to it'
    err_like 'current directory: No such file' 'is told so'
    mkdir -p /run/up/below
    run sh -c "cd /run/up/below && exec $net --copy-up=/run sh -c 'pwd; ls -d /run/up; $world'"
    out_is $'/run/up/below\n/run/up\n'"$hello" 'a working folder below one that is copied up'
    run sh -c "cd /run/up && exec rootlet run --copy-up=/run/up sh -c 'pwd; touch new; ls'"
    out_is $'/run/up\nbelow\nnew' 'one that is copied up itself'
    is "$(ls /run/up)" below 'outside nothing has changed'

    # --- environment
    works 'without HOME, USER and LOGNAME' env -u HOME -u USER -u LOGNAME $net $world
    map=$([ $who = root ] && echo '1000000' || echo '100000')
    for path in '-u PATH' PATH=; do
        run env $path "$ROOTLET" run /bin/sh -c '/bin/cat /proc/self/uid_map'
        out_like " 1 +$map +65536" "env $path: newuidmap is found where it usually is"
        err_is '' 'nothing is said'
    done
    run env -u PATH "$ROOTLET" run true
    status_is 0 'without PATH the command is, too'
    for dir in /nowhere relative ''; do
        run env TMPDIR=$dir rootlet run sh -c 'echo $ROOTLESSKIT_STATE_DIR'
        out_like '^/tmp/rootlet-' "TMPDIR='$dir': the state directory is in /tmp"
        err_is '' 'nothing is said'
    done
    run python3 -c "
import os
for i in range(9): os.environ['BIG%d' % i] = 'x' * 100000
os.execvp('rootlet', ['rootlet', 'run', '--net=slirp4netns', '--copy-up=/etc', 'sh', '-c', 'echo \${#BIG3} \$#', 'sh'] + ['y' * 10] * 20000)"
    out_is '100000 20000' 'a huge environment, and many arguments'
    run python3 -c "
import os
os.execvp('rootlet', ['rootlet', 'run', 'sh', '-c', 'echo \${#1}', 'sh', 'y' * 131000])"
    out_is 131000 'an argument as long as one may be'
    run python3 -c "
import os
os.execv('$ROOTLET', [])"
    status_isnt 124 'no name at all'

    # --- the executable
    for how in memfd deleted; do
        run python3 -c "
import os
if '$how' == 'memfd':
    fd = os.memfd_create('rootlet')
    os.sendfile(fd, os.open('$ROOTLET', os.O_RDONLY), 0, 1 << 30)
else:
    import shutil
    shutil.copy('$ROOTLET', '$tmp/copy')
    fd = os.open('$tmp/copy', os.O_RDONLY)
    os.unlink('$tmp/copy')
os.execve(fd, ['rootlet', 'run', '--pidns', '--net=slirp4netns', '--copy-up=/etc', '--port-driver=builtin', 'curl', '-sS', 'http://web.test/'], os.environ)"
        out_is "$hello" "an executable without a file: $how"
        err_is '' 'nothing is said'
    done

    # --- files that are missing
    beside() { # WHAT COMMANDS... -- COMMAND: in a mount namespace of its own
        local what=$1 commands=$2 caller=$who
        shift 2
        who=root
        run unshare --mount sh -ec "$commands; exec as-$caller \"\$@\"" x "$@"
        who=$caller
        status_is 0 "$what"
    }
    beside 'without /dev/null' 'mount -t tmpfs tmpfs /dev' $net $world
    out_is "$hello" 'it works'
    err_is '' 'nothing is said'
    # A copy of /etc, for this one to remove files from.
    etc='rm -rf /run/etc; mkdir /run/etc; cp -a /etc/. /run/etc; mount --bind /run/etc /etc; rm -f'
    beside 'without /etc/hosts' "$etc /etc/hosts" $net sh -c "$world; getent hosts localhost"
    out_like "$hello.*localhost" 'there is one inside'
    err_is '' 'nothing is said'
    beside 'without /etc/resolv.conf' "$etc /etc/resolv.conf" $net sh -c "cat /etc/resolv.conf; curl -sS http://203.0.113.80/"
    out_is $'nameserver 10.0.2.3\n'"$hello" 'there is one inside'
    beside '/etc/resolv.conf is a dangling link' "$etc /etc/resolv.conf; ln -s /nowhere/x /etc/resolv.conf" $net sh -c "cat /etc/resolv.conf; curl -sS http://203.0.113.80/"
    out_is $'nameserver 10.0.2.3\n'"$hello" 'there is a file inside'
    beside '/etc/resolv.conf is a link into what is copied up' "$etc /etc/resolv.conf; mkdir -p /run/resolve; echo nameserver 192.0.2.1 >/run/resolve/stub; ln -s ../run/resolve/stub /etc/resolv.conf" \
        $net --copy-up=/run sh -c "cat /etc/resolv.conf; cat /run/resolve/stub; $world"
    out_is $'nameserver 10.0.2.3\nnameserver 192.0.2.1\n'"$hello" 'the file inside is its own, and what it led to untouched'
    beside 'without anything in /etc but the users' "$etc -r /run/others; mkdir /run/others; mv /etc/passwd /etc/group /etc/sub?id /run/others; rm -rf /etc/*; mv /run/others/* /etc" $net sh -c "curl -sS http://203.0.113.80/"
    out_is "$hello" 'it works'
    rm -rf /run/etc /run/others /run/resolve /run/up
    for dir in /nowhere /nowhere/below; do
        run rootlet run --copy-up=$dir true
        status_is 1 "--copy-up=$dir"
        err_is "rootlet run: cannot copy up '$dir': No such file or directory" 'is told so'
    done
    run rootlet run --copy-up=/etc/passwd true
    status_is 1 '--copy-up of a file'
    err_like "cannot copy up '/etc/passwd': .*Not a directory" 'is told so'
done
nothing_left 'nothing is left'
done_testing
