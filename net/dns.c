/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Each query of the guest gets a number of its own towards the resolvers and, for each resolver asked, a connected socket:
 * a port that the kernel chose, answers from that resolver only (RFC 5452).  The first resolver is asked at once, the next
 * one when the one before has not answered within DNS_NEXT_MS, or has failed (ICMP error, SERVFAIL, REFUSED); sockets
 * stay open, so a late answer counts.  The first answer wins and ends the query.
 *
 *      guest ──query──> tries[0] ──> resolver A      (silent)
 *                       tries[1] ──> resolver B ──answer──> guest; A is asked last for a while
 *
 * When every resolver has failed, the guest gets the last failure, or a SERVFAIL: it need not wait for its own timeout.
 */
#include "net/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/log.h"

enum {
    HEADER = 12,
    MAX_MESSAGE = 65535,
    RCODE_SERVFAIL = 2,
    RCODE_NOTIMP = 4,
    RCODE_REFUSED = 5,
};

struct
try {
    struct watch w; /* fd -1: not asked, or done */
    struct query *query;
    unsigned server;
};

struct query {
    struct dns *dns;
    struct query *prev, *next; /* newest first */
    struct timer timer;
    uint64_t give_up;
    struct frame_udp from; /* .data is not used */
    unsigned char client_id[2];
    unsigned n_servers, n_tried, n_open;
    union sockaddr_ip servers[RESOLV_MAX_SERVERS]; /* in the order of asking */
    struct try tries[RESOLV_MAX_SERVERS];
    unsigned char failure[HEADER]; /* header of the last refusal */
    bool failed;
    bool waiting; /* for dns_set_servers() */
    size_t question, len;
    unsigned char data[]; /* as sent: with our id */
};

struct dns {
    struct dns_config c;
    union sockaddr_ip servers[RESOLV_MAX_SERVERS];
    uint64_t avoid_until[RESOLV_MAX_SERVERS];
    unsigned n_servers;
    struct query *queries, *oldest;
    unsigned n_queries;
    void (*on_servers)(void *arg);
    void *on_servers_arg;
    unsigned char *message, *frame; /* scratch: MAX_MESSAGE and FRAME_MAX bytes */
};

static uint16_t get16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* ---- messages */

/* Length of header and question of a message with one question; 0 when it has none that is well-formed. */
static size_t question_end(const unsigned char *m, size_t len)
{
    size_t at = HEADER;
    while (at < len && m[at]) {
        if (m[at] > 63) /* a compression pointer has nowhere to point to here */
            return 0;
        at += m[at] + 1u;
        if (at > HEADER + 255)
            return 0;
    }
    at += 1 + 4; /* root label, type, class */
    return at <= len ? at : 0;
}

bool dns_is_query(const unsigned char *m, size_t len, size_t *ret_question)
{
    if (len < HEADER || (m[2] & 0x80) || get16(m + 4) != 1)
        return false;
    size_t q = question_end(m, len);
    if (!q)
        return false;
    *ret_question = q;
    return true;
}

bool dns_is_answer(const unsigned char *m, size_t len, const unsigned char *q, size_t question)
{
    if (len < HEADER || !(m[2] & 0x80) || memcmp(m, q, 2))
        return false;
    if (get16(m + 4) == 0) /* some refusals come without the question */
        return (m[3] & 15) != 0;
    return get16(m + 4) == 1 && len >= question && !memcmp(m + HEADER, q + HEADER, question - HEADER);
}

static void reply(struct query *q, unsigned char *m, size_t len)
{
    struct dns *d = q->dns;
    size_t room = d->c.mtu - (q->from.v6 ? 48 : 28);
    memcpy(m, q->client_id, 2);
    if (q->question > room)
        return; /* an MTU below 300 */
    if (len > room) {
        /* Header and question only, "truncated": the client asks again over TCP. */
        len = q->question;
        memcpy(m + HEADER, q->data + HEADER, q->question - HEADER);
        m[2] |= 0x02;
        m[4] = 0;
        m[5] = 1;
        memset(m + 6, 0, 6);
    }
    struct frame_udp out = q->from;
    out.src = q->from.dst;
    out.dst = q->from.src;
    out.src_port = q->from.dst_port;
    out.dst_port = q->from.src_port;
    memcpy(out.src_mac, q->from.dst_mac, 6);
    memcpy(out.dst_mac, q->from.src_mac, 6);
    out.data = m;
    out.len = len;
    int n = frame_build_udp(&out, d->frame, FRAME_MAX);
    if (n > 0)
        d->c.send(d->frame, (size_t)n, d->c.arg);
}

