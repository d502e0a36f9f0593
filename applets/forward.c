/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward: published ports for somebody else's network namespace.  The same supervisor side and the same portd as in
 * `run`; only the namespaces come from outside.
 *
 *     open the target and try to join it        (core/nstarget.h)
 *     bind the API socket                       (clients wait in its backlog)
 *     portd: join, sandbox            ─ SYNC_UP ─▶  publish, serve the API, say that all is up
 *     until a signal, or the end of the target
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/notify.h"
#include "core/nstarget.h"
#include "core/proc.h"
#include "core/sandbox.h"
#include "core/strv.h"
#include "core/unixsock.h"
#include "net/port.h"
#include "net/portd.h"
#include "net/portspec.h"
#include "net/rest.h"
#include "net/service.h"

extern const struct applet applet_forward;

enum { UDP_TIMEOUT_MAX = 86400, NOFILE_WANTED = 1 << 20 };

struct options {
    bool help, version, debug, source_ip_transparent;
    struct strv publish;
    const char *target, *netns, *api_socket, *workers;
    unsigned n_workers;
    uint32_t ready_fd, udp_timeout;
    bool have_ready_fd;
};
#define AT(field) offsetof(struct options, field)

static const struct opt table[] = {
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {"version", 'v', OPT_FLAG, AT(version), .help = "show the version"},
    {"debug", 0, OPT_FLAG, AT(debug), .help = "say every step on stderr"},
    {.help = "Where to"},
    {"target", 't', OPT_STR, AT(target), .arg = "PID|PATH",
     .help = "forward into this process's network namespace, and end with it; or as --netns"},
    {"netns", 0, OPT_STR, AT(netns), .arg = "PATH",
     .help = "forward into this network namespace (/run/netns/NAME, /proc/PID/ns/net)"},
    {.help = "What"},
    {"publish", 'p', OPT_LIST, AT(publish), .arg = "SPEC",
     .help = "[IP:]PORT:[CHILD_IP:]PORT/PROTO, for example 8080:80/tcp; repeatable"},
    {"source-ip-transparent", 0, OPT_FLAG, AT(source_ip_transparent),
     .help = "keep the clients' source addresses (default: true)"},
    {"udp-timeout", 0, OPT_UINT, AT(udp_timeout), .arg = "SECONDS",
     .help = "forget a UDP client that is silent for so long (default 90)", .min = 1, .max = UDP_TIMEOUT_MAX},
    {"workers", 0, OPT_STR, AT(workers), .arg = "N|auto",
     .help = "processes that carry connections (default: 1; auto: one for every two processors)"},
    {.help = "Control"},
    {"api-socket", 0, OPT_STR, AT(api_socket), .arg = "PATH",
     .help = "serve the API for 'rootlet ctl' on a new unix socket"},
    {"ready-fd", 0, OPT_UINT, AT(ready_fd), .arg = "FD",
     .help = "write '1' to this descriptor and close it once all is up", .min = 3, .max = INT32_MAX,
     .seen_offset = AT(have_ready_fd)},
    {0},
};

enum { FINISH_MS = 5000 }; /* for taking back what it has changed in the namespace */

struct forward {
    const struct options *o;
    struct loop *l;
    struct watch signals, end;
    struct nstarget target;
    struct unix_listener api;
    int ready_fd;
    struct portd_config portd_config;
    struct service portd;
    struct port_table *ports;
    struct rest_info info;
    struct rest *rest;
    bool started;
};

/* ---- what comes from outside ---- */

static int open_target(struct forward *f)
{
    struct reason why = {.text = ""};
    const char *name = f->o->netns ? f->o->netns : f->o->target;
    int r = nstarget_open(name, f->o->netns != NULL, &f->target, &why);
    if (r < 0)
        log_error("%s", why.text);
    return r;
}

/* After the target, which may be named by a descriptor; nobody may wait in vain for the end of any other that came in. */
static int own_fds(struct forward *f)
{
    if (f->o->have_ready_fd) {
        if (fd_set_cloexec((int)f->o->ready_fd, true) < 0)
            return log_errno(-EBADF, "cannot use --ready-fd %u (is it open in this process?)",
                             f->o->ready_fd);
        f->ready_fd = (int)f->o->ready_fd;
    }
    const int keep[] = {f->ready_fd, f->target.netns_fd, f->target.userns_fd, f->target.pidfd};
    int r = fd_close_all_but(3, keep, array_size(keep));
    return r < 0 ? log_errno(r, "cannot close inherited descriptors") : 0;
}

static int open_api(struct forward *f)
{
    struct reason why = {.text = ""};
    int r = f->o->api_socket ? unix_listen(f->o->api_socket, &f->api, &why) : 0;
    if (r < 0)
        log_error("API: %s", why.text);
    return r;
}

