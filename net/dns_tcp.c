/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The stack speaks TCP with the guest and connects to whatever a segment's destination says, so a connection to the DNS
 * address is led to a socket of ours.  There is one listener for each connection, on the host's loopback, from the guest's SYN
 * until the stack's socket is accepted, which is usually before stack_input() returns; whoever else comes in is reset:
 *
 *      SYN ──> listen on 127.0.0.1:P ──> destination := 127.0.0.1:P ──> stack: connect ──> accept, its own port? ──> close listener
 *                                                                                             └──> resolver ──> relay
 *      segments of that guest's port ──> destination := 127.0.0.1:P ──> stack
 *      stack: source 127.0.0.1:P ──> source := DNS address ──> guest
 *
 * The first SYN alone opens a socket: later P is somebody else's, and none of the guest's business.
 * Which P a guest's port has is kept in a table whose oldest entry gives way: connections that are over need theirs for their
 * last segments, and when they are over the stack does not say.
 */
#include "net/dns_tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <netinet/tcp.h>

#include "core/fd.h"
#include "core/log.h"
#include "net/frame.h"
#include "net/relay.h"

enum { SESSIONS = 1024 };

/* A guest's socket, and where it is led. */
struct session {
    bool v6;
    union {
        struct in_addr in;
        struct in6_addr in6;
    } guest;
    uint16_t guest_port, port; /* port 0: free */
    uint32_t isn;              /* of the guest: another one is another connection */
    uint64_t seen;
};

/* A client that is still to come in, or whose resolver is still to be found. */
struct pending {
    struct watch w; /* the listener, then the socket that connects */
    struct timer timer;
    struct dns_tcp *t;
    struct pending *prev, *next;
    int client;                /* -1: not accepted yet */
    union sockaddr_ip awaited; /* who that will be: the stack's socket */
    uint64_t give_up;
    bool waiting; /* for a new list of resolvers */
    unsigned n, at;
    union sockaddr_ip servers[RESOLV_MAX_SERVERS];
};

struct dns_tcp {
    struct loop *loop;
    struct dns *dns;
    struct stack *stack;
    const struct addrplan *plan;
    struct relay_engine *relay;
    struct pending *pending;
    unsigned n_pending;
    struct session *sessions;
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

/* ---- towards the resolver */

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
            /* The last one has all the time that is left. */
            uint64_t now = now_ns(), left = p->give_up > now ? p->give_up - now : 0;
            loop_timer_set(t->loop, &p->timer, p->at < p->n ? (uint64_t)DNS_NEXT_MS * 1000000u : left);
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
    if (p->client < 0) {
        pending_free(p); /* the stack does not connect */
        return;
    }
    if (p->waiting) {
        start(p); /* the new list does not come */
        return;
    }
    dns_avoid(p->t->dns, &p->servers[p->at - 1]);
    try_next(p);
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

static void find_resolver(struct pending *p)
{
    struct dns_tcp *t = p->t;
    if (dns_stale(t->dns)) {
        p->waiting = true;
        loop_timer_set(t->loop, &p->timer, (uint64_t)DNS_NEXT_MS * 1000000u);
    } else {
        start(p);
    }
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

/* ---- from the guest */

/* Take the stack's socket from the listener, if it is there already. */
static void take_client(struct pending *p)
{
    while (p->client < 0) {
        union sockaddr_ip peer;
        socklen_t len = sizeof(peer);
        int fd = accept4(p->w.fd, &peer.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0) { /* out of descriptors */
            pending_free(p);
            return;
        }
        if (ip_same_addr(&peer, &p->awaited) && ip_port(&peer) == ip_port(&p->awaited))
            p->client = fd;
        else
            tcp_reset(&fd); /* somebody of the host looked at the port just now */
    }
    loop_del(p->t->loop, &p->w);
    fd_close(&p->w.fd);
    find_resolver(p);
}

static void accept_event(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    take_client(container_of(w, struct pending, w));
}

/* A socket on the loopback of this family; its port in *ret_port. */
static int bind_once(bool v6, uint16_t *ret_port)
{
    union sockaddr_ip a;
    socklen_t len = sizeof(a);
    int r = ip_parse(v6 ? "::1" : "127.0.0.1", 0, &a);
    if (r < 0)
        return r;
    fd_auto int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, &a.sa, ip_len(&a)) < 0 || getsockname(fd, &a.sa, &len) < 0)
        return -errno;
    *ret_port = ip_port(&a);
    return steal_fd(&fd);
}

