/* SPDX-License-Identifier: Apache-2.0 */
#include "net/frame.h"

#include <errno.h>
#include <string.h>
#include <linux/if_ether.h>

#include "net/upstream.h"

enum { IP4_HDR = 20, IP6_HDR = 40, UDP_HDR = 8, TCP_HDR = 20, TCP_SUM = 16, DNS_PORT = 53 };

static uint16_t get16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(unsigned char *p, size_t v)
{
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
}

/* The Internet checksum (RFC 1071), not yet folded. @len is odd at most in the last piece. */
static uint32_t sum(uint32_t s, const unsigned char *p, size_t len)
{
    for (; len > 1; p += 2, len -= 2)
        s += get16(p);
    if (len)
        s += (uint32_t)p[0] << 8;
    return s;
}

static uint16_t fold(uint32_t s)
{
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

/* A datagram at @p, its addresses already in *u, its pseudo header summed in @pseudo. */
static bool take_udp(const unsigned char *p, size_t len, uint32_t pseudo, struct frame_udp *u)
{
    if (len < UDP_HDR)
        return false;
    size_t ulen = get16(p + 4);
    if (ulen < UDP_HDR || ulen > len)
        return false;
    /* No checksum: allowed in IPv4 only (RFC 768, RFC 8200 8.1) */
    if (get16(p + 6) == 0 ? u->v6 : fold(sum(pseudo + (uint32_t)ulen, p, ulen)) != 0xffff)
        return false;
    u->src_port = get16(p);
    u->dst_port = get16(p + 2);
    u->data = p + UDP_HDR;
    u->len = ulen - UDP_HDR;
    return true;
}

static enum frame_verdict check4(const struct addrplan *p, bool dns, const unsigned char *ip, size_t len,
                                 struct frame_udp *u)
{
    if (len < IP4_HDR || ip[0] >> 4 != 4)
        return FRAME_DROP;
    size_t hdr = (size_t)(ip[0] & 15) * 4, total = get16(ip + 2);
    if (hdr < IP4_HDR || hdr > total || total > len || upstream_forbidden4(ip + 16))
        return FRAME_DROP;
    if (get16(ip + 6) & 0x3fff)
        return fold(sum(0, ip, hdr)) == 0xffff ? FRAME_FRAGMENT : FRAME_DROP;
    if (!dns || memcmp(ip + 16, &p->dns, 4) || hdr + UDP_HDR > total || get16(ip + hdr + 2) != DNS_PORT)
        return FRAME_PASS;
    if (ip[9] == IPPROTO_TCP)
        return hdr + TCP_HDR <= total ? FRAME_DNS_TCP : FRAME_DROP;
    if (ip[9] != IPPROTO_UDP)
        return FRAME_PASS;
    u->v6 = false;
    memcpy(&u->src.in, ip + 12, 4);
    memcpy(&u->dst.in, ip + 16, 4);
    if (fold(sum(0, ip, hdr)) != 0xffff || !take_udp(ip + hdr, total - hdr, sum(IPPROTO_UDP, ip + 12, 8), u))
        return FRAME_DROP;
    return FRAME_DNS;
}

static enum frame_verdict check6(const struct addrplan *p, bool dns, const unsigned char *ip, size_t len,
                                 struct frame_udp *u)
{
    if (!p->ipv6 || len < IP6_HDR || ip[0] >> 4 != 6)
        return FRAME_DROP;
    size_t plen = get16(ip + 4);
    if (plen > len - IP6_HDR || upstream_forbidden6(ip + 24))
        return FRAME_DROP;
    if (!dns || memcmp(ip + 24, &p->dns6, 16) || plen < UDP_HDR || get16(ip + IP6_HDR + 2) != DNS_PORT)
        return FRAME_PASS;
    if (ip[6] == IPPROTO_TCP)
        return plen >= TCP_HDR ? FRAME_DNS_TCP : FRAME_DROP;
    if (ip[6] != IPPROTO_UDP)
        return FRAME_PASS;
    u->v6 = true;
    memcpy(&u->src.in6, ip + 8, 16);
    memcpy(&u->dst.in6, ip + 24, 16);
    if (!take_udp(ip + IP6_HDR, plen, sum(IPPROTO_UDP, ip + 8, 32), u))
        return FRAME_DROP;
    return FRAME_DNS;
}

enum frame_verdict frame_check(const struct addrplan *p, bool dns, const void *frame, size_t len,
                               struct frame_udp *ret_udp)
{
    const unsigned char *f = frame;
    if (len < ETH_HLEN)
        return FRAME_DROP;
    memcpy(ret_udp->dst_mac, f, 6);
    memcpy(ret_udp->src_mac, f + 6, 6);
    switch (get16(f + 12)) {
    case ETH_P_ARP: return FRAME_PASS;
    case ETH_P_IP: return check4(p, dns, f + ETH_HLEN, len - ETH_HLEN, ret_udp);
    case ETH_P_IPV6: return check6(p, dns, f + ETH_HLEN, len - ETH_HLEN, ret_udp);
    default: return FRAME_DROP;
    }
}

bool frame_parse_tcp(const void *frame, size_t len, struct frame_tcp *ret)
{
    const unsigned char *f = frame, *ip = f + ETH_HLEN;
    struct frame_tcp t = {.v6 = false};
    size_t hdr;
    if (len < ETH_HLEN + IP4_HDR)
        return false;
    if (get16(f + 12) == ETH_P_IP && ip[9] == IPPROTO_TCP && !(get16(ip + 6) & 0x1fff)) {
        hdr = (size_t)(ip[0] & 15) * 4;
        memcpy(&t.src.in, ip + 12, 4);
        memcpy(&t.dst.in, ip + 16, 4);
    } else if (get16(f + 12) == ETH_P_IPV6 && len >= ETH_HLEN + IP6_HDR && ip[6] == IPPROTO_TCP) {
        t.v6 = true;
        hdr = IP6_HDR;
        memcpy(&t.src.in6, ip + 8, 16);
        memcpy(&t.dst.in6, ip + 24, 16);
    } else {
        return false;
    }
    const unsigned char *tcp = ip + hdr;
    if (hdr < IP4_HDR || ETH_HLEN + hdr + TCP_HDR > len)
        return false;
    t.src_port = get16(tcp);
    t.dst_port = get16(tcp + 2);
    t.seq = (uint32_t)get16(tcp + 4) << 16 | get16(tcp + 6);
    t.flags = tcp[13];
    *ret = t;
    return true;
}

/* ---- DNS over TCP: one address and port in the place of another */

static const unsigned char loopback4[4] = {127, 0, 0, 1};
static const unsigned char loopback6[16] = {[15] = 1};

/* Overwrite an even number of bytes at @p and keep a checksum that covers them right (RFC 1624, equation 3). */
static void replace(unsigned char *p, const void *with, size_t len, unsigned char *check)
{
    const unsigned char *w = with;
    uint32_t s = (uint16_t)~get16(check);
    for (size_t i = 0; i < len; i += 2)
        s += (uint16_t)~get16(p + i) + (uint32_t)get16(w + i);
    put16(check, (uint16_t)~fold(s));
    memcpy(p, with, len);
}

/* In a TCP segment that is known to be whole: address at @addr (4 or 16 bytes) and port at @port of the TCP header. */
static void translate(unsigned char *ip, size_t addr, size_t port_at, const void *to, uint16_t port)
{
    unsigned char number[2];
    bool v6 = ip[0] >> 4 == 6;
    unsigned char *tcp = ip + (v6 ? (size_t)IP6_HDR : (size_t)(ip[0] & 15) * 4);
    put16(number, port);
    if (!v6) {
        unsigned char before[4];
        memcpy(before, ip + addr, 4);
        replace(ip + addr, to, 4, ip + 10);
        memcpy(ip + addr, before, 4); /* once more, for the sum of the TCP header */
    }
    replace(ip + addr, to, v6 ? 16 : 4, tcp + TCP_SUM);
    replace(tcp + port_at, number, 2, tcp + TCP_SUM);
}

bool frame_dnat(void *frame, size_t len, uint16_t port4, uint16_t port6)
{
    unsigned char *ip = (unsigned char *)frame + ETH_HLEN;
    bool v6 = len > ETH_HLEN && ip[0] >> 4 == 6;
    if (!(v6 ? port6 : port4))
        return false;
    if (v6)
        translate(ip, 24, 2, loopback6, port6);
    else
        translate(ip, 16, 2, loopback4, port4);
    return true;
}

bool frame_from_loopback(const void *frame, size_t len)
{
    const unsigned char *f = frame, *ip = f + ETH_HLEN;
    if (len >= ETH_HLEN + IP4_HDR + TCP_HDR && get16(f + 12) == ETH_P_IP)
        return ip[12] == 127 && ip[9] == IPPROTO_TCP;
    if (len >= ETH_HLEN + IP6_HDR + TCP_HDR && get16(f + 12) == ETH_P_IPV6)
        return ip[6] == IPPROTO_TCP && !memcmp(ip + 8, loopback6, 16);
    return false;
}

bool frame_snat(const struct addrplan *p, void *frame, size_t len, uint16_t port4, uint16_t port6)
{
    unsigned char *ip = (unsigned char *)frame + ETH_HLEN;
    if (!frame_from_loopback(frame, len))
        return false;
    bool v6 = ip[0] >> 4 == 6;
    size_t hdr = v6 ? (size_t)IP6_HDR : (size_t)(ip[0] & 15) * 4;
    uint16_t port = v6 ? port6 : port4;
    if (!port || hdr < IP4_HDR || ETH_HLEN + hdr + TCP_HDR > len || get16(ip + hdr) != port ||
        (!v6 && memcmp(ip + 12, loopback4, 4)))
        return false;
    if (v6)
        translate(ip, 8, 0, &p->dns6, DNS_PORT);
    else
        translate(ip, 12, 0, &p->dns, DNS_PORT);
    return true;
}

int frame_build_udp(const struct frame_udp *u, void *buf, size_t size)
{
    unsigned char *f = buf;
    size_t hdr = u->v6 ? IP6_HDR : IP4_HDR, ulen = UDP_HDR + u->len;
    if (u->len > 65535 - UDP_HDR - IP4_HDR || ETH_HLEN + hdr + ulen > size)
        return -EMSGSIZE;
    memcpy(f, u->dst_mac, 6);
    memcpy(f + 6, u->src_mac, 6);
    put16(f + 12, u->v6 ? ETH_P_IPV6 : ETH_P_IP);
    unsigned char *ip = f + ETH_HLEN, *udp = ip + hdr;
    memset(ip, 0, hdr);
    uint32_t pseudo;
    if (u->v6) {
        ip[0] = 0x60;
        put16(ip + 4, ulen);
        ip[6] = IPPROTO_UDP;
        ip[7] = 64;
        memcpy(ip + 8, &u->src.in6, 16);
        memcpy(ip + 24, &u->dst.in6, 16);
        pseudo = sum(IPPROTO_UDP + (uint32_t)ulen, ip + 8, 32);
    } else {
        ip[0] = 0x45;
        put16(ip + 2, hdr + ulen);
        put16(ip + 6, 0x4000); /* do not fragment: it fits the link's MTU or is not sent */
        ip[8] = 64;
        ip[9] = IPPROTO_UDP;
        memcpy(ip + 12, &u->src.in, 4);
        memcpy(ip + 16, &u->dst.in, 4);
        put16(ip + 10, (uint16_t)~fold(sum(0, ip, hdr)));
        pseudo = sum(IPPROTO_UDP + (uint32_t)ulen, ip + 12, 8);
    }
    put16(udp, u->src_port);
    put16(udp + 2, u->dst_port);
    put16(udp + 4, ulen);
    put16(udp + 6, 0);
    memcpy(udp + UDP_HDR, u->data, u->len);
    uint16_t check = (uint16_t)~fold(sum(pseudo, udp, ulen));
    put16(udp + 6, check ? check : 0xffff);
    return (int)(ETH_HLEN + hdr + ulen);
}
