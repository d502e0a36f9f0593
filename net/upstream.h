/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a destination of the guest leads on the host: the one place that says so, for both ways out (libslirp by way of
 * net/frame.c, and the TCP fast path).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "net/addrplan.h"
#include "net/ip.h"

/* Destinations that lead to the host itself by their very number; in network order. No path may dial them. */
bool upstream_forbidden4(const unsigned char a[4]);
bool upstream_forbidden6(const unsigned char a[16]);

/**
 * upstream_dial - may the fast path dial this destination of a TCP connection, and by which address?
 * @plan: the guest's network; its gateway stands for the host's loopback unless @disable_host_loopback
 * @ret: what to dial
 *
 * Return: false for everything with a meaning of its own (the DNS server, the rest of the plan's network, forbidden,
 * broadcast and multicast addresses): libslirp and net/frame.c decide about those, so that there is one opinion only.
 */
bool upstream_dial(const struct addrplan *plan, bool disable_host_loopback, const union sockaddr_ip *dst,
                   union sockaddr_ip *ret);

/**
 * upstream_connect - begin to connect to what upstream_dial() said
 * @outbound, @outbound6: the source address, or NULL
 * Return: 0: it stands; -EINPROGRESS: writable when that is decided (SO_ERROR); or -errno of socket(2), bind(2), connect(2). *ret_fd is set for
 * the first two: non-blocking, the caller's. Does not block.
 */
int upstream_connect(const union sockaddr_ip *to, const struct in_addr *outbound,
                     const struct in6_addr *outbound6, int *ret_fd);
