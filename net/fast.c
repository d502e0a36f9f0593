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
#include <sys/socket.h>

#include "core/conntrack.h"
#include "core/fd.h"
#include "core/nfqueue.h"
#include "net/fast_flow.h"
#include "net/fast_listen.h"
#include "net/fast_syn.h"
#include "net/relay.h"
#include "net/upstream.h"

enum {
    FLOWS_MAX = 4096,
    COPY = 256,     /* of a packet; no SYN without data is longer than SYN_MAX */
    WAITING = 8192, /* packets in the kernel's queue: those held, and those that are not read yet */
    PACKETS_A_TURN = 64,
    TICK_MS = 100,
    HOLD_MS = 900, /* under the first retransmission's second (RFC 6298) */
    ACCEPTING_MS = 10000,
    FAILED_MS = 10000,
    SILENT_MS = 4000,
    UNACCEPTED_MS = 2500,
    AVOID_MS = 60000,
};

struct fast {
    struct loop *l;
    struct fast_config c;
    const struct fast_set *set;
    struct relay_engine *relay;
    struct watch queue;
    struct fast_listen listen;
    struct timer tick;
    uint64_t avoid[2]; /* until then no copies are sent out as FAST_LOCAL, FAST_FORWARDED */
    struct flow_table flows;
    unsigned char buf[4096];
};

static const uint64_t MS = 1000000;

static void decide(const struct fast *f, uint32_t id, enum nf_verdict v, uint32_t mark)
{
    int r = nfq_verdict(f->set->fd[FAST_QUEUE], f->set->number, id, v, mark);
    if (r < 0)
        log_debug("fast path: no verdict on packet %u: %s", id, strerror(-r));
}

static struct fast *engine(const struct flow *o)
{
    return container_of(o->t, struct fast, flows);
}

/* ---- answers to the client ---- */

static void answer(struct flow *o)
{
    if (o->state == FLOW_FAILED && o->held) {
        flow_release(o, NF_VERDICT_REPEAT, fast_mark_of(engine(o)->set->number, o->error));
        flow_forget(o);
    }
}

static void fail(struct flow *o, int err)
{
    flow_close(o);
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
    case ENOMEM: flow_forget(o); return;
    default: o->error = FAST_REFUSED; break;
    }
    flow_set_state(o, FLOW_FAILED);
    answer(o);
}

static void to_libslirp(struct flow *o)
{
    flow_release(o, NF_VERDICT_ACCEPT, 0);
    flow_forget(o);
}

