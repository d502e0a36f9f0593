#!/bin/bash
# copyup: copy-up alone, with privileges (a mount namespace) and without (a user namespace, too).
# shellcheck source=tests/lib/tap.sh disable=SC2016
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

who=root
run rootlet copyup /etc -- sh -c 'cat /proc/self/uid_map; echo box >/etc/new; cat /etc/new'
status_is 0 'with privileges'
out_like '4294967295.box$' 'there is no user namespace'
run rootlet copyup --map=auto /etc -- cat /proc/self/uid_map
out_like '^ *0 +0 +1. +1 +1000000 +65536$' 'unless one is asked for'

who=user
run rootlet copyup /etc -- sh -c 'cat /proc/self/uid_map; id -u; echo box >/etc/new; cat /etc/new'
status_is 0 'without privileges'
out_like '^ *0 +1001 +1. +1 +100000 +65536.0.box$' 'there is one, with the subordinate ids'
err_is '' 'and nothing is said'
run rootlet copyup --map=single /etc -- sh -c 'cat /proc/self/uid_map /proc/self/setgroups'
out_like '^ *0 +1001 +1.deny$' 'or one with the own id alone'
run rootlet copyup --map=1001:1001:1 /etc -- sh -c 'id -u; id -g'
out_is $'1001\n1001' 'in which one keeps it'
run rootlet copyup --map=0:1001:1,10:100010:5 /etc -- cat /proc/self/gid_map
out_like '^ *0 +1001 +1. +10 +100010 +5$' 'or one made to measure'

for who in root user; do
    run rootlet copyup /etc /run -- sh -c 'rm -rf /etc/* /run/*; ls /etc /run; ls -d /etc/.ro*'
    status_is 0 'rm -rf inside'
    ok 'leaves the files outside alone' test -s /etc/passwd -a -d /run/user
    run rootlet copyup --propagation=rslave /etc -- sh -c 'exec cat /etc/hostname'
    out_is sandbox 'with --propagation=rslave'
    run rootlet copyup /etc --debug -- true
    status_is 0 'options after directories'
    err_like "copied up '/etc'" '--debug tells'
    run rootlet copyup /etc /etc/ /etc/default /run /var/run -- sh -c 'echo ok >/etc/default/x; cat /etc/default/x; ls -d /etc/.ro* | wc -l'
    out_is $'ok\n1' 'directories twice, in another, and by a symlink'
    run env SHELL=/bin/echo rootlet copyup /etc
    status_is 0 'without a command: $SHELL'
    run rootlet copyup /etc -- sh -c 'exit 7'
    status_is 7 'the exit status is the command'\''s'
    run rootlet copyup /etc -- no-such-command
    status_is 127 'not found'
    run rootlet copyup /etc -- /etc/passwd
    status_is 126 'not executable'
    run rootlet copyup /etc -- sh -c 'ls /proc/self/fd; echo $PPID $$'
    out_like $'^0\n1\n2\n3\n[0-9]+ [0-9]+$' 'no descriptor is left to the command'

    run rootlet copyup /tmp -- true
    status_is 1 '/tmp is refused'
    err_like "'/tmp'" 'by name'
    run rootlet copyup etc -- true
    status_is 1 'so is a relative path'
    err_like "'etc'.*absolute" 'with the cause'
    run rootlet copyup / -- true
    status_is 1 'so is /'
    run rootlet copyup --propagation=shared /etc -- true
    status_is 1 'so is --propagation=shared'
    err_like 'shared' 'with the cause'
    run rootlet copyup /nowhere -- true
    status_is 1 'so is what is not there'
    err_like "'/nowhere': No such" 'with the cause'
    run rootlet copyup -- true
    status_is 1 'no directory'
    err_like 'no directory' 'is told'
    run rootlet copyup --help
    status_is 0 '--help'
    out_like '--propagation.*--map' 'names the options'
done

# A mount that the host shares would show the copy there.
mount --bind /etc/default /etc/default
mount --make-shared /etc/default
who=root
run rootlet copyup --propagation=private /etc/default -- true
status_is 1 'a directory on a shared mount is refused with --propagation=private'
err_like 'shared' 'with the cause'
is "$(grep -c ' /etc/default ' /proc/self/mountinfo)" 1 'and nothing was mounted there'
run rootlet copyup --propagation=rslave /etc/default -- sh -c 'echo ok >/etc/default/x; cat /etc/default/x'
out_is ok 'and copied up with rslave'
nok 'which does not show outside' test -e /etc/default/x
umount /etc/default

# The way of kernels before 5.2.
for who in root user; do
    run strace -f -qq -o /dev/null -e inject=open_tree,fsopen:error=ENOSYS rootlet copyup --map=single /etc /run/lock -- \
        sh -c 'echo ok >/etc/x; cat /etc/x /etc/hostname; grep -c rootlet- /proc/self/mountinfo'
    out_is $'ok\nsandbox\n0' 'without open_tree and fsopen'
    # Each of its calls fails in turn: an error that names the directory, and nothing left behind.
    for call in open_tree fsopen fsmount fsconfig move_mount mkdirat symlinkat getdents64 getrandom; do
        run strace -f -qq -o /dev/null -e inject=$call:error=EIO:when=1 rootlet copyup --map=single /etc -- true
        status_is 1 "$call fails"
        err_like "cannot copy up '/etc'.*I/O error" 'and the message has the directory and the error'
    done
done
nothing_left 'nothing is left'
done_testing
