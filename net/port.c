/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     supervisor                              portd
 *     bind (all of a batch)
 *     listen
 *     SYNC_PORT_ADD + listener ─────────────▶ watch the listener
 *                    ◀───────────── SYNC_PORT_ACK
 *     (the next of the batch)
 *     entries join the table
 *     ...
 *     SYNC_PORT_DEL ────────────────────────▶ close its copy
 *                    ◀───────────── SYNC_PORT_ACK
 *     close the listener
 *                    ◀───────────── SYNC_WARN (at any time)
 *
 * One request is under way at a time. Without a portd (not started yet, or dead) the table goes on working on its own:
 * port_table_attach() announces everything to the next one.
 *
 * All of a batch is bound before the first of it listens: clients never see a port of a batch that fails.
 */
#include "net/port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>

#include "core/fd.h"
#include "core/loop.h"
#include "core/parse.h"
#include "core/sync.h"
#include "net/ip.h"
#include "net/port_listen.h"

enum { PORTS_MAX = 16384, ACK_MS = 2000 };

struct slot {
    struct port_entry e;
    struct portd_add wire;
    int fd;
};

struct port_table {
    struct slot *slots; /* in order of id; behind the n first: those of the batch under way */
    size_t n, cap;
    uint32_t last_id;
    int sync_fd; /* a duplicate: the caller may close its own when portd dies, and the number may come back as something else; -1: no portd */
    void (*on_warn)(const char *text, void *arg);
    void *on_warn_arg;
    void (*on_stuck)(void *arg);
    void *on_stuck_arg;
    port_change_fn *on_change;
    void *on_change_arg;
    bool served, interrupted;   /* a portd has all of the table; the last one was lost */
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

void port_table_on_change(struct port_table *t, port_change_fn *fn, void *arg)
{
    t->on_change = fn;
    t->on_change_arg = arg;
}

static void tell(struct port_table *t, enum port_event event, const struct port_entry *e, const char *text)
{
    if (t->on_change)
        t->on_change(t->on_change_arg, event, e, text);
}

bool port_table_interrupted(const struct port_table *t)
{
    return t->interrupted;
}

size_t port_count(const struct port_table *t)
{
    return t->n;
}

const struct port_entry *port_get(const struct port_table *t, size_t index)
{
    return index < t->n ? &t->slots[index].e : NULL;
}

/* ---- talking to portd ---- */

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
             !port_listen_is_own(&a))
        ip = spec->parent_ip;
    else if (*t->dial && port_proto_takes_v4(spec->proto))
        ip = t->dial;
    memcpy(s->wire.child_ip, ip, strlen(ip) + 1);
}

static void detach(struct port_table *t, int r)
{
    log_debug("ports: portd is gone (%d)", r);
    fd_close(&t->sync_fd);
    if (!t->served)
        return;
    t->served = false;
    t->interrupted = true;
    tell(t, PORT_INTERRUPTED, NULL, NULL);
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
    if (t->sync_fd >= 0)
        detach(t, 0);
    if (sync_fd < 0)
        return 0;
    t->sync_fd = fcntl(sync_fd, F_DUPFD_CLOEXEC, 3);
    if (t->sync_fd < 0)
        return -errno;
    for (size_t i = 0; i < t->n; i++) {
        int r = announce(t, &t->slots[i]);
        if (r < 0)
            tell(t, PORT_FAILED, &t->slots[i].e, strerror(-r));
        if (r < 0 && first == 0)
            first = r;
    }
    if (t->sync_fd < 0) /* it did not live to hear everything */
        return -ECONNRESET;
    t->served = true;
    if (t->interrupted) {
        t->interrupted = false;
        tell(t, PORT_RESTORED, NULL, NULL);
    }
    return first;
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

static int reserve(struct port_table *t, size_t n)
{
    if (t->cap - t->n >= n)
        return 0;
    size_t cap = t->cap * 2 > t->n + n ? t->cap * 2 : t->n + n;
    struct slot *s = reallocarray(t->slots, cap, sizeof(*s));
    if (!s)
        return -ENOMEM;
    t->slots = s;
    t->cap = cap;
    return 0;
}

/* @staged: how many of the batch are behind the table's own. */
static int check_conflict(const struct port_table *t, size_t staged, const struct portspec *spec,
                          struct reason *why)
{
    for (size_t i = 0; spec->parent_port != 0 && i < t->n + staged; i++)
        if (port_listen_overlap(&t->slots[i].e.spec, spec)) {
            char text[PORTSPEC_TEXT_MAX] = "";
            portspec_format(&t->slots[i].e.spec, text, sizeof(text));
            if (i >= t->n)
                return reason_set(why, -EADDRINUSE, "parent port %u is asked for twice in one request: %s",
                                  spec->parent_port, text);
            return reason_set(why, -EADDRINUSE, "conflict with ID %u: parent port %u is published as %s",
                              t->slots[i].e.id, spec->parent_port, text);
        }
    return 0;
}

/* Take back what the batch has done so far. */
static void unstage(struct port_table *t, size_t staged, size_t announced)
{
    for (size_t i = 0; i < announced; i++) {
        uint32_t id = t->slots[t->n + i].e.id;
        request(t, SYNC_PORT_DEL, &id, sizeof(id), NULL, id);
    }
    for (size_t i = 0; i < staged; i++) {
        struct slot *s = &t->slots[t->n + i];
        if (s->fd >= 0)
            shutdown(s->fd, SHUT_RDWR); /* portd's copy, should it not have answered */
        fd_close(&s->fd);
    }
}

/* Bind those with a given port, or those that take any: these last, or they might take one that is asked for further on. */
static int bind_batch(struct port_table *t, size_t n, bool any, struct reason *why)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct slot *s = &t->slots[t->n + i];
        if (s->fd < 0 && (s->e.spec.parent_port == 0) == any)
            r = port_listen_bind(&s->e.spec, &s->fd, why);
    }
    return r;
}

