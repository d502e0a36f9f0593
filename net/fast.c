/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 *      client in the guest        rules (net/fast_set.c)        netd                       destination
 *      connect() ── SYN ────────▶ queue ──────────────────────▶ keeps a copy, dials ─────▶
 *                                                               DIALLING
 *                                                               ◀───────────────────────── accepts
 *                  SYN ◀──────────(dropped)──────────────────── sends the copy, marked
 *                  └─ copy ─────▶ to the listener               ACCEPTING
 *      ◀────── SYN-ACK ─────────────────────────── listener
 *      (connected) ── ACK ───────────────────────▶ accept() ──▶ pairs it with the upstream, to the relay
 *
 * The destination refuses, or the host knows no way: the SYN goes back with a mark that makes the rules refuse it, so connect()
 * fails as it does on the host. It does not answer: neither do we, and connect() times out as it does on the host.
 *
 * A SYN stays in the kernel's queue while the dial is young: then the answer comes at once. But a client on this very
 * kernel does not send a SYN again that is still in a queue (tcp_retransmit_skb(), skb_still_in_host_queue()), and by
 * what it sends again we see that it has not given up. So after HOLD_MS the SYN is dropped, and each next one is held in its turn.
 * A dial that fails meanwhile waits for the next one in FAILED.
 *
 * What is accepted tells its peer and the destination it meant (SO_ORIGINAL_DST). The peer's port may be another than in the SYN:
 * two connections of one port to two destinations become two from one port to the listener, which the kernel
 * tells apart by changing one. Then any upstream of that client to that destination is as good as another: nobody has
 * spoken on it yet.
 *
 * A firewall in the guest may keep the copy from the listener. Then nobody is accepted, and the client's next SYN takes the way of
 * the copy, as part of a known connection. So after UNACCEPTED_MS the kernel is told to forget that connection; if a SYN
 * comes then, its client is still waiting: libslirp gets it, and for AVOID_MS all others that would take the same way.
 *
 * Flows are bounded: at FLOWS_MAX the one that has been silent longest makes room, so under a flood of SYNs a new
 * connection has its chance. A connection that is up is none of them.
 */
#include "net/fast.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <netinet/tcp.h>

#include "core/conntrack.h"
#include "core/fd.h"
#include "core/nfqueue.h"
#include "net/fast_syn.h"
#include "net/ip.h"
#include "net/relay.h"
#include "net/upstream.h"

enum {
    FLOWS_MAX = 4096,
    BUCKETS = 1024,
    COPY = 256,     /* of a packet; no SYN without data is longer than SYN_MAX */
    WAITING = 8192, /* packets in the kernel's queue: those held, and those that are not read yet */
    PACKETS_A_TURN = 64,
    ACCEPTS_A_TURN = 64,
    TICK_MS = 100,
    HOLD_MS = 900, /* under the first retransmission's second (RFC 6298) */
    ACCEPTING_MS = 10000,
    FAILED_MS = 10000,
    SILENT_MS = 4000,
    REST_MS = 200,
    UNACCEPTED_MS = 2500,
    AVOID_MS = 60000,
};

#ifndef SO_ORIGINAL_DST
#define SO_ORIGINAL_DST \
    80 /* linux/netfilter_ipv4.h and ip6_tables.h, which do not go with libc's netinet/in.h */
#endif

enum flow_state {
    FLOW_DIALLING,  /* upstream is on its way */
    FLOW_ACCEPTING, /* upstream stands, the SYN is on its way to the listener */
    FLOW_FAILED,    /* there is no upstream; the next SYN is answered */
    FLOW_STATE_MAX
};
static const char *const state_names[] = {"dialling", "accepting", "failed"};
_Static_assert(array_size(state_names) == FLOW_STATE_MAX, "every state has a name");

