/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A client is accepted first and its target dialled then, because a listening socket answers SYNs by itself. So a target
 * that is not listening shows as a reset right after the connection, not as a refused connection: the kernel gives no
 * way to look at a SYN on the host without privileges.
 *
 *     ACCEPTED ─ connect() says 0 ───────────────────────────────▶ the relay's (net/relay.c)
 *        │ in progress (only targets beyond this machine's lo)        ▲
 *        ▼                                                            │ writable, no error
 *     DIALLING: upstream is watched for its outcome, the client for its going away
 *        │ refused: next target, if there is one and no address was asked for
 *        │ no answer to the client's address for SILENCE_NS: the same target again, from a local address
 *        ▼ else
 *     client reset
 *
 * On loopback the handshake is over before connect(2) returns, though it says EINPROGRESS; a second connect(2) tells
 * the outcome at once. So the usual target needs no turn of the event loop.
 *
 * Running out of descriptors (or of connections, @max) must not spin on a listener that stays readable: all listeners
 * rest until a connection ends, or for RETRY_NS when somebody else's use of the machine was the cause. One descriptor is held
 * in reserve, so that who was accepted with the last one gets its connection to the server, too.
 *
 * A peer that vanishes without a word (a laptop that is shut, a cable, a firewall that forgets): keepalive finds that out within
 * KEEP_IDLE + KEEP_PROBES * KEEP_INTERVAL seconds, and the other side gets a reset. Where bytes are on their way to it, the
 * kernel gives up by itself (net.ipv4.tcp_retries2, about 15 minutes). Not TCP_USER_TIMEOUT: it also ends connections to
 * clients that are alive and do not read for a while (tcp(7)), which a server without a forwarder in between does not do.
 */
#include "net/portd_tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/tcp.h>

#include "core/fd.h"
#include "core/log.h"
#include "net/ip.h"
#include "net/relay.h"

enum { ACCEPT_BATCH = 32, TARGETS_MAX = 3, MUTE_MAX = 8 };
/*
 * A server on this machine fills whatever window it is given, faster than the client takes the bytes: megabytes would lie in
 * between that no cache holds, for which both pay. There is no distance that more than this (the kernel's default limit,
 * net.core.rmem_max) would be for. Measured: a quarter more throughput out of the container.
 */
enum { LOCAL_RCVBUF = 212992 };
enum { KEEP_IDLE = 60, KEEP_INTERVAL = 20, KEEP_PROBES = 6 }; /* seconds, seconds, number */
static const uint64_t RETRY_NS = 200 * 1000000ull;
static const uint64_t SILENCE_NS =
    3500 *
    1000000ull; /* a lost SYN is sent again after 1 and 3 s (RFC 6298); a new bridge needs 2 s for IPv6 (RFC 4862) */
static const uint64_t MUTE_NS = 60 * 1000000000ull;

/* A target from which nothing comes back to clients' addresses, but to local ones: not tried for a while. */
struct mute {
    union sockaddr_ip addr;
    uint64_t until; /* ns */
};

struct targets {
    union sockaddr_ip addr[TARGETS_MAX];
    bool local[TARGETS_MAX]; /* an address of this netns */
    unsigned n;
};

struct tcp_port {
    struct watch w; /* the listener; owned */
    struct tcp_ports *t;
    struct tcp_port *next;
    uint32_t id;
    bool any_address; /* the target is "this netns" */
    struct targets targets;
};

struct dialling {
    struct watch up, client; /* both descriptors owned */
    struct tcp_ports *t;
    struct dialling *prev, *next;
    struct targets targets;
    unsigned at;      /* the target being tried */
    bool keep_source; /* false after it failed for this client */
    uint64_t until;   /* ns; dialled from the client's address: when that is given up; 0: it is not */
    bool gave_up;     /* since then dialled from a local one */
    union sockaddr_ip peer;
};

/* What one worker tells another about a client that it hands over. */
struct handed {
    struct targets targets;
    bool any_address;
    union sockaddr_ip peer;
};

struct tcp_ports {
    struct loop *l;
    const struct portd_share *share; /* NULL: this is the only worker */
    struct watch handed;
    struct relay_engine *relay;
    struct tcp_port *ports;
    struct dialling *dialling;
    size_t n_dialling, max;
    struct timer retry;
    int spare; /* -1: used up */
    bool paused, said_full;
    void (*on_full)(const char *text, void *arg);
    void *on_full_arg;
    bool keep_source, warned;
    struct timer silence;
    struct mute mute[MUTE_MAX];
    unsigned next_mute;
    struct transparent can;
    void (*warn)(const char *text, void *arg);
    void *warn_arg;
};

size_t tcp_ports_connections(const struct tcp_ports *t)
{
    return relay_count(t->relay) + t->n_dialling;
}

/* To be called whenever that number may have changed. */
static void tell_load(struct tcp_ports *t)
{
    if (t->share)
        portd_share_load(t->share, tcp_ports_connections(t));
}

/* ---- resting and going on ---- */

static void say_full(struct tcp_ports *t, int err)
{
    struct reason text;
    if (t->said_full || !t->on_full)
        return;
    t->said_full = true;
    reason_set(
        &text, 0,
        "published ports: no more than %zu connections for now (%s); further clients wait until some end",
        tcp_ports_connections(t),
        err == ENFILE   ? "the machine's limit of open files, fs.file-max, is reached"
        : err == EMFILE ? "the limit of open files is reached: raise it with ulimit -n"
                        : "the kernel is short of memory");
    t->on_full(text.text, t->on_full_arg);
}

/* @err: why. */
static void pause_all(struct tcp_ports *t, int err)
{
    if (!t->paused)
        log_debug("ports: no more connections for now (%zu are up): %s", tcp_ports_connections(t),
                  strerror(err));
    say_full(t, err);
    t->paused = true;
    for (struct tcp_port *p = t->ports; p; p = p->next)
        loop_del(t->l, &p->w);
    loop_del(t->l, &t->handed);
    loop_timer_set(t->l, &t->retry, RETRY_NS);
}

static int spare_open(void)
{
    return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static void resume_all(struct tcp_ports *t)
{
    if (!t->paused)
        return;
    if (t->spare < 0)
        t->spare = spare_open();
    if (t->spare < 0) {
        loop_timer_set(t->l, &t->retry, RETRY_NS);
        return;
    }
    t->paused = false;
    loop_timer_del(t->l, &t->retry);
    for (struct tcp_port *p = t->ports; p; p = p->next)
        if (loop_add(t->l, &p->w) < 0) { /* out of memory: once more a little later */
            pause_all(t, ENOMEM);
            return;
        }
    if (t->share && loop_add(t->l, &t->handed) < 0)
        pause_all(t, ENOMEM);
}

static void on_retry(struct loop *l, struct timer *timer)
{
    (void)l;
    resume_all(container_of(timer, struct tcp_ports, retry));
}

static void on_relay_end(void *arg)
{
    tell_load(arg);
    resume_all(arg);
}

/* ---- dialling ---- */

static void warn_once(struct tcp_ports *t, const char *why)
{
    log_debug("ports: cannot dial from the client's address: %s", why);
    if (t->warned)
        return;
    t->warned = true;
    struct reason text;
    reason_set(&text, 0, "clients' source addresses are not kept, connections come from a local address: %s",
               why);
    t->warn(text.text, t->warn_arg);
}

static void set_int(int fd, int level, int name, int value)
{
    if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
        log_debug("ports: setsockopt %d: %s", name, strerror(errno));
}

static void keep_alive(int fd)
{
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES);
}

/* Socket connected to @to (@local: an address of this netns), or (-EINPROGRESS with *ret_fd set) on its way there; other -errno: it failed. */
static int connect_to(const struct tcp_ports *t, const union sockaddr_ip *to, const union sockaddr_ip *from,
                      bool local, int *ret_fd)
{
    fd_auto int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (local) /* before the connection is made, as that decides how large a window can become (tcp(7)) */
        set_int(fd, SOL_SOCKET, SO_RCVBUF, LOCAL_RCVBUF);
    if (!ip_is_loopback(to)) /* what is on lo cannot vanish */
        keep_alive(fd);
    if (from) /* a connection of that port that has ended must not be in the way */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    int r = from ? transparent_bind(&t->can, fd, from) : 0;
    if (r < 0)
        return r;
    r = connect(fd, &to->sa, ip_len(to)) < 0 ? -errno : 0;
    if (r == -EINPROGRESS)
        r = connect(fd, &to->sa, ip_len(to)) < 0 ? -errno : 0;
    if (r == -EALREADY)
        r = -EINPROGRESS;
    if (r == 0 || r == -EINPROGRESS)
        *ret_fd = steal_fd(&fd);
    return r;
}

static struct mute *find_mute(struct tcp_ports *t, const union sockaddr_ip *to)
{
    for (unsigned i = 0; i < MUTE_MAX; i++)
        if (ip_same_addr(&t->mute[i].addr, to) && ip_port(&t->mute[i].addr) == ip_port(to))
            return &t->mute[i];
    return NULL;
}

static void set_mute(struct tcp_ports *t, const union sockaddr_ip *to)
{
    struct mute *m = find_mute(t, to);
    if (!m)
        m = &t->mute[t->next_mute++ % MUTE_MAX];
    *m = (struct mute){*to, now_ns() + MUTE_NS};
}

static bool may_keep_source(const struct dialling *d)
{
    const union sockaddr_ip *to = &d->targets.addr[d->at];
    const struct reason *why = NULL;
    if (!d->keep_source)
        return false;
    const struct mute *m = find_mute(d->t, to);
    if (m && now_ns() < m->until)
        return false;
    bool yes = transparent_way(&d->t->can, &d->peer, to, d->targets.local[d->at], &why) != TRANSPARENT_NO;
    if (why)
        warn_once(d->t, why->text);
    return yes;
}

static int dial_target(struct dialling *d, int *ret_fd)
{
    const union sockaddr_ip *to = &d->targets.addr[d->at];
    d->until = 0;
    if (may_keep_source(d)) {
        union sockaddr_ip from = d->peer;
        int r = connect_to(d->t, to, &from, d->targets.local[d->at], ret_fd);
        if (r == -EADDRINUSE ||
            r == -EADDRNOTAVAIL) { /* an old connection of that port is not forgotten yet */
            ip_set_port(&from, 0);
            r = connect_to(d->t, to, &from, d->targets.local[d->at], ret_fd);
        }
        if (r == -EINPROGRESS)
            d->until = now_ns() + SILENCE_NS;
        if (r == 0 || r == -EINPROGRESS || r == -ECONNREFUSED || r == -EMFILE || r == -ENFILE)
            return r; /* those without a descriptor are for serve() and its reserve */
        d->keep_source = false;
        warn_once(d->t, strerror(-r));
    }
    return connect_to(d->t, to, NULL, d->targets.local[d->at], ret_fd);
}

/* Dial the target d->at and those after it until one answers or is under way. */
static int dial(struct dialling *d, int *ret_fd)
{
    int r = -ECONNREFUSED;
    for (; d->at < d->targets.n; d->at++) {
        r = dial_target(d, ret_fd);
        if (r == 0 || r == -EINPROGRESS)
            return r;
        log_debug("ports: dialling target %u: %s", d->at, strerror(-r));
        if (r == -EMFILE || r == -ENFILE)
            break;
    }
    return r;
}

static void forget(struct dialling *d)
{
    struct tcp_ports *t = d->t;
    loop_del(t->l, &d->up);
    loop_del(t->l, &d->client);
    fd_close(&d->up.fd);
    tcp_reset(&d->client.fd);
    if (d->prev)
        d->prev->next = d->next;
    else
        t->dialling = d->next;
    if (d->next)
        d->next->prev = d->prev;
    t->n_dialling--;
    tell_load(t);
    free(d);
}

static void to_relay(struct tcp_ports *t, int *client, int *up)
{
    int r = relay_add(t->relay, *client, *up);
    if (r == 0) {
        *client = *up = -1;
        return;
    }
    log_debug("ports: relay: %s", strerror(-r));
    tcp_reset(client);
    fd_close(up);
}

static void wait_for(struct dialling *d, int fd);

static void connected(struct dialling *d, int *up)
{
    if (d->gave_up)
        set_mute(d->t, &d->targets.addr[d->at]);
    loop_del(d->t->l, &d->client);
    to_relay(d->t, &d->client.fd, up);
}

/* Dial on, from the target d->at. */
static void dial_on(struct dialling *d)
{
    struct tcp_ports *t = d->t;
    int fd = -1;
    int r = dial(d, &fd);
    if (r == -EINPROGRESS) {
        wait_for(d, fd);
        return;
    }
    if (r == 0)
        connected(d, &fd);
    forget(d);
    resume_all(t);
}

static void stop_dialling(struct dialling *d)
{
    loop_del(d->t->l, &d->up);
    fd_close(&d->up.fd);
}

static void on_up(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct dialling *d = container_of(w, struct dialling, up);
    struct tcp_ports *t = d->t;
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
        err = errno;
    if (err == 0) {
        loop_del(l, &d->up);
        connected(d, &d->up.fd);
        forget(d);
        return;
    }
    log_debug("ports: target %u: %s", d->at, strerror(err));
    stop_dialling(d);
    if (err != ECONNREFUSED && d->until) {
        d->keep_source = false; /* the way back is missing: the same target again, from here */
        warn_once(t, strerror(err));
    } else {
        d->at++;
        d->gave_up = false;
    }
    dial_on(d);
}

/* Targets that answer a local address, perhaps, though not a client's. The list begins with the newest. */
static void on_silence(struct loop *l, struct timer *timer)
{
    struct tcp_ports *t = container_of(timer, struct tcp_ports, silence);
    uint64_t now = now_ns(), next = 0;
    for (struct dialling *d = t->dialling, *older; d; d = older) {
        older = d->next;
        if (!d->until)
            continue;
        if (d->until > now) {
            next = next && next < d->until ? next : d->until;
            continue;
        }
        stop_dialling(d);
        d->keep_source = false;
        d->gave_up = true;
        warn_once(t, "a server's answers to them do not come back");
        dial_on(d);
    }
    if (next)
        loop_timer_set(l, timer, next - now);
}

static void on_client(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    struct dialling *d = container_of(w, struct dialling, client);
    struct tcp_ports *t = d->t;
    if (!(events & (EPOLLERR | EPOLLHUP)))
        return;
    log_debug("ports: the client went away while its target was dialled");
    forget(d);
    resume_all(t);
}

static void wait_for(struct dialling *d, int fd)
{
    d->up = (struct watch){.fd = fd, .events = EPOLLOUT, .fn = on_up, .what = "dial"};
    if (d->until && !d->t->silence.armed)
        loop_timer_set(d->t->l, &d->t->silence, SILENCE_NS);
    if (loop_add(d->t->l, &d->up) < 0)
        forget(d);
}

/*
 * No address was asked for, and the client's address can be kept over IPv6 only: if the server listens on [::1] as well as
 * on 127.0.0.1, that is the better one.
 */
static bool may_be_ipv6(const struct dialling *d)
{
    return d->keep_source && d->t->can.v6 && d->peer.sa.sa_family == AF_INET6 && !ip_is_loopback(&d->peer);
}

static void prefer_ipv6(struct targets *ts)
{
    unsigned i = 0;
    while (i < ts->n && ts->addr[i].sa.sa_family != AF_INET6)
        i++;
    if (i == ts->n)
        return;
    union sockaddr_ip a = ts->addr[i];
    bool local = ts->local[i];
    for (; i > 0; i--) {
        ts->addr[i] = ts->addr[i - 1];
        ts->local[i] = ts->local[i - 1];
    }
    ts->addr[0] = a;
    ts->local[0] = local;
}

/* @client is ours from here on. */
static void serve(struct tcp_ports *t, int client, const struct handed *h)
{
    struct dialling now = {.t = t, .targets = h->targets, .keep_source = t->keep_source, .peer = h->peer};
    int up = -1;
    ip_unmap(&now.peer);
    if (h->any_address && may_be_ipv6(&now))
        prefer_ipv6(&now.targets);
    int r = dial(&now, &up);
    if ((r == -EMFILE || r == -ENFILE) && t->spare >= 0) {
        fd_close(&t->spare);
        pause_all(t, -r);
        r = dial(&now, &up);
    }
    if (r == 0) {
        to_relay(t, &client, &up);
        return;
    }
    struct dialling *d = r == -EINPROGRESS ? malloc(sizeof(*d)) : NULL;
    if (!d) {
        fd_close(&up);
        tcp_reset(&client);
        if (r == -ENOBUFS || r == -ENOMEM)
            pause_all(t, -r);
        return;
    }
    *d = now;
    d->next = t->dialling;
    if (d->next)
        d->next->prev = d;
    t->dialling = d;
    t->n_dialling++;
    d->up.fd = up;
    d->client = (struct watch){.fd = client, .events = 0, .fn = on_client, .what = "dialling client"};
    if (loop_add(t->l, &d->client) < 0)
        forget(d);
    else
        wait_for(d, up);
}

/* ---- several workers ---- */

static void serve_or_hand(struct tcp_ports *t, int client, const struct handed *h)
{
    int other = t->share ? portd_share_other(t->share) : -1;
    if (other >= 0 && portd_share_send(t->share, other, client, h, sizeof(*h)) == 0) {
        fd_close(&client);
        return;
    }
    serve(t, client, h);
    tell_load(t);
}

static void on_handed(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    struct tcp_ports *t = container_of(w, struct tcp_ports, handed);
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct handed h;
        int fd = portd_share_recv(t->share, &h, sizeof(h));
        if (fd == -EMFILE)
            pause_all(t, EMFILE); /* that client is lost */
        if (t->paused || fd == -EAGAIN)
            break;
        if (fd >= 0)
            serve(t, fd, &h);
    }
    tell_load(t);
}

