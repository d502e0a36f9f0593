/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: single-threaded epoll(7), level-triggered, deadlines in a list.
 *
 * A watch or timer is embedded in its owner; the loop keeps only a pointer.  loop_del() also forgets events of
 * the batch under way, so an owner may delete its watch and free itself inside any handler.  Handlers never block.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <signal.h>

struct loop;
struct watch;
struct timer;
typedef void watch_fn(struct loop *l, struct watch *w, uint32_t events);
typedef void timer_fn(struct loop *l, struct timer *t);

struct watch {
    int fd;          /* borrowed: the owner closes it, after loop_del() */
    uint32_t events; /* EPOLLIN, EPOLLOUT...; change with loop_mod() */
    watch_fn *fn;
    const char *what; /* for the debug log */
    bool armed;       /* the loop's */
};

struct timer {
    timer_fn *fn;
    const char *what;
    uint64_t deadline; /* CLOCK_MONOTONIC, ns */
    struct timer *prev, *next;
    bool armed;
};

int loop_new(struct loop **ret); /* 0, -ENOMEM or -errno of epoll_create1(2) */
void loop_free(struct loop *l);  /* NULL is fine; watches must not be used afterwards */

int loop_add(struct loop *l, struct watch *w);                  /* epoll_ctl(2) errors */
int loop_mod(struct loop *l, struct watch *w, uint32_t events); /* no system call when nothing changes */
void loop_del(struct loop *l, struct watch *w);                 /* not armed: nothing happens */

/* loop_timer_set - fire @t once, @ns nanoseconds from now; setting an armed timer moves it. O(n) in armed timers. */
void loop_timer_set(struct loop *l, struct timer *t, uint64_t ns);
void loop_timer_del(struct loop *l, struct timer *t);

/**
 * loop_signals - block @set and have @w called when a signalfd(2) for it is readable
 * @w: fn, what filled in; fd is made here and belongs to the caller
 */
int loop_signals(struct loop *l, struct watch *w, const sigset_t *set);

int loop_run(struct loop *l);             /* until loop_quit(): its code; or -errno of epoll_wait(2) */
void loop_quit(struct loop *l, int code); /* code >= 0 */
bool loop_quitting(const struct loop *l, int *ret_code);

/* For an owner with its own poll set (libslirp): poll loop_fd() for POLLIN for at most loop_timeout() ms, then call loop_dispatch(). */
int loop_fd(const struct loop *l);
int loop_timeout(const struct loop *l);            /* ms to the next deadline, rounded up; -1 = none */
int loop_dispatch(struct loop *l, int timeout_ms); /* one batch; 0 or -errno */

uint64_t now_ns(void); /* CLOCK_MONOTONIC */
