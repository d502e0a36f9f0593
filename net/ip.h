/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses of either family as one value: parse, show, compare. Nothing here blocks or looks names up. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* An IPv4 or IPv6 socket address; .sa.sa_family says which. */
union sockaddr_ip {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* ip_parse - numeric IPv4 or IPv6 address (no zone, no brackets) with @port (host order). 0 or -EINVAL. */
int ip_parse(const char *text, uint16_t port, union sockaddr_ip *ret);
/* ip_format - "10.0.0.1:80", "[::1]:80" into @buf; IPv4-mapped IPv6 is shown as IPv4. Returns @buf. */
const char *ip_format(const union sockaddr_ip *a, char *buf, size_t size);
/* ip_unmap - turn ::ffff:a.b.c.d into plain IPv4; anything else stays. */
void ip_unmap(union sockaddr_ip *a);
bool ip_is_any(const union sockaddr_ip *a);
bool ip_is_loopback(const union sockaddr_ip *a);
/* ip_same_addr - same family and address; the ports do not matter. */
bool ip_same_addr(const union sockaddr_ip *a, const union sockaddr_ip *b);
uint16_t ip_port(const union sockaddr_ip *a); /* host order */
void ip_set_port(union sockaddr_ip *a, uint16_t port);
socklen_t ip_len(const union sockaddr_ip *a);
