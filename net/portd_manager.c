/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 *     supervisor                 manager                               worker 0, 1, ...
 *                                namespaces joined, root empty
 *                                fork each (net/service.h) ──────────▶ engines, filter
 *                                                          ◀── SYNC_UP
 *         ◀─────────── SYNC_UP ─ when all are
 *     SYNC_PORT_ADD + listener ▶ keep it; the same to each ──────────▶ watch the listener
 *                                                          ◀── SYNC_PORT_ACK
 *         ◀─────  SYNC_PORT_ACK
 *                                a worker died: fork another, all
 *                                ports to it                ─────────▶
 *
 * All workers watch the same listeners; the kernel wakes up one of those that wait (EPOLLEXCLUSIVE). As that tends to be the same
 * one, a worker that has more to do than another hands the client on (net/portd_share.h). Those sockets belong to the manager, too:
 * what is handed to a worker that dies waits for its successor. A worker's own connections die with it, and no others.
 *
 * UDP is the first worker's: a flow belongs to whoever has its table.
 *
 * The manager never touches what clients send. So it may start processes, which the workers' filter refuses.
 */
#include "net/portd_manager.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/proc.h"
#include "core/sync.h"
#include "net/port.h"
#include "net/service.h"

enum { ANSWER_MS = 1500 }; /* less than the supervisor waits */

struct manager;

struct worker {
    struct manager *m;
    struct service s;
    struct portd_worker w;
    struct portd_share share;
    char name[20];
    bool was_up, asked;
};

struct port {
    struct portd_add add;
    int fd;
};

struct manager {
    struct loop *l;
    struct watch sync;
    struct worker worker[PORTD_WORKERS_MAX];
    unsigned n, n_waiting;
    int in
        [PORTD_WORKERS_MAX]; /* their ends of the ways by which clients are handed over; to keep them when a worker dies */
    int out[PORTD_WORKERS_MAX];
    struct port *ports;
    size_t n_ports, room;
};

/* ---- asking workers ---- */

static bool has_port(const struct worker *w, const struct port *p)
{
    return !p->add.udp || w->share.self == 0;
}

static void end_worker(struct worker *w, const char *why, int err)
{
    log_warn("%s %s (%s); ending it", w->name, why, strerror(-err));
    proc_signal(w->s.pidfd, w->s.pid, SIGKILL); /* another one is started then */
}

static void ask(struct worker *w, enum sync_msg m, const struct port *p)
{
    bool adding = m == SYNC_PORT_ADD;
    w->asked = false;
    if (w->s.state != SERVICE_UP || !has_port(w, p))
        return;
    int r = adding ? sync_send(w->s.sync_fd, m, &p->add, sizeof(p->add), &p->fd, 1)
                   : sync_send(w->s.sync_fd, m, &p->add.id, sizeof(p->add.id), NULL, 0);
    w->asked = r == 0; /* else it is dead, and its successor will be told */
}

/* Its answer, or 0 if it has died meanwhile or had to be ended. */
static int answer(struct worker *w, uint32_t id, uint64_t until)
{
    while (w->asked) {
        struct sync_in sync_in_auto in = {.nfds = 0};
        uint64_t now = now_ns();
        int r = sync_recv(w->s.sync_fd, &in, now >= until ? 0 : (int)((until - now) / 1000000u) + 1);
        struct portd_ack ack;
        if (r == -ECONNRESET)
            return 0;
        if (r < 0) {
            end_worker(w, "does not answer", r);
            return 0;
        }
        if (in.msg == SYNC_WARN)
            log_warn("%.*s", (int)in.len, (const char *)in.payload);
        if (in.msg != SYNC_PORT_ACK || in.len != sizeof(ack))
            continue;
        memcpy(&ack, in.payload, sizeof(ack));
        if (ack.id == id)
            return ack.err;
    }
    return 0;
}

static int ask_all(struct manager *m, enum sync_msg msg, const struct port *p)
{
    uint64_t until = now_ns() + (uint64_t)ANSWER_MS * 1000000u;
    int first = 0;
    for (unsigned i = 0; i < m->n; i++)
        ask(&m->worker[i], msg, p);
    for (unsigned i = 0; i < m->n; i++) {
        int r = answer(&m->worker[i], p->add.id, until);
        if (r < 0 && first == 0)
            first = r;
    }
    return first;
}

/* ---- the supervisor's commands ---- */

static int keep_port(struct manager *m, const struct port *p)
{
    if (m->n_ports == m->room) {
        size_t room = m->room ? m->room * 2 : 8;
        struct port *v = reallocarray(m->ports, room, sizeof(*v));
        if (!v)
            return -ENOMEM;
        m->ports = v;
        m->room = room;
    }
    m->ports[m->n_ports++] = *p;
    return 0;
}

static int add(void *arg, const struct portd_add *a, int *fd)
{
    struct manager *m = arg;
    struct port p = {.add = *a, .fd = *fd};
    int r = keep_port(m, &p);
    if (r < 0)
        return r;
    r = ask_all(m, SYNC_PORT_ADD, &p);
    if (r < 0) {
        ask_all(m, SYNC_PORT_DEL, &p);
        m->n_ports--;
        return r;
    }
    *fd = -1; /* kept */
    return 0;
}

