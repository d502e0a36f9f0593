/* SPDX-License-Identifier: Apache-2.0 */
#include "net/neighbor.h"

#include <string.h>
#include <netinet/in.h>
#include <linux/if_ether.h>

enum { IP4_HDR = 20, IP6_HDR = 40, NA_LEN = 32, NEIGHBOR_ADVERT = 136 };

static unsigned get16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static void put_ethernet(unsigned char *f, const unsigned char *mac, unsigned type)
{
    memset(f, 0xff, 6);
    memcpy(f + 6, mac, 6);
    f[12] = (unsigned char)(type >> 8);
    f[13] = (unsigned char)type;
}

/* "I am here", as a request for the own address. */
static size_t gratuitous_arp(const unsigned char *mac, const unsigned char *ip, unsigned char *f)
{
    static const unsigned char head[8] = {0, 1, 8, 0, 6, 4, 0, 1}; /* Ethernet, IPv4, request */
    unsigned char *a = f + ETH_HLEN;
    put_ethernet(f, mac, ETH_P_ARP);
    memcpy(a, head, 8);
    memcpy(a + 8, mac, 6);
    memcpy(a + 14, ip, 4);
    memset(a + 18, 0, 6);
    memcpy(a + 24, ip, 4);
    return ETH_HLEN + 28;
}

/* An unsolicited neighbour advertisement. */
static size_t advertisement(const unsigned char *mac, const unsigned char *ip, unsigned char *f)
{
    static const unsigned char all_nodes[16] = {0xff, 2, [15] = 1};
    unsigned char *h = f + ETH_HLEN, *na = h + IP6_HDR;
    put_ethernet(f, mac, ETH_P_IPV6);
    memset(h, 0, IP6_HDR + NA_LEN);
    h[0] = 0x60;
    h[5] = NA_LEN;
    h[6] = IPPROTO_ICMPV6;
    h[7] = 255;
    memcpy(h + 8, ip, 16);
    memcpy(h + 24, all_nodes, 16);
    na[0] = NEIGHBOR_ADVERT;
    na[4] = 0x20; /* override */
    memcpy(na + 8, ip, 16);
    na[24] = 2; /* target link-layer address, in eights: */
    na[25] = 1;
    memcpy(na + 26, mac, 6);
    uint32_t sum = NA_LEN + IPPROTO_ICMPV6;
    for (size_t i = 8; i < IP6_HDR + NA_LEN; i += 2)
        sum += get16(h + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    na[2] = (unsigned char)(~sum >> 8);
    na[3] = (unsigned char)~sum;
    return ETH_HLEN + IP6_HDR + NA_LEN;
}

static bool is_arp(const unsigned char *f, size_t len)
{
    return len >= ETH_HLEN && get16(f + 12) == ETH_P_ARP;
}

/* Router and neighbour solicitations and advertisements, redirects. */
static bool is_ndp(const unsigned char *f, size_t len)
{
    const unsigned char *ip = f + ETH_HLEN;
    return len > ETH_HLEN + IP6_HDR && get16(f + 12) == ETH_P_IPV6 && ip[6] == IPPROTO_ICMPV6 &&
           ip[IP6_HDR] >= 133 && ip[IP6_HDR] <= 137;
}

size_t neighbor_learn(struct neighbor *n, const void *frame, size_t len, unsigned char buf[NEIGHBOR_FRAME])
{
    static const unsigned char zero[16];
    const unsigned char *f = frame, *mac = f + 6, *ip;
    bool v6 = false;
    size_t size = 4;
    if (is_ndp(frame, len))
        return 0;
    if (len >= ETH_HLEN + IP4_HDR && get16(f + 12) == ETH_P_IP) {
        ip = f + ETH_HLEN + 12;
    } else if (len >= ETH_HLEN + IP6_HDR && get16(f + 12) == ETH_P_IPV6) {
        ip = f + ETH_HLEN + 8;
        v6 = true;
        size = 16;
    } else {
        return 0;
    }
    /* A multicast address, or none, is nobody's. */
    if ((mac[0] & 1) || (!v6 && ip[0] >= 0xe0) || (v6 && ip[0] == 0xff) || !memcmp(ip, zero, size))
        return 0;
    if (n->last[v6].valid && !memcmp(n->last[v6].mac, mac, 6) && !memcmp(n->last[v6].ip, ip, size))
        return 0;
    n->last[v6].valid = true;
    memcpy(n->last[v6].mac, mac, 6);
    memcpy(n->last[v6].ip, ip, size);
    return v6 ? advertisement(mac, ip, buf) : gratuitous_arp(mac, ip, buf);
}

bool neighbor_speaks(const void *frame, size_t len)
{
    return is_arp(frame, len) || is_ndp(frame, len);
}

size_t neighbor_insist(const struct neighbor *n, const void *frame, size_t len,
                       unsigned char buf[NEIGHBOR_FRAME])
{
    if (n->last[0].valid && is_arp(frame, len))
        return gratuitous_arp(n->last[0].mac, n->last[0].ip, buf);
    if (n->last[1].valid && is_ndp(frame, len))
        return advertisement(n->last[1].mac, n->last[1].ip, buf);
    return 0;
}
