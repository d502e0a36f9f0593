/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a local server gets to see the client's address
 *
 *     portd                                  kernel                                       server on 127.0.0.1:80
 *     socket, SO_MARK (begun), IP_TRANSPARENT
 *     bind(client's address)
 *     connect(127.0.0.1:80) ───────────────▶ local table: lo
 *                                            input: mark becomes "answer" ──────────────▶ accept() says: the client
 *                                            rule: mark ▶ our table   ◀── SYN-ACK ──────  to the client's address
 *     (established) ◀─────────────────────── "all is local" on lo
 *
 * The answer carries the mark of the question: for the accepted connection by net.ipv4.tcp_fwmark_accept, for resets (nobody
 * listens) by fwmark_reflect (ip-sysctl.rst). Without the rule it would leave by the default route.
 *
 * And a server behind an address that somebody redirects (dockerd's rules, for a container's published port)
 *
 *     portd                                  kernel                                       container 172.17.0.2:80
 *     connect(10.0.2.100:8080) ────────────▶ nat: to 172.17.0.2:80 ─────────────────────▶ accept() says: the client
 *                                            ct mark: a connection of ours ◀────────────  to the client's address
 *     (established) ◀─────────────────────── mark, rule, "all is local"; nat: from 10.0.2.100:8080
 *
 * The question itself must not carry the mark of the rule: it is routed once more after it was redirected, and has to leave.
 * The same without a redirection: the container's own address is dialled, and its answers come by here.
 *
 * A kernel without nf_tables cannot follow connections: then the socket has the rule's mark from the start, which does for
 * servers on loopback addresses. What somebody redirects would not leave; so no other address is dialled in this way.
 */
#include "net/transparent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netlink.h>

#include "core/fd.h"
#include "core/fib.h"
#include "core/netlink.h"
#include "core/nft_mark.h"

#ifndef IPV6_TRANSPARENT /* linux/in6.h, which does not go with libc's netinet/in.h */
#define IPV6_TRANSPARENT 75
#endif

static const void *bytes_of(const union sockaddr_ip *a)
{
    return a->sa.sa_family == AF_INET6 ? (const void *)&a->in6.sin6_addr : (const void *)&a->in.sin_addr;
}

/* ---- preparing the namespace ---- */

static int setup_family(const struct claim *c, int nl, int family, struct reason *why)
{
    struct reason kernel = {.text = ""};
    uint32_t table = claim_id(c, CLAIM_ALL);
    int r = 0;
    if (family == AF_INET6) /* the claim has the other one */
        r = fib_local_all(nl, family, table, 0, &kernel);
    if (r == 0)
        r = fib_rule_mark(nl, family, claim_id(c, CLAIM_ALL), table, CLAIM_PRIORITY, &kernel);
    if (r < 0)
        return reason_set(why, r, "the kernel refuses a routing rule: %s",
                          *kernel.text ? kernel.text : strerror(-r));
    r = claim_sysctl(c, CLAIM_TCP_ACCEPT, why);
    return r < 0 ? r : claim_sysctl(c, family == AF_INET6 ? CLAIM_REFLECT6 : CLAIM_REFLECT4, why);
}

static void setup_followed(struct claim *c, bool keep_tables, struct transparent *t)
{
    const struct nft_marks marks = {
        .begun = claim_id(c, CLAIM_BEGUN),
        .begun_low = claim_id(c, CLAIM_BEGUN_LOW),
        .answer = claim_id(c, CLAIM_ALL),
    };
    struct reason kernel = {.text = ""};
    char name[32];
    fd_auto int nl = nl_open(NETLINK_NETFILTER);
    snprintf(name, sizeof(name), "rootlet-ports-%u", claim_number(c));
    int r = nl < 0 ? nl : nft_follow_mark(nl, name, &marks, !keep_tables, &kernel);
    if (r < 0) {
        reason_set(&t->loose, r, "the kernel refuses rules of nf_tables that follow connections: %s",
                   *kernel.text ? kernel.text : strerror(-r));
        return;
    }
    t->followed = true;
    t->mark = marks.begun;
    snprintf(name, sizeof(name), "rootlet-low-%u", claim_number(c));
    r = nft_low_ports(nl, name, &marks, !keep_tables, &kernel);
    t->low_ports = r == 0;
    if (r < 0)
        log_debug("source addresses: ports below %d are not kept: %s %s", NFT_UPPER_TWIN, strerror(-r),
                  kernel.text);
    if (keep_tables)
        fd_close_later(&nl); /* the kernel's clean-up after the transactions */
    else
        claim_keep(c, steal_fd(&nl));
}

void transparent_setup(struct claim *c, bool keep_tables, struct transparent *ret)
{
    struct transparent t = {.mark = claim_id(c, CLAIM_ALL), .clients = claim_id(c, CLAIM_CLIENTS), .nl = -1};
    fd_auto int nl = nl_open(NETLINK_ROUTE);
    if (nl < 0) {
        reason_set(&t.why, nl, "cannot open a netlink socket: %s", strerror(-nl));
    } else {
        t.v6 = setup_family(c, nl, AF_INET6, &t.why) == 0;
        t.v4 = setup_family(c, nl, AF_INET, &t.why) == 0;
    }
    if (!t.v4 || !t.v6)
        log_debug("source addresses: IPv4 %s, IPv6 %s: %s", t.v4 ? "yes" : "no", t.v6 ? "yes" : "no",
                  t.why.text);
    if (t.v4 || t.v6)
        setup_followed(c, keep_tables, &t);
    *ret = t;
}

/* ---- which way ---- */

static bool is_link_local(const union sockaddr_ip *a)
{
    return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr);
}

