/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spec is cut from the right, because the left-hand side is optional and IPv6 addresses have colons of their own:
 * "/PROTO", then CPORT, then "[CIP]:" or "CIP:", PPORT, and what is left is IP.
 */
#include "net/portspec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "core/fd.h"
#include "core/parse.h"
#include "core/strv.h"
#include "net/ip.h"

const char *const port_proto_names[] = {"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", NULL};
_Static_assert(array_size(port_proto_names) == PORT_PROTO_MAX + 1, "every protocol has a name");

enum { SPEC_MAX = 160 }; /* longer than any spec with ranges */

/* "80" or "80-90" */
struct port_range {
    uint16_t first, last;
};

struct parts {
    struct portspec spec; /* ports not filled in */
    struct port_range parent, child;
};

int port_proto_parse(const char *name, enum port_proto *ret, struct reason *why)
{
    for (int i = 0; i < PORT_PROTO_MAX; i++)
        if (strcmp(name, port_proto_names[i]) == 0) {
            *ret = (enum port_proto)i;
            return 0;
        }
    if (strncmp(name, "sctp", 4) == 0)
        return reason_set(why, -EPROTONOSUPPORT,
                          "protocol '%s' cannot be published: only tcp and udp are forwarded, SCTP is not",
                          name);
    return reason_set(why, -EINVAL, "unknown protocol '%.16s' (known: tcp, tcp4, tcp6, udp, udp4, udp6)",
                      name);
}

static int parse_range(const char *s, bool zero_ok, const char *which, struct port_range *ret,
                       struct reason *why)
{
    char buf[16];
    const char *dash = strchr(s, '-');
    if (str_format(buf, sizeof(buf), "%.*s", dash ? (int)(dash - s) : (int)strnlen(s, 15), s) < 0)
        return reason_set(why, -EINVAL, "'%.24s' is no %s port", s, which);
    struct port_range r;
    if (parse_u16(buf, &r.first) < 0 || (dash && parse_u16(dash + 1, &r.last) < 0) || strlen(s) > 11)
        return reason_set(why, -EINVAL,
                          "'%.24s' is no %s port (a number up to 65535, or two with '-' between)", s, which);
    if (!dash)
        r.last = r.first;
    if (r.last < r.first)
        return reason_set(why, -EINVAL, "the range '%s' of %s ports ends before it begins", s, which);
    if (r.first == 0 && (!zero_ok || r.last != 0))
        return reason_set(why, -EINVAL, "the %s port cannot be 0", which);
    *ret = r;
    return 0;
}

/*
 * Cut the last colon-separated field off @s (in place). NULL: there is no colon, @s itself is the field.
 * The colons of an address in brackets do not count.
 */
static char *cut_field(char *s)
{
    char *colon = strrchr(s, ':'), *bracket = strrchr(s, '[');
    if (bracket && s[strlen(s) - 1] == ']')
        colon = bracket > s && bracket[-1] == ':' ? bracket - 1 : NULL;
    if (!colon)
        return NULL;
    *colon = '\0';
    return colon + 1;
}

static int take_ip(const char *s, const char *which, char ret[INET6_ADDRSTRLEN], struct reason *why)
{
    size_t n = strlen(s);
    if (n >= 2 && s[0] == '[' && s[n - 1] == ']') {
        union sockaddr_ip a;
        if (str_format(ret, INET6_ADDRSTRLEN, "%.*s", (int)(n - 2), s + 1) < 0 || ip_parse(ret, 0, &a) < 0 ||
            a.sa.sa_family != AF_INET6)
            return reason_set(why, -EINVAL, "'%.64s' is no IPv6 address in brackets (%s address)", s, which);
        return 0;
    }
    struct in_addr in;
    if (strchr(s, ':'))
        return reason_set(why, -EINVAL, "write the %s address in brackets if it is IPv6: [%.64s]", which, s);
    if (str_format(ret, INET6_ADDRSTRLEN, "%s", s) < 0 || inet_pton(AF_INET, s, &in) != 1)
        return reason_set(why, -EINVAL,
                          "'%.64s' is no %s address (IPv4, or IPv6 in brackets; names are not looked up)", s,
                          which);
    return 0;
}

/* Does a field look like a port (or range)? Everything else is an address. */
static bool is_port_field(const char *s)
{
    return *s && strspn(s, "0123456789-") == strlen(s);
}

