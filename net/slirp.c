/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * libslirp keeps the clock of its last slirp_pollfds_poll(), so that call comes once a turn before frames are put in.
 * It writes to sockets without MSG_NOSIGNAL: SIGPIPE has to be ignored by the process.  Its own DNS forwarding needs
 * /etc/resolv.conf, which a sandboxed process does not have: port 53 of the DNS address is taken out of the frames before.
 * It sends frames from inside any of its functions; send() must not call back.
 */
#include "net/slirp.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <libslirp.h>

#include "core/fd.h"
#include "core/log.h"

struct stack {
    Slirp *slirp;
    struct stack_config c;
    struct sockaddr_in outbound; /* libslirp keeps pointers to these */
    struct sockaddr_in6 outbound6;
    struct pollset *filling;
    const struct pollset *polled;
};

/* One of libslirp's timers (it has one: router advertisements). */
struct stack_timer {
    struct timer t;
    SlirpTimerCb cb;
    void *cb_opaque;
};

int pollset_add(struct pollset *p, int fd, short events)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 32;
        struct pollfd *fds = reallocarray(p->fds, cap, sizeof(*fds));
        if (!fds)
            return -ENOMEM;
        p->fds = fds;
        p->cap = cap;
    }
    p->fds[p->n] = (struct pollfd){.fd = fd, .events = events};
    return (int)p->n++;
}

void pollset_done(struct pollset *p)
{
    free(p->fds);
    *p = (struct pollset){NULL, 0, 0};
}

/* ---- callbacks */

static ssize_t send_packet(const void *frame, size_t len, void *opaque)
{
    struct stack *s = opaque;
    s->c.send(frame, len, s->c.arg);
    return (ssize_t)len; /* a dropped frame is what networks do; an error would change nothing in libslirp */
}

static void guest_error(const char *msg, void *opaque)
{
    (void)opaque;
    log_debug("libslirp: %s", msg);
}

static int64_t clock_ns(void *opaque)
{
    (void)opaque;
    return (int64_t)now_ns();
}

static void timer_fired(struct loop *l, struct timer *t)
{
    (void)l;
    struct stack_timer *st = container_of(t, struct stack_timer, t);
    st->cb(st->cb_opaque);
}

static void *timer_make(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
    (void)opaque;
    struct stack_timer *st = calloc(1, sizeof(*st));
    if (!st)
        return NULL;
    *st =
        (struct stack_timer){.t = {.fn = timer_fired, .what = "libslirp"}, .cb = cb, .cb_opaque = cb_opaque};
    return st;
}

static void timer_drop(void *timer, void *opaque)
{
    struct stack *s = opaque;
    struct stack_timer *st = timer;
    if (!st)
        return;
    loop_timer_del(s->c.loop, &st->t);
    free(st);
}

static void timer_set(void *timer, int64_t expire_ms, void *opaque)
{
    struct stack *s = opaque;
    struct stack_timer *st = timer;
    if (!st)
        return;
    int64_t left_ms = expire_ms - clock_ns(NULL) / 1000000;
    loop_timer_set(s->c.loop, &st->t, left_ms > 0 ? (uint64_t)left_ms * 1000000u : 0);
}

/* The poll set is made anew each turn: nothing to register, nobody to wake. */
static void ignore_fd(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}

static void notify(void *opaque)
{
    (void)opaque;
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_ns,
    .timer_new = timer_make,
    .timer_free = timer_drop,
    .timer_mod = timer_set,
    .register_poll_fd = ignore_fd,
    .unregister_poll_fd = ignore_fd,
    .notify = notify,
};

/* ---- life */

int stack_new(const struct stack_config *c, struct stack **ret)
{
    const struct addrplan *p = c->plan;
    if (p->mtu < 68 || p->mtu > 65521)
        return -EINVAL;
    struct stack *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->c = *c;
    SlirpConfig cfg = {
        /* 6 changes the types of callbacks for Windows only; up to 5 the structure above is what libslirp reads. */
        .version = SLIRP_CONFIG_VERSION_MAX < 5 ? SLIRP_CONFIG_VERSION_MAX : 5,
        .in_enabled = true,
        .vnetwork = p->network,
        .vnetmask = p->netmask,
        .vhost = p->host,
        .in6_enabled = p->ipv6,
        .vprefix_addr6 = p->network6,
        .vprefix_len = (uint8_t)p->prefix6,
        .vhost6 = p->gateway6,
        .vdhcp_start = p->dhcp_start,
        .vnameserver = p->dns,
        .vnameserver6 = p->dns6,
        .if_mtu = p->mtu,
        .if_mru = p->mtu,
        .disable_host_loopback = c->disable_host_loopback,
    };
#if SLIRP_CONFIG_VERSION_MAX >= 2
    if (c->outbound) {
        s->outbound = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = *c->outbound};
        cfg.outbound_addr = &s->outbound;
    }
    if (c->outbound6) {
        s->outbound6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = *c->outbound6};
        cfg.outbound_addr6 = &s->outbound6;
    }
