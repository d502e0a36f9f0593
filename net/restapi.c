/* SPDX-License-Identifier: Apache-2.0 */
#include "net/restapi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/escape.h"
#include "core/fd.h"
#include "core/json.h"
#include "core/parse.h"
#include "net/portjson.h"
#include "net/restevents.h"

enum { SPECS_MAX = 4096 };

/* One request on its way through the handlers. */
struct call {
    const struct rest_info *info;
    struct port_table *ports;
    const void *body;
    size_t len;
    const char *arg; /* what follows the route's path */
    struct rest_answer *ret;
};

static void answer_json(struct rest_answer *ret, int status, struct json_doc *doc, struct json *n)
{
    char *text;
    size_t len;
    if (json_write(doc, n, JSON_COMPACT, &text, &len) < 0) {
        *ret = (struct rest_answer){.status = 500};
        return;
    }
    *ret = (struct rest_answer){.status = status, .body = text, .len = len};
}

void restapi_error(struct rest_answer *ret, int status, const char *text)
{
    struct json_doc *doc json_auto = NULL;
    *ret = (struct rest_answer){.status = status};
    if (json_doc_new(&doc) < 0)
        return;
    struct json *o = json_new_object(doc);
    json_add_str(doc, o, "message", text);
    answer_json(ret, status, doc, o);
}

/* ---- /v1/info ---- */

static void add_net(struct json_doc *doc, struct json *o, const struct rest_info *info)
{
    if (!info->net_driver)
        return;
    struct json *n = json_new_object(doc), *dns = json_new_array(doc);
    json_add_str(doc, n, "driver", info->net_driver);
    for (size_t i = 0; i < array_size(info->dns) && info->dns[i]; i++)
        json_append_str(doc, dns, info->dns[i]);
    if (json_count(dns))
        json_add(doc, n, "dns", dns);
    if (info->child_ip && *info->child_ip)
        json_add_str(doc, n, "childIP", info->child_ip);
    json_add_bool(doc, n, "dynamicChildIP", info->dynamic_child_ip);
    json_add(doc, o, "networkDriver", n);
}

static void add_ports(struct json_doc *doc, struct json *o, const struct rest_info *info,
                      const struct port_table *ports)
{
    if (!info->port_driver)
        return;
    struct json *p = json_new_object(doc), *protos = json_new_array(doc);
    json_add_str(doc, p, "driver", info->port_driver);
    /* Where clients are to name the link's address, which is an IPv4 one, they are not to publish on IPv6 either: dockerd's
     * proxies for both families would listen at that one address. (A request to do so is served all the same.) */
    for (int i = 0; i < PORT_PROTO_MAX; i++)
        if (!info->disallow_loopback_child_ip || (i != PORT_TCP6 && i != PORT_UDP6))
            json_append_str(doc, protos, port_proto_names[i]);
    json_add(doc, p, "protos", protos);
    if (info->disallow_loopback_child_ip)
        json_add_bool(doc, p, "disallowLoopbackChildIP", true);
    if (ports && port_table_interrupted(ports)) /* no peer knows this: there it would be the end */
        json_add_str(doc, p, "forwarder", "restarting");
    json_add(doc, o, "portDriver", p);
}

/* A name may hold any bytes, JSON may not. */
static void add_state_dir(struct json_doc *doc, struct json *o, const char *path)
{
    struct strbuf b = {0};
    escape_add(&b, path, strlen(path), ESCAPE_INVALID);
    json_add_str(doc, o, "stateDir", b.s ? b.s : "");
    strbuf_done(&b);
}

static void get_info(struct call *c)
{
    struct json_doc *doc json_auto = NULL;
    if (json_doc_new(&doc) < 0) {
        c->ret->status = 500;
        return;
    }
    struct json *o = json_new_object(doc);
    json_add_str(doc, o, "apiVersion", REST_API_VERSION);
    json_add_str(doc, o, "version", c->info->version ? c->info->version : ROOTLET_VERSION);
    add_state_dir(doc, o, c->info->state_dir ? c->info->state_dir : "");
    json_add_int(doc, o, "childPID", c->info->child_pid);
    add_net(doc, o, c->info);
    add_ports(doc, o, c->info, c->ports);
    answer_json(c->ret, 200, doc, o);
}

/* ---- /v1/ports ---- */

static void get_ports(struct call *c)
{
    struct json_doc *doc json_auto = NULL;
    if (json_doc_new(&doc) < 0) {
        c->ret->status = 500;
        return;
    }
    struct json *a = json_new_array(doc);
    for (size_t i = 0; i < port_count(c->ports); i++)
        json_append(doc, a, port_entry_to_json(doc, port_get(c->ports, i)));
    answer_json(c->ret, 200, doc, a);
}

