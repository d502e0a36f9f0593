/* SPDX-License-Identifier: Apache-2.0 */
/* One instance of `run`: the supervisor, its child and its services, from the id map to the last clean-up. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/command.h"
#include "core/idmap.h"
#include "core/mount.h"
#include "core/strv.h"
#include "net/addrplan.h"
#include "net/fast_set.h"
#include "net/link.h"
#include "net/portspec.h"

struct instance_config {
    const char *version;   /* that the API names; NULL: this program's */
    const char *state_dir; /* NULL: a fresh temporary one */
    struct idmap_request map;

    /* namespaces; user and mount are always new */
    bool pidns, cgroupns, utsns, ipcns;
    bool reaper;                  /* only with pidns */
    const char *evacuate_cgroup2; /* only with pidns and cgroupns; NULL: no */

    /* network */
    enum net_driver net;
    struct addrplan plan; /* for a driver with a network */
    enum link_kind link;
    enum tcp_path tcp;
    char ifname[16];
    bool disable_host_loopback;
    bool detach_netns; /* the command stays in our netns; the new one is found at STATE_DIR/netns */

    /* mounts */
    enum mount_propagation propagation;
    struct strv copy_up;

    /* ports */
    const char *port_driver; /* NULL: none */
    bool hide_port_driver;   /* the API says nothing of it ("implicit" of the peers has no port manager) */
    struct portspec *publish;
    size_t n_publish;
    bool source_ip_transparent;
    unsigned port_workers; /* at least 1 */

    struct command command;

    int starter; /* detached: our end of the pair to the process that waits for the start (net/detach.h); -1: not detached */
};

/**
 * instance_run - run the command and wait for it
 * The calling process becomes the supervisor: its fds other than 0..2 and the activation sockets are CLOEXEC or closed.
 * Return: the exit status; everything the instance made is gone by then. Logs its own errors.
 */
int instance_run(const struct instance_config *cfg);
