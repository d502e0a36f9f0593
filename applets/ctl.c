/* SPDX-License-Identifier: Apache-2.0 */
/* ctl: list and end running instances (core/instances.h), and talk to one over its api.sock (net/apiclient.h). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/compat.h"
#include "core/fd.h"
#include "core/json.h"
#include "core/log.h"
#include "core/parse.h"
#include "core/sandbox.h"
#include "core/strv.h"
#include "net/apiclient.h"
#include "net/apiprint.h"
#include "net/instance_list.h"
#include "net/instance_stop.h"
#include "net/portjson.h"
#include "net/portspec.h"

extern const struct applet applet_ctl;

enum { STOP_SECONDS = 10, NOFILE_WANTED = 1 << 16 };

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

/* ---- answers ---- */

static int print_json(const struct json_doc *doc, const struct json *n)
{
    free_auto char *text = NULL;
    int r = json_write(doc, n, JSON_COMPACT, &text, NULL);
    if (r < 0)
        return log_errno(r, "cannot print the answer");
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

static int list_ports(const struct context *c, int argc, char **argv)
{
    struct json_doc *doc json_auto = NULL;
    const struct json *list = NULL;
    if (argc > 0) {
        log_error("list-ports takes no arguments ('%s')", argv[0]);
        return 1;
    }
    struct reason why = {.text = ""};
    int r = apiclient_ports(c->socket, &doc, &list, &why);
    if (r == 0 && !c->o->json)
        r = apiprint_ports(stdout, list, &why);
    if (r < 0)
        log_error("%s", why.text);
    if (r < 0 || !c->o->json)
        return finish(r);
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
static int print_added(void *arg, const struct json_doc *doc, const struct json *n,
                       const struct portspec *asked)
{
    const struct context *c = arg;
    struct port_entry e;
    int r = port_entry_from_json(n, &e, NULL);
    if (r < 0)
        return r;
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

static int add_ports(const struct context *c, int argc, char **argv)
{
    struct spec_list l = {.v = NULL};
    struct context copy = *c;
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
    struct reason why = {.text = ""};
    if (r == 0)
        r = apiclient_add(c->socket, l.v, l.n, print_added, &copy, &why);
    if (r < 0 && *why.text)
        log_error("%s", why.text);
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
        struct reason why = {.text = ""};
        if (apiclient_remove(c->socket, id, &why) < 0) {
            log_error("%s", why.text);
            return finish(-EREMOTEIO);
        }
        printf("%u\n", id);
    }
    return finish(0);
}

/* ---- info ---- */

static int info(const struct context *c, int argc, char **argv)
{
    struct json_doc *doc json_auto = NULL;
    if (argc > 0) {
        log_error("info takes no arguments ('%s')", argv[0]);
        return 1;
    }
    struct reason why = {.text = ""};
    int r = apiclient_info(c->socket, &doc, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return 1;
    }
    if (c->o->json)
        return finish(apiprint_indented(stdout, doc, json_root(doc)));
    apiprint_info(stdout, json_root(doc));
    return finish(0);
}

/* ---- watch ---- */

struct watching {
    sigset_t ends; /* the signals that end it */
    bool begun;
};

static int print_event(void *arg, const struct json_doc *doc, const struct json *event)
{
    struct watching *w = arg;
    /* From the first line on a signal is an order, and read from the signalfd; before it, it ends a program that waits for an answer. */
    if (!w->begun)
        sigprocmask(SIG_BLOCK, &w->ends, NULL);
    w->begun = true;
    int r = print_json(doc, event);
    if (r == 0 && fflush(stdout) != 0)
        r = errno == EPIPE ? -EPIPE : log_errno(-errno, "cannot write to standard output");
    return r;
}

static int watch(const struct context *c, int argc, char **argv)
{
    struct watching w = {.begun = false};
    struct reason why = {.text = ""};
    if (argc > 0) {
        log_error("watch takes no arguments ('%s')", argv[0]);
        return 1;
    }
    sigemptyset(&w.ends);
    sigaddset(&w.ends, SIGINT);
    sigaddset(&w.ends, SIGTERM);
    fd_auto int stop = signalfd(-1, &w.ends, SFD_CLOEXEC | SFD_NONBLOCK);
    if (stop < 0)
        return log_errno(-errno, "cannot wait for signals"), 1;
    signal(SIGPIPE, SIG_IGN);
    int r = apiclient_watch(c->socket, stop, STDOUT_FILENO, print_event, &w, &why);
    if (r == -EPIPE && !*why.text) /* nobody reads any more */
        return 0;
    if (r < 0 && *why.text)
        log_error("%s", why.text);
    return finish(r);
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
    {"watch", "", "print the published ports and then what happens to them, as JSON, one object a line", NULL,
     plain_table, watch},
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
