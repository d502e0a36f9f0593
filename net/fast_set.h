/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the TCP fast path needs inside the guest's network namespace: firewall rules, and a handful of sockets that are
 * made there and used from outside (net/fast.h tells how they play together).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "core/log.h"
#include "net/addrplan.h"

/* Which way TCP connections go out. */
enum tcp_path {
    TCP_AUTO, /* fast, or by libslirp where the kernel lacks a part of it */
    TCP_FAST, /* fast, or not at all */
    TCP_SLIRP,
};
extern const char *const tcp_path_names[]; /* NULL-terminated */

/* The descriptors, in the order in which they travel; the last two only with IPv6. */
enum fast_fd { FAST_QUEUE, FAST_LISTEN4, FAST_RAW4, FAST_LISTEN6, FAST_RAW6, FAST_FDS };

struct fast_set {
    int fd[FAST_FDS]; /* -1: none */
    uint16_t number;  /* of the queue */
    uint16_t port;    /* of the listeners */
};
#define FAST_SET_NONE                \
    {                                \
        .fd = { -1, -1, -1, -1, -1 } \
    }

/* What is in a message beside the descriptors. */
struct fast_message {
    uint32_t n_fds; /* 0: there is no fast path */
    uint16_t number, port;
};

/*
 * What marks of packets say. They live for moments: on a SYN that netd sends out anew until the rules have led it to the
 * listener, and on one that the rules are to refuse.
 */
enum fast_mark {
    FAST_LOCAL = 1,  /* a SYN of this namespace */
    FAST_FORWARDED,  /* a SYN of a container behind a bridge in it */
    FAST_REFUSED,    /* answer: reset */
    FAST_NO_NET,     /* answer: ICMP network, */
    FAST_NO_HOST,    /* host unreachable, */
    FAST_PROHIBITED, /* administratively prohibited */
};

enum {
    FAST_QUEUE_FIRST = 0x726c, /* "rl" in ASCII */
    FAST_QUEUES = 16,          /* as many netds may serve one namespace */
};

/* The mark itself: like nobody else's, and another one for each netd in the namespace. */
static inline uint32_t fast_mark_of(uint16_t queue, enum fast_mark m)
{
    return 0x726c0000u | ((uint32_t)(queue - FAST_QUEUE_FIRST) % FAST_QUEUES) << 4 | (uint32_t)m;
}

/**
 * fast_set_create - rules and sockets in the CALLER's netns
 * @plan: the guest's addresses; @ifname, @ifindex: the link
 * @why: the part that is missing, and how to get it
 *
 * Needs CAP_NET_ADMIN and CAP_NET_RAW over the netns. The rules go with the queue's socket where the kernel can do that
 * (Linux 5.12), and else with the namespace. Does not block, but for the kernel.
 */
int fast_set_create(const struct addrplan *plan, const char *ifname, unsigned ifindex, struct fast_set *ret,
                    struct reason *why);
/* fast_set_done - close all of it; later than now, if @later (fd_close_later()). */
void fast_set_done(struct fast_set *s, bool later);

static inline bool fast_set_is_there(const struct fast_set *s)
{
    return s->fd[FAST_QUEUE] >= 0;
}

/* Into a message: how many of s->fd[] belong to it; and out of one: the descriptors are taken from @fds. -EPROTO. */
struct fast_message fast_set_pack(const struct fast_set *s);
int fast_set_unpack(const struct fast_message *m, int *fds, size_t n, struct fast_set *ret);
