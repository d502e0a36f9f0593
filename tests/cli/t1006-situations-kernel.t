#!/bin/bash
# `run` where the kernel, or who asked it to, does not give everything: seccomp filters, limits, a /proc and /sys that are masked, no /proc,
# a chroot. Each ends in success or in one message with the cause and what to do.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
userns=$TOP/tests/lib/userns.py
deny=$TOP/tests/lib/deny.py
net='rootlet run --pidns --net=slirp4netns --copy-up=/etc'
world='curl -sS http://web.test/'
hello='hello from outside'

says() {
    err_like "$1" "$2"
    tap_about is "$(grep -c . <<<"$stderr")" 1 'in one line'
}
# beneath WORD... -- COMMAND...: a run as $who below what root has started with the words.
beneath() {
    local start=() as
    while [ "$1" != -- ]; do
        start+=("$1")
        shift
    done
    shift
    local caller=$who
    as=as-$who
    who=root
    run "${start[@]}" "$as" "$@"
    who=$caller
}

for who in root user; do
    # --- filters of the container around
    refuse() { # RULES WHAT REGEX COMMAND...
        local rules=$1 what=$2 regex=$3
        shift 3
        beneath $deny $rules -- "$@"
        status_is 1 "$what: refused"
        says "$regex" "$what: with the cause"
        out_is '' "$what: nothing is run"
    }
    allow() { # RULES WHAT
        beneath $deny $1 -- $net $world
        out_is "$hello" "$2"
        err_is '' 'without a word'
    }
    allow clone3=ENOSYS 'without clone3, as below the default filter of docker'
    beneath $deny clone3=EPERM -- $net curl -sS http://203.0.113.80/
    out_is "$hello" 'with a clone3 that is forbidden (the C library makes no threads then, which curl needs for names)'
    allow open_tree,move_mount,fsopen,fsmount,fsconfig,mount_setattr=ENOSYS 'without the newer calls for mounts'
    allow open_tree,move_mount,fsopen,fsmount,fsconfig,mount_setattr=EPERM 'with those forbidden'
    allow pidfd_open,pidfd_send_signal,close_range,openat2=ENOSYS 'without some other new ones'
    filter='cannot make a user namespace: a seccomp filter .*allows clone and unshare with CLONE_NEWUSER'
    refuse 'clone3=ENOSYS clone-newuser=EPERM' 'no user namespaces, as below the default filter of docker' "$filter" rootlet run true
    refuse 'clone3=ENOSYS clone-newuser=ENOSYS' 'no user namespaces, by ENOSYS' "$filter" rootlet run true
    refuse 'clone3,unshare=EPERM clone-newuser=EPERM' 'no user namespaces, by EPERM' "$filter" $net true
    for calls in mount mount,umount2,open_tree,move_mount,fsopen,fsmount,fsconfig,mount_setattr; do
        refuse $calls=EPERM "no power in the user namespace: $calls" "cannot set the propagation.*(seccomp|AppArmor)" $net true
        refuse $calls=EACCES "no power in the user namespace, by EACCES: $calls" "cannot set the propagation.*(seccomp|AppArmor)" rootlet run true
    done
    refuse unshare=EPERM 'netd cannot be sandboxed' 'no sandbox: .*seccomp filter.*unshare' $net true
    refuse unshare=EPERM 'portd cannot be sandboxed' 'empty root: .*seccomp filter.*unshare' rootlet run --net=none --port-driver=builtin true
    [ $who = root ] || refuse setns=EPERM 'netd cannot join the user namespace' 'no sandbox: .*seccomp filter.*setns' $net true
    beneath $deny unshare,setns=EPERM -- rootlet run id -u
    out_is 0 'which matters only where there is a network'

    # --- limits
    run sh -c "ulimit -S -n 8; exec $net --port-driver=builtin -p 127.0.0.1:8080:80/tcp sh -c 'ulimit -n; exec $world'"
    out_is "8"$'\n'"$hello" 'a soft limit of eight open files is raised, and back for the command'
    for n in 3 6 8 12; do
        run sh -c "ulimit -n $n; exec rootlet run --map=single --net=slirp4netns --copy-up=/etc --port-driver=builtin true"
        status_is 1 "a hard limit of $n open files"
        # Two processes may come to it at the same time.
        err_like 'ulimit -n' 'is told, with what to do'
        tap_about is "$(grep -vE 'No file descriptors available|Too many open files' <<<"$stderr")" '' 'and nothing else'
    done
    run sh -c "ulimit -s 128; ulimit -l 0; ulimit -c 0; ulimit -v 60000; exec $net busybox id -u"
    out_is 0 'little stack, memory and locked memory'

    # --- /proc and /sys as containers have them
    masked() { # COMMANDS WHAT [REGEX]
        beneath unshare --mount sh -ec "$1; exec \"\$@\"" x -- $net sh -c "$world; readlink /proc/self >/dev/null"
        status_is 0 "$2"
        out_like "^$hello" "$2: it works"
        if [ $# = 3 ]; then says "$3" "$2: with a warning"; else err_is '' "$2: without a word"; fi
    }
    proc='cannot mount a fresh /proc: .*masked.*the outer one stays'
    masked 'mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys' 'read-only /proc/sys' "$proc"
    masked 'mount -t tmpfs -o ro tmpfs /proc/acpi 2>/dev/null || mount -t tmpfs -o ro tmpfs /proc/tty; mount --bind /dev/null /proc/keys' 'masked parts of /proc' "$proc"
    masked 'mount -t proc -o hidepid=2 proc /proc' 'hidepid=2'
    masked 'umount -l /proc 2>/dev/null; mount -t proc -o subset=pid proc /proc' 'subset=pid'
    masked 'mount -o remount,bind,ro /sys' 'read-only /sys'
    sys='cannot mount a fresh /sys: .*masked.*the outer one stays'
    masked 'mount -t tmpfs -o ro tmpfs /sys/kernel' 'masked parts of /sys' "$sys"
    masked 'umount -R -l /sys' 'no /sys' "$sys"
    beneath unshare --mount sh -ec 'mount -o remount,bind,ro /proc; exec "$@"' x -- rootlet run true
    status_is 1 'a read-only /proc'
    says '/proc is read-only.*remount' 'in which nobody can write an id map'
    beneath unshare --mount sh -ec 'mount -t tmpfs tmpfs /proc; exec "$@"' x -- rootlet run true
    status_is 1 'no /proc'
    says 'is /proc mounted\?' 'without which there are no id maps either'
    # unshare --pid --fork without --mount-proc: this /proc has other numbers.
    beneath unshare --pid --fork -- $net --port-driver=builtin $world
    out_is "$hello" 'the /proc of the pid namespace outside'
    err_is '' 'will do'
    beneath unshare --mount --pid --fork sh -c 'mount -t proc proc /proc; "$@"' x unshare --pid --fork -- rootlet run --net=none sh -c 'readlink /proc/self >/dev/null'
    status_is 0 'also one further out'

    # --- the root directory
    mkdir -p /run/chroot
    for folder in bin lib lib64 usr proc dev etc run sbin; do
        mkdir -p /run/chroot/$folder
        [ ! -d /$folder ] || [ $folder = run ] || mount --rbind /$folder /run/chroot/$folder
    done
    mkdir -p /run/chroot/run/rootlet /run/chroot/tmp/tester /run/chroot/tmp/root
    chmod 1777 /run/chroot/tmp
    mount --rbind /run/rootlet /run/chroot/run/rootlet
    beneath chroot /run/chroot -- rootlet run true
    status_is 1 'in a chroot'
    says "'/' is a chroot.*pivot_root" 'the kernel makes no user namespaces'
    for folder in bin lib lib64 usr proc dev etc run/rootlet sbin; do umount -R -l /run/chroot/$folder 2>/dev/null; done
    rm -rf --one-file-system /run/chroot
    # Nowhere to write to.
    beneath unshare --mount sh -ec 'for d in /tmp /run /dev/shm; do mount --bind $d $d; mount -o remount,bind,ro $d; done; mount -o remount,bind,ro /; exec "$@"' x -- $net $world
    out_is "$hello" 'read-only everywhere, without a place for a state directory'
    beneath unshare --mount sh -ec 'mount -o remount,bind,ro /tmp; exec "$@"' x -- rootlet run --state-dir=/tmp/here true
    status_is 1 'a state directory on a read-only file system'
    says "/tmp/here.*Read-only file system" 'is told so'
done

# --- limits of the user namespace around
who=root
for kind in mnt net pid cgroup uts ipc; do
    run $userns 0:100000:65536 sh -c "echo 0 >/proc/sys/user/max_${kind}_namespaces; exec $net --cgroupns --utsns --ipcns true"
    status_is 1 "max_${kind}_namespaces is 0"
    says "cannot make a new $kind namespace.*user.max_${kind}_namespaces" 'which is named'
done
run $userns 0:100000:65536 sh -c "echo 0 >/proc/sys/user/max_user_namespaces; exec rootlet run true"
status_is 1 'max_user_namespaces is 0'
says 'user.max_user_namespaces is 0.*sysctl' 'which is named'
run $userns 0:100000:65536 sh -c "echo 1 >/proc/sys/user/max_user_namespaces; exec $net $world"
out_is "$hello" 'a single user namespace will do'
run $userns 0:100000:65536 sh -c "echo 1 >/proc/sys/user/max_user_namespaces; exec rootlet run rootlet run true"
status_is 1 'but not for another one in it'
says 'cannot make a user namespace: there are too many already.*user.max_user_namespaces' 'which is told'
run $userns 0:100000:65536 sh -c "echo 1 >/proc/sys/user/max_mnt_namespaces; exec rootlet run --copy-up=/etc sh -c 'echo ok >/etc/ok; cat /etc/ok'"
out_is ok 'a single mount namespace will do for copies'
err_is '' 'without a word'
run $userns 0:100000:65536 sh -c "echo 1 >/proc/sys/user/max_mnt_namespaces; exec $net $world"
status_is 1 'but not for a sandbox'
says 'no sandbox: .*user.max_mnt_namespaces' 'which is told'
run $userns 0:100000:65536 sh -c "echo 0 >/proc/sys/user/max_net_namespaces; exec rootlet run --net=none --detach-netns true"
status_is 1 'no network namespace to detach'
says 'network namespace.*user.max_net_namespaces' 'which is told'

# --- a limit of processes: it counts those of a user anywhere on the machine, so this user is one that nobody else is
who=root
uid=$((2000000 + $(od -An -N3 -tu4 /dev/urandom)))
for n in 0 1 2 3 4 5; do
    run setpriv --reuid=$uid --regid=$uid --clear-groups --inh-caps=-all prlimit --nproc=$n env TMPDIR=/tmp \
        rootlet run --map=single --pidns --net=slirp4netns --copy-up=/etc --port-driver=builtin id -u
    case $n in
    0 | 1) regex='cannot make a user namespace.*ulimit -u' ;;
    5) regex='' ;;
    *) regex='cannot start (netd|portd|the command).*ulimit -u' ;;
    esac
    if [ $n = 5 ]; then
        out_is 0 'five processes will do'
        err_is '' 'without a word'
    else
        status_is 1 "a limit of $n processes"
        says "$regex" 'is told'
    fi
done
run setpriv --reuid=$uid --regid=$uid --clear-groups --inh-caps=-all prlimit --nproc=2 env TMPDIR=/tmp rootlet run --map=single id -u
out_is 0 'two are enough where there is nothing but the command'
nothing_left 'nothing is left'
done_testing
