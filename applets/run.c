/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: unshare and map, then run a command as fake root.  Also rootlesskit, under that name with its habits.
 *
 * This file reads the options and refuses what cannot be; the instance itself lives in net/instance.c (the supervisor,
 * host side) and net/child.c (the container side):
 *
 *     supervisor                                      child
 *     prepare_state   lock and clear the state dir
 *     idmap_plan      read subids, choose a rung
 *     start_child     clone3(user, mount, ...) ─────▶ child_wait_mapped   pdeathsig; EOF: the supervisor is gone
 *     map_child       write the id maps ── mapped ──▶ idmap_become_root
 *                                                     child_propagation
 *                                                     child_network       link, addresses, routes
 *     network_made    ◀───────── net (link fd) ──────
 *     start_netd      fork ── up ──▶                  child_mounts        copy-up, /sys, /proc,
 *     start_portd     fork ── up ──▶                                      resolv.conf, hosts
 *     publish_all     bind listeners, hand to portd   child_environment
 *                     ◀──────────── ready ───────────
 *     maybe_go        api.sock, child_pid
 *                     ───────────── go ─────────────▶ child_command       exec, or reaper and exec
 *                     ◀────────────── EOF ─────────── the exec closes the child's end: a detached start is over (net/detach.c)
 *     loop            signals, API, restarts
 *     tear_down       kill, reap, remove the state dir
 *
 * Every wait has a deadline (core/sync.h); the two columns run at the same time where no arrow orders them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/compat.h"
#include "core/copyup.h"
#include "core/fd.h"
#include "core/log.h"
#include "net/detach.h"
#include "net/instance.h"
#include "net/portd.h"

extern const struct applet applet_run;

enum port_driver {
    PORTS_DEFAULT, /* not given: none; builtin when ports are published under our own name */
    PORTS_NONE,
    PORTS_BUILTIN,
    PORTS_SLIRP4NETNS,
    PORTS_SOCAT,
    PORTS_IMPLICIT,
    PORTS_GVISOR,
};
static const char *const port_driver_names[] = {"",      "none",     "builtin",          "slirp4netns",
                                                "socat", "implicit", "gvisor-tap-vsock", NULL};
static const char *const semver_names[] = {"", "major", "minor", "patch", NULL};
enum { TRI_AUTO, TRI_TRUE, TRI_FALSE };
static const char *const tristate_names[] = {"auto", "true", "false", NULL};

struct options {
    bool help, version, debug;
    int print_semver;
    const char *state_dir, *map;
    bool detach;
    int net;
    uint32_t mtu;
    const char *cidr, *ifname;
    bool disable_host_loopback, host_loopback, ipv6, detach_netns;
    int link, tcp;
    int sandbox, seccomp;
    const char *unused; /* paths of programs that this one does not need */
    struct strv copy_up;
    int copy_up_mode, propagation;
    int port_driver;
    struct strv publish;
    bool source_ip_transparent;
    const char *port_workers;
    bool pidns, cgroupns, utsns, ipcns;
    int reaper;
    const char *evacuate_cgroup2;
    int subid_source;

    bool seen_mtu, seen_cidr, seen_ifname, seen_map;
};

#define AT(field) offsetof(struct options, field)

