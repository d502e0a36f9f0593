/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/log.h"
#include "net/relay.h"

/* A client whose resolver is still to be found. */
struct pending {
    struct watch w; /* the socket that connects */
    struct timer timer;
    struct dns_tcp *t;
    struct pending *prev, *next;
    int client;
    bool waiting; /* for a new list of resolvers */
    unsigned n, at;
    union sockaddr_ip servers[RESOLV_MAX_SERVERS];
};

struct listener {
    struct watch w;
    struct dns_tcp *t;
    uint16_t port;
};

struct dns_tcp {
    struct loop *loop;
    struct dns *dns;
    struct relay_engine *relay;
    struct listener v4, v6;
    struct timer retry; /* out of descriptors: the listeners rest */
    struct pending *pending;
    unsigned n_pending;
};

static void pending_free(struct pending *p)
{
    struct dns_tcp *t = p->t;
    loop_del(t->loop, &p->w);
    loop_timer_del(t->loop, &p->timer);
    fd_close(&p->w.fd);
    tcp_reset(&p->client);
    if (p->prev)
        p->prev->next = p->next;
    else
        t->pending = p->next;
    if (p->next)
        p->next->prev = p->prev;
    t->n_pending--;
    free(p);
}

static void connected(struct loop *l, struct watch *w, uint32_t events);

/* Connect to the next resolver; when there is none left, the client is reset. */
static void try_next(struct pending *p)
{
    struct dns_tcp *t = p->t;
    loop_del(t->loop, &p->w);
    fd_close(&p->w.fd);
    while (p->at < p->n) {
        const union sockaddr_ip *to = &p->servers[p->at++];
        p->w = (struct watch){.fd = dns_socket(t->dns, to, SOCK_STREAM),
                              .events = EPOLLOUT,
                              .fn = connected,
                              .what = "resolver"};
        if (p->w.fd >= 0 && (connect(p->w.fd, &to->sa, ip_len(to)) == 0 || errno == EINPROGRESS) &&
            loop_add(t->loop, &p->w) == 0) {
            loop_timer_set(t->loop, &p->timer, (uint64_t)DNS_NEXT_MS * 1000000u);
            return;
        }
        fd_close(&p->w.fd);
    }
    pending_free(p);
}

static void start(struct pending *p)
{
    p->waiting = false;
    p->n = dns_order(p->t->dns, p->servers);
    try_next(p);
}

static void silent(struct loop *l, struct timer *timer)
{
    (void)l;
    struct pending *p = container_of(timer, struct pending, timer);
    if (p->waiting)
        start(p);            /* the new list does not come */
    else if (p->at < p->n) { /* the last one may take as long as the guest waits */
        dns_avoid(p->t->dns, &p->servers[p->at - 1]);
        try_next(p);
    }
}

static void connected(struct loop *l, struct watch *w, uint32_t events)
{
    struct pending *p = container_of(w, struct pending, w);
    int error = 0;
    socklen_t len = sizeof(error);
    (void)events;
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
        dns_avoid(p->t->dns, &p->servers[p->at - 1]);
        try_next(p);
        return;
    }
    loop_del(l, w);
    if (relay_add(p->t->relay, p->client, w->fd) == 0)
        p->client = w->fd = -1;
    pending_free(p);
}

static int take(struct dns_tcp *t, int client)
{
    if (t->n_pending + relay_count(t->relay) >= DNS_TCP_MAX)
        return -EBUSY;
    struct pending *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->t = t;
    p->client = client;
    p->w.fd = -1;
    p->timer = (struct timer){.fn = silent, .what = "resolver"};
    p->next = t->pending;
    if (p->next)
        p->next->prev = p;
    t->pending = p;
    t->n_pending++;
    if (dns_stale(t->dns)) {
        p->waiting = true;
        loop_timer_set(t->loop, &p->timer, (uint64_t)DNS_NEXT_MS * 1000000u);
    } else {
        start(p);
    }
    return 0;
}

static void new_servers(void *arg)
{
    const struct dns_tcp *t = arg;
    for (struct pending *p = t->pending, *next; p; p = next) {
        next = p->next; /* start() may end this one */
        if (p->waiting)
            start(p);
    }
}

static void accept_event(struct loop *l, struct watch *w, uint32_t events)
{
    struct listener *ls = container_of(w, struct listener, w);
    (void)events;
    int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            loop_del(l, w); /* level-triggered: it would come at once again */
            loop_timer_set(l, &ls->t->retry, 200000000u);
        }
        return;
    }
    if (take(ls->t, fd) < 0)
        tcp_reset(&fd);
}

static void accept_again(struct loop *l, struct timer *timer)
{
    struct dns_tcp *t = container_of(timer, struct dns_tcp, retry);
    struct listener *const both[] = {&t->v4, &t->v6};
    for (size_t i = 0; i < array_size(both); i++)
        if (both[i]->w.fd >= 0 && !both[i]->w.armed)
            loop_add(l, &both[i]->w);
}

static int listen_on(struct dns_tcp *t, struct listener *ls, const char *address)
{
    union sockaddr_ip a;
    socklen_t len = sizeof(a);
    ls->t = t;
    ls->w.fd = -1;
    int r = ip_parse(address, 0, &a);
    if (r < 0)
        return r;
    fd_auto int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, &a.sa, ip_len(&a)) < 0 || listen(fd, 64) < 0 || getsockname(fd, &a.sa, &len) < 0)
        return -errno;
    ls->w = (struct watch){.fd = fd, .events = EPOLLIN, .fn = accept_event, .what = "dns listener"};
    r = loop_add(t->loop, &ls->w);
    if (r < 0) {
        ls->w.fd = -1;
        return r;
    }
    steal_fd(&fd);
    ls->port = ip_port(&a);
    return 0;
}

int dns_tcp_new(struct loop *l, struct dns *dns, struct dns_tcp **ret)
{
    struct dns_tcp *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->loop = l;
    t->dns = dns;
    t->v4.w.fd = t->v6.w.fd = -1;
    t->retry = (struct timer){.fn = accept_again, .what = "dns listener"};
    int r = relay_engine_new(l, &t->relay);
    if (r < 0) {
        free(t);
        return r;
    }
    int v4 = listen_on(t, &t->v4, "127.0.0.1"), v6 = listen_on(t, &t->v6, "::1");
    if (v4 < 0 || v6 < 0)
        log_debug("dns: no loopback address in one of the families: no DNS over TCP there");
    dns_on_servers(dns, new_servers, t);
    *ret = t;
    return 0;
}

void dns_tcp_free(struct dns_tcp *t)
{
    if (!t)
        return;
    dns_on_servers(t->dns, NULL, NULL);
    while (t->pending)
        pending_free(t->pending);
    relay_engine_free(t->relay);
    loop_timer_del(t->loop, &t->retry);
    loop_del(t->loop, &t->v4.w);
    loop_del(t->loop, &t->v6.w);
    fd_close(&t->v4.w.fd);
    fd_close(&t->v6.w.fd);
    free(t);
}

uint16_t dns_tcp_port(const struct dns_tcp *t, bool v6)
{
    return t ? (v6 ? t->v6.port : t->v4.port) : 0;
}
