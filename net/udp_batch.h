/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of one socket, taken and passed on several at a time (recvmmsg(2), sendmmsg(2)): each system call costs as much as a small one. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "net/ip.h"

enum { UDP_BATCH = 32 };

struct udp_batch;

/* udp_batch_new - 2 MiB, of which only what is used takes memory. 0 or -ENOMEM. */
int udp_batch_new(struct udp_batch **ret);
void udp_batch_free(struct udp_batch *b); /* NULL is fine */

/* udp_batch_recv - the number of datagrams, or -errno. Whatever was in there is gone. Does not block. */
int udp_batch_recv(struct udp_batch *b, int fd);
/* Of one that was received: its sender, and its control messages (until something is sent). */
const union sockaddr_ip *udp_batch_from(const struct udp_batch *b, unsigned i);
struct msghdr *udp_batch_msg(struct udp_batch *b, unsigned i);

/* Where to, on a socket that is not connected. */
struct udp_batch_to {
    const union sockaddr_ip *addr;
    void *control; /* NULL: none */
    size_t controllen;
};

/**
 * udp_batch_send - send @n of the received datagrams, from the one @first on
 * @to: NULL: the socket is connected
 * @ret_refused: the socket has reported that nobody listens at the other end (ECONNREFUSED), maybe for an earlier datagram
 *
 * What the socket does not take is dropped. Return: how many were dealt with: all, or those before the report.
 */
unsigned udp_batch_send(struct udp_batch *b, int fd, unsigned first, unsigned n,
                        const struct udp_batch_to *to, bool *ret_refused);
