#!/bin/bash
# DNS through netd: the host's resolvers, whatever becomes of them.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

resolv() { printf 'nameserver %s\n' "$@" >/etc/resolv.conf; }
for way in "${ways[@]}"; do
    choose "$way"
    hold
    start_netd netd -c -6 --enable-sandbox --enable-seccomp $target tap0
    is "$ready" 1 'ready'
    for how in udp tcp; do
        inside $client dns 10.0.2.3 web.test A $how
        out_is 203.0.113.80 "$how: an address"
        inside $client dns 10.0.2.3 web.test AAAA $how
        out_is 2001:db8::80 "$how: an IPv6 address"
        inside $client dns 10.0.2.3 nowhere.test A $how
        out_is NXDOMAIN "$how: a name that is not there"
    done
    inside $client dns 10.0.2.3 big.test
    out_is TRUNCATED 'a long answer over UDP is cut'
    inside sh -c "$client dns 10.0.2.3 big.test A tcp | wc -l"
    out_is 100 'and whole over TCP'

    # The host changes its mind while netd runs; who.test is the address of who answers.
    ask() { # WHAT: asks, wants $asked
        for how in udp tcp; do
            inside $client dns 10.0.2.3 who.test A $how
            out_is "$asked" "$how: $1"
        done
    }
    asked=192.0.2.1
    ask 'the resolver'
    resolv fd00::1
    asked=0.0.0.6
    ask 'another one, with an IPv6 address'
    inside $client dns fd00::3 who.test
    out_is 0.0.0.6 'asked over IPv6'
    resolv 203.0.113.80
    asked=203.0.113.80
    ask 'a third one'
    caller=$who who=root
    launch local $servers dns:127.0.0.1:53
    who=$caller
    resolv 127.0.0.1
    asked=127.0.0.1
    ask "one on the host's loopback"
    finish local
    printf '# nothing else\noptions ndots:1\nnameserver 192.0.2.1\n' >/etc/resolv.conf.new
    mv /etc/resolv.conf.new /etc/resolv.conf
    asked=192.0.2.1
    ask 'a new file in the place of the file'
    # The first is dead in three ways: it refuses, it says nothing, it cannot be reached.
    for dead in 192.0.2.2 203.0.113.99 fd00::99; do
        resolv $dead 203.0.113.80
        asked=203.0.113.80
        ask "the first resolver ($dead) is dead: the next one is asked"
    done
    resolv 192.0.2.1
    finish netd
    finish holder

    # systemd's way: a link to a file elsewhere.
    mkdir -p /run/resolver
    mv /etc/resolv.conf /run/resolver/stub.conf
    ln -s ../run/resolver/stub.conf /etc/resolv.conf
    hold
    start_netd netd -c --enable-sandbox $target tap0
    inside $client dns 10.0.2.3 web.test
    out_is 203.0.113.80 'resolv.conf is a link'
    finish netd
    finish holder
    run rootlet run --net=slirp4netns --link=$link --copy-up=/etc sh -c 'cat /etc/resolv.conf; curl -sS http://web.test/'
    out_like 'nameserver 10\.0\.2\.3.*hello from outside' 'for run as well'
    run rootlet run --net=slirp4netns --link=$link --copy-up=/etc --copy-up=/run sh -c 'cat /etc/resolv.conf; curl -sS http://web.test/'
    out_like 'nameserver 10\.0\.2\.3.*hello from outside' 'whatever is copied up'
    run rootlet run --net=slirp4netns --link=$link sh -c 'cat /etc/resolv.conf; curl -sS http://web.test/'
    out_like 'nameserver 10\.0\.2\.3.*hello from outside' 'or nothing'
    launch box rootlet run --net=slirp4netns --link=$link --copy-up=/etc sh -c "echo ready; read go; $client dns 10.0.2.3 who.test"
    resolv 203.0.113.80
    tell box go
    finish box
    out_is 203.0.113.80 'changes are followed there, too'
    resolv 192.0.2.1
    is "$(cat /run/resolver/stub.conf)" 'nameserver 192.0.2.1' "the host's file is what it was"
    rm /etc/resolv.conf
    mv /run/resolver/stub.conf /etc/resolv.conf
    rmdir /run/resolver
done
# A user has few inotify instances: nobody takes one who looks up no name, and where there is none to be had changes are followed all the same.
for what in 'looks up no name: true 0' "does: $client dns 10.0.2.3 who.test 1"; do
    command=${what#*: }
    run strace -f -qq -e trace=inotify_init1 -o /tmp/trace rootlet run --net=slirp4netns --copy-up=/etc ${command% *}
    status_is 0 "a command that ${what%%:*}"
    is "$(grep -c '= [0-9]' /tmp/trace)" "${what##* }" "makes ${what##* }"
done
cat >/tmp/follows.sh <<E
$client dns 10.0.2.3 who.test
read go
until [ "\$($client dns 10.0.2.3 who.test)" = 203.0.113.80 ]; do :; done
echo followed
E
for who in root user; do
    launch box rootlet run --net=host sh -c "echo 0 >/proc/sys/user/max_inotify_instances; exec rootlet run --net=slirp4netns --copy-up=/etc timeout $LIMIT sh /tmp/follows.sh"
    is "$line" 192.0.2.1 'without inotify: the resolver'
    resolv 203.0.113.80
    tell box go
    finish box
    out_is followed 'changes are followed all the same'
    resolv 192.0.2.1
done
rm /etc/resolv.conf
who=user
run rootlet run --net=slirp4netns --copy-up=/etc sh -c 'cat /etc/resolv.conf; curl -sS http://203.0.113.80/'
out_like 'nameserver 10\.0\.2\.3.*hello from outside' 'no resolv.conf at all: addresses work still'
nothing_left 'nothing is left'
done_testing
