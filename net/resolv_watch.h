/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follow the host's /etc/resolv.conf (written in place, replaced, a link that leads elsewhere) for a process that sees no
 * files.  The watch lives in a process that does.  From the moment the other one asks for it, that one gets, over a SEQPACKET
 * pair, messages of two parts: the text, and the inotify(7) descriptor that will be readable as soon as the text is old.  So
 * the reader knows at any moment whether a newer text is on its way, and need not use an old one.  Without the descriptor
 * (none is to be had: a user's number of them is limited) a newer text comes within a second or so of the change.
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

#include "core/loop.h"

struct resolv_watch;

/* Called once, when the reader has gone; it may free the watch. */
typedef void resolv_watch_end_fn(void *arg);

/**
 * resolv_watch_new - serve a reader: wait for its wish, then send a message, and another after each change
 * @sock: this side's end of the pair; borrowed
 * @on_end: may be NULL
 * Return: 0, -ENOMEM, -errno of epoll_ctl(2).
 */
int resolv_watch_new(struct loop *l, int sock, resolv_watch_end_fn *on_end, void *arg,
                     struct resolv_watch **ret);
void resolv_watch_free(struct resolv_watch *w);

/**
 * resolv_watch_ask - the reader's side: ask for the text; the answer, and one after each change, will come by themselves
 * Asking again is harmless: the answer is one more message. Does not block.
 * Return: 0, -errno of send(2).
 */
int resolv_watch_ask(int sock);

/**
 * resolv_watch_recv - the reader's side: one message, without waiting
 * @buf: gets the text, NUL-terminated
 * @inotify: closed and replaced by the new one (-1: none)
 * Return: length of the text; -EAGAIN: none is there; -ECONNRESET: the other side is gone; -errno.
 */
ssize_t resolv_watch_recv(int sock, char *buf, size_t size, int *inotify);
