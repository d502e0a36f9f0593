/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward: published ports for somebody else's network namespace.  The same supervisor side and the same portd as in
 * `run`; only the namespaces come from outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/nsfs.h>

#include "applets/applet.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/ns.h"
#include "core/parse.h"
#include "core/proc.h"
#include "core/strv.h"
#include "net/port.h"
#include "net/portd.h"
#include "net/portspec.h"
#include "net/rest.h"
#include "net/service.h"

extern const struct applet applet_forward;

struct options {
    bool help, version, debug, source_ip_transparent;
    struct strv publish;
    const char *target, *netns, *api_socket, *workers;
    unsigned n_workers;
    uint32_t ready_fd;
    bool have_ready_fd;
};
#define AT(field) offsetof(struct options, field)

static const struct opt table[] = {
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {"version", 'v', OPT_FLAG, AT(version), .help = "show the version"},
    {"debug", 0, OPT_FLAG, AT(debug), .help = "say every step on stderr"},
    {.help = "Where to"},
    {"target", 't', OPT_STR, AT(target), .arg = "PID",
     .help = "forward into this process's network namespace, and end with it"},
    {"netns", 0, OPT_STR, AT(netns), .arg = "PATH", .help = "forward into this network namespace"},
    {.help = "What"},
    {"publish", 'p', OPT_LIST, AT(publish), .arg = "SPEC",
     .help = "[IP:]PORT:[CHILD_IP:]PORT/PROTO, for example 8080:80/tcp; repeatable"},
    {"source-ip-transparent", 0, OPT_FLAG, AT(source_ip_transparent),
     .help = "keep the clients' source addresses (default: true)"},
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
    struct watch signals, target;
    int userns_fd, netns_fd, ready_fd;
    pid_t pid;
    struct portd_config portd_config;
    struct service portd;
    struct port_table *ports;
    struct rest_info info;
    struct rest *rest;
    bool started, own_socket;
};

/* ---- namespaces ---- */

/* A namespace file's owning user namespace (ioctl_ns(2)). -1 when that is ours already, or beyond our reach. */
static int open_owner(int netns_fd)
{
    fd_auto int own = ns_open(0, "user");
    fd_auto int fd = ioctl(netns_fd, NS_GET_USERNS);
    if (fd < 0 || own < 0 || ns_same(fd, own) != 0)
        return -1;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return steal_fd(&fd);
}

