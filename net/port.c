/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     supervisor                              portd
 *     bind, listen
 *     SYNC_PORT_ADD + listener ─────────────▶ watch the listener
 *                    ◀───────────── SYNC_PORT_ACK
 *     entry joins the table
 *     ...
 *     SYNC_PORT_DEL ────────────────────────▶ close its copy
 *                    ◀───────────── SYNC_PORT_ACK
 *     close the listener
 *                    ◀───────────── SYNC_WARN (at any time)
 *
 * One request is under way at a time. Without a portd (not started yet, or dead) the table goes on working on its own:
 * port_table_attach() announces everything to the next one.
 */
#include "net/port.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>

#include "core/fd.h"
#include "core/loop.h"
#include "core/parse.h"
#include "core/sync.h"
#include "net/ip.h"

enum { PORTS_MAX = 16384, ACK_MS = 2000, BACKLOG = 4096 };

struct slot {
    struct port_entry e;
    struct portd_add wire;
    int fd;
};

struct port_table {
    struct slot *slots; /* in order of id */
    size_t n, cap;
    uint32_t last_id;
    int sync_fd; /* a duplicate: the caller may close its own when portd dies, and the number may come back as something else; -1: no portd */
    void (*on_warn)(const char *text, void *arg);
    void *on_warn_arg;
    void (*on_stuck)(void *arg);
    void *on_stuck_arg;
    char dial[INET_ADDRSTRLEN]; /* the IPv4 address to look for servers at first; "": a loopback address */
};

int port_table_new(struct port_table **ret)
{
    struct port_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->sync_fd = -1;
    *ret = t;
    return 0;
}

void port_table_free(struct port_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        fd_close(&t->slots[i].fd);
    fd_close(&t->sync_fd);
    free(t->slots);
    free(t);
}

void port_table_dial(struct port_table *t, struct in_addr ip)
{
    inet_ntop(AF_INET, &ip, t->dial, sizeof(t->dial));
}

void port_table_on_warn(struct port_table *t, void (*fn)(const char *text, void *arg), void *arg)
{
    t->on_warn = fn;
    t->on_warn_arg = arg;
}

size_t port_count(const struct port_table *t)
{
    return t->n;
}

const struct port_entry *port_get(const struct port_table *t, size_t index)
{
    return index < t->n ? &t->slots[index].e : NULL;
}

/* ---- which addresses ---- */

static bool takes_v4(enum port_proto p)
{
    return p != PORT_TCP6 && p != PORT_UDP6;
}

static bool takes_v6(enum port_proto p)
{
    return p != PORT_TCP4 && p != PORT_UDP4;
}

/* The address to bind. Any address of both families: [::], to be bound as a dual-stack socket (@ret_dual). */
static void bind_address(const struct portspec *s, union sockaddr_ip *ret, bool *ret_dual)
{
    *ret_dual = false;
    if (*s->parent_ip)
        ip_parse(s->parent_ip, s->parent_port, ret); /* portspec_check() has seen it */
    else
        ip_parse(takes_v6(s->proto) ? "::" : "0.0.0.0", s->parent_port, ret);
    if (ip_is_any(ret) && takes_v4(s->proto) && takes_v6(s->proto)) {
        ip_parse("::", s->parent_port, ret);
        *ret_dual = true;
    }
}

static bool overlap(const struct portspec *a, const struct portspec *b)
{
    if (a->parent_port != b->parent_port || port_proto_is_udp(a->proto) != port_proto_is_udp(b->proto))
        return false;
    union sockaddr_ip x, y;
    bool x_dual, y_dual;
    bind_address(a, &x, &x_dual);
    bind_address(b, &y, &y_dual);
    if (x_dual || y_dual)
        return true;
    if (x.sa.sa_family != y.sa.sa_family)
        return false;
    return ip_is_any(&x) || ip_is_any(&y) || ip_same_addr(&x, &y);
}

