/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of UDP flows: found by their client, ended when they are idle, and bounded in number. It knows nothing of
 * sockets; a flow's owner embeds struct udp_flow.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "core/loop.h"
#include "net/ip.h"

struct udp_flow_key {
    union sockaddr_ip client; /* as the kernel gave it: v4-mapped on a dual-stack socket */
    struct in6_addr local;    /* what the client wrote to; IPv4 in the last four bytes */
    uint32_t ifindex;         /* for link-local IPv6 addresses, else 0 */
    uint32_t port;            /* id of the published port */
};

bool udp_flow_same_key(const struct udp_flow_key *a, const struct udp_flow_key *b);

/* The table's; the owner reads key and answered. */
struct udp_flow {
    struct udp_flow_key key;
    struct udp_flow *hash_next, **hash_at;
    struct udp_flow *older, *newer;
    uint64_t used;         /* ns */
    bool answered, proven; /* the server has sent something; and the client after that */
};

struct udp_flows;

/**
 * udp_flows_new - an empty table
 * @max: flows at a time, at least 1
 * @idle_ns: a flow without a datagram in either direction ends after that time
 * @end: called for a flow that has to go; calls udp_flows_remove() and frees it
 * Return: 0 or -ENOMEM
 */
int udp_flows_new(struct loop *l, size_t max, uint64_t idle_ns, void (*end)(struct udp_flow *f),
                  struct udp_flows **ret);
/* udp_flows_free - ends every flow; NULL is fine. */
void udp_flows_free(struct udp_flows *t);

struct udp_flow *udp_flows_find(struct udp_flows *t, const struct udp_flow_key *k); /* NULL: there is none */
/* udp_flows_insert - @f, whose key is set, is in the table from now on. There must be room. */
void udp_flows_insert(struct udp_flows *t, struct udp_flow *f);
void udp_flows_remove(struct udp_flows *t, struct udp_flow *f);
/* udp_flows_heard - a datagram of @f's client, or of its server, came. */
void udp_flows_heard(struct udp_flows *t, struct udp_flow *f, bool from_server);

/**
 * udp_flows_evict - end the flow that can be missed most
 * That is the one which was silent for the longest among those whose client never sent anything after an answer. Whoever forges
 * addresses sees no answers, so however many there are, clients in a conversation keep their flows: as long as an eighth of the table
 * is left to the others. With fewer of these, the longest silent one of all the proven goes.
 * Return: false when the table is empty.
 */
bool udp_flows_evict(struct udp_flows *t);
/* udp_flows_make_room - evict until there is room for one more. */
void udp_flows_make_room(struct udp_flows *t);
/* udp_flows_end_port - end all flows of a published port. */
void udp_flows_end_port(struct udp_flows *t, uint32_t port);
size_t udp_flows_count(const struct udp_flows *t);
