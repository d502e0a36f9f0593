/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nf_tables: a transaction of tables, chains and rules, put together in a struct nl_buf and sent by nft_commit().
 * Facts: linux/netfilter/nf_tables.h, nft(8), net/netfilter/nf_tables_api.c.
 *
 * A rule is a row of expressions that the kernel goes through from left to right; the first one that does not match ends
 * it. All of them use one register, which a load fills and the next one reads.
 *
 *      nft_begin(&b)  nft_table() nft_chain()...  nft_rule() load, test, load, test, verdict nft_rule_end() ...  nft_commit()
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/netfilter/nf_tables.h>

#include "core/netlink.h"

/* Part of linux/netfilter.h, which does not go with libc's netinet/in.h. */
enum nf_family { NF_FAMILY_INET = 1, NF_FAMILY_IPV4 = 2, NF_FAMILY_IPV6 = 10 };
enum nf_hook { NF_HOOK_PREROUTING, NF_HOOK_INPUT, NF_HOOK_FORWARD, NF_HOOK_OUTPUT, NF_HOOK_POSTROUTING };
enum nf_verdict { NF_VERDICT_DROP = 0, NF_VERDICT_ACCEPT = 1, NF_VERDICT_REPEAT = 4 };

/* Where rules go. */
struct nft_table {
    enum nf_family family; /* IPV4, or INET: both */
    const char *name;
};

void nft_begin(struct nl_buf *b);
/* nft_commit - all of it or nothing. 0, -errno of the first refused message (@why: the kernel's words, if it has any). */
int nft_commit(int nl, struct nl_buf *b, struct reason *why);

/* nft_table - make it, empty, in the place of one of that name. @owned: the kernel removes it with the socket @nl (Linux 5.12). */
void nft_table(struct nl_buf *b, const struct nft_table *t, bool owned);
void nft_table_del(struct nl_buf *b, const struct nft_table *t);
/* nft_chain - a base chain; what runs to its end goes on. @type: "filter", "nat" or "route"; @priority: nft(8), PRIORITIES */
void nft_chain(struct nl_buf *b, const struct nft_table *t, const char *name, const char *type,
               enum nf_hook hook, int32_t priority);

struct nft_rule {
    size_t expressions;
};
struct nft_rule nft_rule(struct nl_buf *b, const struct nft_table *t, const char *chain);
void nft_rule_end(struct nl_buf *b, struct nft_rule r);

/* Loads */
void nft_load_meta(struct nl_buf *b, uint32_t key); /* NFT_META_* */
void nft_load_ct(struct nl_buf *b, uint32_t key);   /* NFT_CT_*; a packet without connection does not match */
void nft_load_bits(struct nl_buf *b, const void *mask,
                   size_t len); /* the @len bytes that are loaded AND @mask */
void nft_load_payload(struct nl_buf *b, uint32_t base, uint32_t offset, uint32_t len); /* NFT_PAYLOAD_* */
void nft_load(struct nl_buf *b, const void *data, size_t len);                         /* a constant */

/* Tests of what is loaded; @op: NFT_CMP_EQ... */
void nft_test(struct nl_buf *b, uint32_t op, const void *data, size_t len);
void nft_test_u32(struct nl_buf *b, uint32_t op,
                  uint32_t v); /* in the order of this machine, as meta data is */

/* What to do */
void nft_set_mark(struct nl_buf *b, uint32_t mark);
void nft_save_mark(struct nl_buf *b); /* what is loaded becomes the connection's mark */
void nft_accept(struct nl_buf *b);
void nft_reject_tcp(struct nl_buf *b);
/* nft_reject_icmp - @code: NFT_REJECT_ICMPX_*, which say the same in both protocols */
void nft_reject_icmp(struct nl_buf *b, const struct nft_table *t, uint8_t code);
/* nft_queue - to user space; when nobody listens the packet goes on. @compat: by the older target, see nft_has_target() */
void nft_queue(struct nl_buf *b, uint16_t number, bool compat);
/* nft_redirect - to this host's own address and @port (host order). Only in a nat chain. */
void nft_redirect(struct nl_buf *b, uint16_t port);
/* nft_dnat - to @addr and @port (host order); @family: not INET. nft_keep_source: what comes later must not change it. */
void nft_dnat(struct nl_buf *b, enum nf_family family, const void *addr, uint16_t port);
void nft_keep_source(struct nl_buf *b, enum nf_family family);
/* nft_source_port - the connection's source port becomes what is loaded (network order). Only in a nat chain of an INET table. */
void nft_source_port(struct nl_buf *b);

/* nft_has_target - can the x_tables target @name of this revision be used in a rule? Asks the kernel, which may load a module. */
bool nft_has_target(int nl, const char *name, uint32_t revision);
