/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A flow is found in a hash table, and is in one of two lists, each ordered by the last datagram: the head of a list is its next
 * one to expire, and the first one of it to go when the table is full.
 *
 *     FRESH    the client has sent, the server may have answered: one question and its answer (DNS), or a forged address
 *     PROVEN   the client has sent again after an answer
 *
 * What a client sends chooses no bucket: the hash is a sum of products of its words with secret numbers (multilinear hashing), for
 * which two different keys meet by chance only.
 */
#include "net/udp_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/fd.h"
#include "core/log.h"

enum { BUCKETS = 4096, KEY_WORDS = 11, FRESH_SHARE = 8 /* one in so many */ };
enum list_kind { FRESH, PROVEN, LISTS };

struct list {
    struct udp_flow *oldest, *newest;
    size_t n;
};

struct udp_flows {
    struct loop *l;
    size_t max;
    uint64_t idle_ns;
    void (*end)(struct udp_flow *f);
    struct timer expiry;
    struct list lists[LISTS];
    uint64_t secret[KEY_WORDS + 1];
    struct udp_flow *buckets[BUCKETS];
};

size_t udp_flows_count(const struct udp_flows *t)
{
    return t->lists[FRESH].n + t->lists[PROVEN].n;
}

/* ---- found by key ---- */

static struct udp_flow **bucket(struct udp_flows *t, const struct udp_flow_key *k)
{
    uint32_t words[KEY_WORDS] = {k->port, k->ifindex};
    memcpy(&words[2], &k->local, sizeof(k->local));
    if (k->client.sa.sa_family == AF_INET) {
        words[6] = k->client.in.sin_port;
        words[7] = k->client.in.sin_addr.s_addr;
    } else {
        words[6] = k->client.in6.sin6_port;
        memcpy(&words[7], &k->client.in6.sin6_addr, sizeof(k->client.in6.sin6_addr));
    }
    uint64_t sum = t->secret[KEY_WORDS];
    for (size_t i = 0; i < KEY_WORDS; i++)
        sum += t->secret[i] * words[i];
    return &t->buckets[(sum >> 32) % BUCKETS];
}

bool udp_flow_same_key(const struct udp_flow_key *a, const struct udp_flow_key *b)
{
    return a->port == b->port && ip_same_addr(&a->client, &b->client) &&
           ip_port(&a->client) == ip_port(&b->client) && IN6_ARE_ADDR_EQUAL(&a->local, &b->local) &&
           a->ifindex == b->ifindex;
}

struct udp_flow *udp_flows_find(struct udp_flows *t, const struct udp_flow_key *k)
{
    for (struct udp_flow *f = *bucket(t, k); f; f = f->hash_next)
        if (udp_flow_same_key(&f->key, k))
            return f;
    return NULL;
}

/* ---- in order of their last datagram ---- */

static struct list *list_of(struct udp_flows *t, const struct udp_flow *f)
{
    return &t->lists[f->proven ? PROVEN : FRESH];
}

static void list_remove(struct list *l, struct udp_flow *f)
{
    *(f->older ? &f->older->newer : &l->oldest) = f->newer;
    *(f->newer ? &f->newer->older : &l->newest) = f->older;
    f->older = f->newer = NULL;
    l->n--;
}

static void list_append(struct list *l, struct udp_flow *f)
{
    f->older = l->newest;
    *(f->older ? &f->older->newer : &l->oldest) = f;
    l->newest = f;
    l->n++;
    f->used = now_ns();
}

void udp_flows_heard(struct udp_flows *t, struct udp_flow *f, bool from_server)
{
    list_remove(list_of(t, f), f);
    if (from_server)
        f->answered = true;
    else if (f->answered)
        f->proven = true;
    list_append(list_of(t, f), f);
}

void udp_flows_insert(struct udp_flows *t, struct udp_flow *f)
{
    f->hash_at = bucket(t, &f->key);
    f->hash_next = *f->hash_at;
    if (f->hash_next)
        f->hash_next->hash_at = &f->hash_next;
    *f->hash_at = f;
    f->answered = f->proven = false;
    list_append(&t->lists[FRESH], f);
    if (!t->expiry.armed)
        loop_timer_set(t->l, &t->expiry, t->idle_ns);
}

void udp_flows_remove(struct udp_flows *t, struct udp_flow *f)
{
    *f->hash_at = f->hash_next;
    if (f->hash_next)
        f->hash_next->hash_at = f->hash_at;
    list_remove(list_of(t, f), f);
}

/* ---- those that have to go ---- */

bool udp_flows_evict(struct udp_flows *t)
{
    const struct list *fresh = &t->lists[FRESH], *proven = &t->lists[PROVEN];
    struct udp_flow *f = fresh->n > t->max / FRESH_SHARE || !proven->oldest ? fresh->oldest : proven->oldest;
    if (!f)
        return false;
    t->end(f);
    return true;
}

void udp_flows_make_room(struct udp_flows *t)
{
    while (udp_flows_count(t) >= t->max && udp_flows_evict(t))
        ;
}

static void on_expiry(struct loop *l, struct timer *timer)
{
    struct udp_flows *t = container_of(timer, struct udp_flows, expiry);
    uint64_t now = now_ns(), next = UINT64_MAX;
    for (int i = 0; i < LISTS; i++) {
        const struct list *list = &t->lists[i];
        while (list->oldest && now - list->oldest->used >= t->idle_ns) {
            t->end(list->oldest);
            log_debug("ports: a flow has ended after %llu s of silence",
                      (unsigned long long)(t->idle_ns / 1000000000u));
        }
        if (list->oldest && list->oldest->used + t->idle_ns < next)
            next = list->oldest->used + t->idle_ns;
    }
    if (next != UINT64_MAX)
        loop_timer_set(l, &t->expiry, next - now);
}

void udp_flows_end_port(struct udp_flows *t, uint32_t port)
{
    for (int i = 0; i < LISTS; i++)
        for (struct udp_flow *f = t->lists[i].oldest, *newer; f; f = newer) {
            newer = f->newer;
            if (f->key.port == port)
                t->end(f);
        }
}

/* ---- lifetime ---- */

int udp_flows_new(struct loop *l, size_t max, uint64_t idle_ns, void (*end)(struct udp_flow *f),
                  struct udp_flows **ret)
{
    struct udp_flows *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->l = l;
    t->max = max ? max : 1;
    t->idle_ns = idle_ns;
    t->end = end;
    t->expiry = (struct timer){.fn = on_expiry, .what = "udp expiry"};
    if (getrandom(t->secret, sizeof(t->secret), GRND_NONBLOCK) != sizeof(t->secret)) /* early at boot */
        for (size_t i = 0; i <= KEY_WORDS; i++)
            t->secret[i] = (now_ns() + i) * 0x9e3779b97f4a7c15u;
    *ret = t;
    return 0;
}

void udp_flows_free(struct udp_flows *t)
{
    if (!t)
        return;
    for (int i = 0; i < LISTS; i++)
        while (t->lists[i].oldest)
            t->end(t->lists[i].oldest);
    loop_timer_del(t->l, &t->expiry);
    free(t);
}
