/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports, the supervisor's side: the table, the listeners (bound here, in the host's netns) and the wire to portd.
 * portd (net/portd.h) gets a copy of each listener; the table keeps its own, so that a portd that died can be replaced:
 * meanwhile clients wait in the listener's backlog.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/log.h"
#include "net/portspec.h"

struct port_table;

struct port_entry {
    uint32_t id;          /* from 1, never used twice */
    struct portspec spec; /* parent_port: the real one; addresses as they were given */
};

/* ---- the wire: payloads of SYNC_PORT_ADD (with one fd, the bound and listening socket) and SYNC_PORT_ACK ---- */

struct portd_add {
    uint32_t id;
    uint32_t udp; /* bool: the fd is a UDP socket */
    uint32_t
        fallback; /* bool: no child address was asked for: when nothing listens on child_ip, try the loopback addresses */
    char child_ip[INET6_ADDRSTRLEN];
    uint16_t child_port;
};

struct portd_ack {
    uint32_t id;
    int32_t err; /* 0 or -errno */
};

/* ---- the table ---- */

int port_table_new(struct port_table **ret); /* empty; 0 or -ENOMEM */
void port_table_free(struct port_table *t);  /* closes the listeners; NULL is fine */

/* port_table_dial - what is published without a child address, for IPv4, is looked for at @ip (copied) before 127.0.0.1. */
void port_table_dial(struct port_table *t, struct in_addr ip);

/**
 * port_table_attach - from now on @sync_fd (a sync pair's end, see core/sync.h) leads to a running portd
 * Every port of the table is announced to it. Blocks until portd has answered for each, at most 2 s an answer.
 * The table keeps a duplicate until it finds portd dead or is attached anew; the caller's own may be closed at any time.
 * To be called again with another fd when portd was replaced. -1: there is no portd for now; ports may be added all the same.
 * Return: 0; -ECONNRESET: that portd is gone already; -errno: it did not take one of the ports (the others it has).
 */
int port_table_attach(struct port_table *t, int sync_fd);

/**
 * port_table_on_stuck - @fn is called when portd did not answer in time; it ends that portd
 * The table has let go of it by then, and the request counts as done: the next port_table_attach() announces everything.
 */
void port_table_on_stuck(struct port_table *t, void (*fn)(void *arg), void *arg);

/* port_table_on_warn - @fn gets the texts of portd's SYNC_WARN messages (for one line to the user each). */
void port_table_on_warn(struct port_table *t, void (*fn)(const char *text, void *arg), void *arg);

/* What happens to the table, for port_table_on_change(). */
enum port_event {
    PORT_ADDED,       /* an entry; those of a batch when all of it is published */
    PORT_REMOVED,     /* an entry */
    PORT_INTERRUPTED, /* no entry: portd is gone; new clients wait in the listeners' backlogs */
    PORT_FAILED,      /* an entry, which the next portd did not take, and why */
    PORT_RESTORED,    /* no entry: the next portd has the table */
};
typedef void port_change_fn(void *arg, enum port_event event, const struct port_entry *entry,
                            const char *text);

/* port_table_on_change - @fn hears of every change, after it; @entry is valid during the call. NULL: nobody hears. */
void port_table_on_change(struct port_table *t, port_change_fn *fn, void *arg);

/* port_table_interrupted - was portd lost, and is there no other yet? */
bool port_table_interrupted(const struct port_table *t);

/**
 * port_table_dispatch - read what portd sent on its own; to be called when the sync fd is readable, if nobody else reads it
 * Return: 0, or -ECONNRESET: portd is gone and the table is detached from it. Does not block.
 */
int port_table_dispatch(struct port_table *t);

/**
 * port_add - bind the listener of a spec and announce it
 * @ret: the entry as published (parent_port filled in); may be NULL
 * @why: for errors: a conflict names the id that holds the port; EACCES names net.ipv4.ip_unprivileged_port_start and setcap
 *
 * Without a child address portd dials the parent address if that is a specific one and not an address of this host's
 * interfaces other than lo, else that of port_table_dial(), else 127.0.0.1; and, when nothing listens there, the loopback addresses.
 *
 * Return: 0, -EINVAL, -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -errno; nothing is left half-published.
 * Blocks for portd's answer, at most 5 s.
 */
int port_add(struct port_table *t, const struct portspec *spec, struct port_entry *ret, struct reason *why);
/**
 * port_add_all - all of @n specs or none of them
 * @ret: @n entries, or NULL
 * No client gets into a port of a batch that fails, unless it is portd that refuses. Errors and blocking: port_add().
 */
int port_add_all(struct port_table *t, const struct portspec *specs, size_t n, struct port_entry *ret,
                 struct reason *why);
/* port_remove - close the listener. Connections that are up stay up. -ENOENT: there is no such id. */
int port_remove(struct port_table *t, uint32_t id, struct reason *why);
size_t port_count(const struct port_table *t);
const struct port_entry *port_get(const struct port_table *t,
                                  size_t index); /* in order of id; valid until the table changes */
