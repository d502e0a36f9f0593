/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running instance, ours or RootlessKit's, found by its state directory.
 *
 * child_pid is a number in a file: the instance may be dead and the number somebody else's. So it is believed only when all of this is so:
 *   - somebody answers at api.sock: the kernel names who listens there (SO_PEERCRED, unix(7)), which is the supervisor, alive;
 *   - that one has the uid of the directory's owner, and nobody else can write to the directory;
 *   - the lock is held (core/statedir.h);
 *   - the process with that number, looked at through one descriptor of its /proc/PID, is a child of the supervisor;
 *   - its user namespace belongs to that uid (NS_GET_OWNER_UID, ioctl_ns(2)): it is not that of the system, for example.
 * The lock is asked about last: to ask is to try it, and where no supervisor is, that could get into the way of one that is about to start.
 */
#pragma once
#include <limits.h>
#include <sys/types.h>

#include "core/log.h"

struct running {
    char path[PATH_MAX]; /* of the state directory: absolute, without symlinks, as the command has it */
    pid_t supervisor, child;
    uid_t euid;   /* the supervisor's, */
    gid_t egid;   /* as this process's user namespace shows them */
    int child_fd; /* O_PATH, /proc/CHILD: good for this very process only, for ever (core/target.h) */
};
#define RUNNING_NONE   \
    {                  \
        .child_fd = -1 \
    }

/**
 * running_find - the instance whose state directory is @path
 * @ret: for running_done(); untouched on failure
 *
 * Does not block. Needs /proc. Return: 0, or -errno and the text in @why: -ESRCH: no instance runs there; -ENOENT: no such directory;
 * -EAGAIN: it is only just starting; -EPERM: it is not as above.
 */
int running_find(const char *path, struct running *ret, struct reason *why);
void running_done(struct running *r);
