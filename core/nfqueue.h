/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nfnetlink_queue: packets that a firewall rule hands to user space, and what becomes of them.
 * Facts: linux/netfilter/nfnetlink_queue.h, net/netfilter/nfnetlink_queue.c.
 *
 * A queue belongs to the socket that bound it and to that socket's network namespace. Every message to it takes
 * CAP_NET_ADMIN over that namespace, of the sender at the time and of whoever opened the socket.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/log.h"
#include "core/nft.h"

/* A packet in the kernel's hands. */
struct nfq_packet {
    uint32_t id;
    enum nf_hook hook;
    uint32_t mark;
    bool cut;                  /* there was more than the copy range */
    const unsigned char *data; /* from the IP header on; points into the receiver's buffer */
    size_t len;
};

/* nfq_open - a netlink socket in the caller's netns that the loss of messages does not disturb. CLOEXEC fd or -errno. */
int nfq_open(void);

/**
 * nfq_bind - make queue @number ours, empty: packets that an earlier process left undecided in it are dropped
 * @copy: bytes of a packet that are copied; @max: packets that may wait. Beyond that they are dropped.
 * Return: 0, -EBUSY (another socket has that number), -EPERM, -errno. Blocks for the kernel only.
 */
int nfq_bind(int nl, uint16_t number, uint32_t copy, uint32_t max, struct reason *why);

/* Called for each packet; the data is good until it returns. */
typedef void nfq_packet_fn(const struct nfq_packet *p, void *arg);

/* nfq_parse - one datagram of the socket; what is no well-formed packet is passed over. */
void nfq_parse(const void *data, size_t len, nfq_packet_fn *fn, void *arg);
/* nfq_receive - one datagram, if there is one. 0 or -errno; -EAGAIN: there is none. Does not block. */
int nfq_receive(int nl, void *buf, size_t size, nfq_packet_fn *fn, void *arg);

/**
 * nfq_verdict - decide
 * @mark: the packet's mark from now on, 0: as it was
 * Return: 0 or -errno. Does not block. That there is no such packet (any more) is no error.
 */
int nfq_verdict(int nl, uint16_t number, uint32_t id, enum nf_verdict verdict, uint32_t mark);