int tcp_ports_share(struct tcp_ports *t, const struct portd_share *share)
{
    t->handed = (struct watch){.fd = share->in, .events = EPOLLIN, .fn = on_handed, .what = "handed clients"};
    int r = loop_add(t->l, &t->handed);
    if (r == 0) {
        t->share = share;
        tell_load(t);
    }
    return r;
}

/* ---- listeners ---- */

static void on_listener(struct loop *l, struct watch *w, uint32_t events)
{
    struct tcp_port *p = container_of(w, struct tcp_port, w);
    struct tcp_ports *t = p->t;
    if (events & (EPOLLERR | EPOLLHUP)) { /* the supervisor shut it down */
        loop_del(l, w);
        return;
    }
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (tcp_ports_connections(t) >= t->max) {
            pause_all(t, EMFILE);
            return;
        }
        struct handed h = {.targets = p->targets, .any_address = p->any_address};
        socklen_t len = sizeof(h.peer);
        int fd = accept4(w->fd, &h.peer.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            serve_or_hand(t, fd, &h);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            pause_all(t, errno);
        if (t->paused || (fd < 0 && errno == EAGAIN))
            return;
        /* Everything else is the error of one client that is gone already (accept(2)): the next one, please. */
    }
}

static void set_targets(struct targets *to, const struct portd_add *add, const union sockaddr_ip *first)
{
    static const char *const loopback[] = {"127.0.0.1", "::1"};
    to->addr[0] = *first;
    to->n = 1;
    for (unsigned i = 0; add->fallback && i < array_size(loopback); i++) {
        union sockaddr_ip a;
        ip_parse(loopback[i], add->child_port, &a);
        if (!ip_same_addr(&a, first))
            to->addr[to->n++] = a;
    }
    for (unsigned i = 0; i < to->n; i++)
        to->local[i] = transparent_target(&to->addr[i]);
}

