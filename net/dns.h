/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DNS server at the plan's address, over UDP: a forwarder to all of the host's resolvers.
 * DNS over TCP: net/dns_tcp.h.  Facts: RFC 1035, RFC 6891, RFC 5452.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/loop.h"
#include "net/frame.h"
#include "net/resolv.h"

enum {
    DNS_MAX_QUERIES = 1024, /* at a time; the oldest gives way */
    DNS_MAX_QUERY = 4096,   /* bytes */
    DNS_NEXT_MS = 1000,     /* no answer for so long: ask the next resolver too */
    DNS_GIVE_UP_MS = 10000, /* no answer at all: the query is forgotten */
    DNS_AVOID_MS = 30000,   /* a resolver that did not answer is asked last for so long */
};

struct dns;

struct dns_config {
    struct loop *loop;
    uint32_t
        mtu; /* of the link: an answer that does not fit is cut (TC), and the client comes again over TCP */
    const struct in_addr
        *outbound; /* source address towards resolvers that are not loopback, or NULL; borrowed for life */
    const struct in6_addr *outbound6;
    void (*send)(const void *frame, size_t len, void *arg); /* a frame to the guest */
    bool (*stale)(
        void *arg); /* may be NULL: is dns_set_servers() about to be called? Then new queries wait for it */
    void *arg;
};

int dns_new(const struct dns_config *c, struct dns **ret); /* 0, -ENOMEM */
void dns_free(struct dns *d);

/* dns_set_servers - whom to ask from now on (copied); queries under way keep whom they asked, those that wait go on. */
void dns_set_servers(struct dns *d, const struct resolv *r);
/* dns_stale - does a query have to wait for dns_set_servers()? dns_on_servers - called after that (one listener). */
bool dns_stale(const struct dns *d);
void dns_on_servers(struct dns *d, void (*fn)(void *arg), void *arg);

/* dns_query - a datagram of the guest for the DNS server. What is no query is dropped. */
void dns_query(struct dns *d, const struct frame_udp *u);

/* dns_order - whom to ask, in this order: as in resolv.conf, those that lately kept silent last. Returns how many. */
unsigned dns_order(const struct dns *d, union sockaddr_ip ret[RESOLV_MAX_SERVERS]);
/* dns_avoid - this one did not answer. */
void dns_avoid(struct dns *d, const union sockaddr_ip *server);
/* dns_socket - a non-blocking socket to reach @to from, bound to the outbound address where one is set. fd or -errno. */
int dns_socket(const struct dns *d, const union sockaddr_ip *to, int type);

/* dns_is_query - is it something a resolver may be asked: one question, well-formed? *@ret_question: bytes of header and question. */
bool dns_is_query(const unsigned char *m, size_t len, size_t *ret_question);
/* dns_is_answer - does @m answer the query @q (as it was sent, its question @question bytes long)? */
bool dns_is_answer(const unsigned char *m, size_t len, const unsigned char *q, size_t question);
