/* SPDX-License-Identifier: Apache-2.0 */
/* The SYN that opens a connection, as it comes out of the packet queue. The guest may have written any bytes into it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"

enum {
    SYN_MAX = 120
}; /* IPv4 and TCP headers with all their options (60 each); without data, so never more */

struct syn {
    union sockaddr_ip src, dst;
    const unsigned char *packet; /* the whole of it, from the IP header on */
    size_t len;
};

/* syn_parse - is it an IP packet that is nothing but a TCP SYN: no fragment, no IPv6 extension headers, no data? */
bool syn_parse(const unsigned char *packet, size_t len, struct syn *ret);

/**
 * syn_send - send a SYN once more, as if its sender had
 * @raw: a raw socket of protocol IPPROTO_RAW in the sender's netns; its packets have their IP header already (raw(7))
 * @mark: of the packet; takes CAP_NET_ADMIN or CAP_NET_RAW over the netns
 * Return: 0 or -errno of sendmsg(2), that of a firewall among them. Does not block.
 */
int syn_send(int raw, const unsigned char *packet, size_t len, const union sockaddr_ip *dst, uint32_t mark);