/* ---- ports ---- */

static int publish_one(const struct portspec *spec, void *arg)
{
    struct forward *f = arg;
    struct port_entry e;
    struct reason why = {.text = ""};
    int r = port_add(f->ports, spec, &e, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return r;
    }
    if (spec->parent_port == 0) {
        char text[PORTSPEC_TEXT_MAX] = "";
        portspec_format(&e.spec, text, sizeof(text));
        log_info("published %s", text);
    }
    return 0;
}

static int publish_all(struct forward *f)
{
    for (size_t i = 0; i < f->o->publish.n; i++) {
        const char *text = f->o->publish.v[i];
        struct reason why = {.text = ""};
        int r = portspec_parse_range(text, publish_one, f, &why);
        if (r < 0 && *why.text)
            log_error("port spec '%s': %s", text, why.text);
        if (r < 0)
            return r;
    }
    return 0;
}

static int serve_api(struct forward *f)
{
    f->info = (struct rest_info){.state_dir = "", .child_pid = f->target.pid, .port_driver = "builtin"};
    int r = rest_new(f->l, f->api.fd, &f->info, f->ports, &f->rest);
    if (r < 0)
        return log_errno(r, "cannot serve the API");
    f->api.fd = -1;
    return 0;
}

/* ---- portd ---- */

static int serve_portd(void *config, int sync_fd)
{
    struct portd_config *c = config;
    c->sync_fd = sync_fd;
    return portd_serve(c);
}

static void portd_warns(const char *text, void *arg)
{
    (void)arg;
    log_warn("%s", text);
}

/* Its death is seen by the loop, which starts another. */
static void portd_is_stuck(void *arg)
{
    struct forward *f = arg;
    log_warn("portd does not answer; ending it");
    if (f->portd.pidfd >= 0)
        proc_signal(f->portd.pidfd, f->portd.pid, SIGKILL);
}

static void tell_ready(struct forward *f)
{
    if (f->ready_fd >= 0 && write(f->ready_fd, "1", 1) != 1)
        log_warn("cannot write to the ready descriptor: %s", strerror(errno));
    fd_close(&f->ready_fd);
    int r = notify_manager("READY=1");
    if (r < 0)
        log_warn("cannot tell the service manager at $NOTIFY_SOCKET: %s", strerror(-r));
}

static int first_start(struct forward *f)
{
    int r = publish_all(f);
    if (r == 0 && f->api.fd >= 0)
        r = serve_api(f);
    if (r < 0)
        return r;
    f->started = true;
    tell_ready(f);
    return 0;
}

static void portd_is_up(struct service *s)
{
    struct forward *f = s->owner;
    int r = port_table_attach(f->ports, s->sync_fd);
    if (r < 0)
        log_errno(r, "cannot hand the published ports to portd");
    if (!f->started && (r < 0 || first_start(f) < 0))
        loop_quit(f->l, 1);
}

static void portd_is_down(struct service *s)
{
    struct forward *f = s->owner;
    port_table_attach(f->ports, -1);
}

static void portd_failed(struct service *s, int status)
{
    struct forward *f = s->owner;
    if (status & 0x7f || status >> 8 != 1) /* 1: it has said why */
        log_error("portd did not start (%s %d)", status & 0x7f ? "signal" : "exit status",
                  status & 0x7f ? status & 0x7f : status >> 8);
    loop_quit(f->l, 1);
}

static int start_portd(struct forward *f)
{
    struct portd_config *c = &f->portd_config;
    portd_config_init(c);
    c->userns_fd = f->target.userns_fd;
    c->netns_fd = f->target.netns_fd;
    c->source_ip_transparent = f->o->source_ip_transparent;
    c->udp_idle_s = f->o->udp_timeout;
    c->workers = f->o->n_workers;
    f->portd = (struct service){
        .name = "portd",
        .serve = serve_portd,
        .config = c,
        .keep = {c->userns_fd, c->netns_fd},
        .n_keep = 2,
        .on_up = portd_is_up,
        .on_down = portd_is_down,
        .on_failed = portd_failed,
        .owner = f,
    };
    int r = service_start(&f->portd, f->l);
    return r < 0 ? log_errno(r, "cannot start portd") : 0;
}

/* ---- the end ---- */

static void on_signal(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    (void)w;
    log_debug("ending: a signal");
    loop_quit(l, 0);
}

static void on_target_end(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct forward *f = container_of(w, struct forward, end);
    log_info("process %d has ended, and so does its forwarder", (int)f->target.pid);
    loop_quit(l, f->started ? 0 : 1);
}