static enum transparent_way look_up(int nl, const union sockaddr_ip *client, const union sockaddr_ip *to)
{
    struct fib_way there, back;
    if (nl < 0 || fib_lookup(nl, to->sa.sa_family, bytes_of(to), 0, &there) < 0)
        return TRANSPARENT_NO;
    if (there.local) /* an address that is new */
        return TRANSPARENT_LOCAL;
    if (there.gateway)
        return TRANSPARENT_NO;
    bool beside = fib_lookup(nl, client->sa.sa_family, bytes_of(client), 0, &back) == 0 && !back.local &&
                  back.ifindex == there.ifindex;
    return beside ? TRANSPARENT_NO : TRANSPARENT_BEHIND;
}

enum transparent_way transparent_way(const struct transparent *t, const union sockaddr_ip *client,
                                     const union sockaddr_ip *to, bool local, const struct reason **ret_why)
{
    if (client->sa.sa_family != to->sa.sa_family || ip_is_loopback(client) || ip_is_any(client) ||
        is_link_local(client) || is_link_local(to))
        return TRANSPARENT_NO;
    enum transparent_way way = local ? TRANSPARENT_LOCAL : look_up(t->nl, client, to);
    if (way == TRANSPARENT_NO)
        return way;
    if (!(to->sa.sa_family == AF_INET ? t->v4 : t->v6))
        *ret_why = &t->why;
    else if (!t->followed && !ip_is_loopback(to))
        *ret_why = &t->loose;
    else
        return way;
    return TRANSPARENT_NO;
}

/* ---- sockets ---- */

static int bind_marked(int fd, uint32_t mark, const union sockaddr_ip *from)
{
    int on = 1;
    bool v6 = from->sa.sa_family == AF_INET6;
    if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
        setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on,
                   sizeof(on)) < 0 ||
        bind(fd, &from->sa, ip_len(from)) < 0)
        return -errno;
    return 0;
}

int transparent_bind(const struct transparent *t, int fd, const union sockaddr_ip *from)
{
    return bind_marked(fd, t->mark, from);
}

int transparent_bind_low(const struct transparent *t, int fd, const union sockaddr_ip *from)
{
    union sockaddr_ip twin = *from;
    ip_set_port(&twin, ip_port(from) | NFT_UPPER_TWIN);
    return bind_marked(fd, t->mark | 1, &twin);
}

bool transparent_target(const union sockaddr_ip *a)
{
    union sockaddr_ip any_port = *a;
    ip_set_port(&any_port, 0);
    fd_auto int fd = socket(a->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, &any_port.sa, ip_len(&any_port)) == 0;
}
