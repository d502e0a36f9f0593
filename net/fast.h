/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCP fast path: connections of the guest without a TCP stack in user space. netd dials the destination when it sees the
 * guest's SYN, and only a connection that stands is accepted inside; then the kernel carries the bytes (net/relay.h).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/loop.h"
#include "net/addrplan.h"
#include "net/fast_set.h"

struct fast;

struct fast_config {
    const struct addrplan *plan; /* borrowed for the engine's life */
    bool disable_host_loopback;
    const struct in_addr *outbound; /* source address of what goes out, or NULL; borrowed */
    const struct in6_addr *outbound6;
    size_t max; /* descriptors that it may have open: two a connection */
};

/**
 * fast_new - serve the guest's connections in this loop
 * @set: borrowed for the engine's life
 * @why: what failed
 *
 * To be called in the sandbox, which has to have left CAP_NET_ADMIN over the guest's netns: binds the queue, and that needs it.
 * What an earlier process left in the queue and on the listeners is dropped.
 */
int fast_new(struct loop *l, const struct fast_config *c, const struct fast_set *set, struct fast **ret,
             struct reason *why);
void fast_free(struct fast *f); /* resets every connection; NULL is fine */
