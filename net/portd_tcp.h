/* SPDX-License-Identifier: Apache-2.0 */
/* The TCP part of portd: accept on listeners of the host's netns, dial in this process's netns, hand both to the relay. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/loop.h"
#include "net/port.h"
#include "net/portd_share.h"
#include "net/transparent.h"

struct tcp_ports;

/**
 * tcp_ports_new - the engine; one for all ports
 * @max: connections at a time; further clients wait in the backlog
 * Return: 0 or -ENOMEM
 */
int tcp_ports_new(struct loop *l, size_t max, struct tcp_ports **ret);
void tcp_ports_free(struct tcp_ports *t); /* resets every connection; NULL is fine */

/**
 * tcp_ports_keep_source - dial from the client's own address from now on, where that is possible
 * @can: what this netns is prepared for
 * @warn: called at most once, when a connection had to be dialled from a local address instead
 */
void tcp_ports_keep_source(struct tcp_ports *t, const struct transparent *can,
                           void (*warn)(const char *text, void *arg), void *arg);

/**
 * tcp_ports_share - this is one of several workers, all of which are given the same listeners; before the first of them
 * @share: borrowed, outlives the engine
 * Return: 0 or -errno of epoll_ctl(2)
 */
int tcp_ports_share(struct tcp_ports *t, const struct portd_share *share);

/* tcp_ports_on_full - @fn is called once, with a text for the user, when clients have to wait because there are no more descriptors. */
void tcp_ports_on_full(struct tcp_ports *t, void (*fn)(const char *text, void *arg), void *arg);

/* tcp_ports_add - serve a listener (non-blocking, listening); the fd is owned from success on. -EINVAL, -ENOMEM, epoll_ctl(2) errors. */
int tcp_ports_add(struct tcp_ports *t, const struct portd_add *add, int fd);
/* tcp_ports_del - stop accepting; connections that are up stay. -ENOENT. */
int tcp_ports_del(struct tcp_ports *t, uint32_t id);
size_t tcp_ports_connections(const struct tcp_ports *t);