/* Is @a an address of one of this host's interfaces other than lo? */
static bool is_own_address(const union sockaddr_ip *a)
{
    struct ifaddrs *list;
    bool own = false;
    if (getifaddrs(&list) < 0)
        return false;
    for (struct ifaddrs *i = list; i && !own; i = i->ifa_next) {
        union sockaddr_ip b;
        if (!i->ifa_addr || i->ifa_addr->sa_family != a->sa.sa_family || (i->ifa_flags & IFF_LOOPBACK))
            continue;
        memset(&b, 0, sizeof(b));
        memcpy(&b, i->ifa_addr, a->sa.sa_family == AF_INET ? sizeof(b.in) : sizeof(b.in6));
        own = ip_same_addr(a, &b);
    }
    freeifaddrs(list);
    return own;
}

static void set_wire(const struct port_table *t, struct slot *s)
{
    const struct portspec *spec = &s->e.spec;
    union sockaddr_ip a;
    const char *ip = "127.0.0.1";
    s->wire.id = s->e.id;
    s->wire.udp = port_proto_is_udp(spec->proto);
    s->wire.child_port = spec->child_port;
    bool given = *spec->child_ip && ip_parse(spec->child_ip, 0, &a) == 0 && !ip_is_any(&a);
    s->wire.fallback = !given;
    if (given)
        ip = spec->child_ip;
    else if (*spec->parent_ip && ip_parse(spec->parent_ip, 0, &a) == 0 && !ip_is_any(&a) &&
             !is_own_address(&a))
        ip = spec->parent_ip;
    else if (*t->dial && takes_v4(spec->proto))
        ip = t->dial;
    memcpy(s->wire.child_ip, ip, strlen(ip) + 1);
}

/* ---- listeners ---- */

static int explain_bind(int r, const struct portspec *s, struct reason *why)
{
    char text[PORTSPEC_TEXT_MAX] = "";
    portspec_format(s, text, sizeof(text));
    if (r == -EADDRINUSE)
        return reason_set(why, r, "cannot publish %s: port %u is in use by another program on this host",
                          text, s->parent_port);
    if (r == -EADDRNOTAVAIL)
        return reason_set(why, r, "cannot publish %s: '%s' is not an address of this host", text,
                          s->parent_ip);
    if (r == -EACCES) {
        free_auto char *now = NULL;
        const char *path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
        if (file_read(AT_FDCWD, path, 64, &now, NULL) == 0)
            now[strcspn(now, "\n")] = '\0';
        return reason_set(
            why, r,
            "cannot publish %s: port %u is privileged (net.ipv4.ip_unprivileged_port_start is %s): set "
            "net.ipv4.ip_unprivileged_port_start=%u with sysctl, or run 'setcap "
            "cap_net_bind_service=ep' on the executable, or choose a higher port",
            text, s->parent_port, now ? now : "1024", s->parent_port);
    }
    return reason_set(why, r, "cannot publish %s: %s", text, strerror(-r));
}

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_options(int fd, bool udp, int family, bool dual)
{
    int r = 0;
    if (family == AF_INET6)
        r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual);
    if (r < 0)
        return r;
    if (udp) /* the address a datagram was sent to, so that the answer can come from it (ip(7), ipv6(7)) */
        return family == AF_INET6 ? set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                                  : set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
    /* Inherited by the accepted sockets. A relay must not add Nagle's delay, and must notice a client that vanished. */
    r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0)
        r = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r == 0)
        r = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    return r;
}

static int bind_one(const union sockaddr_ip *a, bool udp, bool dual, int *ret_fd, uint16_t *ret_port)
{
    fd_auto int fd =
        socket(a->sa.sa_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r = set_options(fd, udp, a->sa.sa_family, dual);
    if (r < 0)
        return r;
    if (bind(fd, &a->sa, ip_len(a)) < 0 || (!udp && listen(fd, BACKLOG) < 0))
        return -errno;
    union sockaddr_ip got;
    socklen_t len = sizeof(got);
    if (getsockname(fd, &got.sa, &len) < 0)
        return -errno;
    *ret_port = ip_port(&got);
    *ret_fd = steal_fd(&fd);
    return 0;
}

static int bind_spec(struct portspec *s, int *ret_fd, struct reason *why)
{
    union sockaddr_ip a;
    bool dual, udp = port_proto_is_udp(s->proto);
    bind_address(s, &a, &dual);
    uint16_t port = 0;
    int r = bind_one(&a, udp, dual, ret_fd, &port);
    if (dual && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)) { /* a host without IPv6 */
        ip_parse("0.0.0.0", s->parent_port, &a);
        r = bind_one(&a, udp, false, ret_fd, &port);
    }
    if (r < 0)
        return explain_bind(r, s, why);
    s->parent_port = port;
    return 0;
}

