/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Poll sets that are filled anew in each turn of a loop: one for poll(2), and one for very many sockets, which takes a single
 * place in the other.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <poll.h>

/* A poll set that grows; entries the owner adds first keep their places. */
struct pollset {
    struct pollfd *fds;
    size_t n, cap;
};
/* pollset_add - index of the new entry or -ENOMEM. */
int pollset_add(struct pollset *p, int fd, short events);
void pollset_done(struct pollset *p);

/* Sockets of somebody who names all of them in each turn. */
struct sockset {
    int epfd;
    struct sockset_slot *slots; /* by descriptor */
    size_t n_slots;
    uint32_t turn;
    int *wanted; /* this turn's descriptors, in the order of asking */
    size_t n_wanted, cap_wanted;
    struct epoll_event *events; /* as many as wanted */
    size_t cap_events;
    size_t at, n_direct; /* where in the owner's poll set: one for the epoll set, or n_direct sockets */
};

int sockset_init(struct sockset *s); /* 0 or -errno of epoll_create1(2) */
void sockset_done(struct sockset *s);

/* sockset_tag - a byte of the owner's for a descriptor, 0 at first and after sockset_forget(). NULL: no memory, or @fd < 0. Good until the next call. */
uint8_t *sockset_tag(struct sockset *s, int fd);
/* sockset_forget - it is being closed: the number may come again for another. (The kernel takes it out of the epoll set.) */
void sockset_forget(struct sockset *s, int fd);

/* A turn: begin it, say what is wanted (0 or -ENOMEM), put it into the poll set, and after poll(2) take what has happened. */
void sockset_begin(struct sockset *s);
int sockset_want(struct sockset *s, int fd, short events);
void sockset_fill(struct sockset *s, struct pollset *p);
void sockset_polled(struct sockset *s, const struct pollset *p);
/* sockset_ready - what has happened, of what was wanted in this turn (POLLERR and POLLHUP always are) */
short sockset_ready(const struct sockset *s, int fd);
