#!/bin/bash
# RootlessKit itself beside our executable under its name: for the same words, the same exit status and the same output of the command.
# (What RootlessKit 2 and 3 added, Debian's 1.1 cannot be asked about.)
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# twins WHAT [ARG]...: both are run, one after the other.
twins() {
    local what=$1 theirs left=${tries:-1}
    shift
    until run /usr/bin/rootlesskit "$@" && [ "$status" = 0 ] || [ $((--left)) = 0 ]; do :; done
    theirs=$status:$stdout
    run $aliases/rootlesskit "$@"
    is "$status:$stdout" "$theirs" "$what" || tap_show
}
# both WHAT [ARG]...: the same, and both end well. (The peer's start with a network fails now and then.)
both() {
    tries=5 twins "$@"
    status_is 0 'which ends well'
}
for who in root user; do
    state=/tmp/$([ $who = root ] && echo root || echo tester)/twin
    # --- ends
    twins 'an exit status' sh -c 'exit 42'
    twins 'the death by a signal' sh -c 'kill -TERM $$'
    twins 'the same under --pidns' --pidns sh -c 'kill -KILL $$'
    twins 'no such file' /nowhere/program
    twins 'not in PATH' no-such-program-anywhere
    twins 'not a program' /etc/passwd
    twins 'no command'
    twins 'no command, but options' --net=host

    # --- options
    twins 'a word that is both' --pidns=false --ipv6=false echo true
    twins 'a value in the next word' --copy-up /etc --copy-up-mode tmpfs+symlink --propagation rslave --net host echo ok
    twins 'a boolean takes no value from the next word' --pidns true
    twins 'one dash' -pidns -net=host sh -c 'test -d /proc/1 && echo ok'
    twins 'the end of options' -- echo --help
    twins 'options of the command' echo --pidns -h
    twins 'empty values' --state-dir= --cidr= --ifname= --evacuate-cgroup2= echo ok
    twins 'an MTU without a network' --net=host --mtu=1500 echo ok
    twins 'the programs of other drivers' --slirp4netns-sandbox=auto --slirp4netns-seccomp=true --slirp4netns-binary=slirp4netns --vpnkit-binary=/x \
        --lxc-user-nic-binary=/x --lxc-user-nic-bridge=x echo ok
    for wrong in --nosuch --net=moon --copy-up=/tmp --copy-up=/nowhere '--copy-up=/etc --copy-up-mode=x' --port-driver=x \
        '--port-driver=builtin' '-p 127.0.0.1:8080:80/tcp' '--net=host --ifname=tap1' '--net=host --cidr=10.0.5.0/24' '--net=slirp4netns --cidr=10.0.5.7/24' \
        '--net=slirp4netns --ifname=a/b' --reaper=true --evacuate-cgroup2=x '--evacuate-cgroup2=x --pidns' '--evacuate-cgroup2=x --cgroupns' \
        '--net=slirp4netns --port-driver=builtin -p 8080' '--net=slirp4netns --port-driver=builtin -p 127.0.0.1:8080:80/tpc' --subid-source=x --mtu=x; do
        # What the peer has to say about it, it says on stdout, too.
        run /usr/bin/rootlesskit $wrong echo no
        theirs=$status
        run $aliases/rootlesskit $wrong echo no
        is "$status:$stdout" "$theirs:" "refused: $wrong" || tap_show
    done
    for source in auto static dynamic; do both "--subid-source=$source" --subid-source=$source cat /proc/self/uid_map /proc/self/gid_map; done

    # --- what the command finds
    both 'ids' sh -c 'id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups'
    both 'the names of its variables' sh -c 'env | cut -d= -f1 | grep -v "^_" | sort; echo $ROOTLESSKIT_PARENT_EUID $ROOTLESSKIT_PARENT_EGID'
    # Signals 32 and 33 are the C library's own: glibc's posix_spawn(3), and so make(1), ignores both, and Go sets one of them back.
    both 'capabilities, signals, seccomp' \
        sh -c 'grep -E "^(Cap|NoNewPrivs|Seccomp:|SigBlk|SigIgn)" /proc/self/status | sed "s/\(SigIgn:.*\)[01][08]\(.......\)$/\1??\2/"'
    both 'descriptors' python3 -S -c 'import os; print(sorted(map(int, os.listdir("/proc/self/fd"))))'
    both 'folder, umask, limits' sh -c 'pwd; umask; ulimit -a; nice'
    both 'processes' --pidns sh -c 'ps -o ppid= -p $$; test $(ps -o sid= -p $$) = $$ && echo leader; readlink /proc/self >/dev/null && ls -d /proc/1'
    both 'propagation' sh -c 'grep -c -E "(shared|master):" /proc/self/mountinfo; :'
    both 'copy-up' --copy-up=/etc --copy-up=/run sh -c 'for d in /etc /run; do find $d -mindepth 1 -maxdepth 1 ! -name ".ro*" -printf "%p %y %l\n" | sed "s/\.ro[^/]*/.ro/" | sort; done; stat -f -c %T /etc /run'
    both 'the network' --net=slirp4netns --copy-up=/etc --disable-host-loopback sh -c \
        'ip -o -4 addr | sed "s/ brd [0-9.]*//" | tr -s " "; ip route | sed "s/ proto static//"; cat /sys/class/net/tap0/mtu /etc/resolv.conf; ls /sys/class/net; curl -sS http://web.test/'
    both 'MTU, name and network' --net=slirp4netns --mtu=1500 --ifname=eth5 --cidr=10.9.0.0/24 --copy-up=/etc --disable-host-loopback sh -c \
        'ip -o -4 addr | sed "s/ brd [0-9.]*//" | tr -s " "; ip route | sed "s/ proto static//"; cat /sys/class/net/eth5/mtu /etc/resolv.conf'
    both '/sys' --net=slirp4netns --copy-up=/etc --disable-host-loopback sh -c "awk '\$5 ~ \"^/sys\" && \$0 !~ / cgroup2 / { print \$4, \$5 }' /proc/self/mountinfo; stat -f -c %T /sys"

    # --- the state directory and its socket
    both 'the state directory' --state-dir=$state sh -c "stat -c '%a %F' $state/child_pid $state/lock; tail -c 1 $state/child_pid | tr 0-9 x; test -S $state/api.sock && echo \$ROOTLESSKIT_STATE_DIR"
    nok 'is gone' test -e $state
    for driver in none builtin slirp4netns; do
        both "info and ports, --port-driver=$driver" --state-dir=$state --net=slirp4netns --copy-up=/etc --disable-host-loopback --port-driver=$driver sh -c "
            curl -sS --unix-socket $state/api.sock http://x/v1/info | $client json '[d[\"apiVersion\"], d[\"stateDir\"], d[\"networkDriver\"][\"driver\"], d[\"networkDriver\"][\"dns\"], d[\"networkDriver\"][\"childIP\"],
                \"portDriver\" in d and d[\"portDriver\"][\"driver\"]]'
            curl -sS -o /dev/null -w '%{http_code}' --unix-socket $state/api.sock http://x/v1/ports
            curl -sS -w ' %{http_code}' --unix-socket $state/api.sock -d '{\"proto\":\"tcp\",\"parentIP\":\"127.0.0.1\",\"parentPort\":8080,\"childIP\":\"10.0.2.100\",\"childPort\":80}' http://x/v1/ports | tail -n 1 | sed 's/.*message.*}//'
            curl -sS -o /dev/null -w ' %{http_code}' --unix-socket $state/api.sock -X DELETE http://x/v1/ports/1
            curl -sS -o /dev/null -w ' %{http_code}' --unix-socket $state/api.sock http://x/v1/nowhere"
    done
    both 'our neighbour rootlessctl talks to both' --state-dir=$state --net=slirp4netns --copy-up=/etc --disable-host-loopback --port-driver=builtin -p 127.0.0.1:8080:80/tcp sh -c \
        "/usr/bin/rootlessctl --socket $state/api.sock list-ports; $aliases/rootlessctl --socket $state/api.sock list-ports; /usr/bin/rootlessctl --socket $state/api.sock add-ports 127.0.0.1:8081:81/udp; $aliases/rootlessctl --socket $state/api.sock remove-ports 1 2"
done
rm -rf /tmp/{root,tester}/rootlesskit[0-9]* # the peer leaves its directory behind when it refuses something
nothing_left 'nothing is left'
done_testing
