/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int ip_parse(const char *text, uint16_t port, union sockaddr_ip *ret)
{
    union sockaddr_ip a;
    memset(&a, 0, sizeof(a));
    if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1)
        a.sa.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &a.in6.sin6_addr) == 1)
        a.sa.sa_family = AF_INET6;
    else
        return -EINVAL;
    ip_set_port(&a, port);
    *ret = a;
    return 0;
}

const char *ip_format(const union sockaddr_ip *addr, char *buf, size_t size)
{
    union sockaddr_ip a = *addr;
    char ip[INET6_ADDRSTRLEN] = "?";
    ip_unmap(&a);
    bool v6 = a.sa.sa_family == AF_INET6;
    inet_ntop(a.sa.sa_family, v6 ? (void *)&a.in6.sin6_addr : (void *)&a.in.sin_addr, ip, sizeof(ip));
    snprintf(buf, size, v6 ? "[%s]:%u" : "%s:%u", ip, ip_port(&a));
    return buf;
}

void ip_unmap(union sockaddr_ip *a)
{
    if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
        return;
    union sockaddr_ip v4;
    memset(&v4, 0, sizeof(v4));
    v4.in.sin_family = AF_INET;
    v4.in.sin_port = a->in6.sin6_port;
    memcpy(&v4.in.sin_addr, &a->in6.sin6_addr.s6_addr[12], 4);
    *a = v4;
}

bool ip_is_any(const union sockaddr_ip *a)
{
    return a->sa.sa_family == AF_INET ? a->in.sin_addr.s_addr == 0
                                      : IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

bool ip_is_loopback(const union sockaddr_ip *a)
{
    if (a->sa.sa_family == AF_INET)
        return (ntohl(a->in.sin_addr.s_addr) >> 24) == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr) && a->in6.sin6_addr.s6_addr[12] == 127);
}

bool ip_same_addr(const union sockaddr_ip *a, const union sockaddr_ip *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    if (a->sa.sa_family == AF_INET)
        return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
}

/* sin_port and sin6_port are at the same place (RFC 3493, section 3.3 and the kernel's ABI). */
_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
               "ports coincide");

uint16_t ip_port(const union sockaddr_ip *a)
{
    return ntohs(a->in.sin_port);
}

void ip_set_port(union sockaddr_ip *a, uint16_t port)
{
    a->in.sin_port = htons(port);
}

socklen_t ip_len(const union sockaddr_ip *a)
{
    return a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}
