/* SPDX-License-Identifier: Apache-2.0 */
#include "net/addrplan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/fd.h"
#include "core/parse.h"

const char *const net_driver_names[] = {
    [NET_HOST] = "host",
    [NET_NONE] = "none",
    [NET_SLIRP4NETNS] = "slirp4netns",
    [NET_PASTA] = "pasta",
    [NET_VPNKIT] = "vpnkit",
    [NET_VDEPLUG_SLIRP] = "vdeplug_slirp",
    [NET_LXC_USER_NIC] = "lxc-user-nic",
    [NET_GVISOR] = "gvisor-tap-vsock",
    NULL,
};
_Static_assert(array_size(net_driver_names) == NET_DRIVER_MAX + 1, "a name for each driver");

/* Offsets from the network address. */
struct offsets {
    const char *network;
    uint32_t gateway, host, dns, guest, dhcp_start;
    uint32_t mtu;
    const char *ifname;
};

/*
 * What each driver gives its container (slirp4netns(1); RootlessKit's pkg/network/...). Where gateway and DNS server
 * share an address, port 53 of it is the DNS server and the rest is the host.
 */
static const struct offsets plans[NET_DRIVER_MAX] = {
    [NET_SLIRP4NETNS] = {"10.0.2.0", 2, 2, 3, 100, 15, 65520, "tap0"},
    [NET_PASTA] = {"10.0.2.0", 2, 2, 3, 100, 15, 65520, "tap0"},
    [NET_VPNKIT] = {"192.168.65.0", 1, 2, 1, 3, 15, 1500, "tap0"},
    [NET_VDEPLUG_SLIRP] = {"10.0.2.0", 2, 2, 3, 100, 15, 1500, "tap0"},
    [NET_LXC_USER_NIC] = {"10.0.2.0", 2, 2, 3, 100, 15, 1500, "eth0"},
    [NET_GVISOR] = {"10.0.2.0", 1, 1, 1, 100, 15, 65520, "tap0"},
};

static struct in_addr at(struct in_addr network, uint32_t offset)
{
    return (struct in_addr){.s_addr = htonl(ntohl(network.s_addr) + offset)};
}

static void place(struct addrplan *p, const struct offsets *o, struct in_addr network, unsigned prefix)
{
    p->network = network;
    p->prefix = prefix;
    p->netmask.s_addr = htonl(UINT32_MAX << (32 - prefix));
    p->gateway = at(network, o->gateway);
    p->host = at(network, o->host);
    p->dns = at(network, o->dns);
    p->guest = at(network, o->guest);
    p->dhcp_start = at(network, o->dhcp_start);
}

static struct in6_addr fd00(uint16_t last)
{
    struct in6_addr a = {.s6_addr = {0xfd, 0x00}};
    a.s6_addr[14] = (uint8_t)(last >> 8);
    a.s6_addr[15] = (uint8_t)last;
    return a;
}

int addrplan_for(enum net_driver d, struct addrplan *ret)
{
    if ((unsigned)d >= NET_DRIVER_MAX || !plans[d].network)
        return -EINVAL;
    struct addrplan p = {
        .driver = d,
        .mtu = plans[d].mtu,
        .ifname = plans[d].ifname,
        .network6 = fd00(0),
        .gateway6 = fd00(2),
        .dns6 = fd00(3),
        .guest6 = fd00(0x100),
        .prefix6 = 64,
    };
    struct in_addr network;
    if (inet_pton(AF_INET, plans[d].network, &network) != 1)
        return -EINVAL;
    place(&p, &plans[d], network, 24);
    *ret = p;
    return 0;
}

/* "A.B.C.D/N" into its two halves. */
static int split_cidr(const char *cidr, struct in_addr *ret_addr, unsigned *ret_prefix)
{
    char text[INET_ADDRSTRLEN];
    const char *slash = strchr(cidr, '/');
    uint64_t prefix;
    if (!slash || (size_t)(slash - cidr) >= sizeof(text))
        return -EINVAL;
    memcpy(text, cidr, (size_t)(slash - cidr));
    text[slash - cidr] = '\0';
    if (inet_pton(AF_INET, text, ret_addr) != 1 || parse_uint(slash + 1, 0, 32, &prefix) < 0)
        return -EINVAL;
    *ret_prefix = (unsigned)prefix;
    return 0;
}

int addrplan_set_cidr(struct addrplan *p, const char *cidr, struct reason *why)
{
    const struct offsets *o = &plans[p->driver];
    struct in_addr a, network;
    unsigned prefix;
    if (split_cidr(cidr, &a, &prefix) < 0)
        return reason_set(why, -EINVAL, "'%s' is no IPv4 network; write it as 10.0.2.0/24", cidr);

    /* The longest prefix whose network still has room for the guest's address and a broadcast address above it. */
    unsigned max = 30;
    while (max > 1 && (UINT32_MAX >> max) <= (o->guest > o->dhcp_start ? o->guest : o->dhcp_start))
        max--;
    if (prefix < 1 || prefix > max)
        return reason_set(why, -EINVAL,
                          "prefix /%u of '%s' is not in 1..%u (the guest gets the %uth address)", prefix,
                          cidr, max, o->guest);
    network.s_addr = a.s_addr & htonl(UINT32_MAX << (32 - prefix));
    if (network.s_addr != a.s_addr) {
        char right[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &network, right, sizeof(right));
        return reason_set(why, -EINVAL, "'%s' is not a network address; use %s/%u", cidr, right, prefix);
    }
    /* All addresses in use are at the beginning: that must not be "this network", loopback or multicast. */
    uint32_t first = ntohl(network.s_addr);
    if (first >> 24 == 0 || first >> 24 == 127 || first >> 28 == 0xe)
        return reason_set(why, -EINVAL,
                          "'%s' is no network that hosts can live in; use a private one such as 10.0.2.0/24",
                          cidr);
    place(p, o, network, prefix);
    return 0;
}