/* Nobody could answer: say so, in the words of the last one asked or in our own. */
static void reply_failure(struct query *q)
{
    unsigned char *m = q->dns->message;
    memcpy(m, q->data, q->question);
    m[2] = (unsigned char)(0x80 | (q->data[2] & 0x79));       /* QR; opcode and RD as asked */
    m[3] = q->failed ? q->failure[3] : 0x80 | RCODE_SERVFAIL; /* RA */
    memset(m + 6, 0, 6);
    reply(q, m, q->question);
}

/* ---- resolvers (shared with DNS over TCP, net/dns_tcp.c) */

void dns_avoid(struct dns *d, const union sockaddr_ip *server)
{
    for (unsigned i = 0; i < d->n_servers; i++)
        if (ip_same_addr(&d->servers[i], server) && ip_port(&d->servers[i]) == ip_port(server))
            d->avoid_until[i] = now_ns() + (uint64_t)DNS_AVOID_MS * 1000000u;
}

unsigned dns_order(const struct dns *d, union sockaddr_ip ret[RESOLV_MAX_SERVERS])
{
    uint64_t now = now_ns();
    unsigned n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < d->n_servers; i++)
            if ((d->avoid_until[i] > now) == (pass == 1))
                ret[n++] = d->servers[i];
    return n;
}

