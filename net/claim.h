/* SPDX-License-Identifier: Apache-2.0 */
/* What a forwarder changes in somebody's network namespace: whose it is, and how it is taken back, by whoever comes next if need be. */
#pragma once
#include <stdint.h>

#include "core/log.h"

struct claim;

/* Routing tables and packet marks of a claim's own (claim_id()). */
enum claim_use {
    CLAIM_ALL,       /* the table in which all is local, and the mark that leads there */
    CLAIM_BEGUN = 2, /* marks of what the forwarder sends */
    CLAIM_BEGUN_LOW, /* differs in the lowest bit only */
    CLAIM_CLIENTS = 16,
    CLAIM_CLIENTS_END = 32, /* tables of clients */
};
enum { CLAIM_PRIORITY = 0x726d /* of all rules */ };

/* Per-namespace settings that a forwarder needs to be on (ip-sysctl.rst). */
enum claim_sysctl { CLAIM_TCP_ACCEPT, CLAIM_REFLECT4, CLAIM_REFLECT6, CLAIM_SYSCTLS };

/**
 * claim_new - a number of one's own in the caller's netns, with the IPv4 route of table CLAIM_ALL
 * Removes what those have left behind who were killed. Needs CAP_NET_ADMIN in the user namespace that owns the netns; before
 * system calls are filtered and /proc is out of reach. Waits for others that start or end in this netns, at most 2 s.
 *
 * Return: 0; -EBUSY: too many forwarders, -ETIMEDOUT: somebody holds the namespace's lock; -errno of netlink. @why says it in words.
 */
int claim_new(struct claim **ret, struct reason *why);

/**
 * claim_free - remove all rules and routes of this number; the last one in the netns puts the settings back that were changed
 * What somebody else has set meanwhile stays. Opens nothing; calls: flock(2), connect(2), netlink, pread(2), write(2), close(2).
 * NULL is fine.
 */
void claim_free(struct claim *c);

unsigned claim_number(const struct claim *c);
/* A mark, or a table, of 32 bits: nobody else's. */
uint32_t claim_id(const struct claim *c, unsigned use);
/* claim_sysctl - 0: that setting is on. -errno: @why says why not. */
int claim_sysctl(const struct claim *c, enum claim_sysctl which, struct reason *why);
/* claim_keep - close @fd when the claim ends, before anything else. One. */
void claim_keep(struct claim *c, int fd);
