/* SPDX-License-Identifier: Apache-2.0 */
/* A ruleset that lets answers carry the mark of their questions. */
#pragma once
#include <stdint.h>

#include "core/log.h"

/* Packet marks. @begun and @begun_low differ in the lowest bit only, which is set in @begun_low. */
struct nft_marks {
    uint32_t begun; /* of a socket that begins connections */
    uint32_t
        begun_low; /* the same, of a UDP socket that has the upper twin of the port that it is to be seen at */
    uint32_t answer; /* what their answers get */
};

/* A port below this one, or'ed with it, is its upper twin. */
enum { NFT_UPPER_TWIN = 0x8000 };

/**
 * nft_follow_mark - what answers a connection begun with a packet mark gets another
 * @nl: nl_open(NETLINK_NETFILTER)
 * @table: name of a table of our own (family inet), which is replaced when it is there
 * @owned: nobody else can change it, and it goes with @nl (Linux 5.12); else it stays until the namespace ends
 *
 * Before routing for packets that come in, and with a new routing decision for packets made here; so a routing rule on the
 * answer's mark sees them also when the connection was redirected to somewhere else on its way. A question that arrives here
 * has the answer's mark then: what the kernel makes of it by itself (tcp_fwmark_accept, fwmark_reflect) has it too.
 * In the netns of @nl; needs CAP_NET_ADMIN in the user namespace that owns it. Marks the connections (ct mark).
 *
 * Does not block. Return: 0 or -errno, the text in @why where the kernel says more: -ENOENT: the kernel lacks a part of nf_tables.
 */
int nft_follow_mark(int nl, const char *table, const struct nft_marks *m, bool owned, struct reason *why);

/* nft_low_ports - UDP packets marked begun_low leave from the port whose upper twin they come from. @nl, @table, @owned and return as above. Linux 5.2. */
int nft_low_ports(int nl, const char *table, const struct nft_marks *m, bool owned, struct reason *why);