static const struct opt table[] = {
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {"version", 'v', OPT_FLAG, AT(version), .help = "show the version"},
    {"print-semver", 0, OPT_ENUM, AT(print_semver), "major|minor|patch", "print one number of the version",
     .values = semver_names},
    {"debug", 0, OPT_FLAG, AT(debug), .help = "say every step on stderr"},
    {"state-dir", 0, OPT_STR, AT(state_dir), "DIR",
     "where child_pid, api.sock and the lock are (default: a fresh directory under $TMPDIR or /tmp)"},
    {"detach", 'd', OPT_FLAG, AT(detach),
     .help = "leave it in the background: print the state directory once the command has started"},
    {.help = "Ids"},
    {"map", 0, OPT_STR, AT(map), "auto|direct|newuidmap|single|C:H:N",
     "how the id maps are made (default: auto, the best that is possible)"},
    {"subid-source", 0, OPT_ENUM, AT(subid_source), "auto|dynamic|static",
     "where subordinate ids come from: getsubids, or /etc/subuid and /etc/subgid",
     .values = subid_source_names},
    {.help = "Network"},
    {"net", 0, OPT_ENUM, AT(net),
     "host|none|slirp4netns|pasta|vpnkit|vdeplug_slirp|lxc-user-nic|gvisor-tap-vsock",
     "network of the command (default: host); the drivers are address plans of one engine",
     .values = net_driver_names},
    {"mtu", 0, OPT_UINT, AT(mtu), "N", "MTU of the interface, 0 to 65521 (default 0: the driver's)",
     .max = 65521, .seen_offset = AT(seen_mtu)},
    {"cidr", 0, OPT_STR, AT(cidr), "A.B.C.0/N", "network of the guest (default: the driver's)",
     .seen_offset = AT(seen_cidr)},
    {"ifname", 0, OPT_STR, AT(ifname), "NAME", "name of the interface (default: the driver's)",
     .seen_offset = AT(seen_ifname)},
    {"link", 0, OPT_ENUM, AT(link), "auto|tap|packet",
     "tap device, or veth and packet socket (default: auto, tap where /dev/net/tun is)",
     .values = link_kind_names},
    {"tcp", 0, OPT_ENUM, AT(tcp), "auto|fast|slirp",
     "how TCP goes out: by the kernel where it can (auto), or not at all (fast); or by libslirp",
     .values = tcp_path_names},
    {"ipv6", 0, OPT_FLAG, AT(ipv6), .help = "IPv6 as well"},
    {"disable-host-loopback", 0, OPT_FLAG, AT(disable_host_loopback),
     .help = "no way to the host's 127.0.0.1 (the default under the name run)"},
    {"host-loopback", 0, OPT_FLAG, AT(host_loopback),
     .help = "let the command reach the host's 127.0.0.1 at the gateway's address"},
    {"detach-netns", 0, OPT_FLAG, AT(detach_netns),
     .help = "keep the command in the host's network namespace; the new one is at STATE_DIR/netns"},
    {"slirp4netns-binary", 0, OPT_STR, AT(unused), "PATH", "accepted, not needed"},
    {"slirp4netns-sandbox", 0, OPT_ENUM, AT(sandbox), "auto|true|false",
     "accepted: the network process is always sandboxed", .values = tristate_names},
    {"slirp4netns-seccomp", 0, OPT_ENUM, AT(seccomp), "auto|true|false",
     "accepted: the network process is always sandboxed", .values = tristate_names},
    {"pasta-binary", 0, OPT_STR, AT(unused), "PATH", "accepted, not needed"},
    {"vpnkit-binary", 0, OPT_STR, AT(unused), "PATH", "accepted, not needed"},
    {"lxc-user-nic-binary", 0, OPT_STR, AT(unused), "PATH", "accepted, not needed"},
    {"lxc-user-nic-bridge", 0, OPT_STR, AT(unused), "NAME", "accepted, not needed"},
    {.help = "Files"},
    {"copy-up", 0, OPT_LIST, AT(copy_up), "DIR", "make DIR writable, for example /etc or /run; repeatable"},
    {"copy-up-mode", 0, OPT_ENUM, AT(copy_up_mode), "tmpfs+symlink", "how", .values = copyup_mode_names},
    {"propagation", 0, OPT_ENUM, AT(propagation), "private|rprivate|slave|rslave|shared|rshared",
     "mount propagation of / (default: rprivate)", .values = mount_propagation_names},
    {.help = "Ports"},
    {"port-driver", 0, OPT_ENUM, AT(port_driver), "none|builtin|slirp4netns|socat|implicit|gvisor-tap-vsock",
     "who publishes ports; all but none are the one forwarder", .values = port_driver_names},
    {"publish", 'p', OPT_LIST, AT(publish), "[IP:]PORT:[CHILD_IP:]PORT/PROTO",
     "publish a port, for example 127.0.0.1:8080:80/tcp; repeatable"},
    {"source-ip-transparent", 0, OPT_FLAG, AT(source_ip_transparent),
     .help = "keep the clients' source addresses (default: true)"},
    {"workers", 0, OPT_STR, AT(port_workers), "N|auto",
     "processes that carry published connections (default: 1; auto: one for every two processors)"},
    {.help = "Processes and other namespaces"},
    {"pidns", 0, OPT_FLAG, AT(pidns), .help = "new pid namespace"},
    {"cgroupns", 0, OPT_FLAG, AT(cgroupns), .help = "new cgroup namespace"},
    {"utsns", 0, OPT_FLAG, AT(utsns), .help = "new UTS namespace"},
    {"ipcns", 0, OPT_FLAG, AT(ipcns), .help = "new IPC namespace"},
    {"reaper", 0, OPT_ENUM, AT(reaper), "auto|true|false",
     "reap orphans; needs --pidns (default: auto, with --pidns)", .values = tristate_names},
    {"evacuate-cgroup2", 0, OPT_STR, AT(evacuate_cgroup2), "NAME",
     "move processes into a child cgroup first; needs --pidns and --cgroupns"},
    {0},
};

