/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A UDP server's socket belongs to no connection, so its answer carries no mark of the question (unlike TCP's, see
 * net/transparent.c): it is known by the port it comes from and the address it goes to.
 *
 *     rule    protocol UDP, from the server's port ▶ table of the address that was dialled
 *     table   a client's address is local, and preferred source is the address that was dialled
 *
 *     portd                                   kernel                                    server on 0.0.0.0:53
 *     socket, IP_TRANSPARENT, SO_MARK
 *     bind(client), connect(10.0.2.100:53) ─────────────────────────────────────────▶ recvfrom() says: the client
 *     (from the address dialled)   ◀──── rule, table: delivered on lo, from 10.0.2.100 ◀──── sendto(the client)
 *
 * Without the preferred source the answer of a server on 0.0.0.0 would come from the client's own address, and the
 * connected socket not take it. The tables name each client and not "everything", so that a server that itself sends from its
 * port (NTP, WireGuard, IKE) still reaches whoever is no client. Rules and routes are there while flows need them only.
 *
 * Rules that share a port are tried in turn: a client must not be in the tables of both, the second one is refused (-EEXIST).
 * As there may be another forwarder with rules of its own, the kernel is asked where an answer would go.
 *
 * The mark is for the kernel's own answer, "port unreachable": it reflects marks (fwmark_reflect). And for what comes from
 * another machine than the one that was dialled (net/transparent.c): of a container, which needs no rule.
 *
 *     the client's port     the socket's port     who changes it
 *     32768...              the same              -
 *     below                 32768 more            nf_tables, for each packet (core/nft_mark.h)
 *     has another flow      any                   -
 *
 * A socket that is bound to a port keeps every server of the netns from it, even with another address. From 32768 on ports are
 * given to whoever asks for any (net.ipv4.ip_local_port_range, ip-sysctl.rst): no server counts on one.
 */
#include "net/udp_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netlink.h>

#include "core/fd.h"
#include "core/fib.h"
#include "core/netlink.h"
#include "core/nft_mark.h"

enum {
    TABLES_MAX = CLAIM_CLIENTS_END - CLAIM_CLIENTS,
    RULES_MAX = 192, /* the kernel tries one after the other, for each packet */
    BUCKETS = 256,
};

struct table {
    union sockaddr_ip to; /* sa_family 0: free */
    size_t clients;
};

struct rule {
    int family; /* 0: free */
    unsigned table;
    uint16_t port;
    size_t refs;
};

struct client {
    struct client *next;
    union sockaddr_ip addr;
    unsigned table;
    size_t refs;
};

struct udp_source {
    int nl;
    uint32_t first_table; /* of TABLES_MAX numbers that are this process's own */
    struct transparent can;
    struct table tables[TABLES_MAX];
    struct rule rules[RULES_MAX];
    struct client *buckets[BUCKETS];
};

static const void *bytes_of(const union sockaddr_ip *a)
{
    return a->sa.sa_family == AF_INET6 ? (const void *)&a->in6.sin6_addr : (const void *)&a->in.sin_addr;
}

/* ---- tables ---- */

static int table_find(struct udp_source *s, const union sockaddr_ip *to, unsigned *ret)
{
    unsigned unused = TABLES_MAX;
    for (unsigned i = 0; i < TABLES_MAX; i++) {
        if (s->tables[i].clients && ip_same_addr(&s->tables[i].to, to)) {
            *ret = i;
            return 0;
        }
        if (!s->tables[i].clients && unused == TABLES_MAX)
            unused = i;
    }
    if (unused == TABLES_MAX)
        return -ENOSPC;
    s->tables[unused].to = *to;
    *ret = unused;
    return 0;
}

/* ---- rules ---- */

static struct rule *rule_find(struct udp_source *s, int family, uint16_t port, unsigned table)
{
    for (unsigned i = 0; i < RULES_MAX; i++)
        if (s->rules[i].family == family && s->rules[i].port == port && s->rules[i].table == table)
            return &s->rules[i];
    return NULL;
}

