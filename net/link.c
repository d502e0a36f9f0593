/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * tap: the kernel's own (Documentation/networking/tuntap.rst). The interface lives as long as the fd.
 *
 * packet: a veth pair. One end is the interface in the caller's netns; the other one lives in a netns of its own, that
 * nobody is in, and an AF_PACKET socket there reads and writes frames on it:
 *
 *      caller's netns            hidden netns, held open by nothing but the socket
 *      tap0  <---- veth ---->  peer0  <----  packet socket (the link's fd)
 *
 * So the container sees one interface and cannot touch the other end; and when the last copy of the fd is closed, the
 * hidden netns goes, with it the peer and with that tap0: the same lifetime as a tap's.
 */
#include "net/link.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/sockios.h>

#include "core/fd.h"
#include "core/netlink.h"
#include "core/rtnl.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* linux/if_packet.h, Linux 4.20 */
#endif

const char *const link_kind_names[] = {
    [LINK_AUTO] = "auto", [LINK_TAP] = "tap", [LINK_PACKET] = "packet", NULL};

enum { PACKET_RCVBUF = 8 << 20 };

static int set_link(int nl, unsigned ifindex, uint32_t mtu, const uint8_t *mac, struct reason *why)
{
    struct reason k = {""};
    const struct rtnl_change c = {.mtu = mtu, .mac = mac};
    int r = rtnl_link_set(nl, ifindex, &c, &k);
    if (r < 0)
        return reason_set(why, r, "cannot set the interface's MTU to %u: %s", mtu,
                          k.text[0] ? k.text : strerror(-r));
    return 0;
}

static int finish(int nl, enum link_kind kind, int fd, const char *ifname, struct link *ret,
                  struct reason *why)
{
    struct rtnl_link l;
    int r = rtnl_link_get(nl, ifname, 0, &l);
    if (r < 0)
        return reason_set(why, r, "cannot find interface '%s' that was just made: %s", ifname, strerror(-r));
    *ret = (struct link){.kind = kind, .fd = fd, .ifindex = l.ifindex, .mtu = l.mtu};
    memcpy(ret->ifname, l.name, sizeof(ret->ifname));
    return 0;
}

static int create_tap(int nl, const char *ifname, uint32_t mtu, const uint8_t *mac, int tun_fd,
                      struct link *ret, struct reason *why)
{
    fd_auto int fd = tun_fd >= 0 ? fcntl(tun_fd, F_DUPFD_CLOEXEC, 3)
                                 : open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int r = -errno;
        return reason_set(why, r, "cannot open /dev/net/tun: %s (pass the device in, or use the packet link)",
                          strerror(-r));
    }
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    memcpy(ifr.ifr_name, ifname, strlen(ifname) + 1);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
        int r = -errno;
        if (r == -EBUSY)
            return reason_set(
                why, r, "tap '%s' is in use by another program; end that one or choose another name", ifname);
        return reason_set(why, r, "cannot make tap '%s': %s%s", ifname, strerror(-r),
                          r == -EINVAL ? " (is there an interface of that name that is no plain tap?)" : "");
    }
    /* A persistent tap may come with another program's offloads: frames have to arrive whole and summed. */
    if (ioctl(fd, TUNSETOFFLOAD, 0UL) < 0)
        return reason_set(why, -errno, "cannot switch off the offloads of tap '%s': %s", ifname,
                          strerror(errno));
    int r = fd_set_nonblock(fd, true);
    if (r < 0)
        return reason_set(why, r, "cannot make the tap non-blocking: %s", strerror(-r));
    struct rtnl_link l;
    r = rtnl_link_get(nl, ifname, 0, &l);
    if (r < 0)
        return reason_set(why, r, "cannot find tap '%s': %s", ifname, strerror(-r));
    if (l.mtu != mtu || mac)
        r = set_link(nl, l.ifindex, mtu, mac, why);
    if (r == 0)
        r = finish(nl, LINK_TAP, fd, ifname, ret, why);
    if (r == 0)
        steal_fd(&fd);
    return r;
}

/* Checksums computed and segments cut before frames leave @ifname: a packet socket gets them as they are. */
static int offloads_off(const char *ifname)
{
    static const uint32_t off[] = {ETHTOOL_SGSO, ETHTOOL_STSO, ETHTOOL_SSG, ETHTOOL_STXCSUM, ETHTOOL_SGRO};
    fd_auto int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0)
        return -errno;
    for (size_t i = 0; i < array_size(off); i++) {
        struct ethtool_value v = {.cmd = off[i]};
        struct ifreq ifr = {.ifr_data = (void *)&v};
        memcpy(ifr.ifr_name, ifname, strlen(ifname) + 1);
        if (ioctl(s, SIOCETHTOOL, &ifr) < 0 && (off[i] == ETHTOOL_STXCSUM || errno != EOPNOTSUPP))
            return -errno;
    }
    return 0;
}