static int parse_parts(const char *text, struct parts *ret, struct reason *why)
{
    char buf[SPEC_MAX];
    if (str_format(buf, sizeof(buf), "%s", text) < 0)
        return reason_set(why, -EINVAL, "port spec is longer than %d bytes", SPEC_MAX - 1);
    struct parts p;
    memset(&p, 0, sizeof(p));
    char *proto = strrchr(buf, '/');
    if (!proto)
        return reason_set(why, -EINVAL, "no protocol at the end: '%s/tcp' or '%s/udp'", buf, buf);
    *proto++ = '\0';
    int r = port_proto_parse(proto, &p.spec.proto, why);
    if (r < 0)
        return r;
    char *child = cut_field(buf);
    if (!child)
        return reason_set(why, -EINVAL, "'%s' has one port only; wanted [IP:]PARENTPORT:[IP:]CHILDPORT/PROTO",
                          text);
    char *parent = cut_field(buf), *left = parent ? buf : NULL;
    if (!parent)
        parent = buf;
    if (!is_port_field(parent)) { /* it was the child's address */
        if (!left)
            return reason_set(why, -EINVAL,
                              "'%s' has no parent port; wanted [IP:]PARENTPORT:[IP:]CHILDPORT/PROTO", text);
        r = take_ip(parent, "child", p.spec.child_ip, why);
        if (r < 0)
            return r;
        parent = cut_field(buf);
        left = parent ? buf : NULL;
        if (!parent)
            parent = buf;
    }
    if (left) {
        r = take_ip(left, "parent", p.spec.parent_ip, why);
        if (r < 0)
            return r;
    }
    r = parse_range(parent, true, "parent", &p.parent, why);
    if (r == 0)
        r = parse_range(child, false, "child", &p.child, why);
    if (r == 0)
        *ret = p;
    return r;
}

int portspec_parse(const char *text, struct portspec *ret, struct reason *why)
{
    struct parts p;
    int r = parse_parts(text, &p, why);
    if (r < 0)
        return r;
    if (p.parent.first != p.parent.last || p.child.first != p.child.last)
        return reason_set(why, -EINVAL, "'%s' is a range; one port is wanted here", text);
    p.spec.parent_port = p.parent.first;
    p.spec.child_port = p.child.first;
    r = portspec_check(&p.spec, why);
    if (r == 0)
        *ret = p.spec;
    return r;
}

int portspec_parse_range(const char *text, int (*fn)(const struct portspec *, void *), void *arg,
                         struct reason *why)
{
    struct parts p;
    int r = parse_parts(text, &p, why);
    if (r < 0)
        return r;
    unsigned n = p.child.last - p.child.first + 1u;
    bool pick = p.parent.first == 0;
    if (!pick && p.parent.last - p.parent.first + 1u != n)
        return reason_set(why, -EINVAL,
                          "the ranges of '%s' differ in length: %u parent ports for %u child ports", text,
                          p.parent.last - p.parent.first + 1u, n);
    for (unsigned i = 0; i < n; i++) {
        struct portspec s = p.spec;
        s.parent_port = pick ? 0 : (uint16_t)(p.parent.first + i);
        s.child_port = (uint16_t)(p.child.first + i);
        r = portspec_check(&s, why);
        if (r == 0)
            r = fn(&s, arg);
        if (r != 0)
            return r;
    }
    return 0;
}

static bool is_v4_only(enum port_proto p)
{
    return p == PORT_TCP4 || p == PORT_UDP4;
}

static bool is_v6_only(enum port_proto p)
{
    return p == PORT_TCP6 || p == PORT_UDP6;
}

static bool is_multicast(const union sockaddr_ip *a)
{
    if (a->sa.sa_family == AF_INET)
        return IN_MULTICAST(ntohl(a->in.sin_addr.s_addr)) || a->in.sin_addr.s_addr == htonl(INADDR_BROADCAST);
    return IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
}

static int check_ip(const char *text, const char *which, union sockaddr_ip *ret, struct reason *why)
{
    if (ip_parse(text, 0, ret) < 0)
        return reason_set(why, -EINVAL, "invalid %s address '%.64s'", which, text);
    if (is_multicast(ret))
        return reason_set(why, -EINVAL, "the %s address %s is a multicast or broadcast address", which, text);
    if (ret->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ret->in6.sin6_addr))
        return reason_set(why, -EINVAL, "write the %s address %s as plain IPv4", which, text);
    return 0;
}

int portspec_check(const struct portspec *s, struct reason *why)
{
    union sockaddr_ip a;
    if ((unsigned)s->proto >= PORT_PROTO_MAX)
        return reason_set(why, -EINVAL, "unknown protocol");
    if (s->child_port == 0)
        return reason_set(why, -EINVAL, "the child port cannot be 0");
    if (*s->parent_ip) {
        int r = check_ip(s->parent_ip, "parent", &a, why);
        if (r < 0)
            return r;
        if (a.sa.sa_family == AF_INET ? is_v6_only(s->proto) : is_v4_only(s->proto))
            return reason_set(why, -EINVAL, "protocol %s does not fit the parent address %s",
                              port_proto_names[s->proto], s->parent_ip);
    }
    return *s->child_ip ? check_ip(s->child_ip, "child", &a, why) : 0;
}

static void format_ip(struct strbuf *b, const char *ip)
{
    if (*ip)
        strbuf_addf(b, strchr(ip, ':') ? "[%s]:" : "%s:", ip);
}

int portspec_format(const struct portspec *s, char *buf, size_t size)
{
    struct strbuf b = {0};
    format_ip(&b, s->parent_ip);
    strbuf_addf(&b, "%u:", s->parent_port);
    format_ip(&b, s->child_ip);
    strbuf_addf(&b, "%u/%s", s->child_port, port_proto_names[s->proto]);
    int r = b.err ? b.err : str_format(buf, size, "%s", b.s);
    strbuf_done(&b);
    return r;
}