#endif
#if SLIRP_CONFIG_VERSION_MAX >= 3
    /* The owner answers for port 53 of the DNS address before frames come here; where that address is the host's as well,
     * the rest of it has to stay the host's. */
    cfg.disable_dns = c->disable_dns || p->dns.s_addr == p->host.s_addr;
#endif
    s->c.plan = NULL;
    s->c.outbound = NULL;
    s->c.outbound6 = NULL;
    s->slirp = slirp_new(&cfg, &callbacks, s);
    if (!s->slirp) {
        free(s);
        return -EINVAL;
    }
    *ret = s;
    return 0;
}

void stack_free(struct stack *s)
{
    if (!s)
        return;
    slirp_cleanup(s->slirp);
    free(s);
}

void stack_input(struct stack *s, const void *frame, size_t len)
{
    if (len <= INT32_MAX)
        slirp_input(s->slirp, frame, (int)len);
}

/* ---- polling */

static int add_poll(int fd, int events, void *opaque)
{
    struct stack *s = opaque;
    short e = 0;
    if (events & SLIRP_POLL_IN)
        e |= POLLIN;
    if (events & SLIRP_POLL_OUT)
        e |= POLLOUT;
    if (events & SLIRP_POLL_PRI)
        e |= POLLPRI;
    int i = pollset_add(s->filling, fd, e); /* POLLERR and POLLHUP always come */
    return i < 0 ? -1 : i;
}

static int get_revents(int idx, void *opaque)
{
    const struct stack *s = opaque;
    if (idx < 0 || (size_t)idx >= s->polled->n)
        return 0;
    short e = s->polled->fds[idx].revents;
    int r = 0;
    if (e & POLLIN)
        r |= SLIRP_POLL_IN;
    if (e & POLLOUT)
        r |= SLIRP_POLL_OUT;
    if (e & POLLPRI)
        r |= SLIRP_POLL_PRI;
    if (e & (POLLERR | POLLNVAL))
        r |= SLIRP_POLL_ERR;
    if (e & POLLHUP)
        r |= SLIRP_POLL_HUP;
    return r;
}

void stack_fill(struct stack *s, struct pollset *p, int *timeout_ms)
{
    uint32_t t = *timeout_ms < 0 ? UINT32_MAX : (uint32_t)*timeout_ms;
    s->filling = p;
    slirp_pollfds_fill(s->slirp, &t, add_poll, s);
    s->filling = NULL;
    *timeout_ms = t > INT32_MAX ? -1 : (int)t;
}

void stack_polled(struct stack *s, const struct pollset *p, bool failed)
{
    s->polled = p;
    slirp_pollfds_poll(s->slirp, failed, get_revents, s);
    s->polled = NULL;
}

/* ---- forwards */

int stack_add_hostfwd(struct stack *s, bool udp, const union sockaddr_ip *host,
                      const union sockaddr_ip *guest)
{
    int flags = udp ? SLIRP_HOSTFWD_UDP : 0;
    if (host->sa.sa_family != guest->sa.sa_family)
        return -EAFNOSUPPORT;
    if (host->sa.sa_family == AF_INET6)
        flags |= SLIRP_HOSTFWD_V6ONLY;
    errno = 0;
    if (slirp_add_hostxfwd(s->slirp, &host->sa, ip_len(host), &guest->sa, ip_len(guest), flags) < 0)
        return errno ? -errno : -EIO;
    return 0;
}

int stack_remove_hostfwd(struct stack *s, bool udp, const union sockaddr_ip *host)
{
    int flags = udp ? SLIRP_HOSTFWD_UDP : 0;
    return slirp_remove_hostxfwd(s->slirp, &host->sa, ip_len(host), flags) < 0 ? -ENOENT : 0;
}

const char *stack_version(void)
{
    return slirp_version_string();
}

unsigned stack_config_version_max(void)
{
    return SLIRP_CONFIG_VERSION_MAX;
}
