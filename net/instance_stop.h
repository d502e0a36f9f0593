/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending running instances, several at the same time:
 *
 *     SIGTERM, SIGCONT to the supervisor, which passes them on to the command   (SIGCONT: for whoever is stopped)
 *     SIGKILL to the supervisor's child, when time is up: the supervisor tidies up and ends
 *     SIGKILL to the supervisor, when that does not help: its state directory is cleared and removed from here
 *
 * Every process is held by a pidfd from the moment at which it was found to be the right one.
 */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/log.h"

enum stop_result {
    STOP_PENDING,   /* instance_stop_run() was not called */
    STOP_ENDED,     /* it ended by itself, or upon SIGTERM */
    STOP_KILLED,    /* its command had to be killed */
    STOP_DESTROYED, /* its supervisor, too */
    STOP_FAILED,    /* .why says it */
};

struct stop_one {
    pid_t pid, child;
    int pidfd, child_pidfd; /* child_pidfd may be -1: it has ended */
    int dir_fd;
    char path[PATH_MAX]; /* state directory */
    enum stop_result result;
    struct reason why;
};

struct stop_set {
    struct stop_one **v;
    size_t n;
};

/* instance_stop_add - an instance by its state directory or, when @which is a number, by the pid of its supervisor or child. 0 or -errno; @why. */
int instance_stop_add(struct stop_set *set, const char *which, struct reason *why);
/* instance_stop_add_socket - the instance whose API socket is at @path. 0 or -errno; @why. */
int instance_stop_add_socket(struct stop_set *set, const char *path, struct reason *why);
/* instance_stop_add_all - all running instances of the effective uid. 0 or -errno; @why. */
int instance_stop_add_all(struct stop_set *set, struct reason *why);

/**
 * instance_stop_run - end them all; each result is in its entry
 * @term_ms: how long the commands have after SIGTERM, all together
 * Blocks for that long, and for 10 s each after either SIGKILL, at most.
 */
void instance_stop_run(struct stop_set *set, unsigned term_ms);

void instance_stop_done(struct stop_set *set);
