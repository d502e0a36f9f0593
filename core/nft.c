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
 *
 * A transaction is a row of messages between two that mark its begin and its end: all of it happens or nothing. The kernel
 * answers errors one by one, and with success only where it is asked for; older than 6.10 it never answers the end mark.
 */
#include "core/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "core/fd.h"
#include "core/netlink.h"

enum {
    PRIORITY_MANGLE = -150,
    DIRECTION_REPLY = 1, /* IP_CT_DIR_REPLY of linux/netfilter/nf_conntrack_tuple_common.h */
};

static void put_be32(struct nl_buf *b, uint16_t type, uint32_t v)
{
    nl_put_u32(b, type, htonl(v));
}

/* ---- messages ---- */

static void begin(struct nl_buf *b, uint16_t type, uint16_t flags)
{
    struct nfgenmsg head = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
    nl_begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &head, sizeof(head));
}

static void mark_batch(struct nl_buf *b, uint16_t type)
{
    struct nfgenmsg head = {.version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
    nl_begin(b, type, 0, &head, sizeof(head));
}

/* An empty table, whatever was there: one that is not there cannot be deleted, so it is made first. */
static void replace_table(struct nl_buf *b, const char *name)
{
    begin(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    nl_put_str(b, NFTA_TABLE_NAME, name);
    begin(b, NFT_MSG_DELTABLE, 0);
    nl_put_str(b, NFTA_TABLE_NAME, name);
    begin(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    nl_put_str(b, NFTA_TABLE_NAME, name);
}

static void new_chain(struct nl_buf *b, const char *table, const char *name, const char *type, uint32_t hook)
{
    begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    nl_put_str(b, NFTA_CHAIN_TABLE, table);
    nl_put_str(b, NFTA_CHAIN_NAME, name);
    nl_put_str(b, NFTA_CHAIN_TYPE, type);
    size_t nest = nl_nest(b, NFTA_CHAIN_HOOK);
    put_be32(b, NFTA_HOOK_HOOKNUM, hook);
    put_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY_MANGLE);
    nl_nest_end(b, nest);
}

/* ---- expressions of a rule; all of them work on the one register ---- */

/* An expression has two nests, its element of the list and its data; @ret[2] is for end_expr(). */
static void begin_expr(struct nl_buf *b, const char *name, size_t ret[2])
{
    ret[0] = nl_nest(b, NFTA_LIST_ELEM);
    nl_put_str(b, NFTA_EXPR_NAME, name);
    ret[1] = nl_nest(b, NFTA_EXPR_DATA);
}

static void end_expr(struct nl_buf *b, const size_t nests[2])
{
    nl_nest_end(b, nests[1]);
    nl_nest_end(b, nests[0]);
}

/* "meta" and "ct" have a key and a register: DREG to load it, SREG to set it. */
static void keyed(struct nl_buf *b, const char *name, uint16_t key_attr, uint32_t key, uint16_t reg_attr)
{
    size_t nests[2];
    begin_expr(b, name, nests);
    put_be32(b, key_attr, key);
    put_be32(b, reg_attr, NFT_REG_1);
    end_expr(b, nests);
}

static void data(struct nl_buf *b, uint16_t type, const void *value, size_t len)
{
    size_t nest = nl_nest(b, type);
    nl_put(b, NFTA_DATA_VALUE, value, len);
    nl_nest_end(b, nest);
}

static void is_equal(struct nl_buf *b, const void *value, size_t len)
{
    size_t nests[2];
    begin_expr(b, "cmp", nests);
    put_be32(b, NFTA_CMP_SREG, NFT_REG_1);
    put_be32(b, NFTA_CMP_OP, NFT_CMP_EQ);
    data(b, NFTA_CMP_DATA, value, len);
    end_expr(b, nests);
}

static void load(struct nl_buf *b, uint32_t value)
{
    size_t nests[2];
    begin_expr(b, "immediate", nests);
    put_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_1);
    data(b, NFTA_IMMEDIATE_DATA, &value, sizeof(value));
    end_expr(b, nests);
}

/* ---- rules ---- */

static size_t begin_rule(struct nl_buf *b, const char *table, const char *chain, uint16_t flags)
{
    begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | flags);
    nl_put_str(b, NFTA_RULE_TABLE, table);
    nl_put_str(b, NFTA_RULE_CHAIN, chain);
    return nl_nest(b, NFTA_RULE_EXPRESSIONS);
}

static void remember_mark(struct nl_buf *b, const char *table, const char *chain, uint32_t begun)
{
    size_t nest = begin_rule(b, table, chain, 0);
    keyed(b, "meta", NFTA_META_KEY, NFT_META_MARK, NFTA_META_DREG);
    is_equal(b, &begun, sizeof(begun));
    keyed(b, "ct", NFTA_CT_KEY, NFT_CT_MARK, NFTA_CT_SREG);
    nl_nest_end(b, nest);
}

static void mark_answers(struct nl_buf *b, const char *table, const char *chain, uint16_t flags,
                         uint32_t begun, uint32_t answer)
{
    const uint8_t reply = DIRECTION_REPLY;
    size_t nest = begin_rule(b, table, chain, flags);
    keyed(b, "ct", NFTA_CT_KEY, NFT_CT_DIRECTION, NFTA_CT_DREG);
    is_equal(b, &reply, sizeof(reply));
    keyed(b, "ct", NFTA_CT_KEY, NFT_CT_MARK, NFTA_CT_DREG);
    is_equal(b, &begun, sizeof(begun));
    load(b, answer);
    keyed(b, "meta", NFTA_META_KEY, NFT_META_MARK, NFTA_META_SREG);
    nl_nest_end(b, nest);
}

int nft_follow_mark(const char *table, uint32_t begun, uint32_t answer, struct reason *why)
{
    struct nl_buf b;
    fd_auto int nl = nl_open(NETLINK_NETFILTER);
    if (nl < 0)
        return nl;
    nl_init(&b);
    mark_batch(&b, NFNL_MSG_BATCH_BEGIN);
    replace_table(&b, table);
    new_chain(&b, table, "output", "route", NF_INET_LOCAL_OUT);
    remember_mark(&b, table, "output", begun);
    mark_answers(&b, table, "output", 0, begun, answer);
    new_chain(&b, table, "prerouting", "filter", NF_INET_PRE_ROUTING);
    mark_answers(&b, table, "prerouting", NLM_F_ACK, begun, answer); /* the last that every kernel answers */
    mark_batch(&b, NFNL_MSG_BATCH_END);
    return nl_talk(nl, &b, NULL, NULL, why);
}
