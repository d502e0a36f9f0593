/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 *     client ─▶ port's socket (host) ─▶ flow of (port, client, address it wrote to) ─▶ connected socket (child) ─▶ server
 *     client ◀─ port's socket, from the address the client wrote to  ◀─ flow ◀─ connected socket ◀─ server
 *
 * A flow is made by a client's first datagram and found again in a hash table. All flows are also in one list, ordered by
 * their last datagram: its head is the next to expire after IDLE_NS, and the one to go when there are too many.
 * UDP may lose datagrams, so nothing is ever queued here: what a socket does not take at once is dropped.
 *
 * A server that is not there shows as ECONNREFUSED on the flow's socket. If nobody has answered yet and no child address
 * was asked for, the flow moves on to the next loopback address. A client that can be seen over IPv6 only begins there.
 *
 * The connected socket has the client's own address where that can be (net/udp_source.c), else a local one.
 */
#include "net/portd_udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "core/fd.h"
#include "core/log.h"
#include "net/ip.h"

enum { BUCKETS = 1024, BATCH = 64, DATAGRAM_MAX = 65535, TARGETS_MAX = 3 };
static const uint64_t IDLE_NS = 90 * 1000000000ull;

struct flow_key {
    union sockaddr_ip client; /* as the kernel gave it: v4-mapped on a dual-stack socket */
    struct in6_addr local;    /* what the client wrote to; IPv4 in the last four bytes */
    uint32_t ifindex;         /* for link-local IPv6 addresses, else 0 */
};

struct flow {
    struct watch w; /* the connected socket; owned */
    struct udp_port *port;
    struct flow *hash_next, **hash_at;
    struct flow *older, *newer;
    uint64_t used; /* ns */
    struct flow_key key;
    union sockaddr_ip client; /* key.client, IPv4 as such */
    unsigned target, tried;   /* targets are tried in turn, from any of them on */
    enum transparent_way way; /* how the socket has the client's address */
    bool answered;
};

struct udp_port {
    struct watch w; /* the port's socket; owned */
    struct udp_ports *u;
    struct udp_port *next;
    uint32_t id;
    int family;
    union sockaddr_ip target[TARGETS_MAX];
    bool local[TARGETS_MAX]; /* an address of this netns */
    unsigned n_targets;
};

struct udp_ports {
    struct loop *l;
    struct udp_port *ports;
    struct flow *buckets[BUCKETS];
    struct flow *oldest, *newest;
    size_t n, max;
    uint32_t seed; /* so that clients cannot choose their bucket */
    struct timer expiry;
    struct udp_source *source; /* NULL: nobody's address is kept */
    bool warned;
    void (*warn)(const char *text, void *arg);
    void *warn_arg;
    unsigned char buf[DATAGRAM_MAX];
};

size_t udp_ports_flows(const struct udp_ports *u)
{
    return u->n;
}

/* ---- flows ---- */

static uint32_t mix(uint32_t h, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 16777619u; /* FNV-1a */
    return h;
}

static struct flow **bucket(struct udp_ports *u, const struct udp_port *port, const struct flow_key *k)
{
    uint32_t h = mix(u->seed, &port->id, sizeof(port->id));
    h = mix(h, &k->client.in.sin_port, sizeof(k->client.in.sin_port));
    if (k->client.sa.sa_family == AF_INET)
        h = mix(h, &k->client.in.sin_addr, sizeof(k->client.in.sin_addr));
    else
        h = mix(h, &k->client.in6.sin6_addr, sizeof(k->client.in6.sin6_addr));
    return &u->buckets[(h ^ h >> 16) % BUCKETS];
}

static bool same_key(const struct flow_key *a, const struct flow_key *b)
{
    return ip_same_addr(&a->client, &b->client) && ip_port(&a->client) == ip_port(&b->client) &&
           IN6_ARE_ADDR_EQUAL(&a->local, &b->local) && a->ifindex == b->ifindex;
}

static void list_remove(struct udp_ports *u, struct flow *f)
{
    *(f->older ? &f->older->newer : &u->oldest) = f->newer;
    *(f->newer ? &f->newer->older : &u->newest) = f->older;
    f->older = f->newer = NULL;
}

static void list_append(struct udp_ports *u, struct flow *f)
{
    f->older = u->newest;
    *(f->older ? &f->older->newer : &u->oldest) = f;
    u->newest = f;
    f->used = now_ns();
}

