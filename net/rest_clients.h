/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's clients in line, by the time since when they have been at their present request, or idle. Who has been for too long
 * is disconnected; that is much sooner when all slots are taken, so that silent clients keep nobody out.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "core/loop.h"

struct client {
    struct client *prev, *next;
    bool in_line;
    uint64_t since; /* ns */
    int fd;         /* borrowed */
};

struct clients {
    struct loop *l;
    struct timer overdue;
    struct client *first, *last; /* who has waited longest, and shortest */
    bool crowded;                /* set by the owner: all slots are taken */
};

void clients_init(struct clients *line, struct loop *l); /* empty */
void clients_done(struct clients *line);                 /* stops the timer; the clients are the owner's */

void clients_stand_last(struct clients *line,
                        struct client *k); /* it begins anew: with a connection, or after a request */
void clients_leave(struct clients *line, struct client *k); /* nothing happens when it is not in line */

/* clients_end_overdue - shut the connections of those who took too long down (the owner then sees their ends); set the timer. */
void clients_end_overdue(struct clients *line);