struct flow {
    struct flow *chain;         /* in its bucket */
    struct flow *older, *newer; /* by the last SYN */
    struct fast *f;
    enum flow_state state;
    union sockaddr_ip src, dst;
    struct watch up;
    uint64_t born, seen, since; /* ns; last SYN; of the state */
    bool held;                  /* SYN @id is in the kernel's queue */
    uint32_t id;
    enum fast_mark how;   /* the copy goes to the listener */
    enum fast_mark error; /* in FAILED */
    bool unaccepted;      /* for so long in ACCEPTING that something must be in the way */
    size_t syn_len;
    unsigned char syn[SYN_MAX];
};

struct listener {
    struct watch w;
    struct fast *f;
};

struct fast {
    struct loop *l;
    struct fast_config c;
    const struct fast_set *set;
    struct relay_engine *relay;
    struct watch queue;
    struct listener listener[2];
    struct timer tick, rest;
    uint64_t avoid[2]; /* until then no copies are sent out as FAST_LOCAL, FAST_FORWARDED */
    struct flow *bucket[BUCKETS];
    struct flow *oldest, *newest;
    size_t n_flows, max_flows;
    uint64_t seed;
    unsigned char buf[4096];
};

static const uint64_t MS = 1000000;

/* ---- the table of flows ---- */

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return h;
}

static uint64_t mix_addr(uint64_t h, const union sockaddr_ip *a)
{
    uint16_t port = ip_port(a);
    h = mix(h, &port, sizeof(port));
    return a->sa.sa_family == AF_INET ? mix(h, &a->in.sin_addr, 4) : mix(h, &a->in6.sin6_addr, 16);
}

static struct flow **bucket_of(struct fast *f, const union sockaddr_ip *src, const union sockaddr_ip *dst)
{
    return &f->bucket[mix_addr(mix_addr(f->seed, src), dst) % BUCKETS];
}

static bool same(const union sockaddr_ip *a, const union sockaddr_ip *b)
{
    return ip_port(a) == ip_port(b) && ip_same_addr(a, b);
}

static struct flow *find(struct fast *f, const union sockaddr_ip *src, const union sockaddr_ip *dst)
{
    struct flow *o = *bucket_of(f, src, dst);
    while (o && !(same(&o->src, src) && same(&o->dst, dst)))
        o = o->chain;
    return o;
}

static void unlink_order(struct flow *o)
{
    struct fast *f = o->f;
    *(o->older ? &o->older->newer : &f->oldest) = o->newer;
    *(o->newer ? &o->newer->older : &f->newest) = o->older;
}

static void link_newest(struct flow *o)
{
    struct fast *f = o->f;
    o->older = f->newest;
    o->newer = NULL;
    *(f->newest ? &f->newest->newer : &f->oldest) = o;
    f->newest = o;
}

static void decide(struct fast *f, uint32_t id, enum nf_verdict v, uint32_t mark)
{
    int r = nfq_verdict(f->set->fd[FAST_QUEUE], f->set->number, id, v, mark);
    if (r < 0)
        log_debug("fast path: no verdict on packet %u: %s", id, strerror(-r));
}

static void release(struct flow *o, enum nf_verdict v, uint32_t mark)
{
    if (o->held)
        decide(o->f, o->id, v, mark);
    o->held = false;
}

/* The SYN, if it is still held, is dropped. */
static void forget(struct flow *o)
{
    struct fast *f = o->f;
    struct flow **at = bucket_of(f, &o->src, &o->dst);
    release(o, NF_VERDICT_DROP, 0);
    loop_del(f->l, &o->up);
    fd_close(&o->up.fd);
    while (*at != o)
        at = &(*at)->chain;
    *at = o->chain;
    unlink_order(o);
    f->n_flows--;
    free(o);
}

static void set_state(struct flow *o, enum flow_state s)
{
    if (log_debug_on()) {
        char from[64], to[64];
        log_debug("fast path: %s to %s: %s -> %s", ip_format(&o->src, from, sizeof(from)),
                  ip_format(&o->dst, to, sizeof(to)), state_names[o->state], state_names[s]);
    }
    o->state = s;
    o->since = now_ns();
}