static int rule_hold(struct udp_source *s, int family, uint16_t port, unsigned table, struct reason *why)
{
    struct rule *rule = rule_find(s, family, port, table);
    if (!rule) {
        rule = rule_find(s, 0, 0, 0);
        if (!rule)
            return reason_set(why, -ENOSPC, "clients of more than %d ports at a time", RULES_MAX);
        struct reason kernel = {.text = ""};
        int r = fib_rule_udp(s->nl, true, family, port, s->first_table + table, CLAIM_PRIORITY, &kernel);
        if (r < 0)
            return reason_set(why, r, "the kernel refuses a routing rule for a UDP port: %s",
                              *kernel.text ? kernel.text : strerror(-r));
        *rule = (struct rule){.family = family, .port = port, .table = table};
    }
    rule->refs++;
    return 0;
}

static void rule_release(struct udp_source *s, int family, uint16_t port, unsigned table)
{
    struct rule *rule = rule_find(s, family, port, table);
    if (!rule || --rule->refs > 0)
        return;
    int r = fib_rule_udp(s->nl, false, family, port, s->first_table + table, CLAIM_PRIORITY, NULL);
    if (r < 0)
        log_debug("source addresses: rule of port %u: %s", port, strerror(-r));
    *rule = (struct rule){.family = 0};
}

/* ---- clients ---- */

static struct client **client_bucket(struct udp_source *s, const union sockaddr_ip *a)
{
    const unsigned char *p = bytes_of(a);
    uint32_t h = 2166136261u; /* FNV-1a; there are at most as many as flows */
    for (size_t i = 0; i < (a->sa.sa_family == AF_INET6 ? 16u : 4u); i++)
        h = (h ^ p[i]) * 16777619u;
    return &s->buckets[(h ^ h >> 16) % BUCKETS];
}

static struct client **client_find(struct udp_source *s, const union sockaddr_ip *a, unsigned table)
{
    struct client **at = client_bucket(s, a);
    while (*at && ((*at)->table != table || !ip_same_addr(&(*at)->addr, a)))
        at = &(*at)->next;
    return at;
}

/* Would an answer from any port to @a find two tables, if @a were in @table as well and @port led there? */
static bool is_ambiguous(struct udp_source *s, const union sockaddr_ip *a, unsigned table, uint16_t port)
{
    for (const struct client *c = *client_bucket(s, a); c; c = c->next) {
        if (c->table == table || !ip_same_addr(&c->addr, a))
            continue;
        for (unsigned i = 0; i < RULES_MAX; i++) {
            const struct rule *r = &s->rules[i];
            if (r->family == a->sa.sa_family && r->table == c->table &&
                (r->port == port || rule_find(s, r->family, r->port, table)))
                return true;
        }
    }
    return false;
}

static int client_hold(struct udp_source *s, const union sockaddr_ip *a, unsigned table, struct reason *why)
{
    struct client **at = client_find(s, a, table), *c = *at;
    if (!c) {
        const struct table *t = &s->tables[table];
        struct reason kernel = {.text = ""};
        c = calloc(1, sizeof(*c));
        if (!c)
            return reason_set(why, -ENOMEM, "out of memory");
        int r = fib_local(s->nl, true, a->sa.sa_family, bytes_of(a), bytes_of(&t->to), s->first_table + table,
                          &kernel);
        if (r < 0) {
            free(c);
            return reason_set(why, r, "the kernel refuses a route: %s",
                              *kernel.text ? kernel.text : strerror(-r));
        }
        c->addr = *a;
        c->table = table;
        s->tables[table].clients++;
        *at = c;
    }
    c->refs++;
    return 0;
}

static void client_release(struct udp_source *s, const union sockaddr_ip *a, unsigned table)
{
    struct client **at = client_find(s, a, table), *c = *at;
    if (!c || --c->refs > 0)
        return;
    int r = fib_local(s->nl, false, a->sa.sa_family, bytes_of(a), NULL, s->first_table + table, NULL);
    if (r < 0)
        log_debug("source addresses: route of a client: %s", strerror(-r));
    s->tables[table].clients--;
    *at = c->next;
    free(c);
}

/* ---- sockets ---- */

