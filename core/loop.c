/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"

enum { BATCH = 64 };

struct loop {
    int epfd;
    int quit_code;        /* -1: running */
    struct timer *timers; /* soonest first */
    struct epoll_event batch[BATCH];
    int batch_n, batch_at; /* the batch under way: entries > batch_at are still to be handled */
};

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int loop_new(struct loop **ret)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epfd < 0) {
        int r = -errno;
        free(l);
        return r;
    }
    l->quit_code = -1;
    *ret = l;
    return 0;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    close(l->epfd);
    free(l);
}

int loop_add(struct loop *l, struct watch *w)
{
    struct epoll_event e = {.events = w->events, .data.ptr = w};
    if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, w->fd, &e) < 0)
        return -errno;
    w->armed = true;
    return 0;
}

int loop_mod(struct loop *l, struct watch *w, uint32_t events)
{
    if (w->events == events && w->armed)
        return 0;
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (epoll_ctl(l->epfd, EPOLL_CTL_MOD, w->fd, &e) < 0)
        return -errno;
    w->events = events;
    return 0;
}

void loop_del(struct loop *l, struct watch *w)
{
    if (!w->armed)
        return;
    w->armed = false;
    epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL);
    /* The owner may be freed right after this: its events of the present batch must not be delivered. */
    for (int i = l->batch_at; i < l->batch_n; i++)
        if (l->batch[i].data.ptr == w)
            l->batch[i].data.ptr = NULL;
}

void loop_timer_set(struct loop *l, struct timer *t, uint64_t ns)
{
    loop_timer_del(l, t);
    uint64_t now = now_ns();
    if (__builtin_add_overflow(now, ns, &t->deadline))
        t->deadline = UINT64_MAX;
    struct timer *prev = NULL, *next = l->timers;
    while (next && next->deadline <= t->deadline) {
        prev = next;
        next = next->next;
    }
    t->prev = prev;
    t->next = next;
    if (prev)
        prev->next = t;
    else
        l->timers = t;
    if (next)
        next->prev = t;
    t->armed = true;
}

void loop_timer_del(struct loop *l, struct timer *t)
{
    if (!t->armed)
        return;
    if (t->prev)
        t->prev->next = t->next;
    else
        l->timers = t->next;
    if (t->next)
        t->next->prev = t->prev;
    t->prev = t->next = NULL;
    t->armed = false;
}

int loop_signals(struct loop *l, struct watch *w, const sigset_t *set)
{
    if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
        return -errno;
    w->fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (w->fd < 0)
        return -errno;
    w->events = EPOLLIN;
    int r = loop_add(l, w);
    if (r < 0) {
        close(w->fd);
        w->fd = -1;
    }
    return r;
}

int loop_fd(const struct loop *l)
{
    return l->epfd;
}

int loop_timeout(const struct loop *l)
{
    if (!l->timers)
        return -1;
    uint64_t now = now_ns();
    if (l->timers->deadline <= now)
        return 0;
    uint64_t ms = (l->timers->deadline - now + 999999u) / 1000000u;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void run_timers(struct loop *l)
{
    uint64_t now = now_ns();
    /* A handler that sets itself anew gets a deadline after `now`: this ends. */
    while (l->timers && l->timers->deadline <= now && l->quit_code < 0) {
        struct timer *t = l->timers;
        loop_timer_del(l, t);
        t->fn(l, t);
    }
}

int loop_dispatch(struct loop *l, int timeout_ms)
{
    int own = loop_timeout(l);
    if (own >= 0 && (timeout_ms < 0 || own < timeout_ms))
        timeout_ms = own;
    int n = epoll_wait(l->epfd, l->batch, BATCH, timeout_ms);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    l->batch_n = n;
    for (l->batch_at = 0; l->batch_at < l->batch_n && l->quit_code < 0;) {
        const struct epoll_event e = l->batch[l->batch_at++];
        struct watch *w = e.data.ptr;
        if (w)
            w->fn(l, w, e.events);
    }
    l->batch_n = l->batch_at = 0;
    run_timers(l);
    return 0;
}

int loop_run(struct loop *l)
{
    while (l->quit_code < 0) {
        int r = loop_dispatch(l, -1);
        if (r < 0)
            return r;
    }
    return l->quit_code;
}

void loop_quit(struct loop *l, int code)
{
    l->quit_code = code;
}

bool loop_quitting(const struct loop *l, int *ret_code)
{
    if (l->quit_code < 0)
        return false;
    if (ret_code)
        *ret_code = l->quit_code;
    return true;
}
