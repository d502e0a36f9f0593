/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody else's network namespace, by a process in it or by its path, and the way into it. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "core/log.h"

struct nstarget {
    pid_t pid; /* 0: a path was given */
    int pidfd; /* of that process; -1 likewise */
    int netns_fd;
    int userns_fd; /* to be joined first; -1: it belongs to the user namespace that we are in */
};

/**
 * nstarget_open - open it, and try whether it may be joined
 * @name: a process id; or a path: of a namespace file, of /proc/PID/ns/net, of a descriptor in /proc/self/fd
 * @is_path: it is a path in any case, else only with a slash in it
 *
 * pidfd and namespaces are of one and the same process, even if its number becomes another's meanwhile.
 * Forks for the trial. Return: 0 or -errno; @why says what is wrong and what to do.
 */
int nstarget_open(const char *name, bool is_path, struct nstarget *ret, struct reason *why);
void nstarget_done(struct nstarget *t); /* closes what is open */
