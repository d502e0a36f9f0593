#!/bin/bash
# What callers of rootlesskit count on, as far as no other test has it: how options may be written, which exclude each other, what is in the
# state directory, what the API says about each driver, which signals are passed on.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
kit=$aliases/rootlesskit
who=user

# --- every option that takes a value, in both forms, under both names
while read -r option value more; do
    for name in "$kit" 'rootlet run'; do
        run $name $more --$option "$value" echo ok
        out_is ok "${name##*/}: --$option $value"
        run $name $more --$option="$value" echo ok
        out_is ok "${name##*/}: --$option=$value"
        run $name $more --$option
        status_is 1 "${name##*/}: --$option and nothing"
        err_like "--$option" 'is named'
    done
done <<'END'
state-dir /tmp/tester/given
net none
mtu 1500 --net=slirp4netns --copy-up=/etc
cidr 10.0.7.0/24 --net=slirp4netns --copy-up=/etc
ifname eth3 --net=slirp4netns --copy-up=/etc
slirp4netns-binary /nowhere/slirp4netns
slirp4netns-sandbox true
slirp4netns-seccomp false
pasta-binary /nowhere/pasta
vpnkit-binary /nowhere/vpnkit
lxc-user-nic-binary /nowhere/lxc-user-nic
lxc-user-nic-bridge lxcbr0
copy-up /etc
copy-up-mode tmpfs+symlink --copy-up=/etc
propagation rslave
port-driver none
port-driver builtin --net=none
publish 127.0.0.1:8080:80/tcp --net=none --port-driver=builtin
reaper true --pidns
reaper false --pidns
reaper auto
subid-source static
END
for flag in debug disable-host-loopback ipv6 detach-netns source-ip-transparent pidns cgroupns utsns ipcns; do
    for value in '' =true =false; do
        run $kit --net=slirp4netns --copy-up=/etc --$flag$value echo ok
        out_is ok "--$flag$value"
    done
    run $kit --$flag=perhaps echo ok
    status_is 1 "--$flag=perhaps"
    err_like "--$flag.*perhaps" 'is named'
done
for word in --help -h; do
    for name in "$kit" 'rootlet run'; do
        run $name $word
        status_is 0 "${name##*/} $word"
        err_is '' 'says nothing on stderr'
        out_like '--print-semver' 'and all on stdout'
    done
done
run $kit --pidns -p 127.0.0.1:8080:80/tcp --publish 127.0.0.1:8081:81/udp -p=127.0.0.1:8082:82/tcp --net=none --port-driver=builtin \
    sh -c 'curl -sS --unix-socket $ROOTLESSKIT_STATE_DIR/api.sock http://x/v1/ports'
is "$(json '[[p["spec"]["proto"], p["spec"]["parentPort"]] for p in d]' <<<"$stdout")" '[["tcp", 8080], ["udp", 8081], ["tcp", 8082]]' '-p and --publish, as often as one likes'

# --- options that exclude each other: both are named, under both names
clash() { # FIRST SECOND OPTION...
    local first=$1 second=$2 name
    shift 2
    for name in "$kit" 'rootlet run'; do
        run $name "$@" echo no
        status_is 1 "${name##*/} $*: refused"
        err_like "$first" "which names $first"
        err_like "$second" "and $second"
        tap_about is "$(grep -c . <<<"$stderr")" 1 'in one line'
        out_is '' 'nothing is run'
    done
}
clash --cidr --net=host --net=host --cidr=10.0.5.0/24
clash --ifname --net=host --net=host --ifname=tap7
clash --detach-netns --net=host --net=host --detach-netns
clash --port-driver '--net(=| is )host' --net=host --port-driver=builtin
clash --cidr --net=none --net=none --cidr=10.0.5.0/24
clash --ifname --net=none --net=none --ifname=tap7
for driver in slirp4netns socat implicit gvisor-tap-vsock; do clash --port-driver=none --net=none --net=none --port-driver=$driver; done
clash --publish --port-driver --net=slirp4netns --port-driver=none -p 127.0.0.1:8080:80/tcp
clash --reaper=true --pidns --reaper=true
clash --evacuate-cgroup2 '--pidns and --cgroupns' --evacuate-cgroup2=x --cgroupns
clash copy-up 'propagation rshared' --copy-up=/etc --propagation=rshared
clash copy-up 'propagation shared' --copy-up=/etc --propagation=shared
for net in host none; do
    run rootlet run --net=$net --mtu=1500 echo no
    status_is 1 "run --net=$net --mtu"
    err_like "--mtu.*--net=$net" 'names both'
    run $kit --net=$net --mtu=1500 echo ok
    out_is ok 'under the other name launchers give it always'
    err_like "warning: --mtu.*--net=$net" 'which is worth a warning'