static int pending_new(struct dns_tcp *t, int listener, struct pending **ret)
{
    struct pending *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->t = t;
    p->client = -1;
    p->w = (struct watch){.fd = listener, .events = EPOLLIN, .fn = accept_event, .what = "dns client"};
    p->timer = (struct timer){.fn = silent, .what = "resolver"};
    p->give_up = now_ns() + (uint64_t)DNS_GIVE_UP_MS * 1000000u;
    int r = loop_add(t->loop, &p->w);
    if (r < 0) {
        free(p);
        return r;
    }
    loop_timer_set(t->loop, &p->timer, (uint64_t)DNS_NEXT_MS * 1000000u);
    p->next = t->pending;
    if (p->next)
        p->next->prev = p;
    t->pending = p;
    t->n_pending++;
    *ret = p;
    return 0;
}

/* The guest's SYN: a listener for it alone, and the stack led there. */
static int begin(struct dns_tcp *t, struct session *s, void *frame, size_t len)
{
    struct pending *p;
    socklen_t size = sizeof(p->awaited);
    fd_auto int fd = bind_once(s->v6, &s->port);
    if (fd < 0)
        return fd;
    if (t->n_pending + relay_count(t->relay) >= DNS_TCP_MAX) {
        /* A port where nobody listens, nor can while it is ours: the stack refuses for us. */
        frame_dnat(frame, len, s->port, s->port);
        stack_input(t->stack, frame, len);
        return 0;
    }
    if (listen(fd, 4) < 0)
        return -errno;
    int r = pending_new(t, fd, &p);
    if (r < 0)
        return r;
    steal_fd(&fd);
    frame_dnat(frame, len, s->port, s->port);
    stack_input(t->stack, frame, len);
    int opened = stack_opened(t->stack);
    if (opened < 0 || getsockname(opened, &p->awaited.sa, &size) < 0) {
        pending_free(p);
        return -ECONNREFUSED;
    }
    take_client(p);
    return 0;
}

static bool is_session(const struct session *s, const struct frame_tcp *f)
{
    return s->port && s->v6 == f->v6 && s->guest_port == f->src_port &&
           !memcmp(&s->guest, &f->src, f->v6 ? sizeof(f->src.in6) : sizeof(f->src.in));
}

/* That of this guest's socket; or else, with *@ret_oldest, the one to give up for it. */
static struct session *find(struct dns_tcp *t, const struct frame_tcp *f, struct session **ret_oldest)
{
    struct session *oldest = t->sessions;
    for (struct session *s = t->sessions; s < t->sessions + SESSIONS; s++) {
        if (is_session(s, f))
            return s;
        if (s->seen < oldest->seen)
            oldest = s;
    }
    *ret_oldest = oldest;
    return NULL;
}

void dns_tcp_input(struct dns_tcp *t, void *frame, size_t len)
{
    struct frame_tcp f;
    struct session *oldest = NULL;
    if (!frame_parse_tcp(frame, len, &f))
        return;
    struct session *s = find(t, &f, &oldest);
    bool syn = (f.flags & (TH_SYN | TH_ACK | TH_RST | TH_FIN)) == TH_SYN;
    if (syn && (!s || s->isn != f.seq)) {
        struct session begun = {.v6 = f.v6, .guest_port = f.src_port, .isn = f.seq, .seen = now_ns()};
        memcpy(&begun.guest, &f.src, sizeof(begun.guest));
        s = s ? s : oldest;
        *s = begun;
        int r = begin(t, s, frame, len);
        if (r < 0) {
            log_debug("dns: a client over TCP is turned away: %s", strerror(-r));
            s->port = 0; /* its next SYN may have more luck */
        }
        return;
    }
    if (!s)
        return;
    s->seen = now_ns();
    if (!frame_dnat(frame, len, s->port, s->port))
        return;
    if (f.flags & TH_SYN)
        stack_input_known(t->stack, frame, len);
    else
        stack_input(t->stack, frame, len);
}

void dns_tcp_output(const struct dns_tcp *t, void *frame, size_t len)
{
    struct frame_tcp f;
    if (!frame_parse_tcp(frame, len, &f))
        return;
    for (const struct session *s = t->sessions; s < t->sessions + SESSIONS; s++)
        if (s->port == f.src_port && s->guest_port == f.dst_port && s->v6 == f.v6) {
            frame_snat(t->plan, frame, len, s->port, s->port);
            return;
        }
}

/* ---- life */

int dns_tcp_new(struct loop *l, struct dns *dns, struct stack *stack, const struct addrplan *plan,
                struct dns_tcp **ret)
{
    struct dns_tcp *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    *t = (struct dns_tcp){.loop = l, .dns = dns, .stack = stack, .plan = plan};
    t->sessions = calloc(SESSIONS, sizeof(*t->sessions));
    if (!t->sessions || relay_engine_new(l, &t->relay) < 0) {
        free(t->sessions);
        free(t);
        return -ENOMEM;
    }
    relay_idle(t->relay, (uint64_t)DNS_TCP_IDLE_MS * 1000000u);
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
    free(t->sessions);
    free(t);
}
