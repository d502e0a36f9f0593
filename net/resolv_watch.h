/* SPDX-License-Identifier: Apache-2.0 */
/* Follow the host's /etc/resolv.conf: written in place, replaced, a link that leads elsewhere. By inotify(7), in the owner's loop. */
#pragma once
#include <stddef.h>

#include "core/loop.h"

struct resolv_watch;

/* Called with the new text when it has changed; never with an empty file (somebody is writing it). */
typedef void resolv_changed_fn(const char *text, size_t len, void *arg);

/* resolv_watch_new - 0, -ENOMEM, -errno of inotify_init1(2). The text as it is now is taken as known. */
int resolv_watch_new(struct loop *l, resolv_changed_fn *fn, void *arg, struct resolv_watch **ret);
void resolv_watch_free(struct resolv_watch *w);
