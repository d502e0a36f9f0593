/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ra.h"

#include <string.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

enum { IP6_HDR = 40, RA_HDR = 16, ROUTER_ADVERT = 134, OPTION_MTU = 5, OPTION_RDNSS = 25 };

static unsigned get16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static void put16(unsigned char *p, unsigned v)
{
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
}

static void put32(unsigned char *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

bool ra_is(const void *frame, size_t len)
{
    const unsigned char *f = frame, *ip = f + ETH_HLEN;
    return len >= ETH_HLEN + IP6_HDR + RA_HDR && get16(f + 12) == ETH_P_IPV6 && ip[6] == IPPROTO_ICMPV6 &&
           ip[IP6_HDR] == ROUTER_ADVERT && ETH_HLEN + IP6_HDR + get16(ip + 4) == len;
}

static bool has_option(const unsigned char *at, const unsigned char *end, unsigned type)
{
    for (; end - at >= 8 && at[1] && end - at >= at[1] * 8; at += at[1] * 8)
        if (at[0] == type)
            return true;
    return false;
}

size_t ra_complete(const struct addrplan *p, bool dns, void *frame, size_t len)
{
    unsigned char *ip = (unsigned char *)frame + ETH_HLEN, *ra = ip + IP6_HDR;
    unsigned char *end = (unsigned char *)frame + len, *options = ra + RA_HDR, *at = end;
    if (!has_option(options, end, OPTION_MTU)) {
        at[0] = OPTION_MTU;
        at[1] = 1;
        put16(at + 2, 0);
        put32(at + 4, p->mtu);
        at += 8;
    }
    if (dns && !has_option(options, end, OPTION_RDNSS)) {
        at[0] = OPTION_RDNSS;
        at[1] = 3;
        put16(at + 2, 0);
        put32(at + 4, RA_LIFETIME_S);
        memcpy(at + 8, &p->dns6, 16);
        at += 24;
    }
    unsigned size = (unsigned)(at - ra);
    put16(ip + 4, size);
    put16(ra + 2, 0);
    uint32_t sum = size + IPPROTO_ICMPV6;
    for (const unsigned char *q = ip + 8; q < at; q += 2)
        sum += get16(q);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    put16(ra + 2, ~sum & 0xffff);
    return (size_t)(at - (unsigned char *)frame);
}
