/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of portd (net/portd.c): one process that serves, and what the one that manages several needs of it. */
#pragma once
#include "core/loop.h"
#include "core/sync.h"
#include "net/port.h"
#include "net/portd.h"
#include "net/portd_share.h"
#include "net/transparent.h"

/* All of it outlives the worker. */
struct portd_worker {
    const struct portd_config *config;
    const struct transparent *can; /* of transparent_setup(); NULL: source addresses are not to be kept */
    const struct portd_share
        *share; /* NULL: there is one worker. Of several the first (.self 0) has UDP, too */
};

/**
 * portd_work - engines, system call filter, SYNC_UP, then serve until EOF or SYNC_STOP
 * The namespaces are joined, the root is empty and privileges are given up already. A failure is told by SYNC_FAILED.
 * Return: exit status. Logs its own errors.
 */
int portd_work(const struct portd_worker *w, int sync_fd);

/* portd_filter - the filter of a worker, or of the manager, which workers are forked under. 0 or -errno of seccomp(2). */
int portd_filter(bool manager);

/* portd_failed - tell the supervisor by SYNC_FAILED; Return: the exit status */
int portd_failed(int sync_fd, int err);

/* What serves the ports: this process, or the manager's workers. Both return 0 or -errno. */
struct portd_ops {
    int (*add)(void *arg, const struct portd_add *add, int *fd); /* takes the listener on success */
    int (*del)(void *arg, uint32_t id);
};

/* portd_hear - one message of the supervisor's: done, answered; its end quits the loop. Does not wait for one. */
void portd_hear(struct loop *l, int sync_fd, const struct portd_ops *ops, void *arg);
