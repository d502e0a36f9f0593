/* SPDX-License-Identifier: Apache-2.0 */
/* netd's own sandbox: what it may still do while it parses the guest's frames. */
#pragma once

#include "core/log.h"
#include "net/netd.h"

/**
 * netd_sandbox_enter - give up everything but sockets
 * Joins the target's user namespace where that is what it takes to build an empty root, and for the fast path, unless the API
 * is served by somebody with capabilities of his own. Keeps CAP_NET_BIND_SERVICE when it had that and stays, CAP_NET_ADMIN
 * for the fast path, and nothing else; no_new_privs, not dumpable, system calls by an allow-list.
 * Closes c->userns_fd, which nobody needs afterwards.
 * @why: which step failed and what to do
 */
int netd_sandbox_enter(const struct netd_config *c, struct reason *why);