int tcp_ports_add(struct tcp_ports *t, const struct portd_add *add, int fd)
{
    union sockaddr_ip first;
    if (ip_parse(add->child_ip, add->child_port, &first) < 0)
        return -EINVAL;
    struct tcp_port *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->t = t;
    p->id = add->id;
    set_targets(&p->targets, add, &first);
    p->any_address = add->fallback;
    keep_alive(fd); /* inherited by what is accepted */
    /* Of several workers that wait one is woken up for a client. (Nor can such a watch be modified: epoll_ctl(2).) */
    uint32_t events = EPOLLIN | (t->share ? EPOLLEXCLUSIVE : 0u);
    p->w = (struct watch){.fd = fd, .events = events, .fn = on_listener, .what = "listener"};
    int r = t->paused ? 0 : loop_add(t->l, &p->w);
    if (r < 0) {
        free(p);
        return r;
    }
    p->next = t->ports;
    t->ports = p;
    return 0;
}

static void port_free(struct tcp_port *p)
{
    loop_del(p->t->l, &p->w);
    fd_close(&p->w.fd);
    free(p);
}

int tcp_ports_del(struct tcp_ports *t, uint32_t id)
{
    for (struct tcp_port **at = &t->ports; *at; at = &(*at)->next)
        if ((*at)->id == id) {
            struct tcp_port *p = *at;
            *at = p->next;
            port_free(p);
            return 0;
        }
    return -ENOENT;
}