static int open_target(struct forward *f)
{
    if (f->o->netns) {
        f->netns_fd = open(f->o->netns, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (f->netns_fd < 0)
            return log_errno(-errno, "cannot open network namespace '%s'", f->o->netns);
    } else {
        if (parse_pid(f->o->target, &f->pid) < 0) {
            log_error("'%s' is no process id", f->o->target);
            return -EINVAL;
        }
        f->target.fd = pidfd_open_(f->pid);
        if (f->target.fd < 0)
            return log_errno(f->target.fd, "cannot find process %d", f->pid);
        f->netns_fd = ns_open(f->pid, "net");
        if (f->netns_fd < 0)
            return log_errno(f->netns_fd,
                             "cannot open the network namespace of process %d (is it another user's?)",
                             f->pid);
    }
    if (ioctl(f->netns_fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
        log_error("'%s' is no network namespace", f->o->netns ? f->o->netns : f->o->target);
        return -EINVAL;
    }
    f->userns_fd = open_owner(f->netns_fd);
    return 0;
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

/* ---- the API ---- */

static int open_api(struct forward *f)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    const char *path = f->o->api_socket;
    if (str_format(sa.sun_path, sizeof(sa.sun_path), "%s", path) < 0)
        return log_errno(-ENAMETOOLONG, "cannot make the API socket '%s'", path);
    fd_auto int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return log_errno(-errno, "cannot make the API socket");
    mode_t mask = umask(0177);
    int r = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
    umask(mask);
    if (r < 0)
        return log_errno(r, "cannot make the API socket '%s'", path);
    f->own_socket = true;
    if (listen(fd, 64) < 0)
        return log_errno(-errno, "cannot listen on the API socket '%s'", path);
    f->info = (struct rest_info){.state_dir = "", .child_pid = f->pid, .port_driver = "builtin"};
    r = rest_new(f->l, fd, &f->info, f->ports, &f->rest);
    if (r < 0)
        return log_errno(r, "cannot serve the API");
    steal_fd(&fd);
    return 0;
}

/* ---- portd ---- */

static int serve_portd(void *config, int sync_fd)
{
    struct portd_config *c = config;
    c->sync_fd = sync_fd;
    return portd_serve(c);
}

static int first_start(struct forward *f)
{
    int r = publish_all(f);
    if (r == 0 && f->o->api_socket)
        r = open_api(f);
    if (r < 0)
        return r;
    f->started = true;
    if (f->ready_fd >= 0 && write(f->ready_fd, "1", 1) != 1)
        log_warn("cannot write to the ready descriptor: %s", strerror(errno));
    fd_close(&f->ready_fd);
    return 0;
}

static void portd_is_up(struct service *s)
{
    struct forward *f = s->owner;
    int r = port_table_attach(f->ports, s->sync_fd);
    if (r < 0)
        log_errno(r, "cannot hand the published ports to the forwarder");
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
    log_debug("the forwarder ended with wait status %d", status);
    loop_quit(f->l, 1);
}

static int start_portd(struct forward *f)
{
    portd_config_init(&f->portd_config);
    f->portd_config.userns_fd = f->userns_fd;
    f->portd_config.netns_fd = f->netns_fd;
    f->portd_config.source_ip_transparent = f->o->source_ip_transparent;
    f->portd_config.workers = f->o->n_workers;
    f->portd = (struct service){
        .name = "portd",
        .serve = serve_portd,
        .config = &f->portd_config,
        .keep = {f->userns_fd, f->netns_fd},
        .n_keep = 2,
        .on_up = portd_is_up,
        .on_down = portd_is_down,
        .on_failed = portd_failed,
        .owner = f,
    };
    int r = service_start(&f->portd, f->l);
    return r < 0 ? log_errno(r, "cannot start the forwarder") : 0;
}

/* ---- the end ---- */

static void on_end(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    log_debug("ending: %s", w->what);
    loop_quit(l, 0);
}

static int watch_ends(struct forward *f)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    f->signals = (struct watch){.fd = -1, .fn = on_end, .what = "signal"};
    int r = loop_signals(f->l, &f->signals, &set);
    if (r == 0 && f->target.fd >= 0) {
        f->target = (struct watch){
            .fd = f->target.fd, .events = EPOLLIN, .fn = on_end, .what = "the target has ended"};
        r = loop_add(f->l, &f->target);
    }
    return r < 0 ? log_errno(r, "cannot watch for the end") : 0;
}

static void done(struct forward *f)
{
    rest_free(f->rest);
    if (f->own_socket)
        unlink(f->o->api_socket);
    if (f->portd.name)
        service_finish(&f->portd, FINISH_MS);
    port_table_free(f->ports);
    loop_free(f->l);
    fd_close(&f->signals.fd);
    fd_close(&f->target.fd);
    fd_close(&f->userns_fd);
    fd_close(&f->netns_fd);
    fd_close(&f->ready_fd);
}

static int forward(const struct options *o)
{
    struct forward f = {
        .o = o, .userns_fd = -1, .netns_fd = -1, .ready_fd = -1, .signals.fd = -1, .target.fd = -1};
    if (o->have_ready_fd) {
        f.ready_fd = (int)o->ready_fd;
        fd_set_cloexec(f.ready_fd, true);
    }
    fd_close_all_but(3, f.ready_fd >= 0 ? &f.ready_fd : NULL, f.ready_fd >= 0 ? 1 : 0);
    int r = loop_new(&f.l);
    if (r == 0)
        r = port_table_new(&f.ports);
    if (r < 0)
        log_errno(r, "cannot start");
    if (r == 0)
        r = open_target(&f);
    if (r == 0)
        r = watch_ends(&f);
    if (r == 0)
        r = start_portd(&f);
    if (r == 0)
        r = loop_run(f.l);
    done(&f);
    return r < 0 ? 1 : r;
}

static int usage(void)
{
    puts("rootlet forward - publish ports of somebody else's network namespace\n\n"
         "Usage: rootlet forward --target PID|--netns PATH -p SPEC... [OPTION]...\n\n"
         "Runs until it gets SIGTERM, SIGINT or SIGHUP, or the target process ends.\n\nOptions:");
    opt_help(stdout, table);
    puts("\nExample: rootlet forward --target 1234 -p 127.0.0.1:8080:80/tcp");
    return fflush(stdout) == 0 ? 0 : 1;
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
        return 0;
    return -EINVAL;
}

static int forward_main(int argc, char **argv)
{
    struct options o = {.source_ip_transparent = true, .workers = "1"};
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