int dns_socket(const struct dns *d, const union sockaddr_ip *to, int type)
{
    const struct dns_config *c = &d->c;
    union sockaddr_ip from = {.sa = {.sa_family = AF_UNSPEC}};
    fd_auto int fd = socket(to->sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (to->sa.sa_family == AF_INET && c->outbound)
        from.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = *c->outbound};
    if (to->sa.sa_family == AF_INET6 && c->outbound6)
        from.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = *c->outbound6};
    if (from.sa.sa_family != AF_UNSPEC && !ip_is_loopback(to) && bind(fd, &from.sa, ip_len(&from)) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* ---- queries */

static void query_free(struct query *q)
{
    struct dns *d = q->dns;
    for (unsigned i = 0; i < q->n_tried; i++) {
        loop_del(d->c.loop, &q->tries[i].w);
        fd_close(&q->tries[i].w.fd);
    }
    loop_timer_del(d->c.loop, &q->timer);
    if (q->prev)
        q->prev->next = q->next;
    else
        d->queries = q->next;
    if (q->next)
        q->next->prev = q->prev;
    else
        d->oldest = q->prev;
    d->n_queries--;
    free(q);
}

static void try_close(struct try *t)
{
    if (t->w.fd < 0)
        return;
    loop_del(t->query->dns->c.loop, &t->w);
    fd_close(&t->w.fd);
    t->query->n_open--;
}

/* A socket towards one resolver, the query sent. */
static int ask(struct try *t)
{
    struct query *q = t->query;
    const union sockaddr_ip *to = &q->servers[t->server];
    fd_auto int fd = dns_socket(q->dns, to, SOCK_DGRAM);
    if (fd < 0)
        return fd;
    if (connect(fd, &to->sa, ip_len(to)) < 0 || send(fd, q->data, q->len, MSG_NOSIGNAL) < 0)
        return -errno;
    t->w.fd = fd;
    int r = loop_add(q->dns->c.loop, &t->w);
    if (r < 0) {
        t->w.fd = -1;
        return r;
    }
    steal_fd(&fd);
    q->n_open++;
    return 0;
}

static void try_event(struct loop *l, struct watch *w, uint32_t events);

/* Ask the next resolver that can be asked. false: there is none left, and nobody's answer is awaited: the query is gone. */
static bool ask_next(struct query *q)
{
    while (q->n_tried < q->n_servers) {
        struct try *t = &q->tries[q->n_tried];
        t->query = q;
        t->server = q->n_tried++;
        t->w = (struct watch){.fd = -1, .events = EPOLLIN, .fn = try_event, .what = "resolver"};
        int r = ask(t);
        if (r == 0) {
            loop_timer_set(q->dns->c.loop, &q->timer, (uint64_t)DNS_NEXT_MS * 1000000u);
            return true;
        }
        log_debug("dns: cannot ask resolver %u: %s", t->server, strerror(-r));
    }
    if (q->n_open) {
        uint64_t now = now_ns();
        loop_timer_set(q->dns->c.loop, &q->timer, q->give_up > now ? q->give_up - now : 0);
        return true;
    }
    reply_failure(q);
    query_free(q);
    return false;
}

static void start(struct query *q)
{
    q->waiting = false;
    q->n_servers = dns_order(q->dns, q->servers);
    ask_next(q);
}

static void timer_event(struct loop *l, struct timer *t)
{
    (void)l;
    struct query *q = container_of(t, struct query, timer);
    if (q->waiting) {
        start(q); /* the new list does not come: with the old one, then */
        return;
    }
    for (unsigned i = 0; i < q->n_tried; i++)
        if (q->tries[i].w.fd >= 0)
            dns_avoid(q->dns, &q->servers[q->tries[i].server]);
    if (now_ns() >= q->give_up)
        query_free(q);
    else
        ask_next(q);
}

static bool is_refusal(unsigned rcode)
{
    return rcode == RCODE_SERVFAIL || rcode == RCODE_NOTIMP || rcode == RCODE_REFUSED;
}

static void try_event(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    struct try *t = container_of(w, struct try, w);
    struct query *q = t->query;
    unsigned char *m = q->dns->message;
    ssize_t n = recv(w->fd, m, MAX_MESSAGE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n >= 0 && !dns_is_answer(m, (size_t)n, q->data, q->question))
        return; /* not ours: a forgery, or an answer to somebody else's question */
    if (n >= 0 && !is_refusal(m[3] & 15)) {
        reply(q, m, (size_t)n);
        query_free(q);
        return;
    }
    if (n >= 0) {
        memcpy(q->failure, m, HEADER);
        q->failed = true;
    } else {
        dns_avoid(q->dns, &q->servers[t->server]); /* an ICMP error: nobody is there */
    }
    try_close(t);
    ask_next(q);
}

void dns_query(struct dns *d, const struct frame_udp *u)
{
    size_t question;
    if (u->len > DNS_MAX_QUERY || !dns_is_query(u->data, u->len, &question) || d->n_servers == 0)
        return;
    if (d->n_queries == DNS_MAX_QUERIES)
        query_free(d->oldest);
    struct query *q = calloc(1, sizeof(*q) + u->len);
    if (!q)
        return;
    q->dns = d;
    q->from = *u;
    q->from.data = NULL;
    q->question = question;
    q->len = u->len;
    memcpy(q->data, u->data, u->len);
    memcpy(q->client_id, q->data, 2);
    if (getrandom(q->data, 2, GRND_NONBLOCK) != 2)
        memcpy(q->data, q->client_id, 2); /* the port alone must do */
    q->timer = (struct timer){.fn = timer_event, .what = "dns query"};
    q->give_up = now_ns() + (uint64_t)DNS_GIVE_UP_MS * 1000000u;
    q->next = d->queries;
    if (q->next)
        q->next->prev = q;
    else
        d->oldest = q;
    d->queries = q;
    d->n_queries++;
    if (dns_stale(d)) {
        q->waiting = true;
        loop_timer_set(d->c.loop, &q->timer, (uint64_t)DNS_NEXT_MS * 1000000u);
    } else {
        start(q);
    }
}

/* ---- life */

int dns_new(const struct dns_config *c, struct dns **ret)
{
    struct dns *d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->c = *c;
    d->message = malloc(MAX_MESSAGE);
    d->frame = malloc(FRAME_MAX);
    if (!d->message || !d->frame) {
        dns_free(d);
        return -ENOMEM;
    }
    *ret = d;
    return 0;
}

void dns_free(struct dns *d)
{
    if (!d)
        return;
    while (d->queries)
        query_free(d->queries);
    free(d->message);
    free(d->frame);
    free(d);
}

void dns_set_servers(struct dns *d, const struct resolv *r)
{
    d->n_servers = (unsigned)r->n;
    memcpy(d->servers, r->servers, r->n * sizeof(r->servers[0]));
    memset(d->avoid_until, 0, sizeof(d->avoid_until));
    for (struct query *q = d->queries, *next; q; q = next) {
        next = q->next; /* start() may end this one */
        if (q->waiting)
            start(q);
    }
    if (d->on_servers)
        d->on_servers(d->on_servers_arg);
}

bool dns_stale(const struct dns *d)
{
    return d->c.stale && d->c.stale(d->c.arg);
}

void dns_on_servers(struct dns *d, void (*fn)(void *arg), void *arg)
{
    d->on_servers = fn;
    d->on_servers_arg = arg;
}
