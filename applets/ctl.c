/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl: list and end running instances (core/instances.h), and talk to one over its api.sock.  Works with RootlessKit's own daemon as well: what that one does
 * not know (several specs in one request) is done step by step there, and undone when a step fails.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "applets/applet.h"
#include "core/compat.h"
#include "core/fd.h"
#include "core/json.h"
#include "core/log.h"
#include "core/parse.h"
#include "core/sandbox.h"
#include "core/strv.h"
#include "net/httpc.h"
#include "net/instance_list.h"
#include "net/instance_stop.h"
#include "net/portjson.h"
#include "net/portspec.h"

extern const struct applet applet_ctl;

enum { TIMEOUT_MS = 30000, STOP_SECONDS = 10, NOFILE_WANTED = 1 << 16 };

struct options {
    bool help, version, debug, json, all;
    const char *socket;
    uint32_t time;
};
#define AT(field) offsetof(struct options, field)

static const struct opt global_table[] = {
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {"version", 'v', OPT_FLAG, AT(version), .help = "show the version"},
    {"debug", 0, OPT_FLAG, AT(debug), .help = "say every step on stderr"},
    {"socket", 0, OPT_STR, AT(socket), .arg = "PATH",
     .help = "the instance's API socket (default: $ROOTLESSKIT_STATE_DIR/api.sock)"},
    {0},
};
static const struct opt json_table[] = {
    {"json", 0, OPT_FLAG, AT(json), .help = "print JSON"},
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {0},
};
static const struct opt ps_table[] = {
    {"all", 'a', OPT_FLAG, AT(all), .help = "those of other users, too (for root)"},
    {"json", 0, OPT_FLAG, AT(json), .help = "print JSON, one object a line"},
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {0},
};
static const struct opt stop_table[] = {
    {"time", 't', OPT_UINT, AT(time), "SECONDS",
     "kill the command when it has not ended by then (default: 10)", .max = 86400},
    {"all", 'a', OPT_FLAG, AT(all), .help = "all instances that ps shows"},
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {0},
};
static const struct opt plain_table[] = {
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {0},
};

struct context {
    const struct options *o;
    const char *socket;
};

/* ---- requests ---- */

/* The error text of a reply: {"message": ...}, or what is there. */
static int refused(const struct httpc_reply *reply)
{
    struct json_doc *doc json_auto = NULL;
    const char *text = NULL;
    if (json_read(reply->body, reply->len, HTTPC_REPLY_MAX, &doc, NULL) < 0 ||
        json_get_str(json_root(doc), "message", &text) < 0)
        log_error("the server answered with status %d", reply->status);
    else
        log_error("%s", text);
    return -EREMOTEIO;
}

/* One request that must be answered with @want; @ret may be NULL. Logs its errors. */
static int request(const struct context *c, const char *method, const char *path, const char *body, int want,
                   struct httpc_reply *ret)
{
    struct httpc_reply reply;
    struct reason why = {.text = ""};
    log_debug("%s %s %s", method, path, body ? body : "");
    int r = httpc_request(c->socket, method, path, body, TIMEOUT_MS, &reply, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return r;
    }
    log_debug("%d %s", reply.status, reply.body);
    r = reply.status == want ? 0 : refused(&reply);
    if (r == 0 && ret)
        *ret = reply;
    else
        free(reply.body);
    return r;
}

static int malformed(const char *what)
{
    return log_errno(-EBADMSG, "the server's answer is malformed (%s)", what);
}

/* GET a path and read its JSON. */
static int get_json(const struct context *c, const char *path, struct json_doc **ret, char server[64])
{
    struct httpc_reply reply;
    struct json_error err;
    int r = request(c, "GET", path, NULL, 200, &reply);
    if (r < 0)
        return r;
    r = json_read(reply.body, reply.len, HTTPC_REPLY_MAX, ret, &err);
    if (server)
        memcpy(server, reply.server, sizeof(reply.server));
    free(reply.body);
    return r < 0 ? malformed(err.text) : 0;
}

static int print_json(const struct json_doc *doc, const struct json *n)
{
    free_auto char *text = NULL;
    if (json_write(doc, n, JSON_COMPACT, &text, NULL) < 0)
        return malformed("cannot be printed");
    puts(text);
    return 0;
}

static int finish(int r)
{
    if (fflush(stdout) != 0)
        return log_errno(-errno, "cannot write to standard output"), 1;
    return r < 0 ? 1 : 0;
}

/* ---- list-ports ---- */

enum { COLUMNS = 6, COLUMN_GAP = 4 };

