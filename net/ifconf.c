/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's side of a link: addresses, routes and the namespace's settings (link_lo_up, link_configure of net/link.h). */
#include "net/ifconf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netlink.h>

#include "core/fd.h"
#include "core/netlink.h"
#include "core/rtnl.h"
#include "core/strv.h"
#include "net/link.h"

enum {
    /* Above this MTU the default receive window (tcp_rmem's middle value, 128 KiB) holds less than two segments' worth of kernel memory. */
    BIG_MTU = 49152,
    PING_LAST_GROUP = 2147483647, /* GID_T_MAX, net/ipv4/sysctl_net_ipv4.c */
};

static int lo_up(int nl)
{
    struct rtnl_link lo;
    int r = rtnl_link_get(nl, "lo", 0, &lo);
    if (r < 0)
        return r;
    return rtnl_link_set(nl, lo.ifindex, &(struct rtnl_change){.up = true}, NULL);
}

int link_lo_up(void)
{
    fd_auto int nl = nl_open(NETLINK_ROUTE);
    return nl < 0 ? nl : lo_up(nl);
}

/* A setting of the namespace; some are missing in small kernels or read-only in containers, and the network works without. */
static int set_sysctl(const char *path, const char *text)
{
    int r = file_write(AT_FDCWD, path, text);
    if (r < 0)
        log_debug("link: cannot write '%s' to %s: %s", text, path, strerror(-r));
    return r;
}

/*
 * The last group of the range that may open ping sockets, for a gid_map's text. The kernel takes groups that the user namespace
 * maps, compares them by their numbers outside, and allows all in between: the one with the highest number outside is the end.
 */
unsigned long ifconf_last_group(const char *map)
{
    unsigned long inside, outside, count, last = 0, highest = 0, zero = 0;
    for (const char *line = map; line && *line;) {
        if (sscanf(line, "%lu %lu %lu", &inside, &outside, &count) == 3 && count > 0 && count <= UINT32_MAX) {
            if (inside == 0)
                zero = outside;
            if (outside + count - 1 >= highest) {
                highest = outside + count - 1;
                last = inside + count - 1;
            }
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    if (highest < zero)
        return 0;
    return last < PING_LAST_GROUP ? last : PING_LAST_GROUP;
}

/* ICMP echo for everybody in there (ping_group_range, icmp(7)), not for root alone. */
static void allow_ping(void)
{
    static const char path[] = "/proc/sys/net/ipv4/ping_group_range";
    free_auto char *map = NULL;
    char text[32];
    unsigned long last = 0;
    if (file_read(AT_FDCWD, "/proc/self/gid_map", 65536, &map, NULL) == 0)
        last = ifconf_last_group(map);
    if (str_format(text, sizeof(text), "0 %lu", last) == 0 && set_sysctl(path, text) < 0 && last)
        set_sysctl(path, "0 0");
}

/*
 * A new netns inherits the machine's congestion control; bbr paces even a hop through memory. Only algorithms open to
 * everybody can be set here (tcp_set_default_congestion_control()).
 */
void link_congestion_control(void)
{
    static const char cc[] = "/proc/sys/net/ipv4/tcp_congestion_control";
    if (set_sysctl(cc, "cubic") < 0)
        set_sysctl(cc, "reno");
}

static void tune(uint32_t mtu)
{
    allow_ping();
    link_congestion_control();
    if (mtu > BIG_MTU)
        set_sysctl("/proc/sys/net/ipv4/tcp_rmem", "4096 87380 6291456");
}

static int failed(struct reason *why, int r, const char *what, const struct reason *kernel)
{
    return reason_set(why, r, "cannot %s: %s%s", what, kernel->text[0] ? kernel->text : strerror(-r),
                      r == -EPERM ? " (CAP_NET_ADMIN over the network namespace is needed)" : "");
}

int link_configure(const struct link *l, const struct addrplan *p, struct reason *why)
{
    struct reason k = {""};
    fd_auto int nl = nl_open(NETLINK_ROUTE);
    if (nl < 0)
        return reason_set(why, nl, "cannot open a netlink socket: %s", strerror(-nl));
    int r = lo_up(nl);
    if (r < 0)
        return failed(why, r, "bring lo up", &k);
    tune(l->mtu);
    r = rtnl_link_set(nl, l->ifindex, &(struct rtnl_change){.up = true}, &k);
    if (r < 0)
        return failed(why, r, "bring the interface up", &k);
    r = rtnl_addr_add(nl, l->ifindex, AF_INET, &p->guest, p->prefix, &k);
    if (r < 0)
        return failed(why, r, "set the interface's address", &k);
    r = rtnl_route_default(nl, l->ifindex, AF_INET, &p->gateway, NULL, &k);
    if (r < 0)
        return failed(why, r, "set the default route", &k);
    if (!p->ipv6)
        return 0;
    r = rtnl_addr_add(nl, l->ifindex, AF_INET6, &p->guest6, p->prefix6, &k);
    if (r == 0)
        r = rtnl_route_default(nl, l->ifindex, AF_INET6, &p->gateway6, NULL, &k);
    if (r < 0)
        return failed(why, r, "set the interface's IPv6 address and route", &k);
    return 0;
}
