/* SPDX-License-Identifier: Apache-2.0 */
/* The host's resolver configuration, and the files that the guest gets. Facts: resolv.conf(5), hosts(5). */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "net/addrplan.h"
#include "net/ip.h"

enum { RESOLV_MAX_SERVERS = 16, RESOLV_MAX_SIZE = 64 << 10 };

struct resolv {
    union sockaddr_ip servers[RESOLV_MAX_SERVERS]; /* port 53; at least one after resolv_parse() */
    size_t n;
    char *rest; /* the "search", "domain" and "options" lines, each with its newline; may be "" */
};

/**
 * resolv_parse - read the text of a resolv.conf
 * Lines that are not understood are skipped, as resolvers do. No nameserver at all means 127.0.0.1 (resolv.conf(5)).
 * Return: 0 or -ENOMEM; resolv_done() when finished with it.
 */
int resolv_parse(const char *text, struct resolv *ret);
/* resolv_read - the host's /etc/resolv.conf, wherever it leads; a missing one is an empty one. 0 or -errno. */
int resolv_read(struct resolv *ret);
void resolv_done(struct resolv *r);
#define resolv_auto __attribute__((cleanup(resolv_done)))

/* resolv_render - text with the servers only, in the order of preference; malloc()ed. */
int resolv_render(const struct resolv *r, char **ret);

/* resolv_conf_text - the guest's resolv.conf: the plan's DNS server, and the host's search and options lines. malloc()ed. */
int resolv_conf_text(const struct addrplan *p, bool ipv6, char **ret);

/**
 * resolv_hosts_text - the guest's hosts file: the host's, and @hostname at the loopback addresses (so that the own name
 * leads to this machine and not to the host's interface); malloc()ed
 * A host without /etc/hosts gets the usual localhost lines.
 */
int resolv_hosts_text(const char *hostname, char **ret);