static void stands(struct flow *o)
{
    const struct fast_set *set = engine(o)->set;
    loop_del(o->t->l, &o->up);
    flow_set_state(o, FLOW_ACCEPTING);
    int r = syn_send(set->fd[o->dst.sa.sa_family == AF_INET6 ? FAST_RAW6 : FAST_RAW4], o->syn, o->syn_len,
                     &o->dst, fast_mark_of(set->number, o->how));
    if (r < 0) { /* a firewall in there refuses it, for example */
        log_debug("fast path: cannot send the SYN to the listener: %s", strerror(-r));
        o->unaccepted = true;
        if (o->held)
            to_libslirp(o);
        return;
    }
    flow_release(o, NF_VERDICT_DROP, 0);
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

static void start(struct flow *o, const union sockaddr_ip *to)
{
    const struct fast_config *c = &engine(o)->c;
    o->up = (struct watch){.fd = -1, .events = EPOLLOUT, .fn = on_upstream, .what = "upstream"};
    int r = upstream_connect(to, c->outbound, c->outbound6, &o->up.fd);
    if (r == 0) {
        stands(o);
        return;
    }
    if (r == -EINPROGRESS)
        r = loop_add(o->t->l, &o->up);
    if (r < 0)
        fail(o, r);
}

/* ---- the queue ---- */

static void again(struct flow *o)
{
    if (o->state == FLOW_FAILED) {
        answer(o);
    } else if (o->state == FLOW_ACCEPTING && o->unaccepted) {
        log_debug("fast path: connections do not arrive at the listener: for %d s they go by libslirp",
                  AVOID_MS / 1000);
        engine(o)->avoid[o->how - FAST_LOCAL] = now_ns() + AVOID_MS * MS;
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
           fast_listen_serves(&f->listen, ret->dst.sa.sa_family) &&
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
    struct flow *o = flow_find(&f->flows, &s.src, &s.dst);
    if (o) {
        flow_take_syn(o, &s, p->id);
        again(o);
        return;
    }
    if (f->avoid[way_of(p) - FAST_LOCAL] > now_ns()) {
        decide(f, p->id, NF_VERDICT_ACCEPT, 0);
        return;
    }
    /* No room for more connections: the client comes again, as to a server whose backlog is full. */
    bool full = 2 * (relay_count(f->relay) + 1) + f->flows.n > f->c.max;
    o = full ? NULL : flow_new(&f->flows, &s, way_of(p));
    if (!o) {
        decide(f, p->id, NF_VERDICT_DROP, 0);
        return;
    }
    if (!f->tick.armed)
        loop_timer_set(f->l, &f->tick, TICK_MS * MS);
    flow_take_syn(o, &s, p->id);
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

/* @fd is ours from here on. Only what was dialled for that client is behind it, whatever @dst its packets' rewriting says. */
static void serve(int fd, const union sockaddr_ip *peer, const union sockaddr_ip *dst, void *arg)
{
    struct fast *f = arg;
    struct flow *o = flow_find_accepting(&f->flows, peer, dst);
    int r = o ? relay_add(f->relay, fd, o->up.fd) : -ENOENT;
    if (r < 0) {
        log_debug("fast path: a connection to the listener that nobody waits for: %s", strerror(-r));
        tcp_reset(&fd);
        return;
    }
    o->up.fd = -1;
    flow_forget(o);
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
    conntrack_forget_tcp(engine(o)->set->fd[FAST_QUEUE], &o->src.sa, &o->dst.sa);
}

static void on_tick(struct loop *l, struct timer *t)
{
    struct fast *f = container_of(t, struct fast, tick);
    uint64_t now = now_ns();
    bool all_accepted = fast_listen_all(&f->listen); /* or this process is what they wait for */
    for (struct flow *o = f->flows.oldest, *next; o; o = next) {
        next = o->newer;
        if (is_over(o, now))
            flow_forget(o);
        else if (all_accepted && is_unaccepted(o, now))
            give_up_accepting(o);
        else if (o->held && now - o->seen > HOLD_MS * MS)
            flow_release(o, NF_VERDICT_DROP, 0);
    }
    if (f->flows.n)
        loop_timer_set(l, t, TICK_MS * MS);
}

/* ---- life ---- */

static int set_up(struct fast *f, struct reason *why)
{
    struct reason kernel = {""};
    int nl = f->set->fd[FAST_QUEUE];
    size_t max = f->c.max / 4 < FLOWS_MAX ? f->c.max / 4 : FLOWS_MAX;
    int r = relay_engine_new(f->l, &f->relay);
    if (r == 0)
        r = flow_table_init(&f->flows, f->l, f->set, max);
    if (r < 0)
        return reason_set(why, r, "cannot start: %s", strerror(-r));
    r = nfq_bind(nl, f->set->number, COPY, WAITING, &kernel);
    if (r < 0)
        return reason_set(why, r, "cannot have packet queue %u: %s%s", f->set->number, strerror(-r),
                          r == -EPERM ? " (CAP_NET_ADMIN over the network namespace is needed)" : "");
    f->queue = (struct watch){.fd = nl, .events = EPOLLIN, .fn = on_queue, .what = "packet queue"};
    r = loop_add(f->l, &f->queue);
    if (r == 0)
        r = fast_listen_start(&f->listen, f->l, f->set, serve, f);
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
    f->queue.fd = -1;
    f->tick = (struct timer){.fn = on_tick, .what = "flows"};
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
    flow_table_done(&f->flows);
    relay_engine_free(f->relay);
    fast_listen_stop(&f->listen);
    loop_timer_del(f->l, &f->tick);
    loop_del(f->l, &f->queue);
    free(f);
}