int tcp_ports_new(struct loop *l, size_t max, struct tcp_ports **ret)
{
    struct tcp_ports *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    int r = relay_engine_new(l, &t->relay);
    if (r < 0) {
        free(t);
        return r;
    }
    t->l = l;
    t->max = max;
    t->spare = spare_open(); /* if there is none: on the next occasion */
    t->retry = (struct timer){.fn = on_retry, .what = "accept again"};
    t->silence = (struct timer){.fn = on_silence, .what = "no answer"};
    relay_on_end(t->relay, on_relay_end, t);
    *ret = t;
    return 0;
}

void tcp_ports_on_full(struct tcp_ports *t, void (*fn)(const char *text, void *arg), void *arg)
{
    t->on_full = fn;
    t->on_full_arg = arg;
}

void tcp_ports_keep_source(struct tcp_ports *t, const struct transparent *can,
                           void (*warn)(const char *text, void *arg), void *arg)
{
    t->keep_source = true;
    t->can = *can;
    t->warn = warn;
    t->warn_arg = arg;
}

void tcp_ports_free(struct tcp_ports *t)
{
    if (!t)
        return;
    while (t->dialling)
        forget(t->dialling);
    relay_engine_free(t->relay);
    loop_del(t->l, &t->handed);
    while (t->ports) {
        struct tcp_port *p = t->ports;
        t->ports = p->next;
        port_free(p);
    }
    loop_timer_del(t->l, &t->retry);
    fd_close(&t->spare);
    loop_timer_del(t->l, &t->silence);
    free(t);
}
