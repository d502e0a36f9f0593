/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follow the host's /etc/resolv.conf (written in place, replaced, a link that leads elsewhere) for a process that sees no
 * files.  The watch lives in a process that does; the other one gets, over a SEQPACKET pair, messages of two parts: the text,
 * and the inotify(7) descriptor that will be readable as soon as the text is old.  So the reader knows at any moment whether
 * a newer text is on its way, and need not use an old one.
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

#include "core/loop.h"

struct resolv_watch;

/**
 * resolv_watch_new - watch, and send a message now and after each change
 * @sock: this side's end of the pair; borrowed
 * Return: 0, -ENOMEM, -errno of inotify_init1(2).
 */
int resolv_watch_new(struct loop *l, int sock, struct resolv_watch **ret);
void resolv_watch_free(struct resolv_watch *w);
/* resolv_watch_send - the present state once more: for a reader that was started anew. */
void resolv_watch_send(struct resolv_watch *w);

/**
 * resolv_watch_recv - the reader's side: one message, without waiting
 * @buf: gets the text, NUL-terminated
 * @inotify: closed and replaced by the new one (-1: none)
 * Return: length of the text; -EAGAIN: none is there; -ECONNRESET: the other side is gone; -errno.
 */
ssize_t resolv_watch_recv(int sock, char *buf, size_t size, int *inotify);
