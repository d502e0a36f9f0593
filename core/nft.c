/* SPDX-License-Identifier: Apache-2.0 */
#include "core/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_NFQUEUE.h>

#include "core/fd.h"

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 0x2 /* linux/netfilter/nf_tables.h, Linux 5.12 */
#endif

enum {
    REGISTER = NFT_REG_1,
    QUEUE_REVISION = 3, /* of the target NFQUEUE: has flags (struct xt_NFQ_info_v3) */
};

static void begin(struct nl_buf *b, uint8_t subsystem, uint8_t type, uint16_t flags, uint8_t family,
                  uint16_t id)
{
    const struct nfgenmsg g = {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(id)};
    nl_begin(b, (uint16_t)(subsystem << 8 | type), flags, &g, sizeof(g));
}

static void put_be32(struct nl_buf *b, uint16_t type, uint32_t v)
{
    nl_put_u32(b, type, htonl(v));
}

void nft_begin(struct nl_buf *b)
{
    nl_init(b);
    begin(b, 0, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

int nft_commit(int nl, struct nl_buf *b, struct reason *why)
{
    nl_flags(b, NLM_F_ACK); /* old kernels do not acknowledge the end itself */
    begin(b, 0, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    return nl_talk(nl, b, NULL, NULL, why);
}

static void table_message(struct nl_buf *b, const struct nft_table *t, uint8_t type, uint16_t flags)
{
    begin(b, NFNL_SUBSYS_NFTABLES, type, flags, (uint8_t)t->family, 0);
    nl_put_str(b, NFTA_TABLE_NAME, t->name);
}

void nft_table(struct nl_buf *b, const struct nft_table *t, bool owned)
{
    /* Made, if it is not there, so that it can be removed: in one transaction nobody sees a moment without. */
    table_message(b, t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    nft_table_del(b, t);
    table_message(b, t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    if (owned)
        put_be32(b, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
}

void nft_table_del(struct nl_buf *b, const struct nft_table *t)
{
    table_message(b, t, NFT_MSG_DELTABLE, 0);
}

void nft_chain(struct nl_buf *b, const struct nft_table *t, const char *name, const char *type,
               enum nf_hook hook, int32_t priority)
{
    begin(b, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWCHAIN, NLM_F_CREATE, (uint8_t)t->family, 0);
    nl_put_str(b, NFTA_CHAIN_TABLE, t->name);
    nl_put_str(b, NFTA_CHAIN_NAME, name);
    size_t nest = nl_nest(b, NFTA_CHAIN_HOOK);
    put_be32(b, NFTA_HOOK_HOOKNUM, hook);
    put_be32(b, NFTA_HOOK_PRIORITY, (uint32_t)priority);
    nl_nest_end(b, nest);
    nl_put_str(b, NFTA_CHAIN_TYPE, type);
}

struct nft_rule nft_rule(struct nl_buf *b, const struct nft_table *t, const char *chain)
{
    begin(b, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, (uint8_t)t->family, 0);
    nl_put_str(b, NFTA_RULE_TABLE, t->name);
    nl_put_str(b, NFTA_RULE_CHAIN, chain);
    return (struct nft_rule){nl_nest(b, NFTA_RULE_EXPRESSIONS)};
}

void nft_rule_end(struct nl_buf *b, struct nft_rule r)
{
    nl_nest_end(b, r.expressions);
}

/* ---- expressions */

struct expression {
    size_t element, data;
};

static struct expression expression(struct nl_buf *b, const char *name)
{
    struct expression e;
    e.element = nl_nest(b, NFTA_LIST_ELEM);
    nl_put_str(b, NFTA_EXPR_NAME, name);
    e.data = nl_nest(b, NFTA_EXPR_DATA);
    return e;
}

static void end(struct nl_buf *b, struct expression e)
{
    nl_nest_end(b, e.data);
    nl_nest_end(b, e.element);
}

static void put_value(struct nl_buf *b, uint16_t type, const void *data, size_t len)
{
    size_t nest = nl_nest(b, type);
    nl_put(b, NFTA_DATA_VALUE, data, len);
    nl_nest_end(b, nest);
}

void nft_load_meta(struct nl_buf *b, uint32_t key)
{
    struct expression e = expression(b, "meta");
    put_be32(b, NFTA_META_KEY, key);
    put_be32(b, NFTA_META_DREG, REGISTER);
    end(b, e);
}

void nft_load_ct(struct nl_buf *b, uint32_t key)
{
    struct expression e = expression(b, "ct");
    put_be32(b, NFTA_CT_KEY, key);
    put_be32(b, NFTA_CT_DREG, REGISTER);
    end(b, e);
}

void nft_load_bits(struct nl_buf *b, const void *mask, size_t len)
{
    const unsigned char none[16] = {0};
    if (len > sizeof(none)) {
        b->err = -EMSGSIZE;
        return;
    }
    struct expression e = expression(b, "bitwise");
    put_be32(b, NFTA_BITWISE_SREG, REGISTER);
    put_be32(b, NFTA_BITWISE_DREG, REGISTER);
    put_be32(b, NFTA_BITWISE_LEN, (uint32_t)len);
    put_value(b, NFTA_BITWISE_MASK, mask, len);
    put_value(b, NFTA_BITWISE_XOR, none, len);
    end(b, e);
}

void nft_load_payload(struct nl_buf *b, uint32_t base, uint32_t offset, uint32_t len)
{
    struct expression e = expression(b, "payload");
    put_be32(b, NFTA_PAYLOAD_DREG, REGISTER);
    put_be32(b, NFTA_PAYLOAD_BASE, base);
    put_be32(b, NFTA_PAYLOAD_OFFSET, offset);
    put_be32(b, NFTA_PAYLOAD_LEN, len);
    end(b, e);
}

static void load_into(struct nl_buf *b, uint32_t reg, const void *data, size_t len)
{
    struct expression e = expression(b, "immediate");
    put_be32(b, NFTA_IMMEDIATE_DREG, reg);
    put_value(b, NFTA_IMMEDIATE_DATA, data, len);
    end(b, e);
}

void nft_load(struct nl_buf *b, const void *data, size_t len)
{
    load_into(b, REGISTER, data, len);
}

void nft_test(struct nl_buf *b, uint32_t op, const void *data, size_t len)
{
    struct expression e = expression(b, "cmp");
    put_be32(b, NFTA_CMP_SREG, REGISTER);
    put_be32(b, NFTA_CMP_OP, op);
    put_value(b, NFTA_CMP_DATA, data, len);
    end(b, e);
}

void nft_test_u32(struct nl_buf *b, uint32_t op, uint32_t v)
{
    nft_test(b, op, &v, sizeof(v));
}

void nft_set_mark(struct nl_buf *b, uint32_t mark)
{
    nft_load(b, &mark, sizeof(mark));
    struct expression e = expression(b, "meta");
    put_be32(b, NFTA_META_KEY, NFT_META_MARK);
    put_be32(b, NFTA_META_SREG, REGISTER);
    end(b, e);
}

void nft_save_mark(struct nl_buf *b)
{
    struct expression e = expression(b, "ct");
    put_be32(b, NFTA_CT_KEY, NFT_CT_MARK);
    put_be32(b, NFTA_CT_SREG, REGISTER);
    end(b, e);
}

void nft_accept(struct nl_buf *b)
{
    struct expression e = expression(b, "immediate");
    put_be32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    size_t data = nl_nest(b, NFTA_IMMEDIATE_DATA);
    size_t verdict = nl_nest(b, NFTA_DATA_VERDICT);
    put_be32(b, NFTA_VERDICT_CODE, NF_VERDICT_ACCEPT);
    nl_nest_end(b, verdict);
    nl_nest_end(b, data);
    end(b, e);
}

static void reject(struct nl_buf *b, uint32_t type, uint8_t code)
{
    struct expression e = expression(b, "reject");
    put_be32(b, NFTA_REJECT_TYPE, type);
    nl_put_u8(b, NFTA_REJECT_ICMP_CODE, code);
    end(b, e);
}

void nft_reject_tcp(struct nl_buf *b)
{
    reject(b, NFT_REJECT_TCP_RST, 0);
}

void nft_reject_icmp(struct nl_buf *b, const struct nft_table *t, uint8_t code)
{
    /* The family ip does not know the codes for both: RFC 792's (nft_reject_ipv4.c, nft_reject_icmp_code()). */
    static const uint8_t icmp[] = {
        [NFT_REJECT_ICMPX_NO_ROUTE] = 0, /* net unreachable */
        [NFT_REJECT_ICMPX_PORT_UNREACH] = 3,
        [NFT_REJECT_ICMPX_HOST_UNREACH] = 1,
        [NFT_REJECT_ICMPX_ADMIN_PROHIBITED] = 13,
    };
    if (t->family == NF_FAMILY_INET)
        reject(b, NFT_REJECT_ICMPX_UNREACH, code);
    else
        reject(b, NFT_REJECT_ICMP_UNREACH, code < array_size(icmp) ? icmp[code] : 1);
}

void nft_queue(struct nl_buf *b, uint16_t number, bool compat)
{
    if (compat) {
        /* The kernel takes the structure at its aligned size (XT_ALIGN(), net/netfilter/nft_compat.c). */
        union {
            struct xt_NFQ_info_v3 i;
            unsigned char aligned[8];
        } info = {.aligned = {0}};
        info.i = (struct xt_NFQ_info_v3){.queuenum = number, .queues_total = 1, .flags = NFQ_FLAG_BYPASS};
        struct expression e = expression(b, "target");
        nl_put_str(b, NFTA_TARGET_NAME, "NFQUEUE");
        put_be32(b, NFTA_TARGET_REV, QUEUE_REVISION);
        nl_put(b, NFTA_TARGET_INFO, &info, sizeof(info));
        end(b, e);
        return;
    }
    struct expression e = expression(b, "queue");
    nl_put_u16(b, NFTA_QUEUE_NUM, htons(number));
    nl_put_u16(b, NFTA_QUEUE_TOTAL, htons(1));
    nl_put_u16(b, NFTA_QUEUE_FLAGS, htons(NFT_QUEUE_FLAG_BYPASS));
    end(b, e);
}

void nft_redirect(struct nl_buf *b, uint16_t port)
{
    const uint16_t p = htons(port);
    nft_load(b, &p, sizeof(p));
    struct expression e = expression(b, "redir");
    put_be32(b, NFTA_REDIR_REG_PROTO_MIN, REGISTER);
    end(b, e);
}

static size_t address_size(enum nf_family family)
{
    return family == NF_FAMILY_IPV6 ? 16 : 4;
}

void nft_dnat(struct nl_buf *b, enum nf_family family, const void *addr, uint16_t port)
{
    const uint16_t p = htons(port);
    nft_load(b, addr, address_size(family));
    load_into(b, NFT_REG_2, &p, sizeof(p));
    struct expression e = expression(b, "nat");
    put_be32(b, NFTA_NAT_TYPE, NFT_NAT_DNAT);
    put_be32(b, NFTA_NAT_FAMILY, family);
    put_be32(b, NFTA_NAT_REG_ADDR_MIN, REGISTER);
    put_be32(b, NFTA_NAT_REG_PROTO_MIN, NFT_REG_2);
    end(b, e);
}

void nft_keep_source(struct nl_buf *b, enum nf_family family)
{
    nft_load_payload(b, NFT_PAYLOAD_NETWORK_HEADER, family == NF_FAMILY_IPV6 ? 8 : 12,
                     (uint32_t)address_size(family));
    struct expression e = expression(b, "nat");
    put_be32(b, NFTA_NAT_TYPE, NFT_NAT_SNAT);
    put_be32(b, NFTA_NAT_FAMILY, family);
    put_be32(b, NFTA_NAT_REG_ADDR_MIN, REGISTER);
    end(b, e);
}

void nft_source_port(struct nl_buf *b)
{
    struct expression e = expression(b, "nat");
    put_be32(b, NFTA_NAT_TYPE, NFT_NAT_SNAT);
    put_be32(b, NFTA_NAT_FAMILY, NF_FAMILY_INET);
    put_be32(b, NFTA_NAT_REG_PROTO_MIN, REGISTER);
    end(b, e);
}

bool nft_has_target(int nl, const char *name, uint32_t revision)
{
    struct nl_buf b;
    nl_init(&b);
    begin(&b, NFNL_SUBSYS_NFT_COMPAT, NFNL_MSG_COMPAT_GET, 0, NF_FAMILY_IPV4, 0);
    nl_put_str(&b, NFTA_COMPAT_NAME, name);
    put_be32(&b, NFTA_COMPAT_REV, revision);
    put_be32(&b, NFTA_COMPAT_TYPE, 1); /* a target; 0: a match */
    return nl_talk(nl, &b, NULL, NULL, NULL) == 0;
}