/* Would an answer to @client come from @to? Not if somebody else's rule comes before ours. */
static bool is_answered(struct udp_source *s, const union sockaddr_ip *client, const union sockaddr_ip *to)
{
    struct fib_way way;
    size_t size = to->sa.sa_family == AF_INET6 ? 16 : 4;
    int r = fib_lookup(s->nl, client->sa.sa_family, bytes_of(client), ip_port(to), &way);
    /* A kernel without such questions (Linux 4.19) has said where packets of no port in particular go. */
    return r == 0 && (!way.local || memcmp(way.from, bytes_of(to), size) == 0);
}

static int hold(struct udp_source *s, const union sockaddr_ip *client, const union sockaddr_ip *to,
                struct reason *why)
{
    unsigned table;
    int r = table_find(s, to, &table);
    if (r < 0)
        return reason_set(why, r, "clients of more than %d addresses at a time", TABLES_MAX);
    if (is_ambiguous(s, client, table, ip_port(to)))
        return -EEXIST;
    r = client_hold(s, client, table, why);
    if (r < 0)
        return r;
    r = rule_hold(s, to->sa.sa_family, ip_port(to), table, why);
    if (r < 0) {
        client_release(s, client, table);
        return r;
    }
    if (is_answered(s, client, to))
        return 0;
    rule_release(s, to->sa.sa_family, ip_port(to), table);
    client_release(s, client, table);
    return -EEXIST;
}

void udp_source_release(struct udp_source *s, const union sockaddr_ip *client, const union sockaddr_ip *to,
                        enum transparent_way way)
{
    unsigned table;
    if (way != TRANSPARENT_LOCAL || table_find(s, to, &table) < 0 || !*client_find(s, client, table))
        return;
    rule_release(s, to->sa.sa_family, ip_port(to), table);
    client_release(s, client, table);
}

static int bind_from(const struct udp_source *s, int fd, const union sockaddr_ip *client)
{
    union sockaddr_ip from = *client;
    int r = -EADDRINUSE;
    if (ip_port(client) >= NFT_UPPER_TWIN)
        r = transparent_bind(&s->can, fd, client);
    else if (s->can.low_ports)
        r = transparent_bind_low(&s->can, fd, client);
    if (r != -EADDRINUSE)
        return r;
    /* Sockets of one address and port exclude each other: a client that has two flows keeps its port in the first. */
    ip_set_port(&from, 0);
    return transparent_bind(&s->can, fd, &from);
}

static int connect_from(const struct udp_source *s, const union sockaddr_ip *client,
                        const union sockaddr_ip *to)
{
    fd_auto int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r = bind_from(s, fd, client);
    if (r < 0)
        return r;
    return connect(fd, &to->sa, ip_len(to)) < 0 ? -errno : steal_fd(&fd);
}

int udp_source_open(struct udp_source *s, const union sockaddr_ip *client, const union sockaddr_ip *to,
                    enum transparent_way way, struct reason *why)
{
    int r = way == TRANSPARENT_LOCAL ? hold(s, client, to, why) : 0;
    if (r < 0)
        return r;
    int fd = connect_from(s, client, to);
    if (fd < 0) {
        udp_source_release(s, client, to, way);
        return reason_set(why, fd, "%s", strerror(-fd));
    }
    return fd;
}

/* ---- lifetime ---- */

const struct transparent *udp_source_can(const struct udp_source *s)
{
    return &s->can;
}

int udp_source_new(const struct transparent *can, struct udp_source **ret)
{
    fd_auto int nl = nl_open(NETLINK_ROUTE);
    if (nl < 0)
        return nl;
    struct udp_source *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->nl = steal_fd(&nl);
    s->can = *can;
    s->first_table = can->clients;
    if (can->v4 || can->v6) /* there may be something of a predecessor, who was killed */
        fib_purge(s->nl, can->nl, CLAIM_PRIORITY, s->first_table, s->first_table + TABLES_MAX - 1);
    *ret = s;
    return 0;
}

void udp_source_free(struct udp_source *s)
{
    if (!s)
        return;
    fd_close(&s->nl);
    free(s);
}