static int del(void *arg, uint32_t id)
{
    struct manager *m = arg;
    for (size_t i = 0; i < m->n_ports; i++) {
        struct port p = m->ports[i];
        if (p.add.id != id)
            continue;
        memmove(&m->ports[i], &m->ports[i + 1], (m->n_ports - i - 1) * sizeof(p));
        m->n_ports--;
        int r = ask_all(m, SYNC_PORT_DEL, &p);
        fd_close(&p.fd);
        return r;
    }
    return -ENOENT;
}

static void on_sync(struct loop *l, struct watch *w, uint32_t events)
{
    static const struct portd_ops ops = {add, del};
    (void)events;
    portd_hear(l, w->fd, &ops, container_of(w, struct manager, sync));
}

/* ---- the workers ---- */

static int serve(void *config, int sync_fd)
{
    const struct worker *w = config;
    return portd_work(&w->w, sync_fd);
}

static void worker_is_up(struct service *s)
{
    struct worker *w = s->owner;
    struct manager *m = w->m;
    for (size_t i = 0; i < m->n_ports; i++) {
        /* For each: thousands may take longer than one that hangs is given. */
        uint64_t until = now_ns() + (uint64_t)ANSWER_MS * 1000000u;
        ask(w, SYNC_PORT_ADD, &m->ports[i]);
        int r = answer(w, m->ports[i].add.id, until);
        if (r < 0)
            log_warn("%s does not serve published port %u: %s", w->name, m->ports[i].add.id, strerror(-r));
    }
    if (w->was_up)
        return;
    w->was_up = true;
    if (--m->n_waiting > 0)
        return;
    if (sync_send(m->sync.fd, SYNC_UP, NULL, 0, NULL, 0) < 0)
        loop_quit(m->l, 0);
    log_copy_end();
}

static void worker_failed(struct service *s, int status)
{
    struct worker *w = s->owner;
    if (WIFSIGNALED(status)) /* else it has said why */
        log_error("port forwarder: worker %s was killed by signal %d before it was up", w->name,
                  WTERMSIG(status));
    loop_quit(w->m->l, 1);
}

static int make_ways(struct manager *m)
{
    for (unsigned i = 0; i < m->n; i++) {
        int sv[2];
        int r = sync_pair(sv);
        if (r < 0)
            return r;
        m->in[i] = sv[0];
        m->out[i] = sv[1];
    }
    return 0;
}

static int start_worker(struct manager *m, unsigned i, const struct portd_worker *first,
                        struct portd_board *board)
{
    struct worker *w = &m->worker[i];
    w->m = m;
    w->w = *first;
    w->w.share = &w->share;
    w->share = (struct portd_share){.n = m->n, .self = i, .board = board, .in = m->in[i]};
    memcpy(w->share.out, m->out, sizeof(m->out));
    snprintf(w->name, sizeof(w->name), "portd-%u", i);
    w->s = (struct service){
        .name = w->name,
        .serve = serve,
        .config = w,
        .on_up = worker_is_up,
        .on_failed = worker_failed,
        .owner = w,
    };
    w->s.keep[w->s.n_keep++] = m->in[i];
    for (unsigned k = 0; k < m->n; k++)
        w->s.keep[w->s.n_keep++] = m->out[k];
    int r = service_start(&w->s, m->l);
    return r < 0 ? log_errno(r, "port forwarder: cannot start worker %u of %u", i + 1, m->n) : 0;
}
_Static_assert(array_size(((struct service *)0)->keep) > PORTD_WORKERS_MAX, "what a worker keeps");

static int start(struct manager *m, const struct portd_worker *first, int sync_fd)
{
    struct portd_board *board;
    int r = portd_board_new(&board);
    if (r == 0)
        r = loop_new(&m->l);
    if (r == 0)
        r = make_ways(m);
    m->sync = (struct watch){.fd = sync_fd, .events = EPOLLIN, .fn = on_sync, .what = "supervisor"};
    if (r == 0)
        r = loop_add(m->l, &m->sync);
    if (r == 0 && first->config->sandbox && first->config->seccomp)
        r = portd_filter(true);
    if (r < 0)
        return log_errno(r, "port forwarder: cannot start");
    for (unsigned i = 0; r == 0 && i < m->n; i++)
        r = start_worker(m, i, first, board);
    return r;
}

static void done(struct manager *m)
{
    for (unsigned i = 0; i < m->n; i++) {
        service_stop(&m->worker[i].s);
        fd_close(&m->in[i]);
        fd_close(&m->out[i]);
    }
    for (size_t i = 0; i < m->n_ports; i++)
        fd_close(&m->ports[i].fd);
    free(m->ports);
    loop_free(m->l);
    free(m);
}

int portd_manage(const struct portd_worker *first, int sync_fd)
{
    struct manager *m = calloc(1, sizeof(*m));
    if (!m)
        return portd_failed(sync_fd, log_errno(-ENOMEM, "port forwarder: cannot start"));
    m->n = m->n_waiting = first->config->workers;
    for (unsigned i = 0; i < PORTD_WORKERS_MAX; i++)
        m->in[i] = m->out[i] = -1;
    int r = start(m, first, sync_fd);
    if (r == 0)
        r = loop_run(m->l);
    bool up = m->n_waiting == 0;
    done(m);
    return r == 0 ? 0 : up ? 1 : portd_failed(sync_fd, r < 0 ? r : -ECHILD);
}
