/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fib.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "core/fd.h"
#include "core/netlink.h"

static size_t addr_size(int family)
{
    return family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
}

/* ---- adding ---- */

static const struct rtmsg local_route = {
    .rtm_table = RT_TABLE_UNSPEC, /* the attribute has room for more than eight bits */
    .rtm_protocol = FIB_PROTOCOL,
    .rtm_scope = RT_SCOPE_HOST,
    .rtm_type = RTN_LOCAL,
};

int fib_local_all(int nl, int family, uint32_t table, uint32_t metric, struct reason *why)
{
    struct nl_buf b;
    struct rtmsg info = local_route;
    info.rtm_family = (uint8_t)family;
    nl_init(&b);
    nl_begin(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
    nl_put_u32(&b, RTA_TABLE, table);
    nl_put_u32(&b, RTA_OIF, FIB_LO);
    if (metric)
        nl_put_u32(&b, RTA_PRIORITY, metric);
    return nl_talk(nl, &b, NULL, NULL, why);
}

int fib_local(int nl, bool add, int family, const void *addr, const void *src, uint32_t table,
              struct reason *why)
{
    struct nl_buf b;
    struct rtmsg info = local_route;
    info.rtm_family = (uint8_t)family;
    info.rtm_dst_len = (uint8_t)(addr_size(family) * 8);
    nl_init(&b);
    nl_begin(&b, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &info,
             sizeof(info));
    nl_put(&b, RTA_DST, addr, addr_size(family));
    nl_put_u32(&b, RTA_TABLE, table);
    nl_put_u32(&b, RTA_OIF, FIB_LO);
    if (src)
        nl_put(&b, RTA_PREFSRC, src, addr_size(family));
    return nl_talk(nl, &b, NULL, NULL, why);
}

static void begin_rule(struct nl_buf *b, bool add, int family, uint32_t table, uint32_t priority)
{
    const struct fib_rule_hdr info = {
        .family = (uint8_t)family, .table = RT_TABLE_UNSPEC, .action = FR_ACT_TO_TBL};
    nl_init(b);
    nl_begin(b, add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE | NLM_F_EXCL : 0, &info, sizeof(info));
    nl_put_u32(b, FRA_PRIORITY, priority);
    nl_put_u32(b, FRA_TABLE, table);
    nl_put_u8(b, FRA_PROTOCOL, FIB_PROTOCOL);
}

int fib_rule_mark(int nl, int family, uint32_t mark, uint32_t table, uint32_t priority, struct reason *why)
{
    struct nl_buf b;
    begin_rule(&b, true, family, table, priority);
    nl_put_u32(&b, FRA_FWMARK, mark);
    nl_put_u32(&b, FRA_FWMASK, UINT32_MAX);
    int r = nl_talk(nl, &b, NULL, NULL, why);
    return r == -EEXIST ? 0 : r;
}

int fib_rule_udp(int nl, bool add, int family, uint16_t sport, uint32_t table, uint32_t priority,
                 struct reason *why)
{
    struct nl_buf b;
    const struct fib_rule_port_range from = {.start = sport, .end = sport};
    begin_rule(&b, add, family, table, priority);
    nl_put_u8(&b, FRA_IP_PROTO, IPPROTO_UDP);
    nl_put(&b, FRA_SPORT_RANGE, &from, sizeof(from));
    int r = nl_talk(nl, &b, NULL, NULL, why);
    return add && r == -EEXIST ? 0 : r;
}

/* ---- asking ---- */

/* The attributes of a route or rule that are of interest here. */
struct entry {
    uint32_t table, metric, priority, oif;
    bool gateway;
    unsigned char prefsrc[16];
};

/* FRA_* and RTA_* are different numbers: @rule says which. */
static int read_entry(const unsigned char *payload, size_t len, size_t fixed, bool rule, struct entry *ret)
{
    struct entry e = {.table = RT_TABLE_UNSPEC};
    struct nl_attr a;
    int r = 0;
    if (len < fixed)
        return -EBADMSG;
    struct nl_attrs as = {payload + fixed, len - fixed};
    while (r >= 0 && (r = nl_attr_next(&as, &a)) == 1) {
        if (a.type == (rule ? (int)FRA_TABLE : (int)RTA_TABLE))
            r = nl_attr_u32(&a, &e.table);
        else if (a.type == (rule ? (int)FRA_PRIORITY : (int)RTA_PRIORITY))
            r = nl_attr_u32(&a, rule ? &e.priority : &e.metric);
        else if (!rule && a.type == RTA_OIF)
            r = nl_attr_u32(&a, &e.oif);
        else if (!rule && (a.type == RTA_GATEWAY || a.type == RTA_VIA || a.type == RTA_MULTIPATH))
            e.gateway = true;
        else if (!rule && a.type == RTA_PREFSRC && a.len <= sizeof(e.prefsrc))
            memcpy(e.prefsrc, a.data, a.len);
    }
    if (r < 0)
        return r;
    *ret = e;
    return 0;
}

static int take_way(const struct nlmsghdr *h, const unsigned char *payload, size_t len, void *arg)
{
    struct fib_way *way = arg;
    struct rtmsg info;
    struct entry e;
    if (h->nlmsg_type != RTM_NEWROUTE)
        return 0;
    int r = read_entry(payload, len, sizeof(info), false, &e);
    if (r < 0)
        return r;
    memcpy(&info, payload, sizeof(info));
    way->local = info.rtm_type == RTN_LOCAL;
    way->gateway = e.gateway;
    way->ifindex = e.oif;
    memcpy(way->from, e.prefsrc, sizeof(way->from));
    return 0;
}

int fib_lookup(int nl, int family, const void *addr, uint16_t udp_sport, struct fib_way *ret)
{
    struct nl_buf b;
    struct fib_way way = {.local = false};
    const uint16_t sport = htons(udp_sport);
    const struct rtmsg info = {.rtm_family = (uint8_t)family,
                               .rtm_dst_len = (uint8_t)(addr_size(family) * 8)};
    nl_init(&b);
    nl_begin(&b, RTM_GETROUTE, 0, &info, sizeof(info));
    nl_put(&b, RTA_DST, addr, addr_size(family));
    if (udp_sport) {
        nl_put_u8(&b, RTA_IP_PROTO, IPPROTO_UDP);
        nl_put(&b, RTA_SPORT, &sport, sizeof(sport));
    }
    int r = nl_talk(nl, &b, take_way, &way, NULL);
    if (r == 0)
        *ret = way;
    return r;
}

struct metrics {
    void (*fn)(uint32_t table, uint32_t metric, void *arg);
    void *arg;
};

static int take_metric(const struct nlmsghdr *h, const unsigned char *payload, size_t len, void *arg)
{
    const struct metrics *m = arg;
    struct rtmsg info;
    struct entry e;
    if (h->nlmsg_type != RTM_NEWROUTE)
        return 0;
    int r = read_entry(payload, len, sizeof(info), false, &e);
    if (r < 0)
        return r;
    memcpy(&info, payload, sizeof(info));
    if (info.rtm_protocol == FIB_PROTOCOL && info.rtm_family == AF_INET && info.rtm_dst_len == 0)
        m->fn(e.table, e.metric, m->arg);
    return 0;
}

int fib_metrics(int nl, void (*fn)(uint32_t table, uint32_t metric, void *arg), void *arg)
{
    struct nl_buf b;
    struct metrics m = {fn, arg};
    const struct rtmsg info = {.rtm_family = AF_INET};
    nl_init(&b);
    nl_begin(&b, RTM_GETROUTE, NLM_F_DUMP, &info, sizeof(info));
    return nl_talk(nl, &b, take_metric, &m, NULL);
}

/* ---- removing ---- */

struct purge {
    int nl; /* another socket than the one that is read from */
    uint32_t priority, first, last;
    bool rules;
    unsigned found;
};

/* What the kernel shows is what it takes as the description of what to remove (ip-rule(8), save and restore). */
static int purge_one(const struct nlmsghdr *h, const unsigned char *payload, size_t len, void *arg)
{
    struct purge *p = arg;
    struct nl_buf b;
    struct rtmsg route;
    struct entry e;
    /* Both headers have twelve bytes, families and flags at the same places (linux/fib_rules.h). */
    static_assert(sizeof(struct rtmsg) == sizeof(struct fib_rule_hdr), "headers are alike");
    if (h->nlmsg_type != (p->rules ? RTM_NEWRULE : RTM_NEWROUTE))
        return 0;
    int r = read_entry(payload, len, sizeof(route), p->rules, &e);
    if (r < 0)
        return r;
    memcpy(&route, payload, sizeof(route));
    if (e.table < p->first || e.table > p->last)
        return 0;
    if (p->rules ? e.priority != p->priority : route.rtm_protocol != FIB_PROTOCOL)
        return 0;
    p->found++;
    nl_init(&b);
    nl_begin(&b, p->rules ? RTM_DELRULE : RTM_DELROUTE, 0, payload, sizeof(route));
    nl_put_raw(&b, payload + sizeof(route), len - sizeof(route));
    r = nl_talk(p->nl, &b, NULL, NULL, NULL);
    if (r < 0)
        log_debug("removing a %s of table %u: %s", p->rules ? "rule" : "route", e.table, strerror(-r));
    return 0; /* the list has to be read to its end */
}

static int purge_list(int nl, struct purge *p, int family, bool rules)
{
    enum { ROUNDS = 8 }; /* a list that changes while it is read may leave something out */
    const struct rtmsg info = {.rtm_family = (uint8_t)family};
    p->rules = rules;
    for (int i = 0; i < ROUNDS; i++) {
        struct nl_buf b;
        p->found = 0;
        nl_init(&b);
        nl_begin(&b, rules ? RTM_GETRULE : RTM_GETROUTE, NLM_F_DUMP, &info, sizeof(info));
        int r = nl_talk(nl, &b, purge_one, p, NULL);
        if (r < 0 || p->found == 0)
            return r == -EAFNOSUPPORT || r == -EOPNOTSUPP ? 0 : r; /* a kernel without IPv6 */
    }
    return -ENOTEMPTY;
}

int fib_purge(int nl, int other, uint32_t priority, uint32_t first, uint32_t last)
{
    struct purge p = {.nl = other, .priority = priority, .first = first, .last = last};
    static const int families[] = {AF_INET, AF_INET6};
    int first_error = 0;
    for (size_t i = 0; i < array_size(families); i++)
        for (int rules = 1; rules >= 0; rules--) {
            int r = purge_list(nl, &p, families[i], rules);
            if (r < 0 && first_error == 0)
                first_error = r;
        }
    return first_error;
}
