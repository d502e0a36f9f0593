/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS over TCP: what the guest connects to port 53 of the DNS address is relayed to the first of the host's resolvers
 * that takes the connection (RFC 7766).  Nothing listens on the host for longer than one connection takes to come in.
 */
#pragma once
#include <stddef.h>

#include "core/loop.h"
#include "net/addrplan.h"
#include "net/dns.h"
#include "net/slirp.h"

enum {
    DNS_TCP_MAX = 128,       /* connections at a time; one more is refused */
    DNS_TCP_IDLE_MS = 30000, /* nothing said for so long: reset (RFC 7766, section 6.2.3: seconds) */
};

struct dns_tcp;

/* dns_tcp_new - @dns says whom to ask; it, @stack and @plan outlive this. 0 or -ENOMEM. */
int dns_tcp_new(struct loop *l, struct dns *dns, struct stack *stack, const struct addrplan *plan,
                struct dns_tcp **ret);
void dns_tcp_free(struct dns_tcp *t);

/* dns_tcp_input - a segment of the guest that frame_check() called FRAME_DNS_TCP; it is changed, and goes to the stack or is dropped. */
void dns_tcp_input(struct dns_tcp *t, void *frame, size_t len);
/* dns_tcp_output - the stack's frame to the guest: if it belongs to such a connection, its source becomes the DNS address. */
void dns_tcp_output(const struct dns_tcp *t, void *frame, size_t len);
