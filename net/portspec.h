/* SPDX-License-Identifier: Apache-2.0 */
/* Port specs: [IP:]PPORT:[CIP:]CPORT/PROTO, IPv6 in brackets; the words of RootlessKit's API. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "core/log.h"

enum port_proto { PORT_TCP, PORT_TCP4, PORT_TCP6, PORT_UDP, PORT_UDP4, PORT_UDP6, PORT_PROTO_MAX };
extern const char *const port_proto_names[]; /* NULL-terminated */

struct portspec {
    enum port_proto proto;
    char parent_ip[INET6_ADDRSTRLEN]; /* "" = every address */
    uint16_t parent_port;             /* 0 = pick a free one */
    char child_ip[INET6_ADDRSTRLEN];  /* "" = default (127.0.0.1, see port_add()) */
    uint16_t child_port;              /* 1..65535 */
};

/* Room for the longest portspec_format(): two addresses in brackets, two ports, the protocol. */
enum { PORTSPEC_TEXT_MAX = 2 * (INET6_ADDRSTRLEN + 2) + 2 * 6 + 8 };

static inline bool port_proto_is_udp(enum port_proto p)
{
    return p >= PORT_UDP;
}
static inline bool port_proto_takes_v4(enum port_proto p)
{
    return p != PORT_TCP6 && p != PORT_UDP6;
}
static inline bool port_proto_takes_v6(enum port_proto p)
{
    return p != PORT_TCP4 && p != PORT_UDP4;
}
/* port_proto_parse - by name. -EPROTONOSUPPORT for sctp, -EINVAL for anything else unknown; the text is in @why. */
int port_proto_parse(const char *name, enum port_proto *ret, struct reason *why);

/* portspec_parse - one spec, no ranges. -EINVAL (-EPROTONOSUPPORT: sctp) with the reason in @why. */
int portspec_parse(const char *text, struct portspec *ret, struct reason *why);
/* portspec_parse_range - as above, also 8000-8010:80-90/tcp: calls @fn for each; its non-zero return ends and is returned. */
int portspec_parse_range(const char *text, int (*fn)(const struct portspec *, void *), void *arg,
                         struct reason *why);
/* portspec_check - the checks that do not depend on the spelling (addresses valid, family fits the protocol, ports). */
int portspec_check(const struct portspec *s, struct reason *why);
/* portspec_format - canonical text into @buf (PORTSPEC_TEXT_MAX bytes are always enough). 0 or -ENAMETOOLONG. */
int portspec_format(const struct portspec *s, char *buf, size_t size);