static int packet_socket(unsigned ifindex)
{
    fd_auto int fd =
        socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* protocol 0: nothing before bind() */
    if (fd < 0)
        return -errno;
    const int one = 1, size = PACKET_RCVBUF;
    if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0)
        return -errno;
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)); /* speed only */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)); /* cut to net.core.rmem_max */
    const struct sockaddr_ll a = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex};
    if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* In the hidden netns: make the pair with its other end in @home, and a socket on this one. */
static int hidden_end(const char *ifname, uint32_t mtu, const uint8_t *mac, int home, int *ret_fd,
                      struct reason *why)
{
    static const char peer[] = "peer0";
    struct reason k = {""};
    struct rtnl_link l;
    fd_auto int nl = nl_open(NETLINK_ROUTE);
    if (nl < 0)
        return reason_set(why, nl, "cannot open a netlink socket: %s", strerror(-nl));
    int r = rtnl_veth_add(nl, peer, ifname, home, mtu, mac, &k);
    if (r < 0)
        return reason_set(why, r, "cannot make a veth pair '%s': %s%s", ifname,
                          k.text[0] ? k.text : strerror(-r),
                          r == -EOPNOTSUPP ? " (the kernel lacks veth; load the module 'veth')" : "");
    r = rtnl_link_get(nl, peer, 0, &l);
    if (r == 0)
        r = offloads_off(peer);
    if (r == 0)
        r = rtnl_link_set(nl, l.ifindex, &(struct rtnl_change){.no_ipv6_autoconf = true}, NULL);
    if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP) /* a kernel without IPv6 */
        r = 0;
    if (r == 0)
        r = rtnl_link_set(nl, l.ifindex, &(struct rtnl_change){.up = true}, NULL);
    if (r < 0)
        return reason_set(why, r, "cannot set up the far end of '%s': %s", ifname, strerror(-r));
    r = packet_socket(l.ifindex);
    if (r < 0)
        return reason_set(why, r, "cannot open a packet socket: %s", strerror(-r));
    *ret_fd = r;
    return 0;
}

static int create_packet(int nl, const char *ifname, uint32_t mtu, const uint8_t *mac, struct link *ret,
                         struct reason *why)
{
    /* The way back home: a socket's own netns, which needs no /proc (SIOCGSKNS, linux/sockios.h). */
    fd_auto int home = ioctl(nl, SIOCGSKNS);
    if (home < 0)
        home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0)
        return reason_set(why, -errno, "cannot refer to the own network namespace: %s", strerror(errno));
    if (unshare(CLONE_NEWNET) < 0) {
        int r = -errno;
        return reason_set(why, r, "cannot make a network namespace for the far end of '%s': %s%s", ifname,
                          strerror(-r), r == -ENOSPC ? " (raise user.max_net_namespaces)" : "");
    }
    fd_auto int fd = -1;
    int r = hidden_end(ifname, mtu, mac, home, &fd, why);
    if (setns(home, CLONE_NEWNET) < 0)
        die("cannot return to the network namespace of '%s': %s", ifname, strerror(errno));
    if (r < 0)
        return r;
    r = offloads_off(ifname);
    if (r < 0)
        return reason_set(why, r, "cannot switch off the offloads of '%s': %s", ifname, strerror(-r));
    r = finish(nl, LINK_PACKET, fd, ifname, ret, why);
    if (r == 0)
        steal_fd(&fd);
    return r;
}

static bool good_ifname(const char *s)
{
    /* dev_valid_name() of net/core/dev.c; '%' would be a pattern */
    size_t n = strlen(s);
    return n > 0 && n < IFNAMSIZ && strcmp(s, ".") && strcmp(s, "..") && !strpbrk(s, "/:% \t\n\v\f\r");
}

void link_keep(const struct link *l)
{
    if (l->kind == LINK_TAP && ioctl(l->fd, TUNSETPERSIST, 1UL) < 0)
        log_debug("link: '%s' ends with its descriptor, not with its namespace: %s", l->ifname,
                  strerror(errno));
}

int link_create(enum link_kind want, const char *ifname, uint32_t mtu, const uint8_t *mac, int tun_fd,
                struct link *ret, struct reason *why)
{
    struct reason tap = {""}, packet = {""};
    if (!good_ifname(ifname))
        return reason_set(
            why, -EINVAL,
            "'%s' cannot be the name of an interface (1 to 15 characters, no blank, '/', ':', '%%')", ifname);
    fd_auto int nl = nl_open(NETLINK_ROUTE);
    if (nl < 0)
        return reason_set(why, nl, "cannot open a netlink socket: %s", strerror(-nl));
    int r = 0;
    if (want != LINK_PACKET) {
        r = create_tap(nl, ifname, mtu, mac, tun_fd, ret, &tap);
        if (r == 0)
            return 0;
        /* A tap of that name that somebody else holds is no reason to take another kind of link. */
        if (want == LINK_TAP || r == -EBUSY || r == -EINVAL)
            return reason_set(why, r, "%s", tap.text);
        log_debug("link: no tap (%s), trying a veth pair with a packet socket", tap.text);
    }
    r = create_packet(nl, ifname, mtu, mac, ret, &packet);
    if (r < 0)
        return reason_set(why, r, "%s%s%s", tap.text, tap.text[0] ? "; and " : "", packet.text);
    return 0;
}