static struct flow *flow_new(struct fast *f, const struct syn *s, enum fast_mark how)
{
    if (f->n_flows >= f->max_flows)
        forget(f->oldest);
    struct flow *o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    o->f = f;
    o->src = s->src;
    o->dst = s->dst;
    o->born = o->since = now_ns();
    o->up.fd = -1;
    o->how = how;
    struct flow **at = bucket_of(f, &o->src, &o->dst);
    o->chain = *at;
    *at = o;
    link_newest(o);
    if (f->n_flows++ == 0)
        loop_timer_set(f->l, &f->tick, TICK_MS * MS);
    return o;
}

/* ---- answers to the client ---- */

static void answer(struct flow *o)
{
    if (o->state == FLOW_FAILED && o->held) {
        release(o, NF_VERDICT_REPEAT, fast_mark_of(o->f->set->number, o->error));
        forget(o);
    }
}

static void fail(struct flow *o, int err)
{
    loop_del(o->f->l, &o->up);
    fd_close(&o->up.fd);
    switch (-err) {
    case ENETUNREACH:
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL: o->error = FAST_NO_NET; break;
    case EHOSTUNREACH:
    case EHOSTDOWN: o->error = FAST_NO_HOST; break;
    case EACCES:
    case EPERM: o->error = FAST_PROHIBITED; break;
    case ETIMEDOUT: /* the client is told by its own clock */
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: forget(o); return;
    default: o->error = FAST_REFUSED; break;
    }
    set_state(o, FLOW_FAILED);
    answer(o);
}

