/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who watches the ports' events (GET /v1/events), without the HTTP around it.
 *
 * Each watcher is told first what is, from a text of its own, and then what happens, from one bounded log for all
 * (net/event_log.h). One that falls behind by more than the log holds is dropped: it could not be told what it has missed.
 *
 *     watcher_read() has nothing ──▶ owner: suspend the connection
 *     something happens          ──▶ resume(): owner resumes it, and reads on
 *     the peer hangs up          ──▶ the same; watcher_read() says so
 *
 * The HTTP library does not look at a suspended connection's descriptor, so this does: for its hang-up (EPOLLHUP, EPOLLERR).
 * Somebody who only shuts down his sending side may go on watching.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/loop.h"
#include "net/event_log.h"
#include "net/port.h"

enum { WATCHERS_MAX = 32 };

struct watcher;

struct watchers {
    struct loop *l;
    void (*resume)(void *arg, void *connection);
    void *arg;
    struct watcher *first;
    unsigned n;
    bool ending;
    struct event_log log;
};

void watchers_init(struct watchers *set, struct loop *l, void (*resume)(void *arg, void *connection),
                   void *arg);
void watchers_done(struct watchers *set); /* the watchers are gone by then */

/* watchers_tell - an event of the table, for port_table_on_change(); @arg: struct watchers. */
void watchers_tell(void *arg, enum port_event event, const struct port_entry *entry, const char *text);

/* watchers_end - from now on everybody's text has an end. */
void watchers_end(struct watchers *set);

/**
 * watcher_new - somebody watches from now on
 * @connection: for resume()
 * @fd: the connection's; borrowed, to be open until watcher_free()
 * @first: what it is told first, malloc()ed; owned from success on
 * Return: 0, -EUSERS (WATCHERS_MAX), -ENOMEM, -errno of epoll_ctl(2).
 */
int watcher_new(struct watchers *set, void *connection, int fd, char *first, size_t first_len,
                struct watcher **ret);
void watcher_free(void *arg); /* struct watcher */

void *watcher_connection(const struct watcher *w);

/**
 * watcher_read - the next bytes, at most @size
 * Return: their number; 0: nothing for now, the owner suspends the connection until it is resumed; -ENODATA: the end;
 * -ENOBUFS: it was too slow; -ECONNRESET: the peer is gone (the connection is shut down in both cases).
 */
ptrdiff_t watcher_read(struct watcher *w, char *buf, size_t size);
