#!/bin/bash
# What netd tells its guest: DHCP, router advertisements, echo; and the ways to name the guest and to go out.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root --ping

# Addresses are to be good at once, and routers asked for.
quick() { inside sh -c 'cd /proc/sys/net/ipv6/conf/default && echo 0 >accept_dad && echo 0 >router_solicitation_delay'; }
has_address() { timeout "$LIMIT" nsenter --preserve-credentials -U -n -t "$target" -- sh -c 'until ip -6 -o addr show dev tap0 -tentative | grep -q "$1"; do :; done' x "$1"; }
printf '#!/bin/sh\n[ "$1" != bound ] || echo "$ip/$mask router $router dns $dns server $serverid"\n' >/tmp/lease
chmod 755 /tmp/lease
sha=$(curl -sS http://203.0.113.80/sha256/400000)
for way in "${all_ways[@]}"; do
    choose "$way"
    # --- a guest that finds out by itself
    hold
    quick
    start_netd netd -6 --mtu=1400 --cidr=10.9.0.0/16 $target tap0
    inside ip link set tap0 up
    inside busybox udhcpc -i tap0 -n -q -f -t 5 -T 2 -s /tmp/lease
    out_like '(^|.)10\.9\.0\.(1[5-9]|2[0-9]|30)/16 router 10\.9\.0\.2 dns 10\.9\.0\.3 server 10\.9\.0\.2' "DHCP ($link)"
    ok 'the address comes with the router advertisement' has_address fd00::
    inside ip -6 route
    out_like 'default via fe80::2 dev tap0' 'and the route'
    inside $client ra tap0
    out_like $'^lifetime [1-9][0-9]*\nprefix fd00::/64\nmtu 1400\nrdnss fd00::3$' 'which says all that there is to say'
    inside curl -sS 'http://[2001:db8::80]/'
    out_is 'hello from outside' 'IPv6 works'
    finish netd
    finish holder

    # --- without a DNS server none is named
    hold
    quick
    start_netd netd -6 --disable-dns $target tap0
    inside ip link set tap0 up
    ok 'the interface has an address' has_address fe80::
    inside $client ra tap0
    out_is $'lifetime 1800\nprefix fd00::/64\nmtu 1500' '--disable-dns: no DNS server'
    finish netd
    finish holder

    # --- echo
    hold
    start_netd netd -c -6 --disable-host-loopback $target tap0
    for address in 10.0.2.2 203.0.113.80 fd00::2 2001:db8::80; do
        inside ping -c 1 -W 10 $address
        out_like '1 received' "echo from $address"
    done
    inside ping -c 1 -W 10 -s 4000 203.0.113.80
    out_like '1 received' 'in fragments'
    inside cat /proc/sys/net/ipv4/ping_group_range
    out_like $'^0\t[0-9]' 'the guest may ask'
    # Datagrams that are larger than the link takes are put together.
    inside $client udp 203.0.113.80 7 "$(printf 'x%.0s' {1..9000})"
    is ${#stdout} 9000 'a datagram in fragments, there and back'
    finish netd
    finish holder

    # --- sizes
    case $way in 'root tap' | 'user packet') sizes='68 576 9000 49193 65520 65521' ;; *) sizes='' ;; esac
    for mtu in $sizes; do
        hold
        start_netd netd -c --mtu=$mtu $target tap0
        inside sh -c 'cat /proc/sys/net/ipv4/tcp_rmem; ip -o link show tap0; curl -sS http://203.0.113.80/bytes/400000 | sha256sum'
        out_like "mtu $mtu .*$sha" "MTU $mtu"
        if [ $mtu -gt 49152 ]; then out_like $'^4096\t87380\t' 'with a window in which whole segments are counted as they are'; fi
        finish netd
        finish holder
    done
done

# --- from which address
link_option=()
ip addr add 192.0.2.22/24 dev eth0
ip addr add fd00::22/64 dev eth0 nodad
for who in root user; do
    for how in '--outbound-addr=192.0.2.22 192.0.2.22 http://203.0.113.80/client' '--outbound-addr=eth0 192.0.2.2 http://203.0.113.80/client' \
        '--outbound-addr6=fd00::22 fd00::22 http://[2001:db8::80]/client' '--outbound-addr6=eth0 fd00::2{1,2} http://[2001:db8::80]/client'; do
        read -r option from url <<<"$how"
        hold
        start_netd netd -c -6 $option $target tap0
        inside curl -sS "$url"
        out_like "^$from " "$option"
        finish netd
        finish holder
    done
    run $aliases/slirp4netns --outbound-addr=lo 1 tap0
    status_is 1 'an interface without an address to send from'
done

# --- every prefix that there is
who=root
for prefix in {1..25}; do
    hold
    start_netd netd -c --cidr=128.0.0.0/$prefix $target tap0
    inside sh -c "ip -o -4 addr show dev tap0; ip route; exec $client dns 128.0.0.3 web.test"
    out_like "128\.0\.0\.100/$prefix .*via 128\.0\.0\.2 .*203\.0\.113\.80$" "--cidr=128.0.0.0/$prefix"
    finish netd
    finish holder
done
hold
for cidr in 10.0.2.0/0 10.0.2.0/26 10.0.2.0/32 10.0.2.0/33 10.0.2.4/24 10.0.2.0 10.0.2.0/ 10.0.2/24 ' 10.0.2.0/24' 10.0.2.0/24x 10.0.2.0/-1 0.0.0.0/8 127.0.0.0/8 224.0.0.0/8 fd00::/64; do
    run $aliases/slirp4netns -c "--cidr=$cidr" $target tap0
    status_is 1 "--cidr=$cidr is refused"
    err_like "cidr.*$cidr" 'by its name'
done
finish holder

# --- a namespace by a path where it is mounted, with no process in it
touch /tmp/netns
unshare --net=/tmp/netns true
who=root
for link in tap packet; do
    start_netd netd -c --link=$link --netns-type=path /tmp/netns tap0
    is "$ready" 1 'a bound namespace without a process'
    run nsenter --net=/tmp/netns curl -sS http://203.0.113.80/
    out_is 'hello from outside' "works ($link)"
    finish netd
done
umount /tmp/netns
rm /tmp/netns

# --- a user namespace of its own name
who=user
hold
start_netd netd -c --netns-type=path --userns-path=/proc/$target/ns/user /proc/$target/ns/net tap0
inside curl -sS http://203.0.113.80/
out_is 'hello from outside' '--userns-path'
finish netd
run $aliases/slirp4netns -c --netns-type=path --userns-path=/proc/self/ns/user /proc/$target/ns/net tap0
status_is 1 'a user namespace that does not own the network'
err_like 'cannot join' 'is refused'
finish holder

# --- an exit fd that has no events is none that ends it
hold
spawn netd bash -c 'exec 5>&1 6</dev/null && exec "$@"' x $aliases/slirp4netns -c --ready-fd=5 --exit-fd=6 $target tap0
IFS= read -r -t "$LIMIT" -N 1 -u "${tap_from[netd]}" ready
is "$ready" 1 'an exit fd without events: it serves' || diag "$(cat "$tap_dir/err-netd")"
kill -TERM "${pid[netd]}"
await netd
finish holder
rm /tmp/lease
nothing_left 'nothing is left'
done_testing
