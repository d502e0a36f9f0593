/* SPDX-License-Identifier: Apache-2.0 */
/* Dialling from an address that is not ours, the client's, and getting the answers to it back (ip(7), IP_TRANSPARENT). */
#pragma once
#include <stdbool.h>

#include "core/log.h"
#include "net/claim.h"
#include "net/ip.h"

struct transparent {
    bool v4, v6;         /* what the caller's netns is prepared for */
    bool followed;       /* answers are recognized by their connection, also of one that is redirected */
    bool low_ports;      /* UDP: any port of the client's can be kept */
    struct reason why;   /* if v4 or v6 is not: the cause */
    struct reason loose; /* if followed is not: the cause */
    uint32_t mark;       /* of what is sent; with low_ports: and this one, or'ed with 1 */
    uint32_t clients;    /* first of the tables for UDP clients */
    int nl; /* socket for questions about routes: of each process that uses this its own, the caller's; -1: not opened */
};

/**
 * transparent_setup - prepare the caller's network namespace, once
 * @c: what is changed is undone with it
 * @keep_tables: but for the nf_tables tables, which stay until the namespace ends (the kernel takes some 20 ms to remove them,
 *               and the process that owns them ends no sooner)
 * Needs CAP_NET_ADMIN in the user namespace that owns it, a writable /proc/sys/net, and lo up.
 * Does not block. There is no failure: @ret says what is possible.
 */
void transparent_setup(struct claim *c, bool keep_tables, struct transparent *ret);

enum transparent_way {
    TRANSPARENT_NO,
    TRANSPARENT_LOCAL, /* the target is an address of this netns (somebody may redirect it) */
    TRANSPARENT_BEHIND, /* it is a machine whose answers come by here: a container behind a bridge of this netns */
};

/**
 * transparent_way - can @client's address be kept on the way to @to?
 * @local: what transparent_target() has said of @to once
 * @ret_why: if nothing but the kernel is in the way, the cause; else it stays NULL. Lives as long as @t.
 * Not for: clients that are this host by its loopback addresses, or have one of a single link (fe80::/10); clients of the other
 * version of IP; targets beyond a gateway, or on the same link as the client's way, whose answers do not come by here.
 */
enum transparent_way transparent_way(const struct transparent *t, const union sockaddr_ip *client,
                                     const union sockaddr_ip *to, bool local, const struct reason **ret_why);

/**
 * transparent_bind - let @fd, a socket that is not bound yet, dial from @from
 * Needs CAP_NET_ADMIN (SO_MARK, IP_TRANSPARENT). The target must be one that transparent_way() is for.
 * Return: 0 or -errno; -EADDRINUSE: another connection (UDP: socket) has that address and port.
 */
int transparent_bind(const struct transparent *t, int fd, const union sockaddr_ip *from);
/* transparent_bind_low - the same for UDP and a port below 32768, with @t->low_ports: no server of this netns is kept from that port by it. */
int transparent_bind_low(const struct transparent *t, int fd, const union sockaddr_ip *from);

/* transparent_target - is @a an address of this netns? */
bool transparent_target(const union sockaddr_ip *a);
