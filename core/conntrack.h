/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that the kernel tracks (linux/netfilter/nfnetlink_conntrack.h, net/netfilter/nf_conntrack_netlink.c). */
#pragma once
#include <sys/socket.h>

/**
 * conntrack_forget_tcp - let the kernel forget the connection of this client to this server, with the translation of its addresses
 * @nl: a socket for NETLINK_NETFILTER in the netns; takes CAP_NET_ADMIN over it
 * @src, @dst: sockaddr_in or sockaddr_in6, both of one family, as the client sees them
 *
 * Return: 0 or -errno of the sending: does not wait for the answer, and does not block.
 */
int conntrack_forget_tcp(int nl, const struct sockaddr *src, const struct sockaddr *dst);