struct row {
    char cell[COLUMNS][INET6_ADDRSTRLEN];
};

static void fill_row(struct row *row, const struct port_entry *e)
{
    memset(row, 0, sizeof(*row));
    snprintf(row->cell[0], sizeof(row->cell[0]), "%u", e->id);
    snprintf(row->cell[1], sizeof(row->cell[1]), "%s", port_proto_names[e->spec.proto]);
    snprintf(row->cell[2], sizeof(row->cell[2]), "%s", e->spec.parent_ip);
    snprintf(row->cell[3], sizeof(row->cell[3]), "%u", e->spec.parent_port);
    snprintf(row->cell[4], sizeof(row->cell[4]), "%s", e->spec.child_ip);
    snprintf(row->cell[5], sizeof(row->cell[5]), "%u", e->spec.child_port);
}

/* Each column as wide as its widest cell, and then a gap; the last one too, as the peer's table writer does. */
static void print_rows(const struct row *rows, size_t n)
{
    int width[COLUMNS] = {0};
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < COLUMNS; k++) {
            int w = (int)strlen(rows[i].cell[k]);
            width[k] = w > width[k] ? w : width[k];
        }
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < COLUMNS; k++)
            printf("%-*s", width[k] + COLUMN_GAP, rows[i].cell[k]);
        putchar('\n');
    }
}

static int print_table(const struct json *list)
{
    size_t n = json_count(list) + 1;
    free_auto struct row *rows = calloc(n, sizeof(*rows));
    if (!rows)
        return log_errno(-ENOMEM, "cannot print the ports");
    rows[0] = (struct row){{"ID", "PROTO", "PARENTIP", "PARENTPORT", "CHILDIP", "CHILDPORT"}};
    json_foreach (it, list) {
        struct port_entry e;
        struct reason why = {.text = ""};
        if (port_entry_from_json(it.value, &e, &why) < 0)
            return malformed(why.text);
        fill_row(&rows[it.index + 1], &e);
    }
    print_rows(rows, n);
    return 0;
}

/* @ret: the array of ports; NULL when the server says null (none), as RootlessKit does. */
static int get_list(const struct context *c, struct json_doc **doc, const struct json **ret)
{
    int r = get_json(c, "/v1/ports", doc, NULL);
    if (r < 0)
        return r;
    struct json *root = json_root(*doc);
    if (json_type(root) != JSON_ARRAY && json_type(root) != JSON_NULL)
        return malformed("no list of ports");
    *ret = json_type(root) == JSON_ARRAY ? root : NULL;
    return 0;
}

static int list_ports(const struct context *c, int argc, char **argv)
{
    struct json_doc *doc json_auto = NULL;
    const struct json *list = NULL;
    if (argc > 0) {
        log_error("list-ports takes no arguments ('%s')", argv[0]);
        return 1;
    }
    int r = get_list(c, &doc, &list);
    if (r < 0)
        return 1;
    if (!c->o->json)
        return finish(print_table(list));
    json_foreach (it, list)
        if (print_json(doc, it.value) < 0)
            return 1;
    return finish(0);
}

/* ---- add-ports ---- */

struct spec_list {
    struct portspec *v;
    size_t n, cap;
};

static int append_spec(const struct portspec *s, void *arg)
{
    struct spec_list *l = arg;
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        struct portspec *v = reallocarray(l->v, cap, sizeof(*v));
        if (!v)
            return log_errno(-ENOMEM, "cannot read the port specs");
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = *s;
    return 0;
}

/* Print one added port; when the server chose the parent port, stderr says which. */
static int print_added(const struct context *c, const struct json_doc *doc, const struct json *n,
                       const struct portspec *asked, uint32_t *ret_id)
{
    struct port_entry e;
    struct reason why = {.text = ""};
    if (port_entry_from_json(n, &e, &why) < 0)
        return malformed(why.text);
    if (ret_id)
        *ret_id = e.id;
    if (asked->parent_port == 0) {
        char text[PORTSPEC_TEXT_MAX] = "";
        portspec_format(&e.spec, text, sizeof(text));
        log_info("published %s", text);
    }
    if (c->o->json)
        return print_json(doc, n);
    printf("%u\n", e.id);
    return 0;
}