static int usage(bool alias, const char *called)
{
    const char *name = alias ? called : "rootlet run";
    printf("%s - run a command as fake root in new namespaces\n\n"
           "Usage: %s [OPTION]... COMMAND [ARG]...\n\n"
           "Options stop at the first word that is none, or at '--'. The exit status is the "
           "command's.\n\nOptions:\n",
           name, name);
    opt_help(stdout, table);
    printf("\nExample: %s --net=slirp4netns --copy-up=/etc --pidns --port-driver=builtin -p "
           "127.0.0.1:8080:80/tcp sh\n",
           name);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int show_version(const struct options *o, bool alias, const char *called)
{
    static const char *const parts[] = {"", COMPAT_MAJOR, COMPAT_MINOR, COMPAT_PATCH};
    if (o->print_semver)
        puts(parts[o->print_semver]);
    else if (alias)
        printf("%s version " COMPAT_VERSION "\n", called);
    else
        puts("rootlet run " ROOTLET_VERSION);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int refuse(const char *text)
{
    log_error("%s", text);
    return -1;
}

static int refuse_option(const char *name, const char *text)
{
    log_error("--%s: %s", name, text);
    return -1;
}

/*
 * Launchers write --cidr=$CIDR, --mtu=$MTU and the like whether or not there is anything to say: under the other name an empty value is
 * none, and an MTU is no mistake where there is no interface.
 */
static void be_lenient(struct options *o)
{
    const char **const values[] = {&o->state_dir, &o->cidr, &o->ifname, &o->evacuate_cgroup2};
    for (size_t i = 0; i < array_size(values); i++)
        if (*values[i] && !**values[i])
            *values[i] = NULL;
    o->seen_cidr = o->cidr;
    o->seen_ifname = o->ifname;
    if (o->mtu && (o->net == NET_HOST || o->net == NET_NONE)) {
        log_warn("--mtu has no meaning with --net=%s", net_driver_names[o->net]);
        o->mtu = 0;
    }
}

/* Options that say nothing about the network that was chosen are a misunderstanding: name both. */
static int check_net(const struct options *o)
{
    if (o->net == NET_HOST) {
        if (o->seen_mtu && o->mtu)
            return refuse(
                "--mtu has no meaning with --net=host (choose a driver, for example --net=slirp4netns)");
        if (o->seen_cidr)
            return refuse(
                "--cidr has no meaning with --net=host (choose a driver, for example --net=slirp4netns)");
        if (o->seen_ifname)
            return refuse(
                "--ifname has no meaning with --net=host (choose a driver, for example --net=slirp4netns)");
        if (o->detach_netns)
            return refuse(
                "--detach-netns has no meaning with --net=host: there is no network namespace to detach");
    }
    if (o->net == NET_NONE) {
        if (o->seen_mtu && o->mtu)
            return refuse("--mtu has no meaning with --net=none: there is no interface but lo");
        if (o->seen_cidr)
            return refuse("--cidr has no meaning with --net=none: there is no interface but lo");
        if (o->seen_ifname)
            return refuse("--ifname has no meaning with --net=none: there is no interface but lo");
        if (o->port_driver > PORTS_BUILTIN)
            return refuse("--net=none goes with --port-driver=none or builtin only");
    }
    if (o->host_loopback && o->disable_host_loopback)
        return refuse("--host-loopback and --disable-host-loopback exclude each other");
    return 0;
}

static int check_ports(const struct options *o)
{
    bool has_driver = o->port_driver != PORTS_NONE && o->port_driver != PORTS_DEFAULT;
    if (o->publish.n && !has_driver)
        return refuse("--publish needs a port driver, and --port-driver is none (use --port-driver=builtin)");
    if (has_driver && o->net == NET_HOST)
        return refuse("--port-driver needs a network of its own, and --net is host (use --net=slirp4netns or "
                      "--net=none)");
    return 0;
}

static int check_processes(const struct options *o)
{
    if (o->reaper == TRI_TRUE && !o->pidns)
        return refuse("--reaper=true needs --pidns: only the init of a pid namespace sees its orphans");
    if (o->evacuate_cgroup2 && (!o->pidns || !o->cgroupns))
        return refuse("--evacuate-cgroup2 needs --pidns and --cgroupns");
    const char *group = o->evacuate_cgroup2;
    if (group && (!*group || strchr(group, '/') || !strcmp(group, ".") || !strcmp(group, "..")))
        return refuse("--evacuate-cgroup2 must be the name of one cgroup, without '/'");
    return 0;
}

static int set_network(const struct options *o, struct instance_config *cfg, bool alias)
{
    cfg->net = (enum net_driver)o->net;
    cfg->link = (enum link_kind)o->link;
    cfg->tcp = (enum tcp_path)o->tcp;
    cfg->detach_netns = o->detach_netns;
    cfg->disable_host_loopback = alias ? o->disable_host_loopback : !o->host_loopback;
    if (cfg->net == NET_HOST || cfg->net == NET_NONE)
        return 0;
    struct reason why;
    int r = addrplan_for(cfg->net, &cfg->plan);
    if (r < 0)
        return log_errno(r, "no address plan for --net=%s", net_driver_names[cfg->net]);
    if (o->cidr && addrplan_set_cidr(&cfg->plan, o->cidr, &why) < 0)
        return refuse_option("cidr", why.text);
    if (o->mtu)
        cfg->plan.mtu = o->mtu;
    cfg->plan.ipv6 = o->ipv6;
    if (o->ipv6 && cfg->plan.mtu < IPV6_MTU_MIN)
        return refuse("--ipv6 needs an --mtu of at least 1280 (RFC 8200, section 5)");
    const char *name = o->ifname ? o->ifname : cfg->plan.ifname;
    if (!*name || strlen(name) >= sizeof(cfg->ifname) || strchr(name, '/') || !strcmp(name, ".") ||
        !strcmp(name, ".."))
        return refuse("--ifname must be 1 to 15 characters without '/'");
    snprintf(cfg->ifname, sizeof(cfg->ifname), "%s", name);
    return 0;
}

struct spec_list {
    struct portspec *v;
    size_t n;
};

static int add_spec(const struct portspec *s, void *arg)
{
    struct spec_list *l = arg;
    struct portspec *v = reallocarray(l->v, l->n + 1, sizeof(*v));
    if (!v)
        return -1;
    l->v = v;
    v[l->n++] = *s;
    return 0;
}

static int set_ports(const struct options *o, struct instance_config *cfg)
{
    bool has_driver = o->port_driver != PORTS_NONE && o->port_driver != PORTS_DEFAULT;
    cfg->port_driver = has_driver ? port_driver_names[o->port_driver] : NULL;
    cfg->hide_port_driver = o->port_driver == PORTS_IMPLICIT;
    cfg->source_ip_transparent = o->source_ip_transparent;
    if (portd_workers_parse(o->port_workers, &cfg->port_workers) < 0)
        return refuse_option("workers", "must be auto or a number from 1 to 8");
    struct spec_list specs = {0};
    for (size_t i = 0; i < o->publish.n; i++) {
        struct reason why = {{0}};
        if (portspec_parse_range(o->publish.v[i], add_spec, &specs, &why) != 0) {
            free(specs.v);
            return refuse_option("publish", why.text);
        }
    }
    cfg->publish = specs.v;
    cfg->n_publish = specs.n;
    return 0;
}

static int set_rest(struct options *o, struct instance_config *cfg, bool alias)
{
    struct reason why;
    cfg->state_dir = o->state_dir;
    cfg->version = alias ? COMPAT_VERSION : NULL;
    cfg->map.source = (enum subid_source)o->subid_source;
    if (o->map && idmap_request_parse(o->map, &cfg->map, &why) < 0)
        return refuse_option("map", why.text);
    cfg->pidns = o->pidns;
    cfg->cgroupns = o->cgroupns;
    cfg->utsns = o->utsns;
    cfg->ipcns = o->ipcns;
    cfg->evacuate_cgroup2 = o->evacuate_cgroup2;
    /* Under the other names the command never is pid 1, which ignores what it does not handle, SIGTERM for example. */
    cfg->reaper = o->pidns && (alias || o->reaper != TRI_FALSE);
    cfg->propagation = (enum mount_propagation)o->propagation;
    if (copyup_check(o->copy_up.v, o->copy_up.n, cfg->propagation, &why) < 0)
        return refuse_option("copy-up", why.text);
    cfg->copy_up = o->copy_up;
    o->copy_up = (struct strv){0};
    cfg->command.style = alias ? EXIT_ROOTLESSKIT : EXIT_SHELL;
    cfg->command.own_session = o->reaper != TRI_FALSE;
    return 0;
}

static void config_done(struct instance_config *cfg)
{
    strv_done(&cfg->copy_up);
    free(cfg->publish);
}

static int start(struct options *o, bool alias, char **command)
{
    struct instance_config *cfg = calloc(1, sizeof(*cfg));
    if (!cfg)
        return log_errno(-12, "cannot start"), 1;
    if (!alias && o->publish.n && o->port_driver == PORTS_DEFAULT)
        o->port_driver = PORTS_BUILTIN;
    int code = 1;
    if (alias)
        be_lenient(o);
    if (check_net(o) == 0 && check_ports(o) == 0 && check_processes(o) == 0 &&
        set_network(o, cfg, alias) == 0 && set_ports(o, cfg) == 0 && set_rest(o, cfg, alias) == 0) {
        cfg->starter = -1;
        cfg->command.argv = command;
        cfg->command.listen_fds = command_find_activation();
        sigprocmask(SIG_BLOCK, NULL, &cfg->command.mask);
        int r = fd_close_all_but(3 + (int)cfg->command.listen_fds, NULL, 0);
        for (unsigned i = 0; i < cfg->command.listen_fds; i++)
            fd_set_cloexec(3 + (int)i, true); /* until the command's own exec */
        if (r < 0)
            log_errno(r, "cannot close the descriptors that came from outside");
        else
            code = o->detach ? detach_run(cfg) : instance_run(cfg);
    }
    config_done(cfg);
    free(cfg);
    return code;
}

static int run_main(int argc, char **argv)
{
    bool alias = applet_is_alias(&applet_run, argv[0]);
    struct options o = {.source_ip_transparent = true, .port_workers = "1"};
    int first;
    int code = 1;
    if (opt_parse(table, &o, argc, argv, 0, &first) == 0) {
        log_set_debug(o.debug);
        if (o.help)
            code = usage(alias, argv[0]);
        else if (o.version || o.print_semver)
            code = show_version(&o, alias, argv[0]);
        else if (first >= argc)
            log_error("no command given (see --help)");
        else
            code = start(&o, alias, argv + first);
    }
    strv_done(&o.copy_up);
    strv_done(&o.publish);
    return code;
}

const struct applet applet_run = {
    .name = "run",
    .aliases = "rootlesskit docker-rootlesskit",
    .summary = "run a command as fake root in new namespaces",
    .main = run_main,
};
