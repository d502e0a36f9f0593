/* SPDX-License-Identifier: Apache-2.0 */
/* What comes out of the packet queue: messages of the kernel, and in them packets with any bytes the guest wrote. */
#include "core/nfqueue.c" // NOLINT(bugprone-suspicious-include)
#include "net/addrplan.h"
#include "net/fast_syn.c" // NOLINT(bugprone-suspicious-include)
#include "net/upstream.c" // NOLINT(bugprone-suspicious-include)

#include <stdlib.h>

static struct addrplan plan;

static void look(const unsigned char *packet, size_t len)
{
    struct syn s;
    union sockaddr_ip to;
    if (!syn_parse(packet, len, &s))
        return;
    if (s.len > SYN_MAX || s.src.sa.sa_family != s.dst.sa.sa_family)
        abort();
    /* What is dialled is never the host itself, when that is closed. */
    if (upstream_dial(&plan, true, &s.dst, &to) && (ip_is_loopback(&to) || ip_is_any(&to)))
        abort();
}

static void take(const struct nfq_packet *p, void *arg)
{
    (void)arg;
    look(p->data, p->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!plan.mtu && addrplan_for(NET_SLIRP4NETNS, &plan) == 0)
        plan.ipv6 = true;
    nfq_parse(data, size, take, NULL);
    look(data, size);
    return 0;
}