/* The copy of the SYN, once more into the guest's output, where the mark leads it to the listener. */
static int send_copy(const struct flow *o)
{
    union {
        struct cmsghdr align;
        unsigned char room[CMSG_SPACE(sizeof(uint32_t))];
    } control = {.room = {0}};
    union sockaddr_ip to = o->dst;
    struct iovec v = {(void *)(uintptr_t)o->syn, o->syn_len};
    ip_set_port(&to, 0); /* of an IPv6 raw socket that would be a protocol */
    struct msghdr m = {.msg_name = &to,
                       .msg_namelen = ip_len(&to),
                       .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    const uint32_t mark = fast_mark_of(o->f->set->number, o->how);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SO_MARK;
    c->cmsg_len = CMSG_LEN(sizeof(mark));
    memcpy(CMSG_DATA(c), &mark, sizeof(mark));
    int fd = o->f->set->fd[o->dst.sa.sa_family == AF_INET6 ? FAST_RAW6 : FAST_RAW4];
    return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void to_libslirp(struct flow *o)
{
    release(o, NF_VERDICT_ACCEPT, 0);
    forget(o);
}

static void stands(struct flow *o)
{
    loop_del(o->f->l, &o->up);
    set_state(o, FLOW_ACCEPTING);
    int r = send_copy(o);
    if (r < 0) { /* a firewall in there refuses it, for example */
        log_debug("fast path: cannot send the SYN to the listener: %s", strerror(-r));
        o->unaccepted = true;
        if (o->held)
            to_libslirp(o);
        return;
    }
    release(o, NF_VERDICT_DROP, 0);
}

/* ---- dialling ---- */

static void on_upstream(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    struct flow *o = container_of(w, struct flow, up);
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
        err = errno;
    if (err)
        fail(o, -err);
    else
        stands(o);
}

static int bind_outbound(const struct fast_config *c, int fd, int family)
{
    union sockaddr_ip a;
    memset(&a, 0, sizeof(a));
    a.sa.sa_family = (sa_family_t)family;
    if (family == AF_INET && c->outbound)
        a.in.sin_addr = *c->outbound;
    else if (family == AF_INET6 && c->outbound6)
        a.in6.sin6_addr = *c->outbound6;
    else
        return 0;
    return bind(fd, &a.sa, ip_len(&a)) < 0 ? -errno : 0;
}

/* 0: it stands already; -EINPROGRESS; or why not. */
static int dial(const struct fast *f, const union sockaddr_ip *to, int *ret_fd)
{
    const int on = 1;
    fd_auto int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    int r = bind_outbound(&f->c, fd, to->sa.sa_family);
    if (r < 0)
        return r;
    r = connect(fd, &to->sa, ip_len(to)) < 0 ? -errno : 0;
    if (r == 0 || r == -EINPROGRESS)
        *ret_fd = steal_fd(&fd);
    return r;
}

static void start(struct flow *o, const union sockaddr_ip *to)
{
    struct fast *f = o->f;
    o->up = (struct watch){.fd = -1, .events = EPOLLOUT, .fn = on_upstream, .what = "upstream"};
    int r = dial(f, to, &o->up.fd);
    if (r == 0) {
        stands(o);
        return;
    }
    if (r == -EINPROGRESS)
        r = loop_add(f->l, &o->up);
    if (r < 0)
        fail(o, r);
}

/* ---- the queue ---- */

static void take_syn(struct flow *o, const struct syn *s, const struct nfq_packet *p)
{
    release(o, NF_VERDICT_DROP,
            0); /* the one before: the client has forgotten it, or sent this one instead */
    o->held = true;
    o->id = p->id;
    o->seen = now_ns();
    o->syn_len = s->len;
    memcpy(o->syn, s->packet, s->len);
    unlink_order(o);
    link_newest(o);
}

static void again(struct flow *o)
{
    if (o->state == FLOW_FAILED) {
        answer(o);
    } else if (o->state == FLOW_ACCEPTING && o->unaccepted) {
        log_debug("fast path: connections do not arrive at the listener: for %d s they go by libslirp",
                  AVOID_MS / 1000);
        o->f->avoid[o->how - FAST_LOCAL] = now_ns() + AVOID_MS * MS;
        to_libslirp(o);
    } else if (o->state == FLOW_ACCEPTING) {
        stands(o);
    }
}

static enum fast_mark way_of(const struct nfq_packet *p)
{
    return p->hook == NF_HOOK_FORWARD ? FAST_FORWARDED : FAST_LOCAL;
}

static bool is_ours(const struct fast *f, const struct nfq_packet *p, struct syn *ret,
                    union sockaddr_ip *ret_to)
{
    return !p->cut && syn_parse(p->data, p->len, ret) &&
           (ret->dst.sa.sa_family == AF_INET || f->set->fd[FAST_RAW6] >= 0) &&
           upstream_dial(f->c.plan, f->c.disable_host_loopback, &ret->dst, ret_to);
}

static void on_packet(const struct nfq_packet *p, void *arg)
{
    struct fast *f = arg;
    struct syn s;
    union sockaddr_ip to;
    if (!is_ours(f, p, &s, &to)) {
        decide(f, p->id, NF_VERDICT_ACCEPT, 0);
        return;
    }
    struct flow *o = find(f, &s.src, &s.dst);
    if (o) {
        take_syn(o, &s, p);
        again(o);
        return;
    }
    if (f->avoid[way_of(p) - FAST_LOCAL] > now_ns()) {
        decide(f, p->id, NF_VERDICT_ACCEPT, 0);
        return;
    }
    /* No room for more connections: the client comes again, as to a server whose backlog is full. */
    bool full = 2 * (relay_count(f->relay) + 1) + f->n_flows > f->c.max;
    o = full ? NULL : flow_new(f, &s, way_of(p));
    if (!o) {
        decide(f, p->id, NF_VERDICT_DROP, 0);
        return;
    }
    take_syn(o, &s, p);
    start(o, &to);
}

static void on_queue(struct loop *l, struct watch *w, uint32_t events)
{
    struct fast *f = container_of(w, struct fast, queue);
    (void)l;
    (void)events;
    for (int i = 0; i < PACKETS_A_TURN; i++) {
        int r = nfq_receive(w->fd, f->buf, sizeof(f->buf), on_packet, f);
        if (r == -EAGAIN)
            return;
        if (r < 0)
            log_debug("fast path: queue: %s", strerror(-r));
    }
}

/* ---- connections that were led to a listener ---- */

static int original_destination(int fd, union sockaddr_ip *ret)
{
    socklen_t len = sizeof(*ret);
    memset(ret, 0, sizeof(*ret));
    /* SOL_IP and SOL_IPV6 are the protocols' numbers */
    if (getsockname(fd, &ret->sa, &len) < 0)
        return -errno;
    int level = ret->sa.sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    len = sizeof(*ret);
    return getsockopt(fd, level, SO_ORIGINAL_DST, ret, &len) < 0 ? -errno : 0;
}

static struct flow *flow_for(struct fast *f, const union sockaddr_ip *peer, const union sockaddr_ip *dst)
{
    struct flow *o = find(f, peer, dst);
    if (o && o->state == FLOW_ACCEPTING)
        return o;
    for (o = f->oldest; o; o = o->newer)
        if (o->state == FLOW_ACCEPTING && same(&o->dst, dst) && ip_same_addr(&o->src, peer))
            break;
    return o;
}

/* @fd is ours from here on. */
static void serve(struct fast *f, int fd, const union sockaddr_ip *peer)
{
    union sockaddr_ip dst;
    struct flow *o = original_destination(fd, &dst) == 0 ? flow_for(f, peer, &dst) : NULL;
    int r = o ? relay_add(f->relay, fd, o->up.fd) : -ENOENT;
    if (r < 0) {
        log_debug("fast path: a connection to the listener that nobody waits for: %s", strerror(-r));
        tcp_reset(&fd);
        return;
    }
    o->up.fd = -1;
    forget(o);
}

/* Return: is nobody left to be accepted? */
static bool accept_some(struct fast *f, struct watch *w)
{
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        union sockaddr_ip peer;
        socklen_t len = sizeof(peer);
        int fd = accept4(w->fd, &peer.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            serve(f, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            loop_del(f->l, w); /* level-triggered: it would come at once again */
            loop_timer_set(f->l, &f->rest, REST_MS * MS);
            return false;
        } else if (errno == EAGAIN) {
            return true;
        }
        /* Everything else is the error of one client that is gone already (accept(2)). */
    }
    return false;
}

static void on_listener(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    accept_some(container_of(w, struct listener, w)->f, w);
}

static void on_rest(struct loop *l, struct timer *t)
{
    struct fast *f = container_of(t, struct fast, rest);
    for (size_t i = 0; i < array_size(f->listener); i++)
        if (f->listener[i].w.fd >= 0 && !f->listener[i].w.armed)
            loop_add(l, &f->listener[i].w);
}

/* ---- time ---- */

/*
 * A client sends its SYN again after a second, and then after at most as long as it has been waiting already (RFC 6298):
 * one that does not has given up.
 */
static bool is_over(const struct flow *o, uint64_t now)
{
    switch (o->state) {
    case FLOW_DIALLING: return now - o->seen > SILENT_MS * MS + 2 * (o->seen - o->born);
    case FLOW_ACCEPTING: return now - o->since > ACCEPTING_MS * MS;
    default: return now - o->since > FAILED_MS * MS;
    }
}

static bool is_unaccepted(const struct flow *o, uint64_t now)
{
    return o->state == FLOW_ACCEPTING && !o->unaccepted && now - o->since > UNACCEPTED_MS * MS;
}

static void give_up_accepting(struct flow *o)
{
    o->unaccepted = true;
    conntrack_forget_tcp(o->f->set->fd[FAST_QUEUE], &o->src.sa, &o->dst.sa);
}

static void on_tick(struct loop *l, struct timer *t)
{
    struct fast *f = container_of(t, struct fast, tick);
    uint64_t now = now_ns();
    bool all_accepted = true; /* or this process is what they wait for */
    for (size_t i = 0; i < array_size(f->listener); i++)
        if (f->listener[i].w.fd >= 0 && !accept_some(f, &f->listener[i].w))
            all_accepted = false;
    for (struct flow *o = f->oldest, *next; o; o = next) {
        next = o->newer;
        if (is_over(o, now))
            forget(o);
        else if (all_accepted && is_unaccepted(o, now))
            give_up_accepting(o);
        else if (o->held && now - o->seen > HOLD_MS * MS)
            release(o, NF_VERDICT_DROP, 0);
    }
    if (f->n_flows)
        loop_timer_set(l, t, TICK_MS * MS);
}

/* ---- life ---- */

static int watch_listeners(struct fast *f)
{
    static const enum fast_fd which[] = {FAST_LISTEN4, FAST_LISTEN6};
    for (size_t i = 0; i < array_size(which); i++) {
        struct listener *ls = &f->listener[i];
        ls->f = f;
        ls->w = (struct watch){.fd = f->set->fd[which[i]],
                               .events = EPOLLIN,
                               .fn = on_listener,
                               .what = "redirected connections"};
        int r = ls->w.fd >= 0 ? loop_add(f->l, &ls->w) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int set_up(struct fast *f, struct reason *why)
{
    struct reason kernel = {""};
    int nl = f->set->fd[FAST_QUEUE];
    int r = relay_engine_new(f->l, &f->relay);
    if (r == 0 && getrandom(&f->seed, sizeof(f->seed), 0) != sizeof(f->seed))
        r = -EIO;
    if (r < 0)
        return reason_set(why, r, "cannot start: %s", strerror(-r));
    r = nfq_bind(nl, f->set->number, COPY, WAITING, &kernel);
    if (r < 0)
        return reason_set(why, r, "cannot have packet queue %u: %s%s", f->set->number, strerror(-r),
                          r == -EPERM ? " (CAP_NET_ADMIN over the network namespace is needed)" : "");
    f->queue = (struct watch){.fd = nl, .events = EPOLLIN, .fn = on_queue, .what = "packet queue"};
    r = loop_add(f->l, &f->queue);
    if (r == 0)
        r = watch_listeners(f);
    return r < 0 ? reason_set(why, r, "cannot watch its sockets: %s", strerror(-r)) : 0;
}

int fast_new(struct loop *l, const struct fast_config *c, const struct fast_set *set, struct fast **ret,
             struct reason *why)
{
    struct fast *f = calloc(1, sizeof(*f));
    if (!f)
        return reason_set(why, -ENOMEM, "cannot start: %s", strerror(ENOMEM));
    f->l = l;
    f->c = *c;
    f->set = set;
    f->max_flows = c->max / 4 < FLOWS_MAX ? c->max / 4 : FLOWS_MAX;
    if (f->max_flows == 0)
        f->max_flows = 1;
    f->queue.fd = f->listener[0].w.fd = f->listener[1].w.fd = -1;
    f->tick = (struct timer){.fn = on_tick, .what = "flows"};
    f->rest = (struct timer){.fn = on_rest, .what = "accept again"};
    int r = set_up(f, why);
    if (r < 0) {
        fast_free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void fast_free(struct fast *f)
{
    if (!f)
        return;
    while (f->oldest)
        forget(f->oldest);
    relay_engine_free(f->relay);
    loop_timer_del(f->l, &f->tick);
    loop_timer_del(f->l, &f->rest);
    loop_del(f->l, &f->queue);
    for (size_t i = 0; i < array_size(f->listener); i++)
        loop_del(f->l, &f->listener[i].w);
    free(f);
}