/* ---- talking to portd ---- */

static void detach(struct port_table *t, int r)
{
    log_debug("ports: portd is gone (%d)", r);
    fd_close(&t->sync_fd);
}

static void take_warning(struct port_table *t, const struct sync_in *in)
{
    char text[256];
    size_t n = in->len < sizeof(text) - 1 ? in->len : sizeof(text) - 1;
    memcpy(text, in->payload, n);
    text[n] = '\0';
    log_debug("ports: warning of portd: %s", text);
    if (t->on_warn)
        t->on_warn(text, t->on_warn_arg);
}

/* Wait for the answer about @id; warnings may come before it, and late answers to a request that was given up. */
static int wait_ack(struct port_table *t, uint32_t id)
{
    uint64_t end = now_ns() + (uint64_t)ACK_MS * 1000000u;
    for (;;) {
        struct sync_in in sync_in_auto = {.nfds = 0};
        uint64_t now = now_ns();
        int r = sync_recv(t->sync_fd, &in, now >= end ? 0 : (int)((end - now) / 1000000u) + 1);
        if (r < 0)
            return r == -EAGAIN ? -ETIMEDOUT : r;
        struct portd_ack ack;
        if (in.msg == SYNC_WARN) {
            take_warning(t, &in);
        } else if (in.msg == SYNC_PORT_ACK && in.len == sizeof(ack)) {
            memcpy(&ack, in.payload, sizeof(ack));
            if (ack.id == id)
                return ack.err <= 0 ? ack.err : -EPROTO;
        } else {
            return -EPROTO;
        }
    }
}

/* 0 also when there is no portd, or none any more: the next one will be told by port_table_attach(). */
static int request(struct port_table *t, enum sync_msg m, const void *payload, size_t len, const int *fd,
                   uint32_t id)
{
    if (t->sync_fd < 0)
        return 0;
    int r = sync_send(t->sync_fd, m, payload, len, fd, fd ? 1 : 0);
    if (r == 0)
        r = wait_ack(t, id);
    if (r == -EPIPE || r == -ECONNRESET) {
        detach(t, r);
        return 0;
    }
    if (r == -ETIMEDOUT && t->on_stuck) {
        /* Waiting once is enough: whoever comes next, the rest of the table included, is told by the replacement's start. */
        detach(t, r);
        t->on_stuck(t->on_stuck_arg);
        return 0;
    }
    return r;
}

static int announce(struct port_table *t, const struct slot *s)
{
    return request(t, SYNC_PORT_ADD, &s->wire, sizeof(s->wire), &s->fd, s->e.id);
}

void port_table_on_stuck(struct port_table *t, void (*fn)(void *arg), void *arg)
{
    t->on_stuck = fn;
    t->on_stuck_arg = arg;
}

int port_table_attach(struct port_table *t, int sync_fd)
{
    int first = 0;
    fd_close(&t->sync_fd);
    if (sync_fd >= 0)
        t->sync_fd = fcntl(sync_fd, F_DUPFD_CLOEXEC, 3);
    if (sync_fd >= 0 && t->sync_fd < 0)
        return -errno;
    for (size_t i = 0; i < t->n; i++) {
        int r = announce(t, &t->slots[i]);
        if (r < 0 && first == 0)
            first = r;
    }
    return sync_fd >= 0 && t->sync_fd < 0 ? -ECONNRESET : first;
}

