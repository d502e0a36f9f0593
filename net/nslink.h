/* SPDX-License-Identifier: Apache-2.0 */
/* A link inside somebody else's namespaces, made by a short-lived process that joins them; only its fd comes back. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "core/log.h"
#include "net/addrplan.h"
#include "net/fast_set.h"
#include "net/link.h"

struct nslink {
    int userns, netns;   /* borrowed; userns -1: stay in ours */
    const char *target;  /* what the user called it, for messages */
    enum link_kind kind; /* wanted */
    const char *ifname;
    const uint8_t *mac; /* or NULL */
    const struct addrplan *plan;
    bool configure; /* link_configure(), too */
    enum tcp_path tcp;
};

/**
 * nslink_create - make the link
 * @ret_kind: what it became
 * @ret_fd: CLOEXEC; the caller's
 * @ret_fast: for the fast path, the caller's; none, if it is not wanted or (with TCP_AUTO) cannot be had
 *
 * Blocks until the process is done, 20 s at most. Return: 0 or -errno with the cause in @why.
 */
int nslink_create(const struct nslink *n, enum link_kind *ret_kind, int *ret_fd, struct fast_set *ret_fast,
                  struct reason *why);
