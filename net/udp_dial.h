/* SPDX-License-Identifier: Apache-2.0 */
/* The server's end of a UDP flow: a socket connected to one of a port's targets, from the client's address where that can be. */
#pragma once
#include <stdbool.h>

#include "net/ip.h"
#include "net/port_targets.h"
#include "net/udp_source.h"

struct udp_dialler {
    struct udp_source *source; /* borrowed; NULL: nobody's address is kept */
    bool warned;
    void (*warn)(const char *text, void *arg); /* called at most once */
    void *warn_arg;
};

struct udp_upstream {
    int fd; /* owned; -1: none */
    union sockaddr_ip client;
    unsigned target;
    unsigned tried;           /* targets in a row, from any of them on */
    enum transparent_way way; /* how the socket has the client's address */
};

/**
 * udp_upstream_open - connect a socket to the first target that can be had
 * @client: IPv4 as such
 * Return: 0 or -errno of the last one; -EMFILE and -ENFILE at once. Does not block.
 */
int udp_upstream_open(struct udp_dialler *d, const struct port_targets *t, const union sockaddr_ip *client,
                      struct udp_upstream *ret);
/* udp_upstream_next - nobody listens there: connect to the next target. -ENOENT: all were tried, the socket stays; else the socket is gone. */
int udp_upstream_next(struct udp_dialler *d, const struct port_targets *t, struct udp_upstream *up);
void udp_upstream_close(struct udp_dialler *d, const struct port_targets *t, struct udp_upstream *up);
