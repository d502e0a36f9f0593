/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A few sockets go into the poll set as they are.  Many are kept in an epoll set, which costs a system call only for
 * those whose wish has changed, and stands for them all in the poll set:
 *
 *      sockset_want ── fd, events ──> slot[fd] ── differs from what is armed ──> epoll_ctl
 *      epoll_wait ── fd, events ──> slot[fd] ── wanted in this turn ──> sockset_ready
 *                                           └── not ──> taken out
 *
 * One that is armed and not wanted stays in the set until it is in the way: mostly it is wanted again in the next turn.
 */
#include "net/pollset.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/fd.h"

enum { FEW = 16 /* so many are polled as they are */ };

struct sockset_slot {
    uint32_t turn; /* in which it was wanted last */
    short wanted;  /* events, then */
    short armed;   /* events in the epoll set; 0: is not in it */
    short ready;   /* events of this turn */
    uint8_t tag;
};

_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLPRI == EPOLLPRI && POLLERR == EPOLLERR &&
                   POLLHUP == EPOLLHUP,
               "one set of numbers for both");

int pollset_add(struct pollset *p, int fd, short events)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 32;
        struct pollfd *fds = reallocarray(p->fds, cap, sizeof(*fds));
        if (!fds)
            return -ENOMEM;
        p->fds = fds;
        p->cap = cap;
    }
    p->fds[p->n] = (struct pollfd){.fd = fd, .events = events};
    return (int)p->n++;
}

void pollset_done(struct pollset *p)
{
    free(p->fds);
    *p = (struct pollset){NULL, 0, 0};
}

/* ---- many sockets */

int sockset_init(struct sockset *s)
{
    *s = (struct sockset){.epfd = epoll_create1(EPOLL_CLOEXEC)};
    return s->epfd < 0 ? -errno : 0;
}

void sockset_done(struct sockset *s)
{
    fd_close(&s->epfd);
    free(s->slots);
    free(s->wanted);
    free(s->events);
    *s = (struct sockset){.epfd = -1};
}

static struct sockset_slot *slot_of(struct sockset *s, int fd)
{
    if (fd < 0)
        return NULL;
    if ((size_t)fd >= s->n_slots) {
        size_t n = s->n_slots ? s->n_slots : 64;
        while (n <= (size_t)fd)
            n *= 2;
        struct sockset_slot *slots = reallocarray(s->slots, n, sizeof(*slots));
        if (!slots)
            return NULL;
        memset(slots + s->n_slots, 0, (n - s->n_slots) * sizeof(*slots));
        s->slots = slots;
        s->n_slots = n;
    }
    return &s->slots[fd];
}

uint8_t *sockset_tag(struct sockset *s, int fd)
{
    struct sockset_slot *slot = slot_of(s, fd);
    return slot ? &slot->tag : NULL;
}

void sockset_forget(struct sockset *s, int fd)
{
    if (fd >= 0 && (size_t)fd < s->n_slots)
        s->slots[fd] = (struct sockset_slot){.turn = 0};
}

/* ---- a turn */

void sockset_begin(struct sockset *s)
{
    s->turn++;
    s->turn += s->turn == 0; /* that of those who were never wanted */
    s->n_wanted = s->n_direct = 0;
}

int sockset_want(struct sockset *s, int fd, short events)
{
    struct sockset_slot *slot = slot_of(s, fd);
    if (!slot)
        return -ENOMEM;
    if (s->n_wanted == s->cap_wanted) {
        size_t cap = s->cap_wanted ? s->cap_wanted * 2 : 64;
        int *p = reallocarray(s->wanted, cap, sizeof(*p));
        if (!p)
            return -ENOMEM;
        s->wanted = p;
        s->cap_wanted = cap;
    }
    s->wanted[s->n_wanted++] = fd;
    slot->turn = s->turn;
    slot->wanted = events;
    slot->ready = 0;
    return 0;
}

/* Make the epoll set what is wanted. One without events is not armed in our books, so it has to be out of the set. */
static bool arm(struct sockset *s)
{
    for (size_t i = 0; i < s->n_wanted; i++) {
        int fd = s->wanted[i];
        struct sockset_slot *slot = &s->slots[fd];
        struct epoll_event e = {.events = (uint32_t)slot->wanted, .data.fd = fd};
        if (slot->armed == slot->wanted)
            continue;
        int op = !slot->wanted ? EPOLL_CTL_DEL : slot->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        if (epoll_ctl(s->epfd, op, fd, &e) < 0)
            return false;
        slot->armed = slot->wanted;
    }
    if (s->cap_events < s->n_wanted) {
        struct epoll_event *p = reallocarray(s->events, s->n_wanted * 2, sizeof(*p));
        if (!p)
            return false;
        s->events = p;
        s->cap_events = s->n_wanted * 2;
    }
    return true;
}

void sockset_fill(struct sockset *s, struct pollset *p)
{
    s->at = p->n;
    if (s->n_wanted > FEW && arm(s)) {
        pollset_add(p, s->epfd, POLLIN);
        return;
    }
    for (; s->n_direct < s->n_wanted; s->n_direct++) {
        int fd = s->wanted[s->n_direct];
        if (pollset_add(p, fd, s->slots[fd].wanted) < 0)
            break;
    }
}

static void take_events(struct sockset *s)
{
    int n = epoll_wait(s->epfd, s->events, (int)s->cap_events, 0);
    for (int i = 0; i < n; i++) {
        int fd = s->events[i].data.fd;
        struct sockset_slot *slot = &s->slots[fd];
        if (slot->turn == s->turn) {
            slot->ready = (short)s->events[i].events;
        } else {
            epoll_ctl(s->epfd, EPOLL_CTL_DEL, fd, NULL);
            slot->armed = 0;
        }
    }
}

void sockset_polled(struct sockset *s, const struct pollset *p)
{
    if (s->n_direct) {
        for (size_t i = 0; i < s->n_direct; i++)
            s->slots[s->wanted[i]].ready = p->fds[s->at + i].revents;
    } else if (s->at < p->n && p->fds[s->at].revents) {
        take_events(s);
    }
}

short sockset_ready(const struct sockset *s, int fd)
{
    if (fd < 0 || (size_t)fd >= s->n_slots || s->slots[fd].turn != s->turn)
        return 0;
    return s->slots[fd].ready;
}
