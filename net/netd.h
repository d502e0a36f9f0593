/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbound engine: frames from a link through libslirp to the host's network, in a process of its own.
 * One engine, two doors: forked by `run`, or by `netd` against somebody else's namespace.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "core/log.h"
#include "net/addrplan.h"
#include "net/fast_set.h"
#include "net/link.h"

struct netd_config {
    struct addrplan plan; /* with mtu and ipv6 as wanted */
    enum link_kind link_kind;
    int link_fd;   /* borrowed */
    int userns_fd; /* the target's user namespace, joined to build the empty root, then closed; -1: make an own one if unprivileged */
    int ready_fd;  /* "1" is written and the fd closed once everything is up; -1: none */
    int exit_fd;   /* any event on it ends netd with 0; -1: none */
    int sync_fd;   /* end of a sync pair of the supervisor (SYNC_UP sent, EOF ends netd); -1: none */
    int resolv_fd; /* the reader's end of a pair with a struct resolv_watch (net/resolv_watch.h); -1: resolv.conf is read once */
    int api_fd; /* a listening AF_UNIX stream socket for the slirp4netns JSON API, borrowed; -1: none */
    enum tcp_path tcp;
    struct fast_set fast; /* borrowed; of the guest's netns; none: TCP goes by libslirp */
    bool disable_host_loopback;
    bool disable_dns;
    bool have_outbound, have_outbound6;
    struct in_addr outbound;
    struct in6_addr outbound6;
    bool sandbox; /* empty root, capabilities dropped, no_new_privs */
    bool
        sandbox_try; /* where no empty root can be had: warn and go on without (a peer's habit), instead of failing */
    bool seccomp;
};

/* netd_config_init - all fds -1, sandbox and seccomp on. */
void netd_config_init(struct netd_config *c);

/**
 * netd_serve - run the engine in this (already forked, single-purpose) process until it is told to end
 * The caller has closed every fd it does not want to leak. Gives up privileges, then serves.
 * Without sync_fd SIGTERM, SIGINT and SIGHUP end it in good order.
 * Return: the exit status (0: asked to end; 128 + N: signal N came). Logs its own errors.
 */
int netd_serve(const struct netd_config *c);
