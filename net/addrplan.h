/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address plans: which addresses the guest, its gateway, its DNS server and its host have under each network
 * driver's name.  Drivers are plans over one engine, not other programs.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "core/log.h"

enum net_driver {
    NET_HOST,
    NET_NONE,
    NET_SLIRP4NETNS,
    NET_PASTA,
    NET_VPNKIT,
    NET_VDEPLUG_SLIRP,
    NET_LXC_USER_NIC,
    NET_GVISOR,
    NET_DRIVER_MAX
};
extern const char
    *const net_driver_names[]; /* by enum net_driver, NULL-terminated: "host", "none", "slirp4netns"... */

enum { IPV6_MTU_MIN = 1280 }; /* RFC 8200, section 5 */

struct addrplan {
    enum net_driver driver;
    struct in_addr network, netmask, gateway, host, dns, guest, dhcp_start;
    unsigned prefix; /* 1..30 */
    uint32_t mtu;    /* the driver's default */
    bool ipv6;
    struct in6_addr network6, gateway6, dns6, guest6; /* fd00::/64, ::2, ::3, guest by plan */
    unsigned prefix6;
    const char *ifname; /* the driver's default name of the interface: "tap0" */
};

/* addrplan_for - the plan of a driver (host and none have none: -EINVAL). */
int addrplan_for(enum net_driver d, struct addrplan *ret);
/**
 * addrplan_set_cidr - move the plan to another network
 * @cidr: "10.0.5.0/24": must be the network address, prefix 1..25 (1..27 where the guest is the 3rd address)
 * Return: 0, or -EINVAL with a text in @why that says what is wrong and gives the right spelling ("use 10.0.5.0/24").
 */
int addrplan_set_cidr(struct addrplan *p, const char *cidr, struct reason *why);
