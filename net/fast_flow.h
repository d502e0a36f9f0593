/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCP fast path's table of connections that are being made, from the guest's first SYN until its upstream goes to the
 * relay or to nobody. The table owns the flows; a flow owns its upstream socket, until somebody takes up.fd (and leaves -1
 * there), and the SYN that the kernel holds in the packet queue, if .held: it gets its verdict from here, exactly once.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"
#include "core/nfqueue.h"
#include "net/fast_set.h"
#include "net/fast_syn.h"
#include "net/ip.h"

enum { FLOW_BUCKETS = 1024 };

enum flow_state {
    FLOW_DIALLING,  /* upstream is on its way */
    FLOW_ACCEPTING, /* upstream stands, the SYN is on its way to the listener */
    FLOW_FAILED,    /* there is no upstream; the next SYN is answered */
    FLOW_STATE_MAX
};

struct flow_table;

struct flow {
    struct flow *chain;         /* in its bucket */
    struct flow *older, *newer; /* by the last SYN */
    struct flow_table *t;
    enum flow_state state;
    union sockaddr_ip src, dst;
    struct watch up;            /* the upstream; fd -1: none */
    uint64_t born, seen, since; /* ns; last SYN; of the state */
    bool held;                  /* SYN @id is in the kernel's queue */
    uint32_t id;
    enum fast_mark how;   /* the copy goes to the listener */
    enum fast_mark error; /* in FAILED */
    bool unaccepted;      /* for so long in ACCEPTING that something must be in the way */
    size_t syn_len;
    unsigned char syn[SYN_MAX]; /* the last one */
};

/* Embedded in its owner, who finds himself by container_of(). To be read by all, to be written by fast_flow.c. */
struct flow_table {
    struct loop *l;
    const struct fast_set *set; /* whose queue holds the SYNs; borrowed */
    struct flow *bucket[FLOW_BUCKETS];
    struct flow *oldest, *newest; /* by the last SYN */
    size_t n, max;
    uint64_t seed; /* so that nobody knows which flows share a bucket */
};

/* flow_table_init - 0, or -EIO when there are no random numbers; needs no flow_table_done() then. */
int flow_table_init(struct flow_table *t, struct loop *l, const struct fast_set *set, size_t max);
void flow_table_done(struct flow_table *t); /* forgets all; fine for one that is all zero */

/* flow_new - a flow in DIALLING, without an upstream yet; at the limit the one silent longest is forgotten. NULL: no memory. */
struct flow *flow_new(struct flow_table *t, const struct syn *s, enum fast_mark how);
struct flow *flow_find(struct flow_table *t, const union sockaddr_ip *src, const union sockaddr_ip *dst);
/* flow_find_accepting - the one in ACCEPTING for this client, at whichever port, to this destination; of the same port if possible. */
struct flow *flow_find_accepting(struct flow_table *t, const union sockaddr_ip *peer,
                                 const union sockaddr_ip *dst);
void flow_set_state(struct flow *o, enum flow_state s);

/* flow_take_syn - packet @id of the queue is its SYN from now on; one that is held already is dropped. */
void flow_take_syn(struct flow *o, const struct syn *s, uint32_t id);
/* flow_release - the verdict on the SYN, if one is held; @mark 0: unmarked */
void flow_release(struct flow *o, enum nf_verdict v, uint32_t mark);
void flow_close(struct flow *o);  /* the upstream, if there is one */
void flow_forget(struct flow *o); /* a SYN that is held is dropped */
