/* SPDX-License-Identifier: Apache-2.0 */
/* Where the server of a published port may listen. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "net/ip.h"

enum { PORT_TARGETS_MAX = 3 };

struct port_targets {
    union sockaddr_ip addr[PORT_TARGETS_MAX]; /* in the order in which they are tried */
    bool local[PORT_TARGETS_MAX];             /* an address of this netns */
    unsigned n;
    bool any; /* no address was asked for */
};

/**
 * port_targets_set - the first target, and, if no address was asked for, the loopback's two
 * In the network namespace of the targets, as it looks which are addresses of its own. Does not block.
 */
void port_targets_set(struct port_targets *ret, const union sockaddr_ip *first, bool any);
