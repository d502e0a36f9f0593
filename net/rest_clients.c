/* SPDX-License-Identifier: Apache-2.0 */
#include "net/rest_clients.h"

#include <sys/socket.h>

#include "core/fd.h"

enum {
    REQUEST_S = 30, /* from the end of one request to that of the next */
    CROWDED_S = 1,  /* the same when all slots are taken */
};

static void on_overdue(struct loop *l, struct timer *t)
{
    (void)l;
    clients_end_overdue(container_of(t, struct clients, overdue));
}

void clients_init(struct clients *line, struct loop *l)
{
    *line = (struct clients){.l = l, .overdue = {.fn = on_overdue, .what = "api clients"}};
}

void clients_done(struct clients *line)
{
    loop_timer_del(line->l, &line->overdue);
}

void clients_leave(struct clients *line, struct client *k)
{
    if (!k->in_line)
        return;
    *(k->prev ? &k->prev->next : &line->first) = k->next;
    *(k->next ? &k->next->prev : &line->last) = k->prev;
    k->prev = k->next = NULL;
    k->in_line = false;
}

void clients_stand_last(struct clients *line, struct client *k)
{
    clients_leave(line, k);
    k->since = now_ns();
    k->prev = line->last;
    *(line->last ? &line->last->next : &line->first) = k;
    line->last = k;
    k->in_line = true;
}

void clients_end_overdue(struct clients *line)
{
    uint64_t now = now_ns(), patience = (uint64_t)(line->crowded ? CROWDED_S : REQUEST_S) * 1000000000u;
    while (line->first && now - line->first->since >= patience) {
        shutdown(line->first->fd, SHUT_RDWR);
        clients_leave(line, line->first);
    }
    if (line->first)
        loop_timer_set(line->l, &line->overdue, line->first->since + patience - now);
    else
        loop_timer_del(line->l, &line->overdue);
}
