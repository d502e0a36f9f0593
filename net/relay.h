/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay: carries bytes between pairs of connected TCP sockets, as fast as the kernel can and as faithfully as a
 * process in the middle may. Used for published ports and for outbound TCP. Not for other kinds of sockets.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"

struct relay_engine;

/* Called after a connection ended and its two descriptors are closed. */
typedef void relay_end_fn(void *arg);

/**
 * relay_engine_new - an engine in this loop
 * Ignores SIGPIPE for the whole process: splice(2) has no MSG_NOSIGNAL.
 * Return: 0 or -ENOMEM
 */
int relay_engine_new(struct loop *l, struct relay_engine **ret);
/* relay_engine_free - resets every connection that is left; NULL is fine. */
void relay_engine_free(struct relay_engine *e);
void relay_on_end(struct relay_engine *e, relay_end_fn *fn, void *arg);

/**
 * relay_add - relay between two connected, non-blocking TCP sockets until both directions have ended
 * The descriptors are the engine's from success on, and still the caller's after an error (-ENOMEM, epoll_ctl(2)).
 * An end of stream is passed on as one (half-close), after the bytes before it; an error or reset as a reset.
 * Does not block.
 */
int relay_add(struct relay_engine *e, int a, int b);

size_t relay_count(const struct relay_engine *e);
/**
 * relay_idle - end connections on which nothing has moved for @ns nanoseconds, by a reset; 0 (at first): never
 * Looked at every @ns/4, so that the longest is 1.25 times as much.
 */
void relay_idle(struct relay_engine *e, uint64_t ns);
/* relay_no_splice - copy through memory only, as where pipes are refused. */
void relay_no_splice(struct relay_engine *e);
/* tcp_reset - close *@fd (if it is none: nothing) so that the peer gets a RST, and set it to -1 (SO_LINGER 0, tcp(7)). */
void tcp_reset(int *fd);
