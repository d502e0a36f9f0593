/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes from the guest, looked at before the TCP/IP stack gets it.  The guest may write any bytes into its link
 * (it has CAP_NET_RAW over its netns): addresses that must never be dialled are stopped here, whatever the stack does.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "net/addrplan.h"

enum { FRAME_MAX = 65536 + 64 }; /* a whole IP packet with its Ethernet header */

enum frame_verdict {
    FRAME_DROP,     /* no business of ours, malformed, or for a loopback or unspecified address */
    FRAME_PASS,     /* for the stack */
    FRAME_FRAGMENT, /* a piece of an IPv4 packet, to be put together first (net/fragment.h) */
    FRAME_DNS,      /* a whole, well-formed UDP datagram for the plan's DNS server */
    FRAME_DNS_TCP,  /* a TCP segment for port 53 of the DNS server */
};

/* A UDP datagram in a frame; addresses in network order, ports in host order. */
struct frame_udp {
    uint8_t src_mac[6], dst_mac[6];
    bool v6;
    union {
        struct in_addr in;
        struct in6_addr in6;
    } src, dst;
    uint16_t src_port, dst_port;
    const unsigned char *data; /* points into the frame */
    size_t len;
};

/**
 * frame_check - decide about a frame of the guest
 * @dns: take DNS queries out (FRAME_DNS, *@ret_udp filled)
 */
enum frame_verdict frame_check(const struct addrplan *p, bool dns, const void *frame, size_t len,
                               struct frame_udp *ret_udp);

/* The head of a TCP segment; ports and sequence number in host order. */
struct frame_tcp {
    bool v6;
    union {
        struct in_addr in;
        struct in6_addr in6;
    } src, dst;
    uint16_t src_port, dst_port;
    uint32_t seq;
    uint8_t flags; /* TH_SYN... of netinet/tcp.h */
};
/* frame_parse_tcp - false: it is no TCP segment whose header is in the first fragment, without extension headers before it. */
bool frame_parse_tcp(const void *frame, size_t len, struct frame_tcp *ret);

/**
 * frame_dnat - lead a FRAME_DNS_TCP segment to 127.0.0.1 (or ::1) and @port4 (@port6; host order) instead
 * Return: false when that family has no port (0): the segment is to be dropped.
 */
bool frame_dnat(void *frame, size_t len, uint16_t port4, uint16_t port6);
/* frame_snat - is it a segment from there? Then make the DNS server its source again. Returns whether it was. */
bool frame_snat(const struct addrplan *p, void *frame, size_t len, uint16_t port4, uint16_t port6);
/* frame_from_loopback - quick look: may frame_snat() have something to do? */
bool frame_from_loopback(const void *frame, size_t len);

/**
 * frame_build_udp - the frame of a datagram to the guest
 * @u: with .data and .len; src is who answers
 * Return: its length, or -EMSGSIZE when it does not fit in @size.
 */
int frame_build_udp(const struct frame_udp *u, void *buf, size_t size);
