/* SPDX-License-Identifier: Apache-2.0 */
/* A stream socket in the file system that only its user can talk to (unix(7)). */
#pragma once
#include <sys/types.h>

#include "core/log.h"

struct unix_listener {
    int fd;           /* owned; -1: none */
    const char *path; /* borrowed */
    dev_t dev;        /* of the file that was made */
    ino_t ino;
};

/**
 * unix_listen - make, bind and listen on a socket at @path (CLOEXEC, non-blocking, mode 0600)
 *
 * A socket that nobody listens on any more, as a program leaves behind that was killed, is replaced. Anything else that is there stays:
 * -EADDRINUSE. Two programs that do this at the same time cannot replace each other's new socket.
 *
 * Return: 0 or -errno; @why says what is wrong with which path and what to do. Does not block.
 */
int unix_listen(const char *path, struct unix_listener *ret, struct reason *why);
/* unix_listener_remove - remove the file, unless it is another one by now. The descriptor stays the caller's. {.path = NULL}: nothing happens. */
void unix_listener_remove(const struct unix_listener *l);