/* One POST: a single spec as an object, several as an array. */
static int post_specs(const struct context *c, const struct portspec *specs, size_t n, struct json_doc **ret)
{
    struct json_doc *doc json_auto = NULL;
    free_auto char *body = NULL;
    int r = json_doc_new(&doc);
    if (r < 0)
        return log_errno(r, "cannot make the request");
    struct json *list = json_new_array(doc);
    for (size_t i = 0; n > 1 && i < n; i++)
        json_append(doc, list, portspec_to_json(doc, &specs[i]));
    r = json_write(doc, n > 1 ? list : portspec_to_json(doc, &specs[0]), JSON_COMPACT, &body, NULL);
    if (r < 0)
        return log_errno(r, "cannot make the request");
    struct httpc_reply reply;
    struct json_error err;
    r = request(c, "POST", "/v1/ports", body, 201, &reply);
    if (r < 0)
        return r;
    r = json_read(reply.body, reply.len, HTTPC_REPLY_MAX, ret, &err);
    free(reply.body);
    return r < 0 ? malformed(err.text) : 0;
}

static int delete_id(const struct context *c, uint32_t id)
{
    char path[48];
    snprintf(path, sizeof(path), "/v1/ports/%u", id);
    return request(c, "DELETE", path, NULL, 200, NULL);
}

/* A server that knows no batches: one by one; a failure takes back what was done. */
static int add_each(const struct context *c, const struct spec_list *l)
{
    free_auto uint32_t *ids = calloc(l->n, sizeof(*ids));
    size_t done = 0;
    int r = ids ? 0 : log_errno(-ENOMEM, "cannot add the ports");
    while (r == 0 && done < l->n) {
        struct json_doc *doc json_auto = NULL;
        r = post_specs(c, &l->v[done], 1, &doc);
        if (r == 0)
            r = print_added(c, doc, json_root(doc), &l->v[done], &ids[done]);
        if (r == 0)
            done++;
    }
    while (r < 0 && done > 0)
        if (delete_id(c, ids[--done]) == 0)
            log_info("removed port %u again", ids[done]);
    return r;
}

