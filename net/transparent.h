/* SPDX-License-Identifier: Apache-2.0 */
/* Dialling from an address that is not ours, the client's, and getting the answers to it back (ip(7), IP_TRANSPARENT). */
#pragma once
#include <stdbool.h>

#include "core/log.h"
#include "net/ip.h"

struct transparent {
    bool v4, v6;       /* what the caller's netns is prepared for */
    struct reason why; /* if one of them is not: the cause */
};

/**
 * transparent_setup - prepare the caller's network namespace, once; again does no harm
 * Needs CAP_NET_ADMIN in the user namespace that owns it, a writable /proc/sys/net, and lo up. What was prepared stays.
 * Does not block. There is no failure: @ret says what is possible.
 */
void transparent_setup(struct transparent *ret);

/**
 * transparent_bind - let @fd, a TCP socket that is not bound yet, dial from @from
 * Needs CAP_NET_ADMIN (SO_MARK, IP_TRANSPARENT). The target must be an address of this netns (transparent_target()).
 * Return: 0 or -errno; -EADDRINUSE: another connection has that address and port.
 */
int transparent_bind(int fd, const union sockaddr_ip *from);

/* transparent_target - is @a an address of this netns? Answers to the client's address leave any other machine by its own routes. */
bool transparent_target(const union sockaddr_ip *a);
