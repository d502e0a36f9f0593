/* SPDX-License-Identifier: Apache-2.0 */
#include "core/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/netlink.h"

static in_port_t port_of(const struct sockaddr *a)
{
    return a->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)(const void *)a)->sin6_port
                                    : ((const struct sockaddr_in *)(const void *)a)->sin_port;
}

static void put_address(struct nl_buf *b, uint16_t type4, uint16_t type6, const struct sockaddr *a)
{
    if (a->sa_family == AF_INET6)
        nl_put(b, type6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
    else
        nl_put(b, type4, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
}

int conntrack_forget_tcp(int nl, const struct sockaddr *src, const struct sockaddr *dst)
{
    const struct nfgenmsg g = {.nfgen_family = (uint8_t)src->sa_family, .version = NFNETLINK_V0};
    struct nl_buf b;
    nl_init(&b);
    nl_begin(&b, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0, &g, sizeof(g));
    size_t tuple = nl_nest(&b, CTA_TUPLE_ORIG);
    size_t ip = nl_nest(&b, CTA_TUPLE_IP);
    put_address(&b, CTA_IP_V4_SRC, CTA_IP_V6_SRC, src);
    put_address(&b, CTA_IP_V4_DST, CTA_IP_V6_DST, dst);
    nl_nest_end(&b, ip);
    size_t proto = nl_nest(&b, CTA_TUPLE_PROTO);
    nl_put_u8(&b, CTA_PROTO_NUM, IPPROTO_TCP);
    nl_put_u16(&b, CTA_PROTO_SRC_PORT, port_of(src));
    nl_put_u16(&b, CTA_PROTO_DST_PORT, port_of(dst));
    nl_nest_end(&b, proto);
    nl_nest_end(&b, tuple);
    return nl_send(nl, &b);
}
