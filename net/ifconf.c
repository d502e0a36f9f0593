/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's side of a link: addresses, routes and the namespace's settings (link_lo_up, link_configure of net/link.h). */
#include "net/link.h"

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

enum {
    /* Above this MTU the default receive window (tcp_rmem's middle value, 128 KiB) holds less than two segments' worth of kernel memory. */
    BIG_MTU = 49152,
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
 * Who may open ping sockets (icmp(7)): everybody. The kernel takes only groups that the user namespace maps, so the
 * upper end is the last group of the first extent that starts at 0.
 */
static void allow_ping(void)
{
    static const char path[] = "/proc/sys/net/ipv4/ping_group_range";
    free_auto char *map = NULL;
    unsigned long inside, outside, count, last = 0;
    char text[32];
    if (file_read(AT_FDCWD, "/proc/self/gid_map", 65536, &map, NULL) == 0) {
        for (const char *line = map; line && *line;) {
            if (sscanf(line, "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 && count > 0)
                last = count - 1;
            line = strchr(line, '\n');
            line = line ? line + 1 : NULL;
        }
    }
    if (last > 2147483647)
        last = 2147483647; /* GID_T_MAX of net/ipv4/sysctl_net_ipv4.c */
    if (str_format(text, sizeof(text), "0 %lu", last) == 0 && set_sysctl(path, text) < 0 && last)
        set_sysctl(path, "0 0");
}

static void tune(uint32_t mtu)
{
    allow_ping();
    /*
     * A new netns inherits the machine's congestion control; bbr paces even a hop through memory. Only algorithms open
     * to everybody can be set here (tcp_set_default_congestion_control()).
     */
    static const char cc[] = "/proc/sys/net/ipv4/tcp_congestion_control";
    if (set_sysctl(cc, "cubic") < 0)
        set_sysctl(cc, "reno");
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
