/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy routing by rtnetlink(7): rules (ip-rule(8), linux/fib_rules.h) and tables of routes that are delivered locally, in the
 * netns of the socket that is passed in (nl_open(NETLINK_ROUTE)).
 *
 * What is added carries FIB_PROTOCOL, so that it can be told from everybody else's and removed by fib_purge() when who added it
 * was killed. All return 0 or -errno; @why (may be NULL) gets the kernel's own words when it gives any. None waits for more than
 * the kernel.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "core/log.h"

/* Of rtm_protocol and FRA_PROTOCOL: a number that linux/rtnetlink.h and /etc/iproute2/rt_protos give to nobody ("r" in ASCII). */
enum { FIB_PROTOCOL = 114 };
/* lo's number in every network namespace (LOOPBACK_IFINDEX of include/linux/netdevice.h). */
enum { FIB_LO = 1 };

/* fib_local_all - everything of a family is local (delivered on lo), in @table. @metric: 0 or what is to be read back. There already: fine. */
int fib_local_all(int nl, int family, uint32_t table, uint32_t metric, struct reason *why);

/**
 * fib_local - @addr (in_addr or in6_addr) is local, in @table
 * @add: else take the route away again
 * @src: what this host's answers to @addr come from when their sender has no address; for removal it may be NULL
 */
int fib_local(int nl, bool add, int family, const void *addr, const void *src, uint32_t table,
              struct reason *why);

/* fib_rule_mark - packets with fwmark @mark are routed by @table first. There already: fine. */
int fib_rule_mark(int nl, int family, uint32_t mark, uint32_t table, uint32_t priority, struct reason *why);
/* fib_rule_udp - UDP packets from port @sport are routed by @table first (Linux 4.17). @add: else take it away. There already: fine. */
int fib_rule_udp(int nl, bool add, int family, uint16_t sport, uint32_t table, uint32_t priority,
                 struct reason *why);

/* Where a packet would go. */
struct fib_way {
    bool local;             /* it is delivered here */
    bool gateway;           /* by another machine */
    unsigned ifindex;       /* 0: not told */
    unsigned char from[16]; /* what it would come from (in_addr or in6_addr); zero: not told */
};
/* fib_lookup - of a packet to @addr; @udp_sport: of a UDP packet from that port, or 0. -ENETUNREACH and others of connect(2) when there is no way. */
int fib_lookup(int nl, int family, const void *addr, uint16_t udp_sport, struct fib_way *ret);

/**
 * fib_purge - remove the routes with FIB_PROTOCOL in, and the rules of @priority that lead to, the tables from @first to @last
 * @other: another socket like @nl: one reads, one removes
 * -ENOTEMPTY: somebody adds them as fast as they are removed.
 */
int fib_purge(int nl, int other, uint32_t priority, uint32_t first, uint32_t last);

/* fib_metrics - @fn gets the table and metric of each IPv4 route with FIB_PROTOCOL that is for all addresses. */
int fib_metrics(int nl, void (*fn)(uint32_t table, uint32_t metric, void *arg), void *arg);
