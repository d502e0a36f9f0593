/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fast_syn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { IP4_HDR = 20, IP6_HDR = 40, TCP_HDR = 20, FLAGS = 13, SYN = 0x02, FIN_SYN_RST_ACK = 0x17 };

static size_t get16(const unsigned char *p)
{
    return (size_t)(p[0] << 8 | p[1]);
}

/* The TCP header is all that is left of the packet. */
static bool is_syn(const unsigned char *tcp, size_t len)
{
    return len >= TCP_HDR && (size_t)(tcp[12] >> 4) * 4 == len && (tcp[FLAGS] & FIN_SYN_RST_ACK) == SYN;
}

static void set_ports(struct syn *s, const unsigned char *tcp)
{
    ip_set_port(&s->src, (uint16_t)get16(tcp));
    ip_set_port(&s->dst, (uint16_t)get16(tcp + 2));
}

static bool parse4(const unsigned char *p, size_t len, struct syn *s)
{
    size_t head = (size_t)(p[0] & 15) * 4;
    if (len < IP4_HDR || head < IP4_HDR || head > len || get16(p + 2) != len ||
        (get16(p + 6) & 0x3fff) != 0 || p[9] != IPPROTO_TCP || !is_syn(p + head, len - head))
        return false;
    s->src.in.sin_family = s->dst.in.sin_family = AF_INET;
    memcpy(&s->src.in.sin_addr, p + 12, 4);
    memcpy(&s->dst.in.sin_addr, p + 16, 4);
    set_ports(s, p + head);
    return true;
}

static bool parse6(const unsigned char *p, size_t len, struct syn *s)
{
    if (len < IP6_HDR || get16(p + 4) != len - IP6_HDR || p[6] != IPPROTO_TCP ||
        !is_syn(p + IP6_HDR, len - IP6_HDR))
        return false;
    s->src.in6.sin6_family = s->dst.in6.sin6_family = AF_INET6;
    memcpy(&s->src.in6.sin6_addr, p + 8, 16);
    memcpy(&s->dst.in6.sin6_addr, p + 24, 16);
    set_ports(s, p + IP6_HDR);
    return true;
}

bool syn_parse(const unsigned char *packet, size_t len, struct syn *ret)
{
    struct syn s;
    memset(&s, 0, sizeof(s));
    if (!packet || len == 0 || len > SYN_MAX)
        return false;
    bool good =
        packet[0] >> 4 == 4 ? parse4(packet, len, &s) : packet[0] >> 4 == 6 && parse6(packet, len, &s);
    if (!good || ip_port(&s.dst) == 0 || ip_port(&s.src) == 0)
        return false;
    s.packet = packet;
    s.len = len;
    *ret = s;
    return true;
}

int syn_send(int raw, const unsigned char *packet, size_t len, const union sockaddr_ip *dst, uint32_t mark)
{
    union {
        struct cmsghdr align;
        unsigned char room[CMSG_SPACE(sizeof(uint32_t))];
    } control = {.room = {0}};
    union sockaddr_ip to = *dst;
    struct iovec v = {(void *)(uintptr_t)packet, len};
    ip_set_port(&to, 0); /* of an IPv6 raw socket that would be a protocol */
    struct msghdr m = {.msg_name = &to,
                       .msg_namelen = ip_len(&to),
                       .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SO_MARK;
    c->cmsg_len = CMSG_LEN(sizeof(mark));
    memcpy(CMSG_DATA(c), &mark, sizeof(mark));
    return sendmsg(raw, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
