/* SPDX-License-Identifier: Apache-2.0 */
/* Dialling from an address that is not ours, the client's, and getting the answers to it back (ip(7), IP_TRANSPARENT). */
#pragma once
#include <stdbool.h>

#include "core/log.h"
#include "net/ip.h"

struct transparent {
    bool v4, v6;       /* what the caller's netns is prepared for */
    bool followed;     /* answers are recognized by their connection, also of one that is redirected */
    struct reason why; /* if one of them is not: the cause */
};

/**
 * transparent_setup - prepare the caller's network namespace, once; again does no harm
 * @follow: also for targets that are redirected. This makes the kernel track every connection of the namespace, which costs time.
 * Needs CAP_NET_ADMIN in the user namespace that owns it, a writable /proc/sys/net, and lo up. What was prepared stays.
 * Does not block. There is no failure: @ret says what is possible.
 */
void transparent_setup(bool follow, struct transparent *ret);

/**
 * transparent_bind - let @fd, a socket that is not bound yet, dial from @from
 * @followed: the target is one that may be redirected to another machine (a container), and transparent_setup() said .followed
 * Needs CAP_NET_ADMIN (SO_MARK, IP_TRANSPARENT). The target must be an address of this netns (transparent_target()).
 * Return: 0 or -errno; -EADDRINUSE: another connection (UDP: socket) has that address and port.
 */
int transparent_bind(int fd, const union sockaddr_ip *from, bool followed);

/* transparent_target - is @a an address of this netns? Answers to the client's address leave any other machine by its own routes. */
bool transparent_target(const union sockaddr_ip *a);