static void touch(struct flow *f)
{
    list_remove(f->port->u, f);
    list_append(f->port->u, f);
}

static void disconnect(struct flow *f)
{
    struct udp_ports *u = f->port->u;
    loop_del(u->l, &f->w);
    fd_close(&f->w.fd);
    if (f->way != TRANSPARENT_NO)
        udp_source_release(u->source, &f->client, &f->port->target[f->target], f->way);
    f->way = TRANSPARENT_NO;
}

static void flow_free(struct flow *f)
{
    struct udp_ports *u = f->port->u;
    disconnect(f);
    *f->hash_at = f->hash_next;
    if (f->hash_next)
        f->hash_next->hash_at = f->hash_at;
    list_remove(u, f);
    u->n--;
    free(f);
}

static void on_expiry(struct loop *l, struct timer *t)
{
    struct udp_ports *u = container_of(t, struct udp_ports, expiry);
    uint64_t now = now_ns();
    while (u->oldest && now - u->oldest->used >= IDLE_NS)
        flow_free(u->oldest);
    if (u->oldest)
        loop_timer_set(l, &u->expiry, u->oldest->used + IDLE_NS - now);
}

/* The address to answer from, as a control message (ip(7), ipv6(7)). */
static void set_local(struct msghdr *m, const struct flow *f, void *control)
{
    struct cmsghdr *c = control;
    if (IN6_IS_ADDR_UNSPECIFIED(&f->key.local))
        return;
    m->msg_control = control;
    if (f->port->family == AF_INET) {
        struct in_pktinfo info = {.ipi_ifindex = 0};
        memcpy(&info.ipi_spec_dst, &f->key.local.s6_addr[12], 4);
        m->msg_controllen = CMSG_SPACE(sizeof(info));
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    } else {
        struct in6_pktinfo info = {.ipi6_addr = f->key.local, .ipi6_ifindex = f->key.ifindex};
        m->msg_controllen = CMSG_SPACE(sizeof(info));
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    }
}

