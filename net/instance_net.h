/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor's files share: net/instance.c (its life), net/instance_net.c (the services it keeps), net/instance_signals.c. */
#pragma once
#include <arpa/inet.h>
#include <sys/resource.h>

#include "core/idmap.h"
#include "core/loop.h"
#include "core/statedir.h"
#include "core/sync.h"
#include "net/instance.h"
#include "net/netd.h"
#include "net/port.h"
#include "net/portd.h"
#include "net/resolv_watch.h"
#include "net/rest.h"
#include "net/service.h"

struct instance {
    const struct instance_config *cfg;
    struct statedir sd;
    struct idmap_plan map;
    struct loop *loop;

    struct rlimit nofile; /* as it was before ours was raised */
    pid_t child, child_in_proc;
    int child_pidfd, child_sync;
    struct watch on_exit, on_message, on_signal;
    struct timer deadline;

    struct fast_set fast;
    int link_fd, userns_fd, netns_fd, cgroup_fd;
    int resolv_sv[2]; /* ours, netd's: the host's resolv.conf as it changes */
    struct resolv_watch *resolv;
    struct netd_config netd_config;
    struct portd_config portd_config;
    struct service netd, portd;
    struct port_table *ports;
    struct rest_info info;
    struct rest *rest;
    char child_ip[INET_ADDRSTRLEN], dns[INET_ADDRSTRLEN];

    bool child_ready, net_up,
        ports_up; /* what the start waits for; true from the beginning where there is nothing to wait for */
    bool running;

    /* detached (net/detach.c) */
    int starter;
    struct watch on_starter;
    bool exec_told, exec_failed, ready_told;
    /* terminal, see net/instance_signals.c */
    bool foreground;    /* at the start, or when we were continued: our group's turn on the terminal */
    bool continued;     /* after a stop of ours; the SIGCONT has not been read yet */
    unsigned stops;     /* that the reaper told us of */
    pid_t inside_group; /* the foreground group when we stopped, if it was one of the command's; else 0 */
};

/* instance_give_up - leave the loop with exit status 1; the cause has been logged. */
void instance_give_up(struct instance *in);
/* instance_maybe_go - once everything that the start waits for is there: state files, API, and the command starts. */
void instance_maybe_go(struct instance *in);

/*
 * instance_dials_link - are published ports to be looked for at the link's address first?
 * With the port driver slirp4netns: callers choose it for what arrives there, as from another machine: servers that listen at
 * that address alone, and containers that dockerd's rules redirect it to, which see the clients' addresses then.
 */
bool instance_dials_link(const struct instance_config *cfg);
/* instance_make_ports - an empty port table, for an instance with a port driver. 0 or -errno, which has been logged. */
int instance_make_ports(struct instance *in);

/**
 * instance_network_made - the child's network stands: open its namespaces and start whoever lives in or beside them
 * @msg: the child's SYNC_NET; its descriptors are taken
 * Return: 0 or -errno, which has been logged. netd and portd come up in the loop.
 */
int instance_network_made(struct instance *in, struct sync_in *msg);
