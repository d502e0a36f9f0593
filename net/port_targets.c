/* SPDX-License-Identifier: Apache-2.0 */
#include "net/port_targets.h"

#include "core/fd.h"
#include "net/transparent.h"

void port_targets_set(struct port_targets *ret, const union sockaddr_ip *first, bool any)
{
    static const char *const loopback[] = {"127.0.0.1", "::1"};
    *ret = (struct port_targets){.addr = {*first}, .n = 1, .any = any};
    for (unsigned i = 0; any && i < array_size(loopback); i++) {
        union sockaddr_ip a;
        ip_parse(loopback[i], ip_port(first), &a);
        if (!ip_same_addr(&a, first))
            ret->addr[ret->n++] = a;
    }
    for (unsigned i = 0; i < ret->n; i++)
        ret->local[i] = transparent_target(&ret->addr[i]);
}
