/* SPDX-License-Identifier: Apache-2.0 */
/* What portd's workers have in common: how much each has to do, and a way to hand a client to one that has less. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/portd.h"

/* In memory of all the workers. */
struct portd_board {
    _Atomic uint32_t load[PORTD_WORKERS_MAX];   /* connections */
    _Atomic uint32_t coming[PORTD_WORKERS_MAX]; /* those on their way to it */
    _Atomic uint32_t said;                      /* warnings that one of them has given, a bit each */
};

struct portd_share {
    unsigned n, self;
    struct portd_board *board;
    int in;                     /* clients that others hand to this one */
    int out[PORTD_WORKERS_MAX]; /* out[i] leads to worker i's .in */
};

/* portd_board_new - a page that forked processes share; 0 or -errno of mmap(2). It is there until the process ends. */
int portd_board_new(struct portd_board **ret);

/**
 * portd_share_other - who should take one more client, if not this one itself?
 * One that has distinctly less to do: to hand a client over costs a tenth of what serving it does.
 * Return: its number, or -1
 */
int portd_share_other(const struct portd_share *s);
void portd_share_load(const struct portd_share *s, size_t load); /* what this one has to do now */

/**
 * portd_share_send - hand @fd to worker @to, with @len bytes about it
 * Does not block; the sender closes its own @fd. Return: 0, or -errno of sendmsg(2) (-EAGAIN: it has too many already).
 */
int portd_share_send(const struct portd_share *s, int to, int fd, const void *about, size_t len);
/**
 * portd_share_recv - one client that was handed to this worker, with exactly @len bytes about it
 * Return: the descriptor (CLOEXEC, the caller's); -EAGAIN: there is none; -EMFILE: it came, and there was no room for it;
 * -EBADMSG; -errno of recvmsg(2). Does not block.
 */
int portd_share_recv(const struct portd_share *s, void *about, size_t len);
