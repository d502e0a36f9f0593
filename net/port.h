/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports, the supervisor's side: the table, the listeners (bound here, in the host's netns) and the wire to portd.
 * portd (net/portd.h) gets a copy of each listener; the table keeps its own, so that a portd that died can be replaced.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/log.h"
#include "net/portspec.h"

struct port_table;

struct port_entry {
    uint32_t id; /* from 1, never used twice */
    struct portspec spec; /* parent_port: the real one */
};

/* port_table_new - empty; @ns_inode-free: needs only the wire, set later by port_table_attach(). */
int port_table_new(struct port_table **ret);
void port_table_free(struct port_table *t); /* closes the listeners */

/**
 * port_table_attach - from now on @sync_fd (borrowed; a sync pair's end, see core/sync.h) leads to a running portd:
 * every port of the table is announced to it. Blocks at most SYNC_TIMEOUT_MS an answer.
 */
int port_table_attach(struct port_table *t, int sync_fd);

/**
 * port_add - bind the listeners of a spec and announce them
 * @ret: the entry as published (parent_port filled in)
 * @why: for errors: a conflict names the id that holds the port; EACCES names net.ipv4.ip_unprivileged_port_start and setcap
 * Return: 0, -EINVAL, -EADDRINUSE, -EACCES, -errno; nothing is left half-published.
 */
int port_add(struct port_table *t, const struct portspec *spec, struct port_entry *ret, struct reason *why);
int port_remove(struct port_table *t, uint32_t id, struct reason *why); /* -ENOENT */
size_t port_count(const struct port_table *t);
const struct port_entry *port_get(const struct port_table *t, size_t index); /* in order of id */
