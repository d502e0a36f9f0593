/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ruleset of nft_follow_mark(), as nft(8) would show it:
 *
 *     table inet NAME {
 *         chain output {
 *             type route hook output priority mangle;
 *             meta mark BEGUN ct mark set meta mark
 *             ct direction reply ct mark BEGUN meta mark set ANSWER
 *         }
 *         chain prerouting {
 *             type filter hook prerouting priority mangle;
 *             ct direction reply ct mark BEGUN meta mark set ANSWER
 *         }
 *     }
 */
#include "core/nft_mark.h"

#include "core/fd.h"
#include "core/nft.h"

enum {
    PRIORITY_MANGLE = -150,
    DIRECTION_REPLY = 1, /* IP_CT_DIR_REPLY of linux/netfilter/nf_conntrack_tuple_common.h */
};

static void remember_mark(struct nl_buf *b, const struct nft_table *t, const char *chain, uint32_t begun)
{
    struct nft_rule r = nft_rule(b, t, chain);
    nft_load_meta(b, NFT_META_MARK);
    nft_test_u32(b, NFT_CMP_EQ, begun);
    nft_save_mark(b);
    nft_rule_end(b, r);
}

static void mark_answers(struct nl_buf *b, const struct nft_table *t, const char *chain, uint32_t begun,
                         uint32_t answer)
{
    const uint8_t reply = DIRECTION_REPLY;
    struct nft_rule r = nft_rule(b, t, chain);
    nft_load_ct(b, NFT_CT_DIRECTION);
    nft_test(b, NFT_CMP_EQ, &reply, sizeof(reply));
    nft_load_ct(b, NFT_CT_MARK);
    nft_test_u32(b, NFT_CMP_EQ, begun);
    nft_set_mark(b, answer);
    nft_rule_end(b, r);
}

int nft_follow_mark(const char *table, uint32_t begun, uint32_t answer, struct reason *why)
{
    const struct nft_table t = {.family = NF_FAMILY_INET, .name = table};
    struct nl_buf b;
    fd_auto int nl = nl_open(NETLINK_NETFILTER);
    if (nl < 0)
        return nl;
    nft_begin(&b);
    nft_table(&b, &t, false);
    nft_chain(&b, &t, "output", "route", NF_HOOK_OUTPUT, PRIORITY_MANGLE);
    remember_mark(&b, &t, "output", begun);
    mark_answers(&b, &t, "output", begun, answer);
    nft_chain(&b, &t, "prerouting", "filter", NF_HOOK_PREROUTING, PRIORITY_MANGLE);
    mark_answers(&b, &t, "prerouting", begun, answer);
    return nft_commit(nl, &b, why);
}
