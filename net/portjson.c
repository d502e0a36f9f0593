/* SPDX-License-Identifier: Apache-2.0 */
#include "net/portjson.h"

#include <errno.h>
#include <string.h>

static int get_text(const struct json *n, const char *key, const char **ret, struct reason *why)
{
    *ret = "";
    int r = json_get_str(n, key, ret);
    if (r == -ENOENT || json_type(json_get(n, key)) == JSON_NULL)
        return 0;
    return r < 0 ? reason_set(why, -EINVAL, "member '%s' must be a string", key) : 0;
}

static int get_ip(const struct json *n, const char *key, char ret[INET6_ADDRSTRLEN], struct reason *why)
{
    const char *text;
    int r = get_text(n, key, &text, why);
    if (r < 0)
        return r;
    size_t len = strlen(text);
    if (len >= INET6_ADDRSTRLEN)
        return reason_set(why, -EINVAL, "member '%s' is no IP address", key);
    memcpy(ret, text, len + 1);
    return 0;
}

static int get_port(const struct json *n, const char *key, uint16_t *ret, struct reason *why)
{
    uint64_t v = 0;
    int r = json_get_uint(n, key, 0, UINT16_MAX, &v);
    if (r < 0 && r != -ENOENT)
        return reason_set(why, -EINVAL, "member '%s' must be a number from 0 to 65535", key);
    *ret = (uint16_t)v;
    return 0;
}

/* The members, without the checks of portspec_check(). */
static int get_spec(const struct json *n, struct portspec *ret, struct reason *why)
{
    struct portspec s;
    const char *proto;
    memset(&s, 0, sizeof(s));
    if (json_type(n) != JSON_OBJECT)
        return reason_set(why, -EINVAL, "a port spec must be an object, this is: %s", json_type_name(n));
    int r = get_text(n, "proto", &proto, why);
    if (r == 0 && !*proto)
        r = reason_set(why, -EINVAL, "member 'proto' is missing (tcp, tcp4, tcp6, udp, udp4 or udp6)");
    if (r == 0)
        r = port_proto_parse(proto, &s.proto, why);
    if (r == 0)
        r = get_ip(n, "parentIP", s.parent_ip, why);
    if (r == 0)
        r = get_port(n, "parentPort", &s.parent_port, why);
    if (r == 0)
        r = get_ip(n, "childIP", s.child_ip, why);
    if (r == 0)
        r = get_port(n, "childPort", &s.child_port, why);
    if (r == 0)
        *ret = s;
    return r;
}

int portspec_from_json(const struct json *n, struct portspec *ret, struct reason *why)
{
    struct portspec s;
    int r = get_spec(n, &s, why);
    if (r == 0)
        r = portspec_check(&s, why);
    if (r == 0)
        *ret = s;
    return r;
}

struct json *portspec_to_json(struct json_doc *doc, const struct portspec *s)
{
    struct json *o = json_new_object(doc);
    json_add_str(doc, o, "proto", port_proto_names[s->proto]);
    if (*s->parent_ip)
        json_add_str(doc, o, "parentIP", s->parent_ip);
    json_add_uint(doc, o, "parentPort", s->parent_port);
    json_add_uint(doc, o, "childPort", s->child_port);
    if (*s->child_ip)
        json_add_str(doc, o, "childIP", s->child_ip);
    return o;
}

int port_entry_from_json(const struct json *n, struct port_entry *ret, struct reason *why)
{
    struct port_entry e;
    uint64_t id;
    if (json_get_uint(n, "id", 0, UINT32_MAX, &id) < 0)
        return reason_set(why, -EINVAL, "a port without an id");
    e.id = (uint32_t)id;
    int r = get_spec(json_get(n, "spec"), &e.spec, why);
    if (r == 0)
        *ret = e;
    return r;
}

struct json *port_entry_to_json(struct json_doc *doc, const struct port_entry *e)
{
    struct json *o = json_new_object(doc);
    json_add_uint(doc, o, "id", e->id);
    json_add(doc, o, "spec", portspec_to_json(doc, &e->spec));
    return o;
}
