/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces, addresses and routes by rtnetlink(7), in the netns of the socket that is passed in (nl_open(NETLINK_ROUTE)).
 * All return 0 or -errno; @why (may be NULL) gets the kernel's own words when it gives any. None waits for more than the kernel.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <net/if.h>

#include "core/log.h"

struct rtnl_link {
    unsigned ifindex;
    unsigned flags; /* IFF_* */
    uint32_t mtu;
    char name[IFNAMSIZ];
    uint8_t mac[6];
    bool have_mac;
};

/* rtnl_link_get - by @ifindex, or by @name when that is 0. -ENODEV when there is none. */
int rtnl_link_get(int nl, const char *name, unsigned ifindex, struct rtnl_link *ret);

/* What to change; zero members are left alone. */
struct rtnl_change {
    bool up;
    uint32_t mtu;
    const uint8_t *mac;    /* 6 bytes */
    const char *name;      /* a new one */
    bool no_ipv6_autoconf; /* no link-local address is made (IN6_ADDR_GEN_MODE_NONE) */
};
int rtnl_link_set(int nl, unsigned ifindex, const struct rtnl_change *c, struct reason *why);

/**
 * rtnl_veth_add - a veth(4) pair
 * @name, @mac: the end in the netns @netns_fd (mac may be NULL: a random one)
 * @peer: the end in the socket's own netns
 * @mtu: of both
 */
int rtnl_veth_add(int nl, const char *peer, const char *name, int netns_fd, uint32_t mtu, const uint8_t *mac,
                  struct reason *why);
int rtnl_link_del(int nl, unsigned ifindex, struct reason *why);

/* rtnl_addr_add - @addr: in_addr or in6_addr by @family. IPv6 addresses skip duplicate address detection (usable at once). */
int rtnl_addr_add(int nl, unsigned ifindex, int family, const void *addr, unsigned prefix,
                  struct reason *why);

/* rtnl_route_default - default route through @gateway; @src: preferred source, may be NULL. */
int rtnl_route_default(int nl, unsigned ifindex, int family, const void *gateway, const void *src,
                       struct reason *why);

/* rtnl_addr_find - the first global address of a family on the host, or on @ifindex when it is not 0. -ENOENT: none. @ret: in_addr or in6_addr. */
int rtnl_addr_find(int nl, unsigned ifindex, int family, void *ret);
