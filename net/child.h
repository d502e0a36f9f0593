/* SPDX-License-Identifier: Apache-2.0 */
/* The container side of an instance, from the clone to the command. The sequence stands on top of applets/run.c. */
#pragma once
#include <sys/resource.h>

#include "core/statedir.h"
#include "net/instance.h"

/* Payload of SYNC_NET; its fds: the link (when kind is not AUTO), what the fast path has, then the network namespace when it is detached. */
struct child_net {
    uint32_t kind; /* enum link_kind; LINK_AUTO: there is no link, as with --net=none */
    uint32_t detached;
    struct fast_message fast;
};

struct child {
    const struct instance_config *cfg;
    struct statedir *sd;
    int sync_fd;
    pid_t parent;
    uint32_t parent_euid, parent_egid;
    struct rlimit nofile; /* for the command */
};

/* child_main - in the cloned process: every stage, then the command. Logs its own errors and exits 1 on them. */
_Noreturn void child_main(const struct child *c);

/* child_has_netns - does the instance make a network namespace? */
bool child_has_netns(const struct instance_config *cfg);
