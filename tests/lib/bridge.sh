# bridge.sh - a bridge with two containers in a network namespace, as dockerd makes them, with its rules. To be sourced after tap.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2086,SC2154 # variables of tap.sh and for the tests; lists of words
#
#     bridge inside "$guest" 172.17           `inside COMMAND...` runs in the namespace, where $guest's process is to be 172.17.0.2
#     redirect inside proxy                   dockerd's rules: ports of the namespace's addresses lead to containers

# bridge RUN PID NETWORK [NUMBER]: a bridge with the network namespace of PID at its other end: NETWORK.0.2 and fd17:NUMBER::2.
bridge() {
    local run=$1 guest=$2 net=$3 number=${4:-0}
    # Without this no neighbour is looked for over IPv6 in the first two seconds (RFC 4862).
    $run sh -ec "
        for kind in all default; do echo 0 >/proc/sys/net/ipv6/conf/\$kind/accept_dad; done
        ip link add br$number type bridge
        ip addr add $net.0.1/16 dev br$number
        ip addr add fd17:$number::1/64 dev br$number nodad
        ip link set br$number up
        ip link add ve$number type veth peer name eth0 netns $guest
        ip link set ve$number master br$number up
        echo 1 >/proc/sys/net/ipv4/ip_forward
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        nsenter -t $guest -n sh -ec 'for kind in all default; do echo 0 >/proc/sys/net/ipv6/conf/\$kind/accept_dad; done
            ip link set lo up
            ip addr add $net.0.2/16 dev eth0
            ip addr add fd17:$number::2/64 dev eth0 nodad
            ip link set eth0 up
            ip route add default via $net.0.1
            ip route add ::/0 via fd17:$number::1'"
    is "$status:$stderr" 0: "a bridge with $net.0.2"
}

# redirect RUN proxy|hairpin: ports 81 (TCP) and 1 and 3 (UDP) of this namespace's own addresses are the first container's 80 and 1, 82 and 2 the second one's.
# With --userland-proxy=false ("hairpin") dockerd's rules are for loopback addresses as well, and mask who comes from this namespace.
redirect() {
    local run=$1 not4='ip daddr != 127.0.0.0/8' not6='ip6 daddr != ::1' mask='' localnet=''
    if [ "$2" = hairpin ]; then localnet='; echo 1 >/proc/sys/net/ipv4/conf/br0/route_localnet' not4='' not6='' mask='oifname "br*" fib saddr type local masquerade'; fi
    cat >/tmp/redirect.nft <<-END
	table ip nat {
	    chain docker { tcp dport 81 dnat to 172.17.0.2:80; tcp dport 82 dnat to 172.18.0.2:80; udp dport 1 dnat to 172.17.0.2:1; udp dport 2 dnat to 172.18.0.2:1; udp dport 3 dnat to 172.17.0.2:1; }
	    chain pre { type nat hook prerouting priority -100; fib daddr type local jump docker; }
	    chain out { type nat hook output priority -100; $not4 fib daddr type local jump docker; }
	    chain post { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname != br0 masquerade; ip saddr 172.18.0.0/16 oifname != br1 masquerade; $mask; }
	}
	table ip6 nat {
	    chain docker { tcp dport 81 dnat to [fd17:0::2]:80; tcp dport 82 dnat to [fd17:1::2]:80; udp dport 1 dnat to [fd17:0::2]:1; udp dport 2 dnat to [fd17:1::2]:1; udp dport 3 dnat to [fd17:0::2]:1; }
	    chain pre { type nat hook prerouting priority -100; fib daddr type local jump docker; }
	    chain out { type nat hook output priority -100; $not6 fib daddr type local jump docker; }
	    chain post { type nat hook postrouting priority 100; ip6 saddr fd17:0::/64 oifname != br0 masquerade; ip6 saddr fd17:1::/64 oifname != br1 masquerade; $mask; }
	}
	END
    chmod 644 /tmp/redirect.nft
    $run sh -c "nft -f /tmp/redirect.nft$localnet"
    is "$status:$stderr" 0: "dockerd's rules ($2)"
}
