/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rulesets, as nft(8) would show them (BEGUN: with or without its lowest bit):
 *
 *     table inet NAME {
 *         chain output {
 *             type route hook output priority mangle;
 *             meta mark BEGUN ct mark set BEGUN
 *             ct direction reply ct mark BEGUN meta mark set ANSWER
 *         }
 *         chain prerouting {
 *             type filter hook prerouting priority mangle;
 *             ct direction reply ct mark BEGUN meta mark set ANSWER
 *         }
 *         chain input {
 *             type filter hook input priority mangle;
 *             meta mark BEGUN meta mark set ANSWER
 *         }
 *     }
 *     table inet NAME {
 *         chain postrouting {
 *             type nat hook postrouting priority 0;
 *             meta mark BEGUN_LOW meta l4proto udp snat to :(udp sport & 0x7fff)
 *         }
 *     }
 */
#include "core/nft_mark.h"

#include <errno.h>
#include <netinet/in.h>

#include "core/nft.h"

enum {
    PRIORITY_MANGLE = -150,
    PRIORITY_SOURCE = 0, /* before other people's masquerading (100) */
    DIRECTION_REPLY = 1, /* IP_CT_DIR_REPLY of linux/netfilter/nf_conntrack_tuple_common.h */
};

/* Leaves begun in the register. */
static void is_begun(struct nl_buf *b, const struct nft_marks *m)
{
    const uint32_t mask = ~1u;
    nft_load_meta(b, NFT_META_MARK);
    nft_load_bits(b, &mask, sizeof(mask));
    nft_test_u32(b, NFT_CMP_EQ, m->begun);
}

static void remember_mark(struct nl_buf *b, const struct nft_table *t, const char *chain,
                          const struct nft_marks *m)
{
    struct nft_rule r = nft_rule(b, t, chain);
    is_begun(b, m);
    nft_save_mark(b);
    nft_rule_end(b, r);
}

static void mark_answers(struct nl_buf *b, const struct nft_table *t, const char *chain,
                         const struct nft_marks *m)
{
    const uint8_t reply = DIRECTION_REPLY;
    struct nft_rule r = nft_rule(b, t, chain);
    nft_load_ct(b, NFT_CT_DIRECTION);
    nft_test(b, NFT_CMP_EQ, &reply, sizeof(reply));
    nft_load_ct(b, NFT_CT_MARK);
    nft_test_u32(b, NFT_CMP_EQ, m->begun);
    nft_set_mark(b, m->answer);
    nft_rule_end(b, r);
}

static void mark_arrived(struct nl_buf *b, const struct nft_table *t, const char *chain,
                         const struct nft_marks *m)
{
    struct nft_rule r = nft_rule(b, t, chain);
    is_begun(b, m);
    nft_set_mark(b, m->answer);
    nft_rule_end(b, r);
}

static void follow(struct nl_buf *b, const struct nft_table *t, const struct nft_marks *m)
{
    nft_chain(b, t, "output", "route", NF_HOOK_OUTPUT, PRIORITY_MANGLE);
    remember_mark(b, t, "output", m);
    mark_answers(b, t, "output", m);
    nft_chain(b, t, "prerouting", "filter", NF_HOOK_PREROUTING, PRIORITY_MANGLE);
    mark_answers(b, t, "prerouting", m);
    nft_chain(b, t, "input", "filter", NF_HOOK_INPUT, PRIORITY_MANGLE);
    mark_arrived(b, t, "input", m);
}

static void low_ports(struct nl_buf *b, const struct nft_table *t, const struct nft_marks *m)
{
    const uint8_t udp = IPPROTO_UDP;
    const uint8_t mask[2] = {(NFT_UPPER_TWIN - 1) >> 8, (NFT_UPPER_TWIN - 1) & 0xff};
    nft_chain(b, t, "postrouting", "nat", NF_HOOK_POSTROUTING, PRIORITY_SOURCE);
    struct nft_rule r = nft_rule(b, t, "postrouting");
    nft_load_meta(b, NFT_META_MARK);
    nft_test_u32(b, NFT_CMP_EQ, m->begun_low);
    nft_load_meta(b, NFT_META_L4PROTO);
    nft_test(b, NFT_CMP_EQ, &udp, sizeof(udp));
    nft_load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(mask));
    nft_load_bits(b, mask, sizeof(mask));
    nft_source_port(b);
    nft_rule_end(b, r);
}

typedef void ruleset(struct nl_buf *b, const struct nft_table *t, const struct nft_marks *m);

static int put(int nl, const char *table, ruleset *rules, const struct nft_marks *m, bool owned,
               struct reason *why)
{
    const struct nft_table t = {.family = NF_FAMILY_INET, .name = table};
    struct nl_buf b;
    nft_begin(&b);
    nft_table(&b, &t, owned);
    rules(&b, &t, m);
    return nft_commit(nl, &b, why);
}

/* Before Linux 5.12 a table has no owner. A table of that name that is there already is replaced (nft_table()). */
static int put_owned(int nl, const char *table, ruleset *rules, const struct nft_marks *m, bool owned,
                     struct reason *why)
{
    int r = put(nl, table, rules, m, owned, why);
    return owned && (r == -EINVAL || r == -EOPNOTSUPP) ? put(nl, table, rules, m, false, why) : r;
}

int nft_follow_mark(int nl, const char *table, const struct nft_marks *m, bool owned, struct reason *why)
{
    return put_owned(nl, table, follow, m, owned, why);
}

int nft_low_ports(int nl, const char *table, const struct nft_marks *m, bool owned, struct reason *why)
{
    return put_owned(nl, table, low_ports, m, owned, why);
}
