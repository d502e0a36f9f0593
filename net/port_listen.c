/* SPDX-License-Identifier: Apache-2.0 */
#include "net/port_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/tcp.h>

#include "core/fd.h"

enum { BACKLOG = 4096, FDS_KEPT = 256 };

/* ---- which addresses ---- */

/* The address to bind. Any address of both families: [::], to be bound as a dual-stack socket (@ret_dual). */
static void bind_address(const struct portspec *s, union sockaddr_ip *ret, bool *ret_dual)
{
    *ret_dual = false;
    if (*s->parent_ip)
        ip_parse(s->parent_ip, s->parent_port, ret); /* portspec_check() has seen it */
    else
        ip_parse(port_proto_takes_v6(s->proto) ? "::" : "0.0.0.0", s->parent_port, ret);
    if (ip_is_any(ret) && port_proto_takes_v4(s->proto) && port_proto_takes_v6(s->proto)) {
        ip_parse("::", s->parent_port, ret);
        *ret_dual = true;
    }
}

bool port_listen_overlap(const struct portspec *a, const struct portspec *b)
{
    if (a->parent_port != b->parent_port || port_proto_is_udp(a->proto) != port_proto_is_udp(b->proto))
        return false;
    union sockaddr_ip x, y;
    bool x_dual, y_dual;
    bind_address(a, &x, &x_dual);
    bind_address(b, &y, &y_dual);
    if (x_dual || y_dual)
        return true;
    if (x.sa.sa_family != y.sa.sa_family)
        return false;
    return ip_is_any(&x) || ip_is_any(&y) || ip_same_addr(&x, &y);
}

bool port_listen_is_own(const union sockaddr_ip *a)
{
    struct ifaddrs *list;
    bool own = false;
    if (getifaddrs(&list) < 0)
        return false;
    for (struct ifaddrs *i = list; i && !own; i = i->ifa_next) {
        union sockaddr_ip b;
        if (!i->ifa_addr || i->ifa_addr->sa_family != a->sa.sa_family || (i->ifa_flags & IFF_LOOPBACK))
            continue;
        memset(&b, 0, sizeof(b));
        memcpy(&b, i->ifa_addr, a->sa.sa_family == AF_INET ? sizeof(b.in) : sizeof(b.in6));
        own = ip_same_addr(a, &b);
    }
    freeifaddrs(list);
    return own;
}

/* ---- listeners ---- */

static int explain_bind(int r, const struct portspec *s, struct reason *why)
{
    char text[PORTSPEC_TEXT_MAX] = "";
    portspec_format(s, text, sizeof(text));
    if (r == -EADDRINUSE)
        return reason_set(why, r, "cannot publish %s: port %u is in use by another program on this host",
                          text, s->parent_port);
    if (r == -EADDRNOTAVAIL)
        return reason_set(why, r, "cannot publish %s: '%s' is not an address of this host", text,
                          s->parent_ip);
    if (r == -EMFILE)
        return reason_set(
            why, r,
            "cannot publish %s: the limit of open files has no room for another port (raise it: "
            "'ulimit -Hn')",
            text);
    if (r == -EACCES) {
        free_auto char *now = NULL;
        const char *path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
        if (file_read(AT_FDCWD, path, 64, &now, NULL) == 0)
            now[strcspn(now, "\n")] = '\0';
        return reason_set(
            why, r,
            "cannot publish %s: port %u is privileged (net.ipv4.ip_unprivileged_port_start is %s): set "
            "net.ipv4.ip_unprivileged_port_start=%u with sysctl, or run 'setcap "
            "cap_net_bind_service=ep' on the executable, or choose a higher port",
            text, s->parent_port, now ? now : "1024", s->parent_port);
    }
    if (r == -EAFNOSUPPORT)
        return reason_set(why, r, "cannot publish %s: this host is without IPv6", text);
    return reason_set(why, r, "cannot publish %s: %s", text, strerror(-r));
}

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_options(int fd, bool udp, int family, bool dual)
{
    int r = 0;
    if (family == AF_INET6)
        r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual);
    if (r < 0)
        return r;
    if (udp) /* as much as net.core.rmem_max allows: whatever comes while portd is not running at this moment has to fit */
        set_int(fd, SOL_SOCKET, SO_RCVBUF, 1 << 20);
    if (udp) /* the address a datagram was sent to, so that the answer can come from it (ip(7), ipv6(7)) */
        return family == AF_INET6 ? set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                                  : set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
    /* Inherited by the accepted sockets. A relay must not add Nagle's delay, and must notice a client that vanished. */
    r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0)
        r = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r == 0)
        r = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    return r;
}

/* What is left of the limit of open files for others than ports: without it the API could not even take a port back. */
static bool has_room(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return true;
    rlim_t kept = limit.rlim_cur / 4 < FDS_KEPT ? limit.rlim_cur / 4 : FDS_KEPT;
    return (rlim_t)fd < limit.rlim_cur - kept;
}

static int bind_one(const union sockaddr_ip *a, bool udp, bool dual, int *ret_fd, uint16_t *ret_port)
{
    fd_auto int fd =
        socket(a->sa.sa_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (!has_room(fd))
        return -EMFILE;
    int r = set_options(fd, udp, a->sa.sa_family, dual);
    if (r < 0)
        return r;
    if (bind(fd, &a->sa, ip_len(a)) < 0)
        return -errno;
    union sockaddr_ip got;
    socklen_t len = sizeof(got);
    if (getsockname(fd, &got.sa, &len) < 0)
        return -errno;
    *ret_port = ip_port(&got);
    *ret_fd = steal_fd(&fd);
    return 0;
}

int port_listen_bind(struct portspec *s, int *ret_fd, struct reason *why)
{
    union sockaddr_ip a;
    bool dual, udp = port_proto_is_udp(s->proto);
    bind_address(s, &a, &dual);
    uint16_t port = 0;
    int r = bind_one(&a, udp, dual, ret_fd, &port);
    if (dual && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)) { /* a host without IPv6 */
        ip_parse("0.0.0.0", s->parent_port, &a);
        r = bind_one(&a, udp, false, ret_fd, &port);
    }
    if (r < 0)
        return explain_bind(r, s, why);
    s->parent_port = port;
    return 0;
}

int port_listen_start(const struct portspec *s, int fd, struct reason *why)
{
    if (port_proto_is_udp(s->proto) || listen(fd, BACKLOG) == 0)
        return 0;
    return explain_bind(-errno, s, why);
}
