/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of somebody else's, looked at through one descriptor of its /proc/PID: what is opened through that is of this very process or
 * fails (ESRCH, ENOENT), even if its number has become another's (proc(5), fs/proc/base.c).
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

/* target_open - an O_PATH descriptor of /proc/@pid (or a thread's), or -errno; -ESRCH: there is none. */
int target_open(pid_t pid);

struct target_state {
    char state; /* as in proc(5): 'Z' and 'X' have ended */
    pid_t parent;
    unsigned flags;           /* PF_* of linux/sched.h */
    unsigned long long start; /* clock ticks after boot */
};
/* target_state - from /proc/PID/stat: 0 or -errno; -ESRCH: it has ended, and has been waited for. */
int target_state(int target_fd, struct target_state *ret);

/* target_ended - is it dead, or a zombie? */
bool target_ended(int target_fd);

/* target_ids - its effective ids, in the user namespace this process is in now. 0 or -errno. */
int target_ids(int target_fd, uid_t *ret_uid, gid_t *ret_gid);
