/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A connection is two sockets and two halves, one a direction. A half moves bytes from its source to its destination:
 *
 *     state    holds    waits for             next
 *     OPEN     nothing  source readable       BLOCKED when the destination takes no more; SHUT at the end of stream
 *     BLOCKED  bytes*   destination writable  OPEN when all are gone
 *     SHUT     nothing  nothing               (the end of stream was passed on by shutdown(SHUT_WR))
 *     (*) or the bytes are left in the source's receive queue
 *
 * The source is read only while nothing is held, so the end of stream is always seen after the last byte went out.
 * Both halves SHUT: both sockets are closed. An error of either socket: what can still be moved at once is moved, then
 * the other one is reset, so that a RST on one side is a RST on the other.
 *
 * How bytes move. A half begins with copies through a buffer of the engine: two system calls, the least for small
 * messages. A read that fills that buffer marks bulk traffic: from then on bytes go by splice(2) through a pipe, without
 * being touched. Pipes are lent by a pool for as long as bytes are in them, so an idle connection holds none. When no
 * pipe is to be had (at most PIPES_MAX, and the user's pipe-user-pages-soft, see pipe(7)) bulk traffic is copied by
 * peeking: what the destination did not take was never taken from the source. So the memory of the engine is bounded by
 * sizeof(struct relay) for each idle connection, plus SMALL for each one whose peer does not read.
 *
 * Urgent data (RFC 6093) stays at its place in the stream and urgent. A copying read stops before its mark, but one that begins there goes
 * on behind it; so bytes are copied only if the loop has just said whether they are urgent (EPOLLPRI), once for each time it does: which
 * also saves the read that would find nothing more. splice(2) does not get past the mark at all, and takes it for the end of a stream that
 * has ended behind it.
 *
 * Events are level-triggered. A handler moves at most ROUNDS pieces and then returns to the loop, which calls again:
 * one fast connection cannot starve the others. EPOLLRDHUP only says that a read more is worth it: it is asked for with
 * EPOLLIN, by a half that is OPEN; one that is not must not look ahead of its bytes. EPOLLHUP cannot be masked and would spin: a socket
 * closed in both directions that nobody wants to read is taken out of the loop.
 */
#include "net/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "core/fd.h"
#include "core/log.h"

/*
 * All of a user's processes share fs.pipe-user-pages-soft, 64 MiB by default, and some take much of it: 32 pipes of 256 KiB
 * are an eighth. They carry as much as larger ones: a slot takes what lies together in a socket, on lo 32 KiB, and there are 64.
 */
enum {
    SMALL = 16 * 1024,        /* one copied read; more than that at once is bulk traffic */
    BUFFER = 256 * 1024,      /* one peeked read */
    SPLICE_MAX = 1024 * 1024, /* one spliced read */
    PIPE_WANTED = 256 * 1024,
    PIPE_LEAST = 64 * 1024, /* below that copying is faster */
    PIPES_MAX = 32,
    PIPES_KEPT = 8, /* unused ones that are kept open */
    ROUNDS = 6,
};

/* What a source is watched for. */
enum { SOURCE = EPOLLIN | EPOLLPRI | EPOLLRDHUP };

enum half_state { HALF_OPEN, HALF_BLOCKED, HALF_SHUT, HALF_STATE_MAX };
static const char *const half_state_names[] = {"open", "blocked", "shut"};
_Static_assert(array_size(half_state_names) == HALF_STATE_MAX, "every state has a name");

struct pipe_buf {
    int fd[2];
    size_t used;
    struct pipe_buf *next; /* in the pool */
};

/* Bytes of a copied read that the destination did not take. */
struct rest_bytes {
    uint32_t len, at;
    unsigned char bytes[];
};

struct half {
    enum half_state state;
    bool bulk;
    bool urgent;             /* the source has urgent data that was not passed on yet */
    struct pipe_buf *pipe;   /* at most one of */
    struct rest_bytes *rest; /* these two is set */
};

struct relay {
    struct relay_engine *e;
    struct relay *prev, *next;
    struct watch w[2];
    struct half half[2]; /* half[i]: from w[i] to w[!i] */
    uint64_t moved;      /* when something was heard last; kept only when idle_ns is set */
};
_Static_assert(sizeof(struct relay) <= 256, "memory of an idle connection");

struct relay_engine {
    struct loop *l;
    struct relay *first;
    size_t count;
    relay_end_fn *on_end;
    void *on_end_arg;
    struct pipe_buf *pool;
    unsigned pipes, pooled;
    bool no_splice;
    uint64_t idle_ns;
    struct timer idle;
    unsigned char buf[BUFFER];
};

void tcp_reset(int *fd)
{
    if (*fd < 0)
        return;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    fd_close(fd);
}

/* ---- pipes ---- */

static void pipe_close(struct relay_engine *e, struct pipe_buf *p)
{
    fd_close(&p->fd[0]);
    fd_close(&p->fd[1]);
    free(p);
    e->pipes--;
}

static struct pipe_buf *pipe_open(struct relay_engine *e)
{
    struct pipe_buf *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    if (pipe2(p->fd, O_CLOEXEC | O_NONBLOCK) < 0) {
        free(p);
        return NULL;
    }
    e->pipes++;
    /* EPERM: more than fs.pipe-max-size, or the user has too many pipe pages; then a new pipe may have two pages only. */
    int size = -1;
    for (int want = PIPE_WANTED; want >= PIPE_LEAST && size < 0; want /= 4)
        size = fcntl(p->fd[1], F_SETPIPE_SZ, want);
    if (size < PIPE_LEAST) {
        pipe_close(e, p);
        return NULL;
    }
    return p;
}

static struct pipe_buf *pipe_get(struct relay_engine *e)
{
    struct pipe_buf *p = e->pool;
    if (p) {
        e->pool = p->next;
        e->pooled--;
        return p;
    }
    return e->no_splice || e->pipes >= PIPES_MAX ? NULL : pipe_open(e);
}

static void pipe_put(struct relay_engine *e, struct pipe_buf *p)
{
    if (p->used > 0 || e->pooled >= PIPES_KEPT) {
        pipe_close(e, p);
        return;
    }
    p->next = e->pool;
    e->pool = p;
    e->pooled++;
}

/* ---- one half ---- */

static void set_state(struct relay *r, int i, enum half_state s)
{
    struct half *h = &r->half[i];
    if (h->state == s)
        return;
    if (log_debug_on())
        log_debug("relay: fd %d to %d: %s -> %s", r->w[i].fd, r->w[!i].fd, half_state_names[h->state],
                  half_state_names[s]);
    h->state = s;
}

/* In the ways below: > 0 bytes moved or taken, 0 end of stream, -EAGAIN, or -errno of a socket that is broken. */

static ssize_t send_some(int fd, const void *buf, size_t len)
{
    ssize_t n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static ssize_t recv_some(int fd, void *buf, size_t len, int flags)
{
    ssize_t n = recv(fd, buf, len, MSG_DONTWAIT | flags);
    return n < 0 ? -errno : n;
}

/* Move what the half holds. 0: it holds nothing any more; -EAGAIN: the destination is full. */
static int flush(struct relay *r, int i)
{
    struct half *h = &r->half[i];
    int to = r->w[!i].fd;
    while (h->pipe) {
        ssize_t n = splice(h->pipe->fd[0], NULL, to, NULL, h->pipe->used, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n < 0)
            return -errno;
        if (n == 0) /* cannot happen with bytes in the pipe; never spin on it */
            return -EIO;
        h->pipe->used -= (size_t)n;
        if (h->pipe->used == 0)
            pipe_put(r->e, steal_ptr(&h->pipe));
    }
    while (h->rest) {
        ssize_t n = send_some(to, h->rest->bytes + h->rest->at, h->rest->len - h->rest->at);
        if (n < 0)
            return (int)n;
        h->rest->at += (uint32_t)n;
        if (h->rest->at == h->rest->len)
            free(steal_ptr(&h->rest));
    }
    return 0;
}

static ssize_t take_small(struct relay *r, int i)
{
    struct half *h = &r->half[i];
    unsigned char *buf = r->e->buf;
    ssize_t n = recv_some(r->w[i].fd, buf, SMALL, 0);
    if (n <= 0)
        return n;
    if (n == SMALL)
        h->bulk = true;
    ssize_t sent = send_some(r->w[!i].fd, buf, (size_t)n);
    if (sent == -EAGAIN)
        sent = 0;
    if (sent < 0)
        return sent;
    if (sent < n) {
        uint32_t left = (uint32_t)(n - sent);
        h->rest = malloc(sizeof(*h->rest) + left);
        if (!h->rest)
            return -ENOMEM;
        h->rest->len = left;
        h->rest->at = 0;
        memcpy(h->rest->bytes, buf + sent, left);
    }
    return n;
}

/* Bulk without a pipe. MSG_TRUNC makes the second recv throw the bytes away without a copy (tcp(7)). */
static ssize_t take_peeked(struct relay *r, int i, bool *ret_full)
{
    unsigned char *buf = r->e->buf;
    ssize_t n = recv_some(r->w[i].fd, buf, BUFFER, MSG_PEEK);
    if (n <= 0)
        return n;
    if (n < SMALL)
        r->half[i].bulk = false;
    ssize_t sent = send_some(r->w[!i].fd, buf, (size_t)n);
    *ret_full = sent == -EAGAIN || (sent >= 0 && sent < n);
    if (sent == -EAGAIN)
        return n;
    if (sent <= 0)
        return sent;
    ssize_t gone = recv_some(r->w[i].fd, NULL, (size_t)sent, MSG_TRUNC);
    return gone == sent ? n : -EIO;
}

static ssize_t take_spliced(struct relay *r, int i)
{
    struct half *h = &r->half[i];
    ssize_t n = splice(r->w[i].fd, NULL, h->pipe->fd[1], NULL, SPLICE_MAX, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n <= 0) {
        n = n < 0 ? -errno : 0;
        pipe_put(r->e, steal_ptr(&h->pipe));
        return n;
    }
    h->pipe->used = (size_t)n;
    if (n < SMALL)
        h->bulk = false;
    return n;
}

/* At the mark one byte is sent as urgent; before it take_small() comes up to it and no further (tcp(7), SIOCATMARK). */
static ssize_t take_urgent(struct relay *r, int i, bool *ret_full)
{
    int at_mark = 0;
    unsigned char byte;
    if (ioctl(r->w[i].fd, SIOCATMARK, &at_mark) < 0)
        return -errno;
    if (!at_mark)
        return take_small(r, i);
    ssize_t n = recv_some(r->w[i].fd, &byte, 1, MSG_PEEK);
    if (n <= 0)
        return n;
    ssize_t sent = send(r->w[!i].fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_OOB);
    *ret_full = sent < 0 && errno == EAGAIN;
    if (*ret_full)
        return n;
    if (sent < 0)
        return -errno;
    r->half[i].urgent = false;
    return recv_some(r->w[i].fd, &byte, 1, 0);
}

static ssize_t take(struct relay *r, int i, bool may_copy, bool *ret_full)
{
    struct half *h = &r->half[i];
    if (h->urgent)
        return take_urgent(r, i, ret_full);
    if (!h->bulk)
        return may_copy ? take_small(r, i) : -EAGAIN;
    h->pipe = pipe_get(r->e);
    if (!h->pipe)
        return may_copy ? take_peeked(r, i, ret_full) : -EAGAIN;
    ssize_t n = take_spliced(r, i);
    return n == 0 ? take_urgent(r, i, ret_full) : n;
}

/* The source has ended: pass that on. When both have, closing the sockets says the same: nothing is unread. */
static int shut(struct relay *r, int i)
{
    if (r->half[!i].state != HALF_SHUT && shutdown(r->w[!i].fd, SHUT_WR) < 0)
        return -errno;
    set_state(r, i, HALF_SHUT);
    return 0;
}

/*
 * Move up to ROUNDS pieces through half @i, of which the first @copies ones may be copied. 0, or -errno: the connection is broken.
 * A small message that came alone was all there was: no second look, unless the end of stream is known to be behind it.
 */
static int pump(struct relay *r, int i, int copies)
{
    struct half *h = &r->half[i];
    for (int round = 0; round < ROUNDS && h->state != HALF_SHUT; round++) {
        int f = flush(r, i);
        if (f == -EAGAIN)
            return 0; /* was BLOCKED and still is */
        if (f < 0)
            return f;
        set_state(r, i, HALF_OPEN);
        bool full = false;
        ssize_t n = take(r, i, round < copies, &full);
        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            return (int)n;
        if (n == 0)
            return shut(r, i);
        f = flush(r, i);
        if (f == -EAGAIN || full) {
            set_state(r, i, HALF_BLOCKED);
            return 0;
        }
        if (f < 0)
            return f;
    }
    return 0;
}

/* ---- a connection ---- */

static void drop_half(struct relay *r, int i)
{
    if (r->half[i].pipe)
        pipe_put(r->e, r->half[i].pipe);
    free(r->half[i].rest);
}

static void end(struct relay *r, bool reset)
{
    struct relay_engine *e = r->e;
    for (int i = 0; i < 2; i++) {
        loop_del(e->l, &r->w[i]);
        drop_half(r, i);
        if (reset)
            tcp_reset(&r->w[i].fd);
        else
            fd_close(&r->w[i].fd);
    }
    if (r->prev)
        r->prev->next = r->next;
    else
        e->first = r->next;
    if (r->next)
        r->next->prev = r->prev;
    e->count--;
    free(r);
    if (e->on_end)
        e->on_end(e->on_end_arg);
}

static uint32_t interest(const struct relay *r, int i)
{
    uint32_t ev = r->half[i].state == HALF_OPEN ? SOURCE : 0;
    if (r->half[!i].state == HALF_BLOCKED)
        ev |= EPOLLOUT;
    return ev;
}

static int rearm(struct relay *r, int i, bool hung_up)
{
    struct watch *w = &r->w[i];
    uint32_t ev = interest(r, i);
    if (ev == 0 && hung_up) {
        loop_del(r->e->l, w);
        return 0;
    }
    if (w->armed)
        return loop_mod(r->e->l, w, ev);
    if (ev == 0) /* taken out before: EPOLLHUP would spin */
        return 0;
    w->events = ev;
    return loop_add(r->e->l, w);
}

static void on_event(struct relay *r, int i, uint32_t events)
{
    bool broken = events & EPOLLERR, hung_up = events & EPOLLHUP;
    bool ends = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    int err = 0;
    if (r->e->idle_ns)
        r->moved = now_ns();
    if (events & EPOLLIN)
        r->half[i].urgent = events & EPOLLPRI;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && r->half[i].state == HALF_OPEN)
        err = pump(r, i, ends ? ROUNDS : 1);
    if (err == 0 && !broken && (events & EPOLLOUT))
        err = pump(r, !i, 0);
    if (err < 0 || broken) {
        log_debug("relay: fd %d to %d: reset (%d)", r->w[i].fd, r->w[!i].fd, err);
        end(r, true);
        return;
    }
    if (r->half[0].state == HALF_SHUT && r->half[1].state == HALF_SHUT) {
        end(r, false);
        return;
    }
    if (rearm(r, i, hung_up) < 0 || rearm(r, !i, false) < 0)
        end(r, true);
}

static void on_a(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    on_event(container_of(w, struct relay, w[0]), 0, events);
}

static void on_b(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    on_event(container_of(w, struct relay, w[1]), 1, events);
}

int relay_add(struct relay_engine *e, int a, int b)
{
    struct relay *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->e = e;
    r->w[0] = (struct watch){.fd = a, .events = SOURCE, .fn = on_a, .what = "relay"};
    r->w[1] = (struct watch){.fd = b, .events = SOURCE, .fn = on_b, .what = "relay"};
    int on = 1;
    for (int i = 0; i < 2; i++) /* else reads would leave the urgent byte out */
        setsockopt(r->w[i].fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    int err = loop_add(e->l, &r->w[0]);
    if (err == 0)
        err = loop_add(e->l, &r->w[1]);
    if (err < 0) {
        loop_del(e->l, &r->w[0]);
        free(r);
        return err;
    }
    r->moved = e->idle_ns ? now_ns() : 0;
    r->next = e->first;
    if (r->next)
        r->next->prev = r;
    e->first = r;
    e->count++;
    if (e->idle_ns && !e->idle.armed)
        loop_timer_set(e->l, &e->idle, e->idle_ns / 4);
    return 0;
}

static void end_idle(struct loop *l, struct timer *t)
{
    struct relay_engine *e = container_of(t, struct relay_engine, idle);
    uint64_t now = now_ns();
    for (struct relay *r = e->first, *next; r; r = next) {
        next = r->next;
        if (now - r->moved >= e->idle_ns)
            end(r, true);
    }
    if (e->first)
        loop_timer_set(l, t, e->idle_ns / 4);
}

void relay_idle(struct relay_engine *e, uint64_t ns)
{
    e->idle_ns = ns;
}

int relay_engine_new(struct loop *l, struct relay_engine **ret)
{
    struct relay_engine *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->l = l;
    e->idle = (struct timer){.fn = end_idle, .what = "idle connections"};
    signal(SIGPIPE, SIG_IGN);
    *ret = e;
    return 0;
}

void relay_engine_free(struct relay_engine *e)
{
    if (!e)
        return;
    e->on_end = NULL;
    loop_timer_del(e->l, &e->idle);
    while (e->first)
        end(e->first, true);
    while (e->pool) {
        struct pipe_buf *p = e->pool;
        e->pool = p->next;
        pipe_close(e, p);
    }
    free(e);
}

void relay_on_end(struct relay_engine *e, relay_end_fn *fn, void *arg)
{
    e->on_end = fn;
    e->on_end_arg = arg;
}

size_t relay_count(const struct relay_engine *e)
{
    return e->count;
}

void relay_no_splice(struct relay_engine *e)
{
    e->no_splice = true;
}