static void answer(struct flow *f, const void *data, size_t len)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control;
    memset(&control, 0, sizeof(control));
    struct iovec iov = {(void *)(uintptr_t)data, len};
    struct msghdr m = {
        .msg_name = &f->key.client, .msg_namelen = ip_len(&f->key.client), .msg_iov = &iov, .msg_iovlen = 1};
    set_local(&m, f, &control);
    if (sendmsg(f->port->w.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_debug("ports: answer of %zu bytes dropped: %s", len, strerror(errno));
}

static void warn_once(struct udp_ports *u, const char *why)
{
    log_debug("ports: udp: no flow from the client's address: %s", why);
    if (u->warned)
        return;
    u->warned = true;
    struct reason text;
    reason_set(&text, 0,
               "UDP clients' source addresses are not kept, datagrams come from a local address: %s", why);
    u->warn(text.text, u->warn_arg);
}

static enum transparent_way way_to(const struct udp_port *p, const union sockaddr_ip *client, unsigned target,
                                   const struct reason **ret_why)
{
    const struct udp_ports *u = p->u;
    if (!u->source)
        return TRANSPARENT_NO;
    return transparent_way(udp_source_can(u->source), client, &p->target[target], p->local[target], ret_why);
}

static int open_kept(struct udp_port *p, const union sockaddr_ip *client, unsigned target,
                     enum transparent_way *ret_way)
{
    const struct reason *cause = NULL;
    struct reason why = {.text = ""};
    enum transparent_way way = way_to(p, client, target, &cause);
    int fd = -EOPNOTSUPP;
    if (way != TRANSPARENT_NO) {
        fd = udp_source_open(p->u->source, client, &p->target[target], way, &why);
        if (fd < 0 && fd != -EMFILE && fd != -ENFILE && fd != -EEXIST)
            cause = &why;
    }
    if (cause)
        warn_once(p->u, cause->text);
    if (fd >= 0)
        *ret_way = way;
    return fd;
}

/* Socket connected to one of the targets, or -errno. */
static int open_target(struct udp_port *p, const union sockaddr_ip *client, unsigned target,
                       enum transparent_way *ret_way)
{
    const union sockaddr_ip *to = &p->target[target];
    *ret_way = TRANSPARENT_NO;
    int kept = open_kept(p, client, target, ret_way);
    if (kept >= 0 || kept == -EMFILE || kept == -ENFILE)
        return kept;
    fd_auto int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, &to->sa, ip_len(to)) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* Nobody listens there. false: the flow is gone. */
static bool next_target(struct flow *f)
{
    struct udp_port *p = f->port;
    if (f->answered || f->tried >= p->n_targets)
        return true;
    disconnect(f);
    f->target = (f->target + 1) % p->n_targets;
    f->tried++;
    f->w.fd = open_target(p, &f->client, f->target, &f->way);
    if (f->w.fd >= 0 && loop_add(p->u->l, &f->w) == 0)
        return true;
    flow_free(f);
    return false;
}

static void on_flow(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    struct flow *f = container_of(w, struct flow, w);
    struct udp_ports *u = f->port->u;
    bool any = false;
    for (int i = 0; i < BATCH; i++) {
        ssize_t n = recv(w->fd, u->buf, sizeof(u->buf), MSG_DONTWAIT);
        if (n >= 0) {
            f->answered = any = true;
            answer(f, u->buf, (size_t)n);
            continue;
        }
        if (errno == EAGAIN)
            break;
        if (errno == ECONNREFUSED) {
            next_target(f);
            return;
        }
        log_debug("ports: udp: %s", strerror(errno));
    }
    if (any)
        touch(f);
}

/* No address was asked for, and this client's is kept over IPv6 only: a server that is there as well is the better one. */
static unsigned first_target(const struct udp_port *p, const union sockaddr_ip *client)
{
    const struct reason *why = NULL;
    for (unsigned i = 0; i < p->n_targets; i++)
        if (way_to(p, client, i, &why) != TRANSPARENT_NO)
            return i;
    return 0;
}

/* Fills in what concerns the socket. 0 or -errno. */
static int flow_connect(struct udp_port *p, struct flow *f)
{
    int fd = -EINVAL;
    f->target = first_target(p, &f->client);
    for (f->tried = 1; f->tried <= p->n_targets; f->tried++) {
        fd = open_target(p, &f->client, f->target, &f->way);
        if (fd >= 0)
            break;
        f->target = (f->target + 1) % p->n_targets;
    }
    f->w = (struct watch){.fd = fd, .events = EPOLLIN, .fn = on_flow, .what = "udp flow"};
    return fd < 0 ? fd : 0;
}

static void flow_insert(struct udp_ports *u, struct flow *f)
{
    f->hash_at = bucket(u, f->port, &f->key);
    f->hash_next = *f->hash_at;
    if (f->hash_next)
        f->hash_next->hash_at = &f->hash_next;
    *f->hash_at = f;
    list_append(u, f);
    u->n++;
    if (!u->expiry.armed)
        loop_timer_set(u->l, &u->expiry, IDLE_NS);
}

static struct flow *flow_new(struct udp_port *p, const struct flow_key *k)
{
    struct udp_ports *u = p->u;
    if (u->n >= u->max)
        flow_free(u->oldest);
    struct flow *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->port = p;
    f->key = *k;
    f->client = k->client;
    ip_unmap(&f->client);
    int r = flow_connect(p, f);
    if ((r == -EMFILE || r == -ENFILE) && u->oldest) {
        flow_free(u->oldest);
        r = flow_connect(p, f);
    }
    if (r == 0) {
        r = loop_add(u->l, &f->w);
        if (r < 0)
            disconnect(f);
    }
    if (r < 0) {
        log_debug("ports: no flow for a new client: %s", strerror(-r));
        free(f);
        return NULL;
    }
    flow_insert(u, f);
    return f;
}

static struct flow *flow_find(struct udp_port *p, const struct flow_key *k)
{
    for (struct flow *f = *bucket(p->u, p, k); f; f = f->hash_next)
        if (f->port == p && same_key(&f->key, k))
            return f;
    return NULL;
}

/* ---- ports ---- */

static void read_local(struct msghdr *m, struct flow_key *k)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memcpy(&k->local.s6_addr[12], &info.ipi_spec_dst, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) /* one cannot answer from there */
                continue;
            k->local = info.ipi6_addr;
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                k->ifindex = info.ipi6_ifindex;
        }
    }
}

/*
 * Send a client's datagram on. Within this machine a refusal is known when send(2) returns, so the datagram itself can
 * still be sent to the next target; an earlier one's refusal may be reported by the send as well.
 */
