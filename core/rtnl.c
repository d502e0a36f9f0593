/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rtnl.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "core/fd.h"
#include "core/netlink.h"

static size_t addr_size(int family)
{
    return family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
}

/* Row of attributes behind a fixed header of @fixed bytes. */
static int attrs_after(const unsigned char *payload, size_t len, size_t fixed, struct nl_attrs *ret)
{
    fixed = NLMSG_ALIGN(fixed);
    if (len < fixed)
        return -EBADMSG;
    ret->at = payload + fixed;
    ret->left = len - fixed;
    return 0;
}

static int take_link(const struct nlmsghdr *h, const unsigned char *payload, size_t len, void *arg)
{
    struct rtnl_link *l = arg, out = {0};
    struct ifinfomsg info;
    struct nl_attrs as;
    struct nl_attr a;
    if (h->nlmsg_type != RTM_NEWLINK)
        return 0;
    int r = attrs_after(payload, len, sizeof(info), &as);
    if (r < 0)
        return r;
    memcpy(&info, payload, sizeof(info));
    out.ifindex = info.ifi_index > 0 ? (unsigned)info.ifi_index : 0;
    out.flags = info.ifi_flags;
    while ((r = nl_attr_next(&as, &a)) == 1) {
        if (a.type == IFLA_IFNAME)
            r = nl_attr_str(&a, out.name, sizeof(out.name));
        else if (a.type == IFLA_MTU)
            r = nl_attr_u32(&a, &out.mtu);
        else if (a.type == IFLA_ADDRESS && a.len == sizeof(out.mac)) {
            memcpy(out.mac, a.data, sizeof(out.mac));
            out.have_mac = true;
        }
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    *l = out;
    return 0;
}

int rtnl_link_get(int nl, const char *name, unsigned ifindex, struct rtnl_link *ret)
{
    struct nl_buf b;
    struct rtnl_link l = {0};
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
    nl_init(&b);
    nl_begin(&b, RTM_GETLINK, 0, &info, sizeof(info));
    if (!ifindex)
        nl_put_str(&b, IFLA_IFNAME, name);
    int r = nl_talk(nl, &b, take_link, &l, NULL);
    if (r < 0)
        return r;
    if (!l.ifindex)
        return -ENODEV;
    *ret = l;
    return 0;
}

int rtnl_link_set(int nl, unsigned ifindex, const struct rtnl_change *c, struct reason *why)
{
    struct nl_buf b;
    struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
    if (c->up)
        info.ifi_flags = info.ifi_change = IFF_UP;
    nl_init(&b);
    nl_begin(&b, RTM_NEWLINK, 0, &info, sizeof(info));
    if (c->mtu)
        nl_put_u32(&b, IFLA_MTU, c->mtu);
    if (c->mac)
        nl_put(&b, IFLA_ADDRESS, c->mac, 6);
    if (c->name)
        nl_put_str(&b, IFLA_IFNAME, c->name);
    if (c->no_ipv6_autoconf) {
        size_t spec = nl_nest(&b, IFLA_AF_SPEC);
        size_t inet6 = nl_nest(&b, AF_INET6);
        nl_put_u8(&b, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
        nl_nest_end(&b, inet6);
        nl_nest_end(&b, spec);
    }
    return nl_talk(nl, &b, NULL, NULL, why);
}

int rtnl_veth_add(int nl, const char *peer, const char *name, int netns_fd, uint32_t mtu, const uint8_t *mac,
                  struct reason *why)
{
    struct nl_buf b;
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    nl_init(&b);
    nl_begin(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
    nl_put_str(&b, IFLA_IFNAME, peer);
    nl_put_u32(&b, IFLA_MTU, mtu);
    size_t linkinfo = nl_nest(&b, IFLA_LINKINFO);
    nl_put_str(&b, IFLA_INFO_KIND, "veth");
    size_t data = nl_nest(&b, IFLA_INFO_DATA);
    size_t other = nl_nest(&b, VETH_INFO_PEER);
    nl_put_raw(&b, &info, sizeof(info));
    nl_put_str(&b, IFLA_IFNAME, name);
    nl_put_u32(&b, IFLA_MTU, mtu);
    nl_put_u32(&b, IFLA_NET_NS_FD, (uint32_t)netns_fd);
    if (mac)
        nl_put(&b, IFLA_ADDRESS, mac, 6);
    nl_nest_end(&b, other);
    nl_nest_end(&b, data);
    nl_nest_end(&b, linkinfo);
    return nl_talk(nl, &b, NULL, NULL, why);
}

int rtnl_link_del(int nl, unsigned ifindex, struct reason *why)
{
    struct nl_buf b;
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
    nl_init(&b);
    nl_begin(&b, RTM_DELLINK, 0, &info, sizeof(info));
    return nl_talk(nl, &b, NULL, NULL, why);
}

int rtnl_addr_add(int nl, unsigned ifindex, int family, const void *addr, unsigned prefix, struct reason *why)
{
    struct nl_buf b;
    const struct ifaddrmsg info = {
        .ifa_family = (uint8_t)family,
        .ifa_prefixlen = (uint8_t)prefix,
        .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
        .ifa_index = ifindex,
    };
    nl_init(&b);
    nl_begin(&b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
    nl_put(&b, IFA_LOCAL, addr, addr_size(family));
    nl_put(&b, IFA_ADDRESS, addr, addr_size(family));
    if (family == AF_INET && prefix < 31) {
        struct in_addr brd;
        memcpy(&brd, addr, sizeof(brd));
        brd.s_addr |= htonl(prefix ? UINT32_MAX >> prefix : UINT32_MAX);
        nl_put(&b, IFA_BROADCAST, &brd, sizeof(brd));
    }
    return nl_talk(nl, &b, NULL, NULL, why);
}

int rtnl_route_default(int nl, unsigned ifindex, int family, const void *gateway, const void *src,
                       struct reason *why)
{
    struct nl_buf b;
    const struct rtmsg info = {
        .rtm_family = (uint8_t)family,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST,
    };
    nl_init(&b);
    nl_begin(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
    nl_put(&b, RTA_GATEWAY, gateway, addr_size(family));
    nl_put_u32(&b, RTA_OIF, ifindex);
    if (src)
        nl_put(&b, RTA_PREFSRC, src, addr_size(family));
    return nl_talk(nl, &b, NULL, NULL, why);
}

struct addr_query {
    int family;
    unsigned ifindex;
    bool found;
    unsigned char addr[sizeof(struct in6_addr)];
};

static int take_addr(const struct nlmsghdr *h, const unsigned char *payload, size_t len, void *arg)
{
    struct addr_query *q = arg;
    struct ifaddrmsg info;
    struct nl_attrs as;
    struct nl_attr a;
    bool local = false;
    if (h->nlmsg_type != RTM_NEWADDR || q->found)
        return 0; /* the dump has to be read to its end */
    int r = attrs_after(payload, len, sizeof(info), &as);
    if (r < 0)
        return r;
    memcpy(&info, payload, sizeof(info));
    if (info.ifa_family != q->family || info.ifa_scope != RT_SCOPE_UNIVERSE ||
        (q->ifindex && info.ifa_index != q->ifindex))
        return 0;
    while ((r = nl_attr_next(&as, &a)) == 1) {
        /* IFA_LOCAL is the own address of a point-to-point link, where IFA_ADDRESS is the peer's; IPv6 has only the latter. */
        if (a.len != addr_size(q->family) || (a.type != IFA_LOCAL && (a.type != IFA_ADDRESS || local)))
            continue;
        memcpy(q->addr, a.data, a.len);
        q->found = true;
        local = a.type == IFA_LOCAL;
    }
    return r;
}

int rtnl_addr_find(int nl, unsigned ifindex, int family, void *ret)
{
    struct nl_buf b;
    struct addr_query q = {.family = family, .ifindex = ifindex};
    const struct ifaddrmsg info = {.ifa_family = (uint8_t)family};
    nl_init(&b);
    nl_begin(&b, RTM_GETADDR, NLM_F_DUMP, &info, sizeof(info));
    int r = nl_talk(nl, &b, take_addr, &q, NULL);
    if (r < 0)
        return r;
    if (!q.found)
        return -ENOENT;
    memcpy(ret, q.addr, addr_size(family));
    return 0;
}