/* The specs of the body: an object is one, an array several. */
static int read_specs(const struct json *root, struct portspec *specs, size_t n, struct reason *why)
{
    if (json_type(root) != JSON_ARRAY)
        return portspec_from_json(root, specs, why);
    json_foreach (it, root) {
        struct reason inner = {.text = ""};
        int r = it.index < n ? portspec_from_json(it.value, &specs[it.index], &inner) : -EINVAL;
        if (r < 0)
            return reason_set(why, r, "port spec %zu: %s", it.index, inner.text);
    }
    return 0;
}

static void post_ports(struct call *c)
{
    struct json_doc *doc json_auto = NULL;
    struct json_error err;
    struct reason why = {.text = ""};
    if (json_read(c->body, c->len, REST_BODY_MAX, &doc, &err) < 0) {
        reason_set(&why, 0, "the body is not JSON: %s (byte %zu)", err.text, err.offset);
        restapi_error(c->ret, 400, why.text);
        return;
    }
    const struct json *root = json_root(doc);
    bool many = json_type(root) == JSON_ARRAY;
    size_t n = many ? json_count(root) : 1;
    if (n == 0 || n > SPECS_MAX) {
        restapi_error(c->ret, 400,
                      n ? "too many port specs in one request" : "the list of port specs is empty");
        return;
    }
    free_auto struct portspec *specs = calloc(n, sizeof(*specs));
    free_auto struct port_entry *added = calloc(n, sizeof(*added));
    int r = specs && added ? read_specs(root, specs, n, &why) : reason_set(&why, -ENOMEM, "out of memory");
    if (r == 0)
        r = port_add_all(c->ports, specs, n, added, &why);
    if (r < 0) {
        restapi_error(c->ret, r == -ENOMEM ? 500 : 400, why.text);
        return;
    }
    struct json *list = json_new_array(doc);
    for (size_t i = 0; many && i < n; i++)
        json_append(doc, list, port_entry_to_json(doc, &added[i]));
    answer_json(c->ret, 201, doc, many ? list : port_entry_to_json(doc, &added[0]));
}

static void delete_port(struct call *c)
{
    uint32_t id;
    struct reason why = {.text = ""};
    if (parse_u32(c->arg, &id) < 0)
        reason_set(&why, -EINVAL, "'%.32s' is no port id", c->arg);
    else if (port_remove(c->ports, id, &why) == 0)
        return;
    restapi_error(c->ret, 400, why.text);
}

/* ---- /v1/events ---- */

static void get_events(struct call *c)
{
    struct rest_answer a = {.status = 200, .events = true};
    if (restevents_first(c->ports, &a.body, &a.len) < 0)
        c->ret->status = 500;
    else
        *c->ret = a;
}

/* ---- routes ---- */

static const struct route {
    const char *method, *path;
    bool prefix; /* the rest of the path is an argument */
    bool ports;  /* needs a port driver */
    void (*fn)(struct call *);
} routes[] = {
    {"GET", "/v1/info", false, false, get_info},    {"GET", "/v1/ports", false, true, get_ports},
    {"POST", "/v1/ports", false, true, post_ports}, {"DELETE", "/v1/ports/", true, true, delete_port},
    {"GET", "/v1/events", false, true, get_events},
};

static bool path_matches(const struct route *r, const char *path)
{
    size_t n = strlen(r->path);
    if (strncmp(path, r->path, n) != 0)
        return false;
    return r->prefix ? path[n] != '\0' && !strchr(path + n, '/') : path[n] == '\0';
}

/* What the Allow header says about a path: all methods of one path have the same answer. */
static const char *allowed(const struct route *first)
{
    return first->prefix ? "DELETE" : !strcmp(first->path, "/v1/ports") ? "GET, POST" : "GET";
}

void restapi_handle(const struct rest_info *info, struct port_table *ports, const char *method,
                    const char *path, const void *body, size_t len, struct rest_answer *ret)
{
    const struct route *known = NULL;
    *ret = (struct rest_answer){.status = 200};
    for (size_t i = 0; i < array_size(routes); i++) {
        const struct route *r = &routes[i];
        if (!path_matches(r, path))
            continue;
        known = r;
        if (strcmp(method, r->method) != 0)
            continue;
        struct call c = {info, ports, body, len, path + strlen(r->path), ret};
        if (r->ports && !ports)
            restapi_error(ret, 400, "no port driver is available (start with --port-driver=builtin)");
        else
            r->fn(&c);
        return;
    }
    restapi_error(ret, known ? 405 : 404, known ? "method not allowed" : "not found");
    if (known)
        ret->allow = allowed(known);
}
