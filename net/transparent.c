/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a local server gets to see the client's address
 *
 *     portd                                  kernel                                       server on 127.0.0.1:80
 *     socket, SO_MARK, IP_TRANSPARENT
 *     bind(client's address)
 *     connect(127.0.0.1:80) ───────────────▶ local table: lo ───── SYN, marked ─────────▶ accept() says: the client
 *                                            rule: mark ▶ our table   ◀── SYN-ACK ──────  to the client's address
 *     (established) ◀─────────────────────── "all is local" on lo
 *
 * The answer carries the mark of the question: for the accepted connection by net.ipv4.tcp_fwmark_accept, for resets (nobody
 * listens) by fwmark_reflect (ip-sysctl.rst). Without the rule it would leave by the default route.
 *
 * And a server behind an address that somebody redirects (dockerd's rules, for a container's published port)
 *
 *     portd                                  kernel                                       container 172.17.0.2:80
 *     socket, SO_MARK of another value
 *     connect(10.0.2.100:8080) ────────────▶ nat: to 172.17.0.2:80 ─────────────────────▶ accept() says: the client
 *                                            ct mark: a connection of ours ◀────────────  to the client's address
 *     (established) ◀─────────────────────── mark, rule, "all is local"; nat: from 10.0.2.100:8080
 *
 * The question itself must not carry the mark of the rule here: it is routed once more after it was redirected, and has to leave.
 */
#include "net/transparent.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/netlink.h>

#include "core/fd.h"
#include "core/netlink.h"
#include "core/nft_mark.h"
#include "core/rtnl.h"

/* An odd number, so that nobody else's marks, tables and priorities are met ("rl" in ASCII). */
enum { MARK = 0x726c, TABLE = 0x726c, PRIORITY = 0x726c, FOLLOWED_MARK = 0x726d };

#ifndef IPV6_TRANSPARENT /* linux/in6.h, which does not go with libc's netinet/in.h */
#define IPV6_TRANSPARENT 75
#endif

static int set_sysctl(const char *path, struct reason *why)
{
    int r = file_write(AT_FDCWD, path, "1");
    return r < 0 ? reason_set(why, r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

static int setup_family(int family, const char *reflect, struct reason *why)
{
    fd_auto int nl = nl_open(NETLINK_ROUTE);
    struct reason kernel = {.text = ""};
    if (nl < 0)
        return reason_set(why, nl, "cannot open a netlink socket: %s", strerror(-nl));
    int r = rtnl_route_local(nl, if_nametoindex("lo"), family, TABLE, &kernel);
    if (r == 0)
        r = rtnl_rule_mark(nl, family, MARK, TABLE, PRIORITY, &kernel);
    if (r < 0)
        return reason_set(why, r, "the kernel refuses a routing rule: %s",
                          *kernel.text ? kernel.text : strerror(-r));
    return set_sysctl(reflect, why);
}

static void setup_followed(struct transparent *t)
{
    struct reason why = {.text = ""};
    int r = nft_follow_mark("rootlet-ports", FOLLOWED_MARK, MARK, &why);
    t->followed = r == 0;
    if (r < 0)
        log_debug("source addresses: redirected connections cannot be followed: %s %s", strerror(-r),
                  why.text);
}

void transparent_setup(bool follow, struct transparent *ret)
{
    struct transparent t = {.v4 = false};
    if (set_sysctl("/proc/sys/net/ipv4/tcp_fwmark_accept", &t.why) == 0) {
        t.v6 = setup_family(AF_INET6, "/proc/sys/net/ipv6/fwmark_reflect", &t.why) == 0;
        t.v4 = setup_family(AF_INET, "/proc/sys/net/ipv4/fwmark_reflect", &t.why) == 0;
    }
    if (!t.v4 || !t.v6)
        log_debug("source addresses: IPv4 %s, IPv6 %s: %s", t.v4 ? "yes" : "no", t.v6 ? "yes" : "no",
                  t.why.text);
    if (follow && (t.v4 || t.v6))
        setup_followed(&t);
    *ret = t;
}

int transparent_bind(int fd, const union sockaddr_ip *from, bool followed)
{
    int on = 1, mark = followed ? FOLLOWED_MARK : MARK;
    bool v6 = from->sa.sa_family == AF_INET6;
    if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
        setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on,
                   sizeof(on)) < 0 ||
        bind(fd, &from->sa, ip_len(from)) < 0)
        return -errno;
    return 0;
}

bool transparent_target(const union sockaddr_ip *a)
{
    union sockaddr_ip any_port = *a;
    ip_set_port(&any_port, 0);
    fd_auto int fd = socket(a->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, &any_port.sa, ip_len(&any_port)) == 0;
}
