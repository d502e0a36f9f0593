/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A supervised service: one forked, single-purpose process (netd, portd) with a sync pair to it.
 *
 *     supervisor                                service
 *     service_start(): fork ──────────────────▶ die with the parent, drop what is not kept, serve()
 *                      ◀─────────── SYNC_UP ─── initialised and sandboxed
 *     on_up()          ◀───────── SYNC_WARN ─── at any time: one warning for the user
 *     (pidfd readable) ◀────────────── death ──
 *     on_down()
 *     a new fork after a growing delay (not after SERVICE_DONE), SYNC_UP again, on_up()
 *     service_stop(): close the pair, SIGKILL, reap
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "core/loop.h"

enum service_state {
    SERVICE_STOPPED,  /* no process */
    SERVICE_STARTING, /* forked, SYNC_UP not seen yet */
    SERVICE_UP,
    SERVICE_WAITING, /* it died; the next start is due when the timer fires */
    SERVICE_STATE_MAX
};

/* Its exit status when there is nothing left to serve: it is not started again. */
enum { SERVICE_DONE = 64 };

struct service {
    /* filled in by the owner */
    const char *name;                        /* "netd": for messages and the process list */
    int (*serve)(void *config, int sync_fd); /* runs in the child; its return is the exit status */
    void *config;
    int keep[16]; /* fds the child needs besides 0..2 and the pair */
    unsigned n_keep;
    void (*on_up)(struct service *s);                 /* each time SYNC_UP arrives; may be NULL */
    void (*on_down)(struct service *s);               /* it ended after that; may be NULL */
    void (*on_failed)(struct service *s, int status); /* it ended before its first SYNC_UP: no restart */
    void *owner;

    /* the service's own */
    enum service_state state;
    bool was_up;
    unsigned restarts;
    uint64_t started_ns;
    int pidfd, sync_fd;
    pid_t pid;
    struct loop *loop;
    struct watch on_exit, on_sync;
    struct timer retry;
};

/* service_start - fork it. 0 or -errno; on_up() comes from the loop. Call once. */
int service_start(struct service *s, struct loop *l);
/* service_stop - end it and reap it; nothing happens when it is not running. Blocks only until SIGKILL took effect. */
void service_stop(struct service *s);
/* service_finish - the same for one that has something to put in order: it is told to end (SYNC_STOP) and given @timeout_ms for it. */
void service_finish(struct service *s, int timeout_ms);
