/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * libslirp keeps the clock of its last slirp_pollfds_poll(), so that call comes once a turn before frames are put in.
 * It writes to sockets without MSG_NOSIGNAL: SIGPIPE has to be ignored by the process.  Its own DNS forwarding needs
 * /etc/resolv.conf, which a sandboxed process does not have: port 53 of the DNS address is taken out of the frames before.
 * It sends frames from inside any of its functions; send() must not call back.
 *
 * Each turn it names every socket it wants polled, in slirp_pollfds_fill(), and asks what happened to each of them in
 * slirp_pollfds_poll(); what is between them is in net/pollset.h.
 *
 * How much the guest can make this process hold is bounded here: sockets by kind, and connections that nobody answers.
 */
#include "net/slirp.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <libslirp.h>
#include <linux/if_ether.h>

#include "core/fd.h"
#include "core/log.h"
#include "net/neighbor.h"

enum {
    RESERVE = 256, /* descriptors for the rest of the process, but never more than a quarter */
};

enum kind { KIND_NONE, KIND_TCP, KIND_UDP, KIND_ICMP, N_KINDS };
static const unsigned max_sockets[N_KINDS] = {
    [KIND_TCP] = STACK_MAX_TCP,
    [KIND_UDP] = STACK_MAX_UDP,
    [KIND_ICMP] = STACK_MAX_ICMP,
};

struct stack {
    Slirp *slirp;
    struct stack_config c;
    struct sockaddr_in outbound; /* libslirp keeps pointers to these */
    struct sockaddr_in6 outbound6;
    struct sockset sockets; /* the tag: enum kind */
    int *half_open;         /* this turn's sockets that connect, the newest first */
    size_t n_half_open, cap_half_open;
    unsigned open[N_KINDS];
    enum kind input; /* of the present stack_input() */
    int opened;      /* by the present stack_input(): a TCP socket; -1: none */
    struct neighbor neighbor;
    bool news; /* of the guest's address: packets that waited for it can go, in slirp_pollfds_poll() */
    struct rlimit files;
    rlim_t max_all;       /* sockets of all kinds */
    rlim_t kept[N_KINDS]; /* of these, for this kind alone */
    size_t max_half_open;
};

/* One of libslirp's timers (it has one: router advertisements). */
struct stack_timer {
    struct timer t;
    SlirpTimerCb cb;
    void *cb_opaque;
};

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

/* An echo request's is one whatever its protocol: without ping sockets libslirp tries the host's UDP echo port. */
static enum kind kind_of(const struct stack *s, int fd)
{
    if (s->input == KIND_ICMP)
        return KIND_ICMP;
    int protocol = 0;
    socklen_t len = sizeof(protocol);
    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len);
    return protocol == IPPROTO_TCP ? KIND_TCP : protocol == IPPROTO_UDP ? KIND_UDP : KIND_ICMP;
}

/* libslirp has opened a socket for the guest, or accepted one. */
static void fd_opened(int fd, void *opaque)
{
    struct stack *s = opaque;
    uint8_t *kind = sockset_tag(&s->sockets, fd);
    if (!kind)
        return;
    *kind = (uint8_t)kind_of(s, fd);
    s->open[*kind]++;
    if (*kind == KIND_TCP)
        s->opened = fd;
}

/* It closes one. */
static void fd_closed(int fd, void *opaque)
{
    struct stack *s = opaque;
    const uint8_t *kind = sockset_tag(&s->sockets, fd);
    if (kind && *kind != KIND_NONE)
        s->open[*kind]--;
    sockset_forget(&s->sockets, fd);
    if (s->opened == fd)
        s->opened = -1;
}

/* It would like a turn: it gets one after whatever woke us. */

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
    .register_poll_fd = fd_opened,
    .unregister_poll_fd = fd_closed,
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
    s->opened = -1;
    int r = sockset_init(&s->sockets);
    if (r == 0 && getrlimit(RLIMIT_NOFILE, &s->files) < 0)
        r = -errno;
    if (r < 0) {
        sockset_done(&s->sockets);
        free(s);
        return r;
    }
    rlim_t quarter = s->files.rlim_cur / 4;
    s->max_all = s->files.rlim_cur - (quarter < RESERVE ? quarter : RESERVE);
    s->kept[KIND_TCP] = s->max_all / 4 < max_sockets[KIND_TCP] ? s->max_all / 4 : max_sockets[KIND_TCP];
    s->kept[KIND_UDP] = s->max_all / 8 < max_sockets[KIND_UDP] ? s->max_all / 8 : max_sockets[KIND_UDP];
    /* Less than is kept: a flood of them and one of datagrams leave room for connections. */
    s->max_half_open = s->max_all / 8 < STACK_MAX_HALF_OPEN ? s->max_all / 8 : STACK_MAX_HALF_OPEN;
    s->slirp = slirp_new(&cfg, &callbacks, s);
    if (!s->slirp) {
        sockset_done(&s->sockets);
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
    sockset_done(&s->sockets);
    free(s->half_open);
    free(s);
}

/* ---- frames */

