/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCP fast path's listeners in the guest's network namespace, where its rules lead connections to. Anybody in there may
 * connect to them, and say by rules of his own which destination he "meant": it is an answer's address, and no permission.
 */
#pragma once
#include <stdbool.h>

#include "core/loop.h"
#include "net/fast_set.h"
#include "net/ip.h"

/* A connection: @fd is the callee's, non-blocking; @dst is the destination before it was rewritten. */
typedef void fast_accepted_fn(int fd, const union sockaddr_ip *peer, const union sockaddr_ip *dst, void *arg);

struct fast_listener {
    struct watch w; /* fd -1: there is none, or none any more */
    struct fast_listen *all;
};

/* Embedded in its owner. */
struct fast_listen {
    struct loop *l;
    fast_accepted_fn *fn;
    void *arg;
    struct fast_listener v4, v6;
    struct timer rest;
};

/* fast_listen_start - watch the listeners of @set, whose descriptors are borrowed. 0 or -errno of epoll_ctl(2). */
int fast_listen_start(struct fast_listen *ls, struct loop *l, const struct fast_set *set,
                      fast_accepted_fn *fn, void *arg);
void fast_listen_stop(struct fast_listen *ls); /* fine for one that is all zero */

/* fast_listen_all - take what is there, at once; is nobody left to be accepted? Does not block. */
bool fast_listen_all(struct fast_listen *ls);
/* fast_listen_serves - is there a listener for this family? The guest's root can end one (ss -K). */
bool fast_listen_serves(const struct fast_listen *ls, int family);