static void deliver(struct flow *f, const void *data, size_t len)
{
    for (unsigned i = 0; i <= f->port->n_targets; i++) {
        int err = 0;
        socklen_t size = sizeof(err);
        if (send(f->w.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            err = errno;
        else if (!f->answered && f->tried < f->port->n_targets)
            getsockopt(f->w.fd, SOL_SOCKET, SO_ERROR, &err, &size);
        if (err != ECONNREFUSED || !next_target(f))
            return;
    }
}

/* 1: one datagram was dealt with; 0: there is none. */
static int take_datagram(struct udp_port *p)
{
    struct udp_ports *u = p->u;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control;
    struct flow_key k;
    memset(&k, 0, sizeof(k));
    struct iovec iov = {u->buf, sizeof(u->buf)};
    struct msghdr m = {.msg_name = &k.client,
                       .msg_namelen = sizeof(k.client),
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(p->w.fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno != EAGAIN;  /* an ICMP error of an earlier answer: take the next */
    if (ip_port(&k.client) == 0) /* nobody could answer that */
        return 1;
    read_local(&m, &k);
    struct flow *f = flow_find(p, &k);
    if (f)
        touch(f);
    else
        f = flow_new(p, &k);
    if (f)
        deliver(f, u->buf, (size_t)n);
    return 1;
}

static void on_port(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    struct udp_port *p = container_of(w, struct udp_port, w);
    for (int i = 0; i < BATCH && take_datagram(p); i++)
        ;
}

static void set_targets(struct udp_port *p, const struct portd_add *add)
{
    static const char *const loopback[] = {"127.0.0.1", "::1"};
    for (unsigned i = 0; add->fallback && i < array_size(loopback); i++) {
        union sockaddr_ip a;
        ip_parse(loopback[i], add->child_port, &a);
        if (!ip_same_addr(&a, &p->target[0]))
            p->target[p->n_targets++] = a;
    }
    for (unsigned i = 0; i < p->n_targets; i++)
        p->local[i] = transparent_target(&p->target[i]);
}

int udp_ports_add(struct udp_ports *u, const struct portd_add *add, int fd)
{
    union sockaddr_ip first, own;
    socklen_t len = sizeof(own);
    if (ip_parse(add->child_ip, add->child_port, &first) < 0 || getsockname(fd, &own.sa, &len) < 0)
        return -EINVAL;
    struct udp_port *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->u = u;
    p->id = add->id;
    p->family = own.sa.sa_family;
    p->target[0] = first;
    p->n_targets = 1;
    set_targets(p, add);
    p->w = (struct watch){.fd = fd, .events = EPOLLIN, .fn = on_port, .what = "udp port"};
    int r = loop_add(u->l, &p->w);
    if (r < 0) {
        free(p);
        return r;
    }
    p->next = u->ports;
    u->ports = p;
    return 0;
}

static void port_free(struct udp_port *p)
{
    struct udp_ports *u = p->u;
    for (struct flow *f = u->oldest, *newer; f; f = newer) {
        newer = f->newer;
        if (f->port == p)
            flow_free(f);
    }
    loop_del(u->l, &p->w);
    fd_close(&p->w.fd);
    free(p);
}

int udp_ports_del(struct udp_ports *u, uint32_t id)
{
    for (struct udp_port **at = &u->ports; *at; at = &(*at)->next)
        if ((*at)->id == id) {
            struct udp_port *p = *at;
            *at = p->next;
            port_free(p);
            return 0;
        }
    return -ENOENT;
}

int udp_ports_new(struct loop *l, size_t max, struct udp_ports **ret)
{
    struct udp_ports *u = calloc(1, sizeof(*u));
    if (!u)
        return -ENOMEM;
    u->l = l;
    u->max = max ? max : 1;
    u->expiry = (struct timer){.fn = on_expiry, .what = "udp expiry"};
    if (getrandom(&u->seed, sizeof(u->seed), GRND_NONBLOCK) != sizeof(u->seed))
        u->seed = 2166136261u ^ (uint32_t)now_ns();
    *ret = u;
    return 0;
}

void udp_ports_keep_source(struct udp_ports *u, struct udp_source *source,
                           void (*warn)(const char *text, void *arg), void *arg)
{
    u->source = source;
    u->warn = warn;
    u->warn_arg = arg;
}

void udp_ports_free(struct udp_ports *u)
{
    if (!u)
        return;
    while (u->ports) {
        struct udp_port *p = u->ports;
        u->ports = p->next;
        port_free(p);
    }
    loop_timer_del(u->l, &u->expiry);
    free(u);
}
