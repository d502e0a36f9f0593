/* SPDX-License-Identifier: Apache-2.0 */
/* A ruleset that lets answers carry the mark of their questions. */
#pragma once
#include <stdint.h>

#include "core/log.h"

/**
 * nft_follow_mark - packets that answer a connection begun with packet mark @begun get packet mark @answer
 * @table: name of a table of our own (family inet), which is replaced when it is there
 *
 * Before routing for packets that come in, and with a new routing decision for packets made here; so a routing rule on @answer
 * sees them also when the connection was redirected to somewhere else on its way. In the caller's netns; needs
 * CAP_NET_ADMIN in the user namespace that owns it. Marks the connections (ct mark) with @begun.
 *
 * Does not block. Return: 0 or -errno, the text in @why where the kernel says more: -ENOENT: the kernel lacks a part of nf_tables.
 */
int nft_follow_mark(const char *table, uint32_t begun, uint32_t answer, struct reason *why);
