/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * On loopback the handshake is over before connect(2) returns, though it says EINPROGRESS; a second connect(2) tells
 * the outcome at once. So the usual target needs no turn of the event loop.
 *
 * A peer that vanishes without a word (a laptop that is shut, a cable, a firewall that forgets): keepalive finds that out within
 * KEEP_IDLE + KEEP_PROBES * KEEP_INTERVAL seconds, and the other side gets a reset. Where bytes are on their way to it, the
 * kernel gives up by itself (net.ipv4.tcp_retries2, about 15 minutes). Not TCP_USER_TIMEOUT: it also ends connections to
 * clients that are alive and do not read for a while (tcp(7)), which a server without a forwarder in between does not do.
 */
#include "net/tcp_dial.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/tcp.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/loop.h"

/*
 * A server on this machine fills whatever window it is given, faster than the client takes the bytes: megabytes would lie in
 * between that no cache holds, for which both pay. There is no distance that more than this (the kernel's default limit,
 * net.core.rmem_max) would be for. Measured: a quarter more throughput out of the container.
 */
enum { LOCAL_RCVBUF = 212992 };
enum { KEEP_IDLE = 60, KEEP_INTERVAL = 20, KEEP_PROBES = 6 }; /* seconds, seconds, number */
static const uint64_t MUTE_NS = 60 * 1000000000ull;

static void warn_once(struct tcp_dialler *d, const char *why)
{
    log_debug("ports: cannot dial from the client's address: %s", why);
    if (d->warned)
        return;
    d->warned = true;
    struct reason text;
    reason_set(&text, 0, "clients' source addresses are not kept, connections come from a local address: %s",
               why);
    d->warn(text.text, d->warn_arg);
}

static void set_int(int fd, int level, int name, int value)
{
    if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
        log_debug("ports: setsockopt %d: %s", name, strerror(errno));
}

void tcp_keep_alive(int fd)
{
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES);
}

/* Socket connected to @to (@local: an address of this netns), or (-EINPROGRESS with *ret_fd set) on its way there; other -errno: it failed. */
static int connect_to(const struct tcp_dialler *d, const union sockaddr_ip *to, const union sockaddr_ip *from,
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
        tcp_keep_alive(fd);
    if (from) /* a connection of that port that has ended must not be in the way */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    int r = from ? transparent_bind(&d->can, fd, from) : 0;
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

static struct tcp_mute *find_mute(struct tcp_dialler *d, const union sockaddr_ip *to)
{
    for (unsigned i = 0; i < array_size(d->mute); i++)
        if (ip_same_addr(&d->mute[i].addr, to) && ip_port(&d->mute[i].addr) == ip_port(to))
            return &d->mute[i];
    return NULL;
}

static void set_mute(struct tcp_dialler *d, const union sockaddr_ip *to)
{
    struct tcp_mute *m = find_mute(d, to);
    if (!m)
        m = &d->mute[d->next_mute++ % array_size(d->mute)];
    *m = (struct tcp_mute){*to, now_ns() + MUTE_NS};
}

static bool may_keep_source(struct tcp_dialler *d, const struct tcp_attempt *a)
{
    const union sockaddr_ip *to = &a->targets.addr[a->at];
    const struct reason *why = NULL;
    if (!a->keep_source)
        return false;
    const struct tcp_mute *m = find_mute(d, to);
    if (m && now_ns() < m->until)
        return false;
    bool yes = transparent_way(&d->can, &a->client, to, a->targets.local[a->at], &why) != TRANSPARENT_NO;
    if (why)
        warn_once(d, why->text);
    return yes;
}

static int dial_target(struct tcp_dialler *d, struct tcp_attempt *a, int *ret_fd)
{
    const union sockaddr_ip *to = &a->targets.addr[a->at];
    bool local = a->targets.local[a->at];
    a->until = 0;
    if (may_keep_source(d, a)) {
        union sockaddr_ip from = a->client;
        int r = connect_to(d, to, &from, local, ret_fd);
        if (r == -EADDRINUSE ||
            r == -EADDRNOTAVAIL) { /* an old connection of that port is not forgotten yet */
            ip_set_port(&from, 0);
            r = connect_to(d, to, &from, local, ret_fd);
        }
        if (r == -EINPROGRESS)
            a->until = now_ns() + TCP_DIAL_SILENCE_NS;
        if (r == 0 || r == -EINPROGRESS || r == -ECONNREFUSED || r == -EMFILE || r == -ENFILE)
            return r; /* those without a descriptor are for the caller and its reserve */
        a->keep_source = false;
        warn_once(d, strerror(-r));
    }
    return connect_to(d, to, NULL, local, ret_fd);
}

int tcp_dial(struct tcp_dialler *d, struct tcp_attempt *a, int *ret_fd)
{
    int r = -ECONNREFUSED;
    for (; a->at < a->targets.n; a->at++) {
        r = dial_target(d, a, ret_fd);
        if (r == 0 || r == -EINPROGRESS)
            return r;
        log_debug("ports: dialling target %u: %s", a->at, strerror(-r));
        if (r == -EMFILE || r == -ENFILE)
            break;
    }
    return r;
}

void tcp_dial_failed(struct tcp_dialler *d, struct tcp_attempt *a, int err)
{
    log_debug("ports: target %u: %s", a->at, strerror(err));
    if (err != ECONNREFUSED && a->until) {
        a->keep_source = false; /* the way back is missing: the same target again, from here */
        warn_once(d, strerror(err));
    } else {
        a->at++;
        a->gave_up = false;
    }
}

void tcp_dial_silent(struct tcp_dialler *d, struct tcp_attempt *a)
{
    a->keep_source = false;
    a->gave_up = true;
    warn_once(d, "a server's answers to them do not come back");
}

void tcp_dial_answered(struct tcp_dialler *d, const struct tcp_attempt *a)
{
    if (a->gave_up)
        set_mute(d, &a->targets.addr[a->at]);
}

/*
 * No address was asked for, and the client's address can be kept over IPv6 only: if the server listens on [::1] as well as
 * on 127.0.0.1, that is the better one.
 */
static void prefer_ipv6(struct port_targets *ts)
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

void tcp_attempt_init(struct tcp_attempt *ret, const struct tcp_dialler *d,
                      const struct port_targets *targets, const union sockaddr_ip *client)
{
    *ret = (struct tcp_attempt){.client = *client, .targets = *targets, .keep_source = d->keep_source};
    ip_unmap(&ret->client);
    if (targets->any && d->keep_source && d->can.v6 && ret->client.sa.sa_family == AF_INET6 &&
        !ip_is_loopback(&ret->client))
        prefer_ipv6(&ret->targets);
}
