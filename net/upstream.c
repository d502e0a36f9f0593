/* SPDX-License-Identifier: Apache-2.0 */
#include "net/upstream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/tcp.h>

#include "core/fd.h"

/* 0.0.0.0/8 (connect() takes it for loopback) and 127.0.0.0/8. */
bool upstream_forbidden4(const unsigned char a[4])
{
    return a[0] == 0 || a[0] == 127;
}

/* ::, ::1 and everything in ::/64 that embeds IPv4 (mapped, compatible, translated). */
bool upstream_forbidden6(const unsigned char a[16])
{
    static const unsigned char zero[8];
    return memcmp(a, zero, sizeof(zero)) == 0;
}

/* Without an interface's name no socket can be connected to a link-local address; multicast has no connections. */
static bool special4(const unsigned char a[4])
{
    return upstream_forbidden4(a) || a[0] >= 224;
}

static bool special6(const unsigned char a[16])
{
    return upstream_forbidden6(a) || a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

static bool same_prefix(const struct in6_addr *a, const struct in6_addr *b, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;
    if (memcmp(a->s6_addr, b->s6_addr, bytes) != 0)
        return false;
    return rest == 0 || (a->s6_addr[bytes] ^ b->s6_addr[bytes]) >> (8 - rest) == 0;
}

static bool dial4(const struct addrplan *p, bool closed, const union sockaddr_ip *dst, union sockaddr_ip *ret)
{
    const struct in_addr a = dst->in.sin_addr;
    if (special4((const unsigned char *)&a))
        return false;
    if ((a.s_addr & p->netmask.s_addr) != p->network.s_addr) {
        *ret = *dst;
        return true;
    }
    if (closed || a.s_addr != p->host.s_addr || (a.s_addr == p->dns.s_addr && ip_port(dst) == 53))
        return false;
    return ip_parse("127.0.0.1", ip_port(dst), ret) == 0;
}

static bool dial6(const struct addrplan *p, bool closed, const union sockaddr_ip *dst, union sockaddr_ip *ret)
{
    const struct in6_addr *a = &dst->in6.sin6_addr;
    if (!p->ipv6 || special6(a->s6_addr))
        return false;
    if (!same_prefix(a, &p->network6, p->prefix6)) {
        *ret = *dst;
        return true;
    }
    if (closed || memcmp(a, &p->gateway6, sizeof(*a)) != 0)
        return false;
    return ip_parse("::1", ip_port(dst), ret) == 0;
}

bool upstream_dial(const struct addrplan *plan, bool disable_host_loopback, const union sockaddr_ip *dst,
                   union sockaddr_ip *ret)
{
    return dst->sa.sa_family == AF_INET ? dial4(plan, disable_host_loopback, dst, ret)
                                        : dial6(plan, disable_host_loopback, dst, ret);
}

static int bind_outbound(int fd, int family, const struct in_addr *outbound, const struct in6_addr *outbound6)
{
    union sockaddr_ip a;
    memset(&a, 0, sizeof(a));
    a.sa.sa_family = (sa_family_t)family;
    if (family == AF_INET && outbound)
        a.in.sin_addr = *outbound;
    else if (family == AF_INET6 && outbound6)
        a.in6.sin6_addr = *outbound6;
    else
        return 0;
    return bind(fd, &a.sa, ip_len(&a)) < 0 ? -errno : 0;
}

int upstream_connect(const union sockaddr_ip *to, const struct in_addr *outbound,
                     const struct in6_addr *outbound6, int *ret_fd)
{
    const int on = 1;
    fd_auto int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    int r = bind_outbound(fd, to->sa.sa_family, outbound, outbound6);
    if (r < 0)
        return r;
    r = connect(fd, &to->sa, ip_len(to)) < 0 ? -errno : 0;
    if (r == 0 || r == -EINPROGRESS)
        *ret_fd = steal_fd(&fd);
    return r;
}
