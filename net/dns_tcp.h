/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS over TCP: a listener on the host's loopback, to which the stack is led (frame_dnat) when the guest connects to the
 * DNS address, and a relay from there to the first resolver that takes the connection.
 */
#pragma once
#include <stdint.h>

#include "core/loop.h"
#include "net/dns.h"

enum { DNS_TCP_MAX = 256 }; /* connections at a time; one more is reset */

struct dns_tcp;

/* dns_tcp_new - @dns says whom to ask, and outlives this. 0 or -errno; a family without loopback address has port 0. */
int dns_tcp_new(struct loop *l, struct dns *dns, struct dns_tcp **ret);
void dns_tcp_free(struct dns_tcp *t);
/* dns_tcp_port - of the listener on 127.0.0.1 (::1), host order; 0: none */
uint16_t dns_tcp_port(const struct dns_tcp *t, bool v6);