done

# --- environment: what sd_listen_fds(3) needs, the names of the descriptors included
for how in '' --pidns '--pidns --reaper=false'; do
    run bash -c 'exec 3</etc/passwd; export LISTEN_FDS=1 LISTEN_FDNAMES=users LISTEN_PID=$$; exec "$@"' x $kit $how \
        sh -c 'echo $LISTEN_FDS $LISTEN_FDNAMES; test $LISTEN_PID = $$ && head -n 1 <&3'
    out_is $'1 users\n'"$(head -n 1 /etc/passwd)" "sockets with names, $how"
done

for who in root user; do
    state=/tmp/$([ $who = root ] && echo root || echo tester)/state
    # --- the state directory
    launch c $kit --state-dir=$state --net=slirp4netns --copy-up=/etc --port-driver=builtin sh -c \
        'stat -c %d:%i /etc/resolv.conf /etc/hosts $ROOTLESSKIT_STATE_DIR/resolv.conf $ROOTLESSKIT_STATE_DIR/hosts | tr "\n" " "; echo; exec cat'
    read -r -a files <<<"$line"
    is "${files[0]} ${files[1]}" "${files[2]-} ${files[3]-}" '/etc/resolv.conf and hosts are the files of the state directory'
    as_it_is() { stat -c '%n %i %s %Y %Z' $state $state/*; }
    before=$(as_it_is)
    run $kit --state-dir=$state --net=none echo second
    status_is 1 'a second instance'
    err_like "$state.*in use" 'is refused'
    is "$(as_it_is)" "$before" 'and nothing is touched'
    nok 'lock is locked' flock -n -s $state/lock true
    nok 'the directory is held, for cleaners of temporary files' flock -n -x $state true
    kill -KILL "${pid[c]}"
    await c
    mkdir -p $state/left/over
    touch $state/left/over/file $state/.hidden
    ln -s /etc/passwd $state/link
    chown -R --reference=$state $state/left $state/.hidden
    run $kit --state-dir=$state sh -c 'ls -A $ROOTLESSKIT_STATE_DIR | tr "\n" " "'
    out_is 'api.sock child_pid lock ' 'after one that was killed the next starts from nothing'
    nok 'and leaves nothing' test -e $state
    ok 'links were not followed' test -s /etc/passwd
    launch c $kit --state-dir=$state --net=slirp4netns --detach-netns sh -c 'stat -f -c %T $ROOTLESSKIT_STATE_DIR/netns; exec cat'
    is "$line" nsfs 'netns is a mount for the child'
    is "$(stat -f -c %T $state/netns)" "$(stat -f -c %T $state)" 'and nothing but a file outside'
    finish c

    # --- the API's words about each driver, whose plan of addresses leads out
    while read -r driver address dns interface mtu; do
        run $kit --state-dir=$state --net=$driver --copy-up=/etc --port-driver=builtin sh -c "
            curl -sS --unix-socket $state/api.sock http://x/v1/info | $client json '[d[\"networkDriver\"][k] for k in (\"driver\", \"childIP\", \"dns\", \"dynamicChildIP\")] + [d[\"portDriver\"][\"driver\"]]'
            ip -o -4 addr show dev $interface | awk '{ print \$4 }'; cat /sys/class/net/$interface/mtu; curl -sS http://web.test/"
        out_is "[\"$driver\", \"${address%/*}\", [\"$dns\"], false, \"builtin\"]"$'\n'"$address"$'\n'"$mtu"$'\nhello from outside' "--net=$driver"
    done <<'END'
slirp4netns 10.0.2.100/24 10.0.2.3 tap0 65520
pasta 10.0.2.100/24 10.0.2.3 tap0 65520
vdeplug_slirp 10.0.2.100/24 10.0.2.3 tap0 1500
lxc-user-nic 10.0.2.100/24 10.0.2.3 eth0 1500
vpnkit 192.168.65.3/24 192.168.65.1 tap0 1500
gvisor-tap-vsock 10.0.2.100/24 10.0.2.1 tap0 65520
END
    for driver in builtin slirp4netns socat gvisor-tap-vsock; do
        run $kit --state-dir=$state --net=slirp4netns --copy-up=/etc --port-driver=$driver sh -c "curl -sS --unix-socket $state/api.sock http://x/v1/info"
        is "$(json 'd["portDriver"]["driver"]' <<<"$stdout")" $driver "--port-driver=$driver has its name"
    done
    for driver in none implicit; do
        run $kit --state-dir=$state --net=slirp4netns --copy-up=/etc --port-driver=$driver sh -c "curl -sS --unix-socket $state/api.sock http://x/v1/info"
        is "$(json '["portDriver" in d, d["networkDriver"]["driver"]]' <<<"$stdout")" '[false, "slirp4netns"]' "--port-driver=$driver has none"
    done
    run $kit --net=slirp4netns --copy-up=/etc --port-driver=none sh -c \
        'curl -sS -w " %{http_code}" --unix-socket $ROOTLESSKIT_STATE_DIR/api.sock -d "{\"proto\":\"tcp\",\"parentIP\":\"127.0.0.1\",\"parentPort\":8080,\"childPort\":80}" http://x/v1/ports'
    out_like 'message.*port driver.* 400$' 'which publishes nothing'

    # --- signals: all but these are passed on
    launch c $kit perl -MPOSIX=pause -e '$| = 1; for my $name (qw(CHLD PIPE URG USR1 WINCH)) { $SIG{$name} = sub { print "$name\n"; exit if $name eq "USR1" } } print "ready\n"; pause while 1'
    kill -CHLD "${pid[c]}"
    kill -PIPE "${pid[c]}"
    kill -URG "${pid[c]}"
    kill -WINCH "${pid[c]}"
    hear c
    is "$line" WINCH 'CHLD, PIPE and URG are nobody else'"'"'s business'
    kill -USR1 "${pid[c]}"
    await c
    out_is USR1 'the others come, these did not'

    # --- exit statuses under both names, with and without a reaper
    for how in '' --pidns '--pidns --reaper=false'; do
        for pair in 'exit 42:42:42' 'exit 126:126:126' 'exit 255:255:255' 'kill -KILL $$:137:255' 'kill -USR1 $$:138:255'; do
            IFS=: read -r script own theirs <<<"$pair"
            # The first process of a pid namespace cannot be killed from inside.
            [ "$how:${script%% *}" != '--pidns --reaper=false:kill' ] || continue
            run rootlet run $how sh -c "$script"
            status_is "$own" "rootlet run $how: $script"
            run $kit $how sh -c "$script"
            status_is "$theirs" "rootlesskit $how: $script"
        done
        run $kit $how /etc/passwd
        status_is 1 "rootlesskit $how: found, and no program"
    done

    # --- a read-only /sys outside: the one inside is new, and read-only as well
    caller=$who
    who=root
    run unshare --mount sh -ec 'mount -o remount,bind,ro /sys; exec "$@"' x as-$caller $kit --net=none sh -c 'ls /sys/class/net; grep " /sys " /proc/self/mountinfo | tail -n 1 | cut -d" " -f6'
    who=$caller
    out_like $'^lo\nro,' '/sys is read-only where the outer one is'

    # --- which rung of the ladder, and why not those above
    run rootlet run --debug --map=auto true
    case $who in
    root) err_like 'id map: direct' 'the first rung: nothing to be said' ;;
    user) err_like 'id map: not direct: no CAP_SETUID and CAP_SETGID.*id map: newuidmap' 'the second: why not the first' ;;
    esac
    bounding=$([ $who = user ] || echo --bounding-set=-all)
    run setpriv --no-new-privs --inh-caps=-all $bounding rootlet run --debug true
    err_like 'not direct: no CAP_SETUID and CAP_SETGID.*not newuidmap: .*(no_new_privs|setfcap|SETFCAP).*not derived: .*CAP_SETUID' 'the last: why none of the others'
done
nothing_left 'nothing is left'
done_testing
