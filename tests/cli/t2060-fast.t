#!/bin/bash
# --tcp=fast: outbound connections carried by the kernel do what they do on the host, from `run` and from netd, on both links.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2046,SC2086,SC2154
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

tcp=$TOP/tests/lib/tcp.py
launch loopback $servers --hello 'host loopback' http:127.0.0.1:8000 'http:[::1]:8000' echo:127.0.0.1:8007
launch outward $servers --hello 'host address' http:192.0.2.2:8000
sha=$(curl -sS http://203.0.113.80/sha256/5000000)
head -c 3000000 /dev/urandom >/tmp/upload
chmod 644 /tmp/upload
upload="$(sha256sum </tmp/upload | cut -d' ' -f1) 3000000"
# What the host itself cannot reach, in three ways; 203.0.113.99 is one that never answers.
ip route add unreachable 198.51.100.1
ip route add prohibit 198.51.100.2
ip route add throw 198.51.100.3
ip -6 route add unreachable 2001:db8:1::1
who=root
launch resets in-world $tcp serve-reset 203.0.113.80 9001
launch aborts in-world $tcp serve-abort 203.0.113.80 9002

# The same for all ways in: `there COMMAND...` runs it behind a fast path.
connections() {
    there curl -sS http://203.0.113.80/client
    out_like '^192\.0\.2\.2 ' "$1: a connection, from the host's address"
    there sh -c 'curl -sS http://203.0.113.80/bytes/5000000 | sha256sum'
    out_like "^$sha" '5 MB arrive as they were sent'
    there curl -sS --data-binary @/tmp/upload http://203.0.113.80/
    out_is "$upload" '3 MB leave as they are'
    there $tcp many 200 30000 203.0.113.80 7
    out_is 200 '200 at a time, both ways'
    there $client tcp 203.0.113.80 7 'half closed'
    out_is 'half closed' 'an end in one direction leaves the other one open'
    there $tcp reset 203.0.113.80 9001
    out_is ECONNRESET 'a reset outside is a reset inside'
    there $tcp abort 203.0.113.80 9002
    hear aborts
    is "$line" ECONNRESET 'and a reset inside is one outside'
    there $tcp same-port 203.0.113.80 192.0.2.1 80
    out_is $'203.0.113.80 True HTTP/1.1 200 OK\n192.0.2.1 True HTTP/1.1 200 OK' 'two from one port'
    there $client connect 203.0.113.80 81
    out_is ECONNREFUSED 'what is refused is refused'
    for error in 1:EHOSTUNREACH 2:EHOSTUNREACH 3:ENETUNREACH; do
        there $client connect 198.51.100.${error%:*} 80
        out_is ${error#*:} "what cannot be reached says ${error#*:}"
    done
    there $client dns 10.0.2.3 big.test A tcp
    is "$(wc -l <<<"$stdout")" 100 'DNS over TCP'
    there curl -sS http://192.0.2.2:8000/
    out_is 'host address' "the host's own address"
}
ipv6() {
    there sh -c 'curl -sS "http://[2001:db8::80]/bytes/5000000" | sha256sum'
    out_like "^$sha" '5 MB over IPv6'
    there $client connect 2001:db8::80 81
    out_is ECONNREFUSED 'refused over IPv6'
    there $client connect 2001:db8:1::1 80
    out_is EHOSTUNREACH 'unreachable over IPv6'
    there $client dns fd00::3 big.test A tcp
    is "$(wc -l <<<"$stdout")" 100 'DNS over TCP over IPv6'
}
# By every route, whatever opens the other door.
closed() {
    there $tcp reset 10.0.2.100 4
    out_is ECONNRESET 'the listener itself leads nowhere'
    there $tcp attempts 10.0.2.2 10.0.2.3 127.0.0.1 127.8.9.10 0.0.0.0 10.0.2.50 10.0.2.255 255.255.255.255 fd00::2 fd00::3 fd00::50 :: ::1 \
        ::ffff:127.0.0.1 ::ffff:10.0.2.2 ::ffff:0.0.0.0 ::127.0.0.1 64:ff9b::7f00:1 203.0.113.99 8000
    out_is tried "closed: the host's loopback by every address; and who does not answer does not answer"
}
opened() {
    for address in 10.0.2.2 '[fd00::2]'; do
        there curl -sS http://$address:8000/
        out_is 'host loopback' "open: the host's loopback is at $address"
    done
    there curl -sS --max-time 3 http://10.0.2.3:8000/
    status_isnt 0 "and not at the name server's address"
}

for kind in tap packet; do
    for who in $([ $kind = tap ] && echo root) user; do
        # --- run
        launch c rootlet run --net=slirp4netns --link=$kind --ipv6 --copy-up=/etc --tcp=fast sh -c 'echo $$; exec cat'
        target=$line
        there() { run nsenter --preserve-credentials $([ $who = user ] && echo -U) -n -t $target -- "$@"; }
        connections "run, $kind"
        ipv6
        closed
        finish c
        err_is '' 'not a word of complaint'
        launch c rootlet run --net=slirp4netns --link=$kind --ipv6 --copy-up=/etc --tcp=fast --host-loopback sh -c 'echo $$; exec cat'
        target=$line
        opened
        finish c

        # --- netd, for a namespace that it did not make
        there() { inside "$@"; }
        hold
        start_netd netd -c -6 --link=$kind --tcp=fast --disable-host-loopback $target tap0
        is "$ready" 1 'netd --tcp=fast'
        connections "netd, $kind"
        ipv6
        closed
        finish netd
        status_is 0 'it ends'
        there nft list tables
        out_is '' 'its rules end with it'
        finish holder
        hold
        start_netd netd -c -6 --link=$kind --tcp=fast $target tap0
        opened
        finish netd
        finish holder
    done
done

for who in root user; do
    there() { inside "$@"; }
    # --- which source address, of those that the host has
    ip addr replace 192.0.2.22/24 dev eth0
    ip addr replace fd00::22/64 dev eth0 nodad
    hold
    start_netd netd -c -6 --tcp=fast --outbound-addr=192.0.2.22 --outbound-addr6=fd00::22 $target tap0
    there curl -sS http://203.0.113.80/client 'http://[2001:db8::80]/client'
    out_like '^192\.0\.2\.22 .*fd00::22 ' '--outbound-addr, --outbound-addr6'
    finish netd
    finish holder

    # --- it is what carries the connections, and --tcp=slirp is not
    run sh -c "rootlet run --debug --net=slirp4netns curl -sS http://203.0.113.80/ 2>&1"
    out_like 'fast path: 10\.0\.2\.100:[0-9]* to 203\.0\.113\.80:80: dialling -> accepting' 'by default'
    run sh -c "rootlet run --debug --net=slirp4netns --tcp=slirp curl -sS http://203.0.113.80/ 2>&1"
    out_like 'hello from outside' '--tcp=slirp works'
    out_unlike 'fast path' 'without the fast path'
    hold
    start_netd netd -c --tcp=slirp $target tap0
    like "$(grep CapEff "/proc/${pid[netd]}/status")" '^CapEff:.0000000000000[04]00$' 'and without its capability'
    finish netd
    finish holder

    # --- a kernel without it
    run sh -c "$TOP/tests/lib/no-netfilter.py rootlet run --debug --net=slirp4netns curl -sS http://203.0.113.80/ 2>&1"
    out_like 'no TCP fast path, connections go by libslirp: cannot open a netfilter socket: Protocol not supported' 'a kernel without netfilter: --debug tells'
    out_like 'hello from outside' 'libslirp takes over'
    run $TOP/tests/lib/no-netfilter.py rootlet run --net=slirp4netns --copy-up=/etc curl -sS http://203.0.113.80/
    err_unlike '(fast|libslirp|netfilter)' 'without a word else'
    run $TOP/tests/lib/no-netfilter.py rootlet run --net=slirp4netns --tcp=fast true
    status_is 1 '--tcp=fast is an error there'
    err_like '--tcp=fast: cannot open a netfilter socket' 'which says why'
    hold
    run $TOP/tests/lib/no-netfilter.py rootlet netd --tcp=fast $target tap0
    status_is 1 'from netd, too'
    err_like '--tcp=fast: cannot open a netfilter socket' 'with the same words'
    finish holder

    # --- netd is killed: a live namespace is left as it was, but for the interface
    hold
    inside ip tuntap add name tap9 mode tap
    start_netd first -c --tcp=fast $target tap9
    there curl -sS http://203.0.113.80/
    out_is 'hello from outside' 'netd on an interface that stays'
    kill -KILL "${pid[first]}"
    await first
    start_netd second --tcp=slirp $target tap9
    there curl -sS http://203.0.113.80/
    out_is 'hello from outside' 'is killed, and libslirp serves the interface: nothing is in its way'
    there nft list tables
    out_is '' 'the rules are gone'
    finish second
    start_netd third --tcp=fast $target tap9
    there curl -sS http://203.0.113.80/
    out_is 'hello from outside' 'and the next one has its own'
    finish third
    finish holder

    # --- netd is killed under run: what was up is reset, what is new works
    launch c rootlet run --net=slirp4netns --tcp=fast --copy-up=/etc $tcp hold 3 203.0.113.80 7
    is "$line" 'held 3' 'three connections are up'
    netd=$(pgrep -x rootlet-netd)
    kill -KILL $netd
    ok 'netd is killed' $client gone $netd
    tell c next
    hear c
    like "$line" '^(ECONNRESET|EPIPE|held 0)$' 'they are over'
    finish c
    launch c rootlet run --net=slirp4netns --tcp=fast --copy-up=/etc sh -c 'echo $$; read -r _; for i in 1 2 3; do curl -sS http://203.0.113.80/; done; exec cat'
    netd=$(pgrep -x rootlet-netd)
    kill -KILL $netd
    tell c now
    for word in first second third; do
        hear c
        is "$line" 'hello from outside' "the $word new connection works through the next netd"
    done
    finish c
done

# --- the guest's root ends the listener: libslirp takes over, and netd does not run in circles
for who in root user; do
    launch c rootlet run --net=slirp4netns --tcp=fast --ipv6 --copy-up=/etc sh -c '
        ss -K -t -l "sport = :4" >/dev/null; ss -Htln; echo; curl -sS http://203.0.113.80/; curl -sS "http://[2001:db8::80]/"; exec cat'
    is "$line" '' 'a listener is ended from inside'
    netd=$(pgrep -x rootlet-netd)
    for protocol in IPv4 IPv6; do
        hear c
        is "$line" 'hello from outside' "connections work over $protocol"
    done
    ok 'and netd sleeps' timeout --foreground "$LIMIT" sh -c 'until grep -q "^State:.S" "/proc/$0/status"; do :; done' "$netd"
    finish c
done

# --- firewalls, containers behind a bridge, rootlet in rootlet: all inside one instance
cat >/tmp/bridge.sh <<'E2'
set -e
ip link add br0 type bridge
ip addr add 172.30.0.1/24 dev br0
ip link set br0 up
echo 1 >/proc/sys/net/ipv4/ip_forward
mkfifo /tmp/$1
unshare -n sh -c "echo \$\$ >/tmp/$1; exec sleep 1000" &
read -r box </tmp/$1
rm /tmp/$1
ip link add v0 master br0 type veth peer name eth0 netns $box
ip link set v0 up
nsenter -t $box -n sh -ec 'ip link set lo up; ip link set eth0 up; ip addr add 172.30.0.2/24 dev eth0; ip route add default via 172.30.0.1'
for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 >$file; done
iptables -t nat -A POSTROUTING -s 172.30.0.0/24 ! -o br0 -j MASQUERADE
iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A INPUT -i br0 -j DROP
echo $box
cat
kill $box
E2
for who in root user; do
    launch c rootlet run --debug --net=slirp4netns --tcp=fast --copy-up=/etc sh /tmp/bridge.sh box-$who
    box=$line
    there() { run nsenter --preserve-credentials $([ $who = user ] && echo -U) -n -t $box -- "$@"; }
    connections 'a container behind a bridge'
    finish c
    err_like 'fast path: 172\.30\.0\.2:[0-9]* to 203\.0\.113\.80:80: dialling -> accepting' 'by the fast path'
done
for who in root user; do
    # The instance's own firewall says no: to what is forwarded, to what is sent.
    sed -n '/^cat$/q;p' /tmp/bridge.sh >/tmp/firewall.sh
    cat >>/tmp/firewall.sh <<'E2'
iptables -A FORWARD -d 203.0.113.80 -p tcp --dport 80 -j REJECT --reject-with icmp-admin-prohibited
iptables -A OUTPUT -d 192.0.2.1 -p tcp --dport 80 -j REJECT --reject-with tcp-reset
iptables -t nat -A PREROUTING -d 10.9.9.9 -p tcp --dport 80 -j DNAT --to-destination 203.0.113.80:7
iptables -t nat -A OUTPUT -d 10.9.9.9 -p tcp --dport 80 -j DNAT --to-destination 203.0.113.80:7
out() { "$TOP/tests/lib/client.py" "$@"; }
in_box() { nsenter -t $box -n "$TOP/tests/lib/client.py" "$@"; }
echo
in_box connect 203.0.113.80 80
in_box connect 192.0.2.1 80
out connect 203.0.113.80 80
out connect 192.0.2.1 80
in_box tcp 10.9.9.9 80 'rewritten, forwarded'
echo
out tcp 10.9.9.9 80 'rewritten, sent'
kill $box
E2
    run rootlet run --net=slirp4netns --tcp=fast --copy-up=/etc sh /tmp/firewall.sh wall-$who
    is "$(sed 1,2d <<<"$stdout")" $'EHOSTUNREACH\nconnected\nconnected\nECONNREFUSED\nrewritten, forwarded\nrewritten, sent' \
        "a firewall's rules for what is forwarded and what is sent, and its translations, are obeyed" || tap_show
    # One that lets nobody reach the listener: libslirp takes over.
    run rootlet run --net=slirp4netns --tcp=fast --copy-up=/etc sh -c 'iptables -A INPUT -i lo -p tcp --syn -j DROP
        curl -sS http://203.0.113.80/ && curl -sS http://203.0.113.80/'
    out_is $'hello from outside\nhello from outside' 'a firewall that keeps everybody from the listener'
    run rootlet run --net=slirp4netns --tcp=fast --copy-up=/etc rootlet run --net=slirp4netns --tcp=fast --copy-up=/etc --ipv6 \
        sh -c 'curl -sS http://203.0.113.80/; curl -sS http://203.0.113.80/bytes/5000000 | sha256sum'
    out_like "^hello from outside.$sha" 'rootlet in rootlet'
    # The rules of others come and go.
    run rootlet run --net=slirp4netns --tcp=fast --copy-up=/etc sh -c 'nft flush ruleset; curl -sS http://203.0.113.80/'
    out_is 'hello from outside' 'all rules are flushed: it still works'
done
rm /tmp/bridge.sh /tmp/firewall.sh

# --- hostile, and many
for who in root user; do
    launch c rootlet run --net=slirp4netns --tcp=fast --copy-up=/etc sh -c "
        $tcp flood 20000 203.0.113.99 203.0.113.80:7; $tcp junk 20000 203.0.113.80; $tcp junk 5000 203.0.113.99;
        $tcp many 50 100000 203.0.113.80 7; echo done; exec cat"
    netd=$(pgrep -x rootlet-netd)
    is "$line" alive 'behind 20000 SYNs that nobody answers a connection is served'
    hear c
    is "$line" 50 'after 25000 packets of random bytes 50 are whole'
    hear c
    ok 'netd is the one that it was' kill -0 "$netd"
    memory=$(awk '/VmHWM/ { print $2 }' "/proc/$netd/status")
    diag "netd used at most $memory kB"
    ok 'its memory is bounded' [ "$memory" -lt 32768 ]
    ok 'so are its descriptors' [ "$(find "/proc/$netd/fd" | wc -l)" -lt 9000 ]
    finish c
    err_is '' 'nobody ended'
done

# --- many: a descriptor each for the two ends, and hardly any memory
who=root
launch echo in-world $tcp serve-echo 203.0.113.80 9003
who=user
launch c rootlet run --net=slirp4netns --tcp=fast --copy-up=/etc $tcp hold 9000 203.0.113.80 9003
is "$line" 'held 9000' '9000 connections at a time'
netd=$(pgrep -x rootlet-netd)
is "$(find "/proc/$netd/fd" -lname 'socket:*' | wc -l | sed 's/^180[0-9][0-9]$/many/')" many 'are 18000 sockets of netd'
memory=$(awk '/VmHWM/ { print $2 }' "/proc/$netd/status")
diag "netd used at most $memory kB: $(((memory - 1000) * 1024 / 9000)) bytes a connection"
ok 'its memory is bounded' [ "$memory" -lt 32768 ]
tell c more
hear c
is "$line" 'held 9000' 'all of them carry on'
finish c
who=root
finish echo
finish aborts
finish resets
finish loopback
finish outward
rm /tmp/upload
nothing_left 'nothing is left'
done_testing