static int watch_ends(struct forward *f)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN); /* the ready descriptor's reader may be gone */
    f->signals = (struct watch){.fd = -1, .fn = on_signal, .what = "signal"};
    int r = loop_signals(f->l, &f->signals, &set);
    if (r == 0 && f->target.pidfd >= 0) {
        f->end = (struct watch){
            .fd = f->target.pidfd, .events = EPOLLIN, .fn = on_target_end, .what = "end of the target"};
        r = loop_add(f->l, &f->end);
    }
    return r < 0 ? log_errno(r, "cannot watch for the end") : 0;
}

static void done(struct forward *f)
{
    rest_free(f->rest);
    unix_listener_remove(&f->api);
    fd_close(&f->api.fd);
    if (f->portd.name)
        service_finish(&f->portd, FINISH_MS);
    port_table_free(f->ports);
    loop_free(f->l);
    fd_close(&f->signals.fd);
    fd_close(&f->ready_fd);
    nstarget_done(&f->target);
}

static int start(struct forward *f)
{
    int r = loop_new(&f->l);
    if (r == 0)
        r = port_table_new(&f->ports);
    if (r < 0)
        return log_errno(r, "cannot start");
    port_table_on_warn(f->ports, portd_warns, NULL);
    port_table_on_stuck(f->ports, portd_is_stuck, f);
    r = watch_ends(f);
    if (r == 0)
        r = open_api(f);
    return r == 0 ? start_portd(f) : r;
}

static int forward(const struct options *o)
{
    struct forward f = {.o = o,
                        .target = {.pidfd = -1, .netns_fd = -1, .userns_fd = -1},
                        .api.fd = -1,
                        .ready_fd = -1,
                        .signals.fd = -1};
    sandbox_nofile(NOFILE_WANTED); /* one for each port */
    int r = open_target(&f);
    if (r == 0)
        r = own_fds(&f);
    if (r == 0)
        r = start(&f);
    if (r == 0) {
        r = loop_run(f.l);
        if (r < 0)
            log_errno(r, "the event loop failed");
    }
    done(&f);
    return r < 0 ? 1 : r;
}

static int usage(void)
{
    puts("rootlet forward - publish ports of somebody else's network namespace\n\n"
         "Usage: rootlet forward --target PID|--netns PATH -p SPEC... [OPTION]...\n\n"
         "Runs until it gets SIGTERM, SIGINT or SIGHUP, or the target process ends.\n\nOptions:");
    opt_help(stdout, table);
    puts("\nExamples:\n  rootlet forward --target 1234 -p 127.0.0.1:8080:80/tcp\n"
         "  rootlet forward --target $(podman inspect -f '{{.State.Pid}}' web) -p 8080:80/tcp");
    return fflush(stdout) == 0 ? 0 : 1;
}

static int ignore_spec(const struct portspec *spec, void *arg)
{
    (void)spec;
    (void)arg;
    return 0;
}

/* Before anything is opened or started. */
static int check_specs(const struct options *o)
{
    for (size_t i = 0; i < o->publish.n; i++) {
        struct reason why = {.text = ""};
        if (portspec_parse_range(o->publish.v[i], ignore_spec, NULL, &why) < 0) {
            log_error("port spec '%s': %s", o->publish.v[i], why.text);
            return -EINVAL;
        }
    }
    return 0;
}

static int check(struct options *o, int argc, char **argv, int first)
{
    if (first < argc)
        log_error("unexpected argument '%s' (see --help)", argv[first]);
    else if (!o->target == !o->netns)
        log_error("exactly one of --target and --netns must be given (see --help)");
    else if (o->publish.n == 0 && !o->api_socket)
        log_error("nothing to do: give --publish, --api-socket, or both (see --help)");
    else if (portd_workers_parse(o->workers, &o->n_workers) < 0)
        log_error("--workers: '%s' is neither auto nor a number from 1 to %d", o->workers, PORTD_WORKERS_MAX);
    else
        return check_specs(o);
    return -EINVAL;
}

static int forward_main(int argc, char **argv)
{
    struct options o = {.source_ip_transparent = true, .workers = "1", .udp_timeout = PORTD_UDP_IDLE_S};
    int first, code = 1;
    if (opt_parse(table, &o, argc, argv, OPT_PERMUTE, &first) == 0) {
        log_set_debug(o.debug);
        if (o.help)
            code = usage();
        else if (o.version)
            code = printf("rootlet forward " ROOTLET_VERSION "\n") < 0 || fflush(stdout) != 0;
        else if (check(&o, argc, argv, first) == 0)
            code = forward(&o);
    }
    strv_done(&o.publish);
    return code;
}

const struct applet applet_forward = {
    .name = "forward",
    .summary = "publish ports of a network namespace that is there already",
    .main = forward_main,
};
