/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fast_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/fd.h"

static const char *const state_names[] = {"dialling", "accepting", "failed"};
_Static_assert(array_size(state_names) == FLOW_STATE_MAX, "every state has a name");

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

static struct flow **bucket_of(struct flow_table *t, const union sockaddr_ip *src,
                               const union sockaddr_ip *dst)
{
    return &t->bucket[mix_addr(mix_addr(t->seed, src), dst) % FLOW_BUCKETS];
}

static bool same(const union sockaddr_ip *a, const union sockaddr_ip *b)
{
    return ip_port(a) == ip_port(b) && ip_same_addr(a, b);
}

static void unlink_order(struct flow *o)
{
    struct flow_table *t = o->t;
    *(o->older ? &o->older->newer : &t->oldest) = o->newer;
    *(o->newer ? &o->newer->older : &t->newest) = o->older;
}

static void link_newest(struct flow *o)
{
    struct flow_table *t = o->t;
    o->older = t->newest;
    o->newer = NULL;
    *(t->newest ? &t->newest->newer : &t->oldest) = o;
    t->newest = o;
}

int flow_table_init(struct flow_table *t, struct loop *l, const struct fast_set *set, size_t max)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return -EIO;
    *t = (struct flow_table){.l = l, .set = set, .max = max, .seed = seed};
    return 0;
}

void flow_table_done(struct flow_table *t)
{
    while (t->oldest)
        flow_forget(t->oldest);
}

struct flow *flow_new(struct flow_table *t, const struct syn *s, enum fast_mark how)
{
    if (t->n >= t->max && t->oldest)
        flow_forget(t->oldest);
    struct flow *o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    o->t = t;
    o->src = s->src;
    o->dst = s->dst;
    o->born = o->since = now_ns();
    o->up.fd = -1;
    o->how = how;
    struct flow **at = bucket_of(t, &o->src, &o->dst);
    o->chain = *at;
    *at = o;
    link_newest(o);
    t->n++;
    return o;
}

struct flow *flow_find(struct flow_table *t, const union sockaddr_ip *src, const union sockaddr_ip *dst)
{
    struct flow *o = *bucket_of(t, src, dst);
    while (o && !(same(&o->src, src) && same(&o->dst, dst)))
        o = o->chain;
    return o;
}

struct flow *flow_find_accepting(struct flow_table *t, const union sockaddr_ip *peer,
                                 const union sockaddr_ip *dst)
{
    struct flow *o = flow_find(t, peer, dst);
    if (o && o->state == FLOW_ACCEPTING)
        return o;
    for (o = t->oldest; o; o = o->newer)
        if (o->state == FLOW_ACCEPTING && same(&o->dst, dst) && ip_same_addr(&o->src, peer))
            break;
    return o;
}

void flow_set_state(struct flow *o, enum flow_state s)
{
    if (log_debug_on()) {
        char from[64], to[64];
        log_debug("fast path: %s to %s: %s -> %s", ip_format(&o->src, from, sizeof(from)),
                  ip_format(&o->dst, to, sizeof(to)), state_names[o->state], state_names[s]);
    }
    o->state = s;
    o->since = now_ns();
}

void flow_take_syn(struct flow *o, const struct syn *s, uint32_t id)
{
    /* The one before: the client has forgotten it, or sent this one instead. */
    flow_release(o, NF_VERDICT_DROP, 0);
    o->held = true;
    o->id = id;
    o->seen = now_ns();
    o->syn_len = s->len;
    memcpy(o->syn, s->packet, s->len);
    unlink_order(o);
    link_newest(o);
}

void flow_release(struct flow *o, enum nf_verdict v, uint32_t mark)
{
    const struct fast_set *set = o->t->set;
    int r = o->held ? nfq_verdict(set->fd[FAST_QUEUE], set->number, o->id, v, mark) : 0;
    if (r < 0)
        log_debug("fast path: no verdict on packet %u: %s", o->id, strerror(-r));
    o->held = false;
}

void flow_close(struct flow *o)
{
    loop_del(o->t->l, &o->up);
    fd_close(&o->up.fd);
}

void flow_forget(struct flow *o)
{
    struct flow_table *t = o->t;
    struct flow **at = bucket_of(t, &o->src, &o->dst);
    flow_release(o, NF_VERDICT_DROP, 0);
    flow_close(o);
    while (*at != o)
        at = &(*at)->chain;
    *at = o->chain;
    unlink_order(o);
    t->n--;
    free(o);
}
