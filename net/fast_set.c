/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules
 *
 *      hook         priority  rule
 *      output,      250       leaves by the link, TCP, a SYN, without a mark, its destination not rewritten: ─▶ queue
 *      forward                marked as refused or unreachable (netd's verdict on what was queued): reject
 *      output nat   -150      a SYN that netd sends out anew (marked): unmark, rewrite its destination to the listener
 *      postrouting  0         such a connection: keep its source address
 *      nat
 *
 * So late (250) a SYN has passed all filters of whoever runs a firewall in there, Docker's isolation of networks included,
 * and the kernel has decided by which interface it leaves. To lead it elsewhere is what cannot be done any more at that
 * point: addresses are translated before. That is why netd sends it out once more. The second one is from the kernel's
 * view a connection of this host, whoever is its source; so the nested firewall's rules for what is forwarded do not see it
 * again, and those for what leaves see it going to the loopback. What does not get through there goes by libslirp.
 *
 * Our own nat chain comes before other people's (-100), which cannot change the destination then; and the one in
 * postrouting comes before their masquerading (100). Destinations rewritten by them (a published port, a service of Kubernetes)
 * are left to libslirp: the client's packets carry an address that netd never sees.
 *
 * The listener cannot be reached at 127.0.0.1 by packets that come in by a bridge: for those it is the guest's address.
 */
#include "net/fast_set.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/tcp.h>

#include "core/fd.h"
#include "core/nfqueue.h"
#include "core/nft.h"
#include "net/ip.h"
#include "net/link.h"

const char *const tcp_path_names[] = {[TCP_AUTO] = "auto", [TCP_FAST] = "fast", [TCP_SLIRP] = "slirp", NULL};

enum {
    PORT_FIRST = 4, /* with its even neighbours nobody's (IANA); no program is surprised that it is taken */
    PORTS = FAST_QUEUES,
    BACKLOG = 4096,
    LOOPBACK_IFINDEX = 1, /* include/linux/netdevice.h: in every namespace */
    TCP_FLAGS = 13,       /* their place in the header */
    TCP_DPORT = 2,
    CT_DST_NAT = 1 << 5, /* IPS_DST_NAT, linux/netfilter/nf_conntrack_common.h */
    SYN = 0x02,
    FIN_SYN_RST_ACK = 0x17,
    PRIORITY_LAST = 250,
    PRIORITY_NAT = -150,
    PRIORITY_SOURCE = 0,
};

struct rules {
    struct nl_buf *b;
    const struct nft_table *t;
    const struct addrplan *plan;
    unsigned ifindex;
    uint16_t number, port;
    bool compat;
};

void fast_set_done(struct fast_set *s, bool later)
{
    for (int i = FAST_FDS; i-- > 0;) {
        if (later)
            fd_close_later(&s->fd[i]);
        else
            fd_close(&s->fd[i]);
    }
}

/* ---- rules */

static void is_meta(struct nl_buf *b, uint32_t key, uint32_t value)
{
    nft_load_meta(b, key);
    nft_test_u32(b, NFT_CMP_EQ, value);
}

static void is_tcp(struct nl_buf *b)
{
    const uint8_t tcp = IPPROTO_TCP;
    nft_load_meta(b, NFT_META_L4PROTO);
    nft_test(b, NFT_CMP_EQ, &tcp, sizeof(tcp));
}

static void is_family(const struct rules *r, enum nf_family family)
{
    const uint8_t f = (uint8_t)family;
    if (r->t->family != NF_FAMILY_INET)
        return;
    nft_load_meta(r->b, NFT_META_NFPROTO);
    nft_test(r->b, NFT_CMP_EQ, &f, sizeof(f));
}

static void destination_is_rewritten(struct nl_buf *b, bool yes)
{
    const uint32_t bit = CT_DST_NAT;
    nft_load_ct(b, NFT_CT_STATUS);
    nft_load_bits(b, &bit, sizeof(bit));
    nft_test_u32(b, NFT_CMP_EQ, yes ? bit : 0);
}

static void queue_rule(const struct rules *r, const char *chain)
{
    const uint8_t mask = FIN_SYN_RST_ACK, syn = SYN;
    struct nft_rule rule = nft_rule(r->b, r->t, chain);
    is_tcp(r->b);
    nft_load_payload(r->b, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS, sizeof(mask));
    nft_load_bits(r->b, &mask, sizeof(mask));
    nft_test(r->b, NFT_CMP_EQ, &syn, sizeof(syn));
    is_meta(r->b, NFT_META_MARK, 0);
    destination_is_rewritten(r->b, false);
    nft_queue(r->b, r->number, r->compat);
    nft_rule_end(r->b, rule);
}

static void reject_rule(const struct rules *r, const char *chain, enum fast_mark mark)
{
    static const uint8_t codes[] = {
        [FAST_NO_NET - FAST_LOCAL] = NFT_REJECT_ICMPX_NO_ROUTE,
        [FAST_NO_HOST - FAST_LOCAL] = NFT_REJECT_ICMPX_HOST_UNREACH,
        [FAST_PROHIBITED - FAST_LOCAL] = NFT_REJECT_ICMPX_ADMIN_PROHIBITED,
    };
    struct nft_rule rule = nft_rule(r->b, r->t, chain);
    is_meta(r->b, NFT_META_MARK, fast_mark_of(r->number, mark));
    if (mark == FAST_REFUSED) {
        is_tcp(r->b);
        nft_reject_tcp(r->b);
    } else {
        nft_reject_icmp(r->b, r->t, codes[mark - FAST_LOCAL]);
    }
    nft_rule_end(r->b, rule);
}

static void last_chain(const struct rules *r, const char *chain, enum nf_hook hook)
{
    nft_chain(r->b, r->t, chain, "filter", hook, PRIORITY_LAST);
    /* Most packets are none of ours: the relayed bytes themselves, on lo. */
    struct nft_rule rule = nft_rule(r->b, r->t, chain);
    nft_load_meta(r->b, NFT_META_OIF);
    nft_test_u32(r->b, NFT_CMP_NEQ, r->ifindex);
    nft_accept(r->b);
    nft_rule_end(r->b, rule);
    queue_rule(r, chain);
    for (enum fast_mark m = FAST_REFUSED; m <= FAST_PROHIBITED; m++)
        reject_rule(r, chain, m);
}

static void forwarded_rule(const struct rules *r, const char *chain, enum nf_family family, const void *guest)
{
    struct nft_rule rule = nft_rule(r->b, r->t, chain);
    is_meta(r->b, NFT_META_MARK, fast_mark_of(r->number, FAST_FORWARDED));
    is_family(r, family);
    nft_set_mark(r->b, 0);
    nft_dnat(r->b, family, guest, r->port);
    nft_rule_end(r->b, rule);
}

static void nat_chain(const struct rules *r)
{
    static const char chain[] = "output-nat";
    nft_chain(r->b, r->t, chain, "nat", NF_HOOK_OUTPUT, PRIORITY_NAT);
    struct nft_rule rule = nft_rule(r->b, r->t, chain);
    is_meta(r->b, NFT_META_MARK, fast_mark_of(r->number, FAST_LOCAL));
    nft_set_mark(r->b, 0);
    nft_redirect(r->b, r->port);
    nft_rule_end(r->b, rule);
    forwarded_rule(r, chain, NF_FAMILY_IPV4, &r->plan->guest);
    if (r->plan->ipv6)
        forwarded_rule(r, chain, NF_FAMILY_IPV6, &r->plan->guest6);
}

static void source_rule(const struct rules *r, const char *chain, enum nf_family family)
{
    const uint16_t port = htons(r->port);
    struct nft_rule rule = nft_rule(r->b, r->t, chain);
    is_meta(r->b, NFT_META_OIF, LOOPBACK_IFINDEX);
    is_tcp(r->b);
    nft_load_payload(r->b, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_DPORT, sizeof(port));
    nft_test(r->b, NFT_CMP_EQ, &port, sizeof(port));
    destination_is_rewritten(r->b, true);
    is_family(r, family);
    nft_keep_source(r->b, family);
    nft_rule_end(r->b, rule);
}

static void source_chain(const struct rules *r)
{
    static const char chain[] = "source";
    nft_chain(r->b, r->t, chain, "nat", NF_HOOK_POSTROUTING, PRIORITY_SOURCE);
    source_rule(r, chain, NF_FAMILY_IPV4);
    if (r->plan->ipv6)
        source_rule(r, chain, NF_FAMILY_IPV6);
}

static int commit(int nl, struct rules *r, bool owned, struct reason *why)
{
    struct nl_buf b;
    r->b = &b;
    nft_begin(&b);
    nft_table(&b, r->t, owned);
    last_chain(r, "output", NF_HOOK_OUTPUT);
    last_chain(r, "forward", NF_HOOK_FORWARD);
    nat_chain(r);
    source_chain(r);
    r->b = NULL;
    return nft_commit(nl, &b, why);
}

static int make_rules(int nl, const struct addrplan *plan, const char *ifname, unsigned ifindex,
                      const struct fast_set *s, struct reason *why)
{
    char name[32];
    struct reason kernel = {""};
    snprintf(name, sizeof(name), "rootlet-%s", ifname);
    const struct nft_table t = {.family = plan->ipv6 ? NF_FAMILY_INET : NF_FAMILY_IPV4, .name = name};
    struct rules r = {
        .t = &t,
        .plan = plan,
        .ifindex = ifindex,
        .number = s->number,
        .port = s->port,
        /* Ask first: a refused transaction takes the kernel some 20 ms (it waits for all readers of the old rules). */
        .compat = nft_has_target(nl, "NFQUEUE", 3),
    };
    int err = commit(nl, &r, true, &kernel);
    if (err == -EINVAL || err == -EOPNOTSUPP) /* before Linux 5.12 a table has no owner */
        err = commit(nl, &r, false, &kernel);
    if (err < 0)
        return reason_set(why, err, "the kernel refuses the firewall rules: %s%s%s", strerror(-err),
                          kernel.text[0] ? ": " : "", kernel.text);
    log_debug("fast path: rules in table '%s', queue %u (%s), port %u", name, s->number,
              r.compat ? "xt_NFQUEUE" : "nft_queue", s->port);
    return 0;
}

/* ---- sockets */

static int open_queue(struct fast_set *s, struct reason *why)
{
    struct reason kernel = {""};
    int fd = s->fd[FAST_QUEUE] = nfq_open();
    if (fd < 0)
        return reason_set(why, fd,
                          "cannot open a netfilter socket: %s (is CONFIG_NETFILTER_NETLINK missing?)",
                          strerror(-fd));
    int r = -EBUSY;
    for (unsigned i = 0; i < FAST_QUEUES && (r == -EBUSY || r == -EPERM); i++) {
        s->number = (uint16_t)(FAST_QUEUE_FIRST + i);
        r = nfq_bind(fd, s->number, 1, 1, &kernel);
    }
    if (r < 0)
        return reason_set(why, r, "cannot have a packet queue: %s%s", strerror(-r),
                          r == -EINVAL ? " (is CONFIG_NETFILTER_NETLINK_QUEUE missing?)" : "");
    return 0;
}

/* A listener that paces, as bbr does, would slow down what runs through memory: see link_configure(). */
static void set_congestion(int fd)
{
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0)
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

static int listen_at(const char *address, uint16_t port)
{
    union sockaddr_ip a;
    const int on = 1;
    int r = ip_parse(address, port, &a);
    if (r < 0)
        return r;
    fd_auto int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (a.sa.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        return -errno;
    /* What is accepted inherits these. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    set_congestion(fd);
    if (bind(fd, &a.sa, ip_len(&a)) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return steal_fd(&fd);
}

static int open_listeners(struct fast_set *s, bool ipv6, struct reason *why)
{
    int r = -EADDRINUSE;
    for (unsigned i = 0; i < PORTS && r == -EADDRINUSE; i++) {
        s->port = (uint16_t)(PORT_FIRST + 2 * i);
        fd_auto int v4 = listen_at("0.0.0.0", s->port);
        fd_auto int v6 = v4 >= 0 && ipv6 ? listen_at("::", s->port) : -1;
        r = v4 < 0 ? v4 : ipv6 && v6 < 0 ? v6 : 0;
        if (r == 0) {
            s->fd[FAST_LISTEN4] = steal_fd(&v4);
            s->fd[FAST_LISTEN6] = steal_fd(&v6);
        }
    }
    return r < 0 ? reason_set(why, r, "cannot listen for redirected connections: %s", strerror(-r)) : 0;
}

/* IPPROTO_RAW: what is sent has its IP header already (raw(7)), and nothing is received. */
static int open_raw(struct fast_set *s, bool ipv6, struct reason *why)
{
    s->fd[FAST_RAW4] = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
    if (ipv6)
        s->fd[FAST_RAW6] = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
    if (s->fd[FAST_RAW4] < 0 || (ipv6 && s->fd[FAST_RAW6] < 0))
        return reason_set(why, -errno, "cannot open a raw socket: %s", strerror(errno));
    return 0;
}

int fast_set_create(const struct addrplan *plan, const char *ifname, unsigned ifindex, struct fast_set *ret,
                    struct reason *why)
{
    struct fast_set s = FAST_SET_NONE;
    /* The way of every connection. Who configures the namespace does this as well. */
    int r = link_lo_up();
    if (r < 0)
        return reason_set(why, r, "cannot bring lo up: %s", strerror(-r));
    link_congestion_control();
    r = open_queue(&s, why);
    if (r == 0)
        r = open_listeners(&s, plan->ipv6, why);
    if (r == 0)
        r = open_raw(&s, plan->ipv6, why);
    if (r == 0)
        r = make_rules(s.fd[FAST_QUEUE], plan, ifname, ifindex, &s, why);
    if (r < 0) {
        fast_set_done(&s, true);
        return r;
    }
    *ret = s;
    return 0;
}

/* ---- messages */

struct fast_message fast_set_pack(const struct fast_set *s)
{
    struct fast_message m = {.number = s->number, .port = s->port};
    while (m.n_fds < FAST_FDS && s->fd[m.n_fds] >= 0)
        m.n_fds++;
    return m;
}

int fast_set_unpack(const struct fast_message *m, int *fds, size_t n, struct fast_set *ret)
{
    struct fast_set s = FAST_SET_NONE;
    if (n != m->n_fds || (n != 0 && n != FAST_LISTEN6 && n != FAST_FDS))
        return -EPROTO;
    s.number = m->number;
    s.port = m->port;
    for (size_t i = 0; i < n; i++)
        s.fd[i] = steal_fd(&fds[i]);
    *ret = s;
    return 0;
}
