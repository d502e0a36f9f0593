/* SPDX-License-Identifier: Apache-2.0 */
/* The UDP part of portd: one flow, a connected socket in this process's netns, for each client of a port. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"
#include "net/port.h"
#include "net/udp_source.h"

struct udp_ports;

/**
 * udp_ports_new - the engine; one for all ports
 * @max: flows at a time; udp_flows_evict() says which one makes room for a new one
 * @idle_ns: a flow ends after so long a silence of both its ends
 * Return: 0 or -ENOMEM
 */
int udp_ports_new(struct loop *l, size_t max, uint64_t idle_ns, struct udp_ports **ret);
void udp_ports_free(struct udp_ports *u); /* NULL is fine */

/**
 * udp_ports_keep_source - reach servers from the client's own address from now on, where that is possible
 * @source: borrowed; outlives the engine
 * @warn: called at most once, when a flow had to come from a local address instead
 */
void udp_ports_keep_source(struct udp_ports *u, struct udp_source *source,
                           void (*warn)(const char *text, void *arg), void *arg);

/* udp_ports_add - serve a bound, non-blocking socket with IP_PKTINFO (IPV6_RECVPKTINFO) on; the fd is owned from success on. -EINVAL, -ENOMEM, epoll_ctl(2) errors. */
int udp_ports_add(struct udp_ports *u, const struct portd_add *add, int fd);
/* udp_ports_del - end the port and its flows. -ENOENT. */
int udp_ports_del(struct udp_ports *u, uint32_t id);
size_t udp_ports_flows(const struct udp_ports *u);
