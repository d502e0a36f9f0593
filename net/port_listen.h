/* SPDX-License-Identifier: Apache-2.0 */
/* The listeners of published ports: which address a spec means, and its socket in the host's netns. */
#pragma once
#include <stdbool.h>

#include "core/log.h"
#include "net/ip.h"
#include "net/portspec.h"

/* port_listen_overlap - could one of the two not be bound beside the other (same port and kind, addresses that meet)? */
bool port_listen_overlap(const struct portspec *a, const struct portspec *b);

/**
 * port_listen_bind - make and bind the socket of a spec that portspec_check() has seen
 * @s: a parent_port of 0 becomes the one that the kernel chose
 * @ret_fd: close-on-exec, non-blocking; the caller's. A TCP socket does not listen yet.
 *
 * Return: 0, or -EADDRINUSE, -EADDRNOTAVAIL, -EACCES (the text names ip_unprivileged_port_start), -EMFILE (with up to a quarter of the
 * limit of open files to spare, which is for the rest of the process), -errno of socket(2), bind(2);
 * the reason is in @why. Does not block.
 */
int port_listen_bind(struct portspec *s, int *ret_fd, struct reason *why);

/* port_listen_start - from now on clients come in (TCP; nothing to do for UDP). Errors as above. */
int port_listen_start(const struct portspec *s, int fd, struct reason *why);

/* port_listen_is_own - is @a an address of one of this host's interfaces other than lo? Blocks for a netlink dump. */
bool port_listen_is_own(const union sockaddr_ip *a);
