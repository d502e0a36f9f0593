/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running instances, found in /proc: there is no register that a killed instance could leave an entry in.
 *
 * An instance is a process that holds the exclusive flock(2) on a file named `lock` (proc(5), /proc/PID/fdinfo, "lock:"), in a
 * directory whose `child_pid` names a child of that process. That is true of RootlessKit's daemon, too. Locks are only
 * looked at, never taken: that would make an instance fail that starts at the same moment.
 */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct found_instance {
    pid_t pid, child;    /* supervisor and its child, as numbered here */
    uid_t uid;           /* of the supervisor */
    uint64_t age_s;      /* seconds since the supervisor's start */
    int proc_fd;         /* /proc/PID: refers to this process only, whoever has the number later */
    int dir_fd;          /* the state directory (O_PATH) */
    char path[PATH_MAX]; /* its name; where it has none that is good here: through /proc/PID */
};

/**
 * instances_each - call @fn for each running instance that can be seen, in the order of process ids
 * @all: of all users (those whose /proc/PID/fdinfo may be read: ptrace(2), PTRACE_MODE_READ), else of the effective uid
 * @fn: the struct and its descriptors are good during the call; a non-zero return ends the search and is returned
 *
 * What ends meanwhile is left out. Blocks on /proc only. Return: 0, @fn's return, or -errno (no /proc).
 */
int instances_each(bool all, int (*fn)(const struct found_instance *, void *), void *arg);

/**
 * instance_is_child - is @child (a number in this pid namespace) a child of @parent?
 * @ret_stage: it has never executed anything, or is RootlessKit's own stage: not the command; may be NULL
 */
bool instance_is_child(pid_t child, pid_t parent, bool *ret_stage);

/**
 * instance_executed - has the process @pid (a number of this /proc) executed a program since it was forked?
 * Good for a zombie, too; true if it cannot be told (no /proc).
 */
bool instance_executed(pid_t pid);

/**
 * instance_command - what runs in it: /proc/PID/cmdline of the command, words with a NUL after each
 * Behind a reaper, that is the reaper's eldest child; of a command that has not been executed yet: the supervisor's words.
 * @ret: malloc()ed. Return: 0 or -errno.
 */
int instance_command(const struct found_instance *f, char **ret, size_t *ret_len);