static int add_batch(const struct context *c, const struct spec_list *l)
{
    struct json_doc *doc json_auto = NULL;
    int r = post_specs(c, l->v, l->n, &doc);
    if (r < 0)
        return r;
    if (json_count(json_root(doc)) != l->n)
        return malformed("another number of ports than was asked for");
    json_foreach (it, json_root(doc)) {
        r = print_added(c, doc, it.value, &l->v[it.index], NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_specs(const struct context *c, const struct spec_list *l)
{
    char server[64] = "";
    if (l->n > 1) {
        struct json_doc *doc json_auto = NULL;
        int r = get_json(c, "/v1/info", &doc, server);
        if (r < 0)
            return r;
    }
    return strcmp(server, "rootlet") == 0 ? add_batch(c, l) : add_each(c, l);
}

static int add_ports(const struct context *c, int argc, char **argv)
{
    struct spec_list l = {.v = NULL};
    int r = 0;
    if (argc == 0) {
        log_error("no port spec given, for example 127.0.0.1:8080:80/tcp (see add-ports --help)");
        return 1;
    }
    for (int i = 0; i < argc && r == 0; i++) {
        struct reason why = {.text = ""};
        r = portspec_parse_range(argv[i], append_spec, &l, &why);
        if (r < 0 && *why.text)
            log_error("port spec '%s': %s", argv[i], why.text);
    }
    if (r == 0)
        r = add_specs(c, &l);
    free(l.v);
    return finish(r);
}

/* ---- remove-ports ---- */

static int remove_ports(const struct context *c, int argc, char **argv)
{
    if (argc == 0) {
        log_error("no port id given (list-ports shows them)");
        return 1;
    }
    for (int i = 0; i < argc; i++) {
        uint32_t id;
        if (parse_u32(argv[i], &id) < 0) {
            log_error("'%s' is no port id (list-ports shows them)", argv[i]);
            return finish(-EINVAL);
        }
        if (delete_id(c, id) < 0)
            return finish(-EREMOTEIO);
        printf("%u\n", id);
    }
    return finish(0);
}

/* ---- info ---- */

static const char *text_of(const struct json *n, const char *key)
{
    const char *s = NULL;
    return json_get_str(n, key, &s) == 0 ? s : "";
}

static void print_list(const struct json *list)
{
    json_foreach (it, list) {
        const char *s = json_str(it.value);
        printf("%s%s", it.index ? " " : "", s ? s : "?");
    }
}

static void print_info(const struct json *info)
{
    const struct json *net = json_get(info, "networkDriver"), *port = json_get(info, "portDriver");
    int64_t pid = 0;
    json_get_int(info, "childPID", 0, INT32_MAX, &pid);
    printf("- REST API version: %s\n", text_of(info, "apiVersion"));
    printf("- Implementation version: %s\n", text_of(info, "version"));
    printf("- State Directory: %s\n", text_of(info, "stateDir"));
    printf("- Child PID: %lld\n", (long long)pid);
    if (json_type(net) == JSON_OBJECT) {
        printf("- Network Driver: %s\n  - DNS: [", text_of(net, "driver"));
        print_list(json_get(net, "dns"));
        printf("]\n");
        if (*text_of(net, "childIP"))
            printf("  - IP: %s\n", text_of(net, "childIP"));
    }
    if (json_type(port) == JSON_OBJECT) {
        printf("- Port Driver: %s\n  - Supported protocols: [", text_of(port, "driver"));
        print_list(json_get(port, "protos"));
        printf("]\n");
    }
}

/* The writer indents by two blanks, the peer by four: double what each line begins with. */
static int print_indented(const struct json_doc *doc, const struct json *n)
{
    free_auto char *text = NULL;
    if (json_write(doc, n, JSON_INDENT, &text, NULL) < 0)
        return malformed("cannot be printed");
    for (const char *line = text; *line;) {
        size_t blanks = strspn(line, " "), len = strcspn(line, "\n");
        printf("%*s%.*s\n", (int)blanks, "", (int)len, line);
        line += len + (line[len] == '\n');
    }
    return 0;
}

static int info(const struct context *c, int argc, char **argv)
{
    struct json_doc *doc json_auto = NULL;
    if (argc > 0) {
        log_error("info takes no arguments ('%s')", argv[0]);
        return 1;
    }
    if (get_json(c, "/v1/info", &doc, NULL) < 0)
        return 1;
    if (json_type(json_root(doc)) != JSON_OBJECT)
        return malformed("no object"), 1;
    if (c->o->json)
        return finish(print_indented(doc, json_root(doc)));
    print_info(json_root(doc));
    return finish(0);
}

static int set_socket(const struct options *o, struct strbuf *path)
{
    const char *dir = getenv("ROOTLESSKIT_STATE_DIR");
    if (o->socket && *o->socket)
        strbuf_adds(path, o->socket);
    else if (dir && *dir)
        strbuf_addf(path, "%s/api.sock", dir);
    else {
        log_error("no instance is named: use --socket STATE_DIR/api.sock, or set ROOTLESSKIT_STATE_DIR");
        return -EINVAL;
    }
    return path->err;
}

/* ---- ps ---- */

static int ps(const struct context *c, int argc, char **argv)
{
    if (argc > 0) {
        log_error("ps takes no arguments ('%s')", argv[0]);
        return 1;
    }
    int r = instance_list_print(stdout, c->o->all, c->o->json);
    if (r < 0)
        log_errno(r, "cannot list the instances (is /proc mounted?)");
    return finish(r);
}

/* ---- stop ---- */

static int find_all_to_stop(const struct options *o, struct stop_set *set, int argc, char **argv)
{
    struct strbuf path = {0};
    struct reason why = {.text = ""};
    int r = 0;
    if (o->all) {
        r = instance_stop_add_all(set, &why);
    } else if (argc == 0) {
        if (set_socket(o, &path) < 0) {
            log_info("or give the state directory or pid of an instance (ps shows them), or --all");
            return -EINVAL;
        }
        r = instance_stop_add_socket(set, path.s, &why);
        strbuf_done(&path);
    }
    if (r < 0)
        log_error("%s", why.text);
    for (int i = 0; i < argc; i++) {
        int one = instance_stop_add(set, argv[i], &why);
        if (one < 0) {
            log_error("%s", why.text);
            r = one;
        }
    }
    return r;
}

static int print_stopped(const struct stop_one *one, uint32_t seconds)
{
    if (one->result == STOP_FAILED) {
        log_error("%s", one->why.text);
        return -EIO;
    }
    if (one->result == STOP_KILLED)
        log_warn("the command in '%s' did not end within %u seconds and was killed", one->path, seconds);
    if (one->result == STOP_DESTROYED)
        log_warn("the supervisor of '%s' did not end and was killed; its state directory is removed",
                 one->path);
    puts(one->path);
    return 0;
}

static int stop(const struct context *c, int argc, char **argv)
{
    struct stop_set set = {.n = 0};
    if (argc > 0 && (c->o->all || c->o->socket)) {
        log_error("%s and names of instances exclude each other ('%s')", c->o->all ? "--all" : "--socket",
                  argv[0]);
        return 1;
    }
    sandbox_nofile(NOFILE_WANTED); /* three for each instance */
    int r = find_all_to_stop(c->o, &set, argc, argv);
    instance_stop_run(&set, c->o->time * 1000);
    for (size_t i = 0; i < set.n; i++)
        if (print_stopped(set.v[i], c->o->time) < 0)
            r = -EIO;
    instance_stop_done(&set);
    return finish(r);
}

/* ---- sub-commands ---- */

static const struct command {
    const char *name, *args, *help, *example;
    const struct opt *table;
    int (*fn)(const struct context *c, int argc, char **argv);
    bool finds; /* finds its instances itself */
} commands[] = {
    {"list-ports", "", "list the published ports", NULL, json_table, list_ports},
    {"add-ports", " SPEC...", "publish ports: [IP:]PORT:[CHILD_IP:]PORT/PROTO; all or none; prints their ids",
     "add-ports 127.0.0.1:8080:80/tcp '[::]:5353:53/udp6' 8000-8010:80-90/tcp 0:80/tcp", json_table,
     add_ports},
    {"remove-ports", " ID...", "take ports back; prints their ids", "remove-ports 1 2", plain_table,
     remove_ports},
    {"info", "", "show what the instance is", NULL, json_table, info},
    {"ps", "", "list the running instances", NULL, ps_table, ps, true},
    {"stop", " [STATE_DIR|PID]...", "end instances: SIGTERM, then SIGKILL; prints their state directories",
     "stop --time=30 /run/user/1001/demo", stop_table, stop, true},
};

static const char *called;

static int usage(void)
{
    printf("%s - list and end running instances, and talk to one\n\nUsage: %s [OPTION]... COMMAND "
           "[ARG]...\n\nCommands:\n",
           called, called);
    for (size_t i = 0; i < array_size(commands); i++)
        printf("  %-14s %s\n", commands[i].name, commands[i].help);
    printf("  %-14s %s\n\nOptions:\n", "help", "show this help, or that of a command");
    opt_help(stdout, global_table);
    return finish(0);
}

static int command_usage(const struct command *cmd)
{
    printf("%s %s - %s\n\nUsage: %s %s [OPTION]...%s\n\nOptions:\n", called, cmd->name, cmd->help, called,
           cmd->name, cmd->args);
    opt_help(stdout, cmd->table);
    if (cmd->example)
        printf("\nExample: %s %s\n", called, cmd->example);
    return finish(0);
}

static const struct command *find_command(const char *name)
{
    const char *names[array_size(commands)];
    for (size_t i = 0; i < array_size(commands); i++) {
        names[i] = commands[i].name;
        if (strcmp(name, names[i]) == 0)
            return &commands[i];
    }
    const char *near = opt_suggest(name, names, array_size(names));
    if (near)
        log_error("unknown command '%s' (did you mean '%s'? see --help)", name, near);
    else
        log_error("unknown command '%s' (see --help)", name);
    return NULL;
}

/* argv[0]: the command's name */
static int run_command(struct options *o, int argc, char **argv)
{
    if (strcmp(argv[0], "help") == 0 && argc < 2)
        return usage();
    bool help = strcmp(argv[0], "help") == 0;
    const struct command *cmd = find_command(help ? argv[1] : argv[0]);
    if (!cmd)
        return 1;
    int first;
    if (help)
        return command_usage(cmd);
    if (opt_parse(cmd->table, o, argc, argv, OPT_PERMUTE, &first) < 0)
        return 1;
    if (o->help)
        return command_usage(cmd);
    struct strbuf path = {0};
    int code = 1;
    if (cmd->finds || set_socket(o, &path) == 0) {
        struct context c = {o, path.s};
        code = cmd->fn(&c, argc - first, argv + first);
    }
    strbuf_done(&path);
    return code;
}

static int ctl_main(int argc, char **argv)
{
    struct options o = {.time = STOP_SECONDS};
    bool alias = applet_is_alias(&applet_ctl, argv[0]);
    int first;
    called = alias ? argv[0] : "rootlet ctl";
    if (opt_parse(global_table, &o, argc, argv, 0, &first) < 0)
        return 1;
    log_set_debug(o.debug);
    if (o.help)
        return usage();
    if (o.version) {
        if (alias)
            printf("%s version " COMPAT_VERSION "\n", called);
        else
            puts("rootlet ctl " ROOTLET_VERSION);
        return finish(0);
    }
    if (first >= argc) {
        log_error("no command given (see --help)");
        return 1;
    }
    return run_command(&o, argc - first, argv + first);
}

const struct applet applet_ctl = {
    .name = "ctl",
    .aliases = "rootlessctl",
    .summary = "list and end running instances; published ports, information",
    .main = ctl_main,
};
