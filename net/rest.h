/* SPDX-License-Identifier: Apache-2.0 */
/* RootlessKit's REST API (version 1.1.1) on a unix socket: the one door to libmicrohttpd. */
#pragma once
#include <stdbool.h>

#include "core/loop.h"
#include "net/port.h"

#define REST_API_VERSION "1.1.1"
enum { REST_BODY_MAX = 1024 * 1024 }; /* larger bodies get 413 */

struct rest;

struct rest_info {       /* what GET /v1/info says; strings borrowed for the life of the server */
    const char *version; /* of the implementation; NULL: this program's */
    const char *state_dir;
    int child_pid;
    const char *net_driver; /* NULL: no networkDriver object (--net=host) */
    const char *dns[4];     /* NULL-terminated */
    const char *child_ip;   /* may be NULL */
    bool dynamic_child_ip;
    const char *port_driver; /* NULL: no portDriver object */
    bool disallow_loopback_child_ip;
};

/**
 * rest_new - serve the API in this loop
 * @listen_fd: a bound, listening AF_UNIX stream socket; owned from success on. libmicrohttpd is started with the first client only.
 * @ports: table to serve; NULL: ports are refused (no port driver)
 * Nothing here blocks but port_add()'s wait for portd. A client that says nothing is dropped after 5 s.
 */
int rest_new(struct loop *l, int listen_fd, const struct rest_info *info, struct port_table *ports,
             struct rest **ret);
void rest_free(struct rest *r); /* NULL is fine */
