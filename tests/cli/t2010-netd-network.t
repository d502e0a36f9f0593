#!/bin/bash
# netd for somebody else's network namespace, under the name and with the options of slirp4netns.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

launch loopback $servers --hello 'host loopback' http:127.0.0.1:8000 'http:[::1]:8000'
sha=$(curl -sS http://203.0.113.80/sha256/5000000)

for way in "${all_ways[@]}"; do
    choose "$way"
    # --- all that -c does
    hold
    start_netd netd -c $target tap0
    is "$ready" 1 'ready-fd: "1", and closed'
    inside sh -c 'ip -o -4 addr; ip -o link; ip route'
    out_like '10\.0\.2\.100/24.*' 'the address'
    out_like 'tap0[@:].*mtu 1500 ' "slirp4netns's default MTU"
    out_like '127\.0\.0\.1/8' 'lo is up'
    out_like 'default via 10\.0\.2\.2 dev tap0' 'the route'
    inside curl -sS http://203.0.113.80/
    out_is 'hello from outside' 'HTTP'
    inside sh -c 'curl -sS http://203.0.113.80/bytes/5000000 | sha256sum'
    out_like "^$sha" '5 MB'
    inside $client dns 10.0.2.3 web.test
    out_is 203.0.113.80 'DNS'
    inside curl -sS http://10.0.2.2:8000/
    out_is 'host loopback' "the gateway is the host's loopback"
    finish netd
    status_is 0 'exit-fd ends it'
    # A tap goes at once, a veth pair when the kernel has cleared the hidden namespace of its far end away, a moment later.
    inside timeout "$LIMIT" sh -c 'while ip -o link | grep -q tap0; do :; done; ip -o link'
    out_unlike 'tap0' 'and the interface with it'
    out_like 'lo:' 'but no other'
    finish holder

    # --- podman's line
    hold
    start_netd netd -c --netns-type=path --disable-host-loopback --mtu=65520 --enable-sandbox --enable-seccomp --enable-ipv6 \
        --userns-path=/proc/$target/ns/user /proc/$target/ns/net tap0
    is "$ready" 1 'a namespace by its path'
    inside sh -c 'ip -o link show tap0; curl -sS http://203.0.113.80/ "http://[2001:db8::80]/"'
    out_like 'mtu 65520 .*hello from outside.hello from outside' 'works, over IPv6 too'
    inside curl -sS --max-time 3 http://10.0.2.2:8000/
    status_isnt 0 "the host's loopback is closed"
    inside curl -sS --max-time 3 'http://[fd00::2]:8000/'
    status_isnt 0 'over IPv6, too'

    # --- what is left of its powers
    # CAP_NET_ADMIN, of the namespace's own user namespace.
    for name in CapEff:1 CapPrm:1 CapInh:0 CapAmb:0; do
        is "$(grep ${name%:*} "/proc/${pid[netd]}/status")" "${name%:*}:"$'\t'000000000000${name#*:}000 "it has no capabilities, but one for that network: ${name%:*}"
    done
    is "$(readlink "/proc/${pid[netd]}/ns/user")" "$(readlink "/proc/$target/ns/user")" "and that it has in the namespace's user namespace"
    like "$(cat "/proc/${pid[netd]}/status")" $'NoNewPrivs:\t1.*Seccomp:\t2\n' 'may gain none, and its system calls are filtered'
    is "$(find "/proc/${pid[netd]}/root/" -mindepth 1 -not -path '*/etc' -not -path '*/etc/resolv.conf' 2>&1 | head -n 5)" '' \
        'its root is empty, but for the resolvers'
    is "$(readlink "/proc/${pid[netd]}/ns/net")" "$(readlink /proc/self/ns/net)" "it is in the host's network"
    run sh -c "cat /proc/${pid[netd]}/environ >/dev/null"
    [ $who = root ] || status_isnt 0 'and nobody of the same user may trace it'
    finish netd
    status_is 0 'it ends'
    finish holder

    # --- without -c the interface is the caller's to configure
    hold
    start_netd netd $target tun7
    is "$ready" 1 'without -c'
    inside sh -c 'ip -o link show tun7; ip -o -4 addr show dev tun7'
    out_unlike '(UP[,>]|inet )' 'the interface is down, without an address'
    inside sh -ec 'ip addr add 10.0.2.100/24 dev tun7; ip link set tun7 up; ip route add default via 10.0.2.2; curl -sS http://203.0.113.80/'
    out_is 'hello from outside' 'and works once it is configured'
    finish netd
    finish holder

    # --- an interface that is there already (RootlessKit makes it)
    if [ $link = tap ]; then
        hold
        inside ip tuntap add name tap9 mode tap
        start_netd netd -c $target tap9
        is "$ready" 1 'a persistent tap is taken over'
        inside curl -sS http://203.0.113.80/
        out_is 'hello from outside' 'and works'
        finish netd
        inside ip -o link show tap9
        status_is 0 'and stays'
        finish holder
    fi

    # --- other numbers
    hold
    start_netd netd -c --mtu 65520 --cidr=172.29.3.0/24 -6 --macaddress=02:11:22:33:44:55 $target net0
    inside sh -c 'ip -o -4 addr show dev net0; ip -o link show net0; ip route; curl -sS http://203.0.113.80/'
    out_like '172\.29\.3\.100/24.*mtu 65520 .*02:11:22:33:44:55.*default via 172\.29\.3\.2 .*hello from outside' '--cidr, --mtu, --macaddress, a name'
    inside $client dns 172.29.3.3 web.test
    out_is 203.0.113.80 'the name server is +3'
    finish netd
    finish holder
    for prefix in 1 8 25; do
        hold
        start_netd netd -c --cidr=128.0.0.0/$prefix $target tap0
        is "$ready" 1 "a network /$prefix"
        inside sh -c 'ip -o -4 addr show dev tap0; ip route'
        out_like "128\.0\.0\.100/$prefix.*via 128\.0\.0\.2" "has its addresses"
        finish netd
        finish holder
    done

    # --- who asks is told from which address to ask
    ip addr replace 192.0.2.22/24 dev eth0
    for how in 192.0.2.22 192.0.2.2; do
        hold
        start_netd netd -c --outbound-addr=$how $target tap0
        inside curl -sS http://203.0.113.80/client
        out_like "^$how " "--outbound-addr=$how"
        finish netd
        finish holder
    done
    hold
    start_netd netd -c -6 --outbound-addr=eth0 --outbound-addr6=fd00::2 $target tap0
    inside curl -sS http://203.0.113.80/client 'http://[2001:db8::80]/client'
    out_like '^192\.0\.2\.2 .*fd00::2 ' '--outbound-addr=INTERFACE, --outbound-addr6'
    finish netd
    finish holder

    # --- no DNS
    hold
    start_netd netd -c --disable-dns $target tap0
    inside env CLIENT_DEADLINE=1 $client dns 10.0.2.3 web.test
    status_isnt 0 '--disable-dns: nobody answers'
    inside curl -sS http://203.0.113.80/
    out_is 'hello from outside' 'all else works'
    finish netd
    finish holder

    # --- old spellings, and a descriptor of a tap instead of a namespace
    hold
    start_netd netd -c --no-host-loopback --create-sandbox $target tap0
    is "$ready" 1 'old spellings'
    finish netd
    finish holder
done

link_option=()
# The namespace's own process may die first; netd stays until it is told to go.
who=user
hold
start_netd netd -c $target tap0
finish holder
ok 'it lives on without the process' kill -0 "${pid[netd]}"
finish netd
status_is 0 'and still ends in order'

# Its helper that watches resolv.conf ends with it, also when it was stopped meanwhile, which interrupts what it waits in.
state_is() { timeout "$LIMIT" sh -c 'until grep -q "^State:.$2" "/proc/$1/status"; do :; done' x "$1" "$2"; }
hold
start_netd netd -c $target tap0
keeper=$(pgrep -x netd-keeper)
kill -STOP "$keeper"
ok 'the helper is stopped' state_is "$keeper" T
kill -CONT "$keeper"
ok 'and goes on' state_is "$keeper" S
finish netd
ok 'it ends with netd' $client gone "$keeper"
finish holder

# Signals end it, too.
for name in TERM INT HUP; do
    hold
    start_netd netd -c $target tap0
    kill -$name "${pid[netd]}"
    await netd
    like "$status" '^(0|129|130|143)$' "SIG$name ends it"
    finish holder
done

# For a namespace of an ordinary user, by root.
who=user
hold
who=root
start_netd netd -c $target tap0
is "$ready" 1 "root, for a user's namespace"
who=user
inside curl -sS http://203.0.113.80/
out_is 'hello from outside' 'works'
who=root
finish netd
finish holder

# A tap that somebody else made, by its descriptor.
cat >/tmp/tapfd.py <<'E'
import ctypes, fcntl, os, struct, subprocess, sys
libc = ctypes.CDLL(None)
outside = os.open('/proc/self/ns/net', os.O_RDONLY)
assert libc.unshare(0x40000000) == 0  # CLONE_NEWNET
tap = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tap, 0x400454ca, struct.pack('16sH22x', b'tap0', 0x1002))  # TUNSETIFF, IFF_TAP | IFF_NO_PI
subprocess.check_call('ip link set tap0 up; ip addr add 10.0.2.100/24 dev tap0; ip route add default via 10.0.2.2', shell=True)
inside = os.open('/proc/self/ns/net', os.O_RDONLY)
assert libc.setns(outside, 0) == 0
ready, up = os.pipe()
netd = subprocess.Popen([sys.argv[1], '--netns-type=tapfd', '--ready-fd', str(up), str(tap)], pass_fds=[tap, up])
os.close(up)
assert os.read(ready, 1) == b'1'
code = subprocess.call(['nsenter', f'--net=/proc/self/fd/{inside}', 'curl', '-sS', 'http://203.0.113.80/'], pass_fds=[inside])
netd.terminate()
netd.wait()
sys.exit(code)
E
run python3 /tmp/tapfd.py $aliases/slirp4netns
out_is 'hello from outside' '--netns-type=tapfd'
rm /tmp/tapfd.py
finish loopback
nothing_left 'nothing is left'
done_testing