int port_table_dispatch(struct port_table *t)
{
    while (t->sync_fd >= 0) {
        struct sync_in in sync_in_auto = {.nfds = 0};
        int r = sync_recv(t->sync_fd, &in, 0);
        if (r == -EAGAIN)
            return 0;
        if (r == 0 && in.msg == SYNC_WARN)
            take_warning(t, &in);
        else if (r == 0)
            log_debug("ports: portd sent '%s' unasked", sync_name(in.msg));
        else
            detach(t, r);
    }
    return -ECONNRESET;
}

/* ---- adding and removing ---- */

static int grow(struct port_table *t)
{
    if (t->n < t->cap)
        return 0;
    size_t cap = t->cap ? t->cap * 2 : 8;
    struct slot *s = reallocarray(t->slots, cap, sizeof(*s));
    if (!s)
        return -ENOMEM;
    t->slots = s;
    t->cap = cap;
    return 0;
}

static int check_conflict(const struct port_table *t, const struct portspec *spec, struct reason *why)
{
    for (size_t i = 0; spec->parent_port != 0 && i < t->n; i++)
        if (overlap(&t->slots[i].e.spec, spec)) {
            char text[PORTSPEC_TEXT_MAX] = "";
            portspec_format(&t->slots[i].e.spec, text, sizeof(text));
            return reason_set(why, -EADDRINUSE, "conflict with ID %u: parent port %u is published as %s",
                              t->slots[i].e.id, spec->parent_port, text);
        }
    return 0;
}

int port_add(struct port_table *t, const struct portspec *spec, struct port_entry *ret, struct reason *why)
{
    int r = portspec_check(spec, why);
    if (r == 0)
        r = check_conflict(t, spec, why);
    if (r < 0)
        return r;
    if (t->n >= PORTS_MAX || t->last_id == UINT32_MAX)
        return reason_set(why, -ENOSPC, "more than %d ports cannot be published", PORTS_MAX);
    r = grow(t);
    if (r < 0)
        return reason_set(why, r, "out of memory");
    struct slot s = {.e = {.id = t->last_id + 1, .spec = *spec}, .fd = -1};
    r = bind_spec(&s.e.spec, &s.fd, why);
    if (r < 0)
        return r;
    set_wire(t, &s);
    t->last_id++; /* also when portd refuses: its late answer must not be taken for that of the next one */
    r = announce(t, &s);
    if (r < 0) {
        fd_close(&s.fd);
        if (r == -ETIMEDOUT && t->sync_fd >= 0) /* it may still come to it */
            sync_send(t->sync_fd, SYNC_PORT_DEL, &s.e.id, sizeof(s.e.id), NULL, 0);
        return reason_set(why, r, "the port forwarder did not take the port: %s", strerror(-r));
    }
    t->slots[t->n++] = s;
    if (ret)
        *ret = s.e;
    return 0;
}

int port_add_all(struct port_table *t, const struct portspec *specs, size_t n, struct port_entry *ret,
                 struct reason *why)
{
    size_t before = t->n;
    for (size_t i = 0; i < n; i++) {
        int r = port_add(t, &specs[i], NULL, why);
        if (r < 0) {
            while (t->n > before)
                port_remove(t, t->slots[t->n - 1].e.id, NULL);
            return r;
        }
    }
    for (size_t i = 0; ret && i < n; i++)
        ret[i] = t->slots[before + i].e;
    return 0;
}

int port_remove(struct port_table *t, uint32_t id, struct reason *why)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->slots[i].e.id != id)
            continue;
        /* Gone in any case: shutdown(2) ends the listening of portd's copy too, should it not answer. */
        int r = request(t, SYNC_PORT_DEL, &id, sizeof(id), NULL, id);
        shutdown(t->slots[i].fd, SHUT_RDWR);
        fd_close(&t->slots[i].fd);
        memmove(&t->slots[i], &t->slots[i + 1], (t->n - i - 1) * sizeof(t->slots[0]));
        t->n--;
        return r < 0
                   ? reason_set(why, r, "the port forwarder did not let go of port %u: %s", id, strerror(-r))
                   : 0;
    }
    return reason_set(why, -ENOENT, "unknown id: %u", id);
}
