/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state directory of an instance:
 *
 *     lock         flock(2) LOCK_EX for as long as the instance lives; the directory itself is held LOCK_SH, which
 *                  keeps cleaners of temporary files (tmpfiles.d(5)) away
 *     child_pid    decimal, no newline, mode 0444
 *     api.sock     REST API
 *     netns, resolv.conf, hosts
 *
 * The locks belong to the open file descriptions: a forked process that keeps the fds keeps the directory locked, so
 * every process but the supervisor closes them.
 */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "core/log.h"

struct statedir {
    char path[PATH_MAX]; /* absolute, without symlinks */
    int dir_fd;          /* O_DIRECTORY, -1: none */
    int lock_fd;
    bool created; /* made by statedir_open() */
    bool memory;  /* statedir_open_memory(): there is no name to remove */
};
#define STATEDIR_NONE               \
    {                               \
        .dir_fd = -1, .lock_fd = -1 \
    }

/**
 * statedir_open - make or take over, lock and clear a state directory
 * @path: NULL: a fresh directory under $TMPDIR or /tmp, or where neither can be written to, $XDG_RUNTIME_DIR, /run,
 *        /dev/shm, /; where none of these can, statedir_open_memory()
 * @ret: for statedir_close() or statedir_remove(); untouched on failure
 *
 * Everything but the lock is removed from it, without following symlinks or descending into other file systems, and a stale
 * `netns` mount is undone.  A directory that another user owns or can write to is refused, and so is one
 * that does not look like a state directory (no lock, and directories in it; always the home directory and "/").
 *
 * Return: 0; -EBUSY: another instance has it, nothing was touched; -errno; @why has the text.
 */
int statedir_open(const char *path, struct statedir *ret, struct reason *why);

/**
 * statedir_open_memory - a state directory that needs no place: a tmpfs that goes when its last descriptor is closed
 *
 * Its path is /proc/PID/fd/N: good for processes of the same user outside, not for those in the instance.
 * Needs user namespaces and Linux 5.2. Blocks for a short while (a helper process). Return: 0 or -errno.
 */
int statedir_open_memory(struct statedir *ret);

/* statedir_write_child_pid - appears complete or not at all. 0 or -errno. */
int statedir_write_child_pid(const struct statedir *sd, pid_t pid);

/* statedir_read_child_pid - of any state directory. 0 or -errno (-EINVAL: no number in it). */
int statedir_read_child_pid(const char *path, pid_t *ret);

/* statedir_file - create (or replace) a file of the directory. 0 or -errno. */
int statedir_file(const struct statedir *sd, const char *name, const void *data, size_t len, mode_t mode);

/* statedir_join - "PATH/NAME". 0 or -ENAMETOOLONG. @ret: PATH_MAX bytes. */
int statedir_join(const struct statedir *sd, const char *name, char *ret);

/**
 * statedir_sockaddr - the address to bind a socket of the directory to
 *
 * sun_path has 108 bytes (unix(7)); a longer path is reached as /proc/self/fd/N/NAME, good for this process.
 * Return: 0, or -ENAMETOOLONG: @name alone is too long.
 */
int statedir_sockaddr(const struct statedir *sd, const char *name, struct sockaddr_un *ret,
                      socklen_t *ret_len);

/* statedir_connect - connect @fd to the socket at any @path, however long (by a descriptor of its file: unix(7), proc(5)). 0 or -errno. */
int statedir_connect(int fd, const char *path);

/*
 * statedir_remove - at exit: everything in it, the lock, the directory itself, and the fds. Files that vanish meanwhile are no error.
 * What fails is tried once more: nobody comes back for what is left here. Return: 0 or the last -errno; the fds are closed in any case.
 */
int statedir_remove(struct statedir *sd);

/* statedir_close - give up the fds only (in forked children, by whom the directory must not be kept locked). */
void statedir_close(struct statedir *sd);