static int stage(struct port_table *t, const struct portspec *specs, size_t n, struct reason *why)
{
    if (n > PORTS_MAX - t->n || n > UINT32_MAX - t->last_id)
        return reason_set(why, -ENOSPC, "more than %d ports cannot be published", PORTS_MAX);
    int r = reserve(t, n);
    if (r < 0)
        return reason_set(why, r, "out of memory");
    for (size_t i = 0; i < n; i++) {
        r = portspec_check(&specs[i], why);
        if (r == 0)
            r = check_conflict(t, i, &specs[i], why);
        if (r < 0)
            return r;
        t->slots[t->n + i] = (struct slot){.e = {.spec = specs[i]}, .fd = -1};
    }
    r = bind_batch(t, n, false, why);
    if (r == 0)
        r = bind_batch(t, n, true, why);
    if (r < 0)
        unstage(t, n, 0);
    return r;
}

static int open_one(struct port_table *t, struct slot *s, struct reason *why)
{
    int r = port_listen_start(&s->e.spec, s->fd, why);
    if (r < 0)
        return r;
    s->e.id =
        ++t->last_id; /* also when portd refuses: its late answer must not be taken for that of the next one */
    set_wire(t, s);
    r = announce(t, s);
    if (r == -ETIMEDOUT && t->sync_fd >= 0) /* it may still come to it */
        sync_send(t->sync_fd, SYNC_PORT_DEL, &s->e.id, sizeof(s->e.id), NULL, 0);
    return r < 0 ? reason_set(why, r, "the port forwarder did not take the port: %s", strerror(-r)) : 0;
}

int port_add_all(struct port_table *t, const struct portspec *specs, size_t n, struct port_entry *ret,
                 struct reason *why)
{
    int r = stage(t, specs, n, why);
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = open_one(t, &t->slots[t->n + i], why);
        if (r < 0)
            unstage(t, n, i);
    }
    if (r < 0)
        return r;
    for (size_t i = 0; ret && i < n; i++)
        ret[i] = t->slots[t->n + i].e;
    t->n += n;
    for (size_t i = t->n - n; i < t->n; i++)
        tell(t, PORT_ADDED, &t->slots[i].e, NULL);
    return 0;
}

int port_add(struct port_table *t, const struct portspec *spec, struct port_entry *ret, struct reason *why)
{
    return port_add_all(t, spec, 1, ret, why);
}

int port_remove(struct port_table *t, uint32_t id, struct reason *why)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->slots[i].e.id != id)
            continue;
        /* Gone in any case: shutdown(2) ends the listening of portd's copy too, should it not answer. */
        int r = request(t, SYNC_PORT_DEL, &id, sizeof(id), NULL, id);
        const struct port_entry gone = t->slots[i].e;
        shutdown(t->slots[i].fd, SHUT_RDWR);
        fd_close(&t->slots[i].fd);
        memmove(&t->slots[i], &t->slots[i + 1], (t->n - i - 1) * sizeof(t->slots[0]));
        t->n--;
        tell(t, PORT_REMOVED, &gone, NULL);
        return r < 0
                   ? reason_set(why, r, "the port forwarder did not let go of port %u: %s", id, strerror(-r))
                   : 0;
    }
    return reason_set(why, -ENOENT, "unknown id: %u", id);
}