static enum kind frame_kind(const unsigned char *f, size_t len)
{
    unsigned type = len >= ETH_HLEN + 20 ? (unsigned)(f[12] << 8 | f[13]) : 0;
    unsigned protocol = type == ETH_P_IP ? f[ETH_HLEN + 9] : type == ETH_P_IPV6 ? f[ETH_HLEN + 6] : 0;
    switch (protocol) {
    case IPPROTO_TCP: return KIND_TCP;
    case IPPROTO_UDP: return KIND_UDP;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6: return KIND_ICMP;
    default: return KIND_NONE;
    }
}

/* Has the guest as many sockets of this kind as it may have? What is kept for another kind is not there for this one. */
static bool is_full(const struct stack *s, enum kind k)
{
    rlim_t taken = 0;
    for (size_t i = 0; i < N_KINDS; i++)
        taken += i == k || s->open[i] > s->kept[i] ? s->open[i] : s->kept[i];
    return s->open[k] >= max_sockets[k] || taken >= s->max_all;
}

/* For what libslirp does meanwhile: it uses the sockets that it has, but can open none. */
static void forbid_sockets(struct stack *s, bool forbid)
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = s->files.rlim_max};
    setrlimit(RLIMIT_NOFILE, forbid ? &none : &s->files);
}

static void input(struct stack *s, const void *frame, size_t len, bool known)
{
    if (len > INT32_MAX)
        return;
    enum kind k = frame_kind(frame, len);
    bool closed = known || (k != KIND_NONE && is_full(s, k));
    unsigned char hint[NEIGHBOR_FRAME];
    size_t hint_len = neighbor_learn(&s->neighbor, frame, len, hint);
    if (hint_len)
        slirp_input(s->slirp, hint, (int)hint_len);
    s->opened = -1;
    s->input = k;
    if (closed)
        forbid_sockets(s, true);
    slirp_input(s->slirp, frame, (int)len);
    s->input = KIND_NONE;
    if (closed)
        forbid_sockets(s, false);
    s->news = s->news || hint_len || neighbor_speaks(frame, len);
    hint_len = neighbor_insist(&s->neighbor, frame, len, hint);
    if (hint_len)
        slirp_input(s->slirp, hint, (int)hint_len);
}

void stack_input(struct stack *s, const void *frame, size_t len)
{
    input(s, frame, len, false);
}

void stack_input_known(struct stack *s, const void *frame, size_t len)
{
    input(s, frame, len, true);
}

int stack_opened(const struct stack *s)
{
    return s->opened;
}

/* ---- polling */

static void add_half_open(struct stack *s, int fd)
{
    if (s->n_half_open == s->cap_half_open) {
        size_t more = s->cap_half_open ? s->cap_half_open * 2 : 64;
        int *p = reallocarray(s->half_open, more, sizeof(*p));
        if (!p)
            return;
        s->half_open = p;
        s->cap_half_open = more;
    }
    s->half_open[s->n_half_open++] = fd;
}

static bool is_listener(int fd)
{
    int yes = 0;
    socklen_t len = sizeof(yes);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes;
}

static int add_poll(int fd, int events, void *opaque)
{
    struct stack *s = opaque;
    const uint8_t *kind = sockset_tag(&s->sockets, fd);
    short e = 0;
    if (events & SLIRP_POLL_IN)
        e |= POLLIN;
    if (events & SLIRP_POLL_OUT)
        e |= POLLOUT;
    if (events & SLIRP_POLL_PRI)
        e |= POLLPRI; /* POLLERR and POLLHUP always come */
    /* A published port's listener waits while the guest can have no more. */
    if (!kind || (*kind == KIND_NONE && is_full(s, KIND_TCP) && is_listener(fd)) ||
        sockset_want(&s->sockets, fd, e) < 0)
        return -1;
    if (e == POLLOUT && *kind == KIND_TCP)
        add_half_open(s, fd);
    return fd;
}

static int get_revents(int fd, void *opaque)
{
    const struct stack *s = opaque;
    short e = sockset_ready(&s->sockets, fd);
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

/*
 * Too many connections wait for somebody to answer: the oldest give way, so that a flood of them keeps nobody from
 * connecting to those who do answer.  libslirp sees them fail.
 */
static void limit_half_open(struct stack *s)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    for (size_t i = s->max_half_open; i < s->n_half_open; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        /* One that is connected waits for POLLOUT, too, when neither side takes data. */
        if (getpeername(s->half_open[i], (struct sockaddr *)&peer, &len) < 0 &&
            connect(s->half_open[i], &none, sizeof(none)) < 0)
            log_debug("stack: a half-open connection cannot be ended: %s", strerror(errno));
    }
}

void stack_fill(struct stack *s, struct pollset *p, int *timeout_ms)
{
    uint32_t t = *timeout_ms < 0 ? UINT32_MAX : (uint32_t)*timeout_ms;
    sockset_begin(&s->sockets);
    s->n_half_open = 0;
    slirp_pollfds_fill(s->slirp, &t, add_poll, s);
    *timeout_ms = s->news ? 0 : t > INT32_MAX ? -1 : (int)t;
    s->news = false;
    limit_half_open(s);
    sockset_fill(&s->sockets, p);
}

void stack_polled(struct stack *s, const struct pollset *p, bool failed)
{
    if (!failed)
        sockset_polled(&s->sockets, p);
    slirp_pollfds_poll(s->slirp, failed, get_revents, s);
}

size_t stack_sockets(const struct stack *s)
{
    return s->sockets.n_wanted;
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
