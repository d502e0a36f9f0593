/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netd: user-mode network for somebody else's network namespace; slirp4netns by its other name.
 *
 *      netd (stays in the host's netns)            helper (short-lived)
 *      open the target's namespaces
 *      clone ────────────────────────────────────▶ join user and net namespace
 *                                                  make the interface, configure it
 *      ◀─────────────────────── SYNC_NET, link fd ─
 *      bind the API socket, sandbox, "1" to the ready fd, serve
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>

#include "applets/applet.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/netlink.h"
#include "core/ns.h"
#include "core/parse.h"
#include "core/proc.h"
#include "core/rtnl.h"
#include "core/sync.h"
#include "net/keeper.h"
#include "net/link.h"
#include "net/netd.h"
#include "net/slirp.h"

extern const struct applet applet_netd;

enum netns_type { BY_PID, BY_PATH, BY_TAPFD };
static const char *const netns_types[] = {[BY_PID] = "pid", [BY_PATH] = "path", [BY_TAPFD] = "tapfd", NULL};
enum target_type { TARGET_NETNS, TARGET_BESS };
static const char *const target_types[] = {[TARGET_NETNS] = "netns", [TARGET_BESS] = "bess", NULL};

enum { DEFAULT_MTU = 1500, MAX_MTU = 65521, HELPER_TIMEOUT_MS = 20000 };

/* The version of the peer whose options and habits the alias has. */
#define PEER_VERSION "1.2.0"

struct options {
    bool configure, ipv6, help, version, debug;
    bool disable_loopback, host_loopback, disable_dns;
    bool sandbox, seccomp;
    bool have_exit, have_ready;
    uint32_t exit_fd, ready_fd, mtu;
    const char *api, *cidr, *userns, *outbound, *outbound6, *mac;
    int netns_type, target_type, link;
};

#define AT(member) offsetof(struct options, member)
static const struct opt table[] = {
    {.help = "Interface"},
    {"configure", 'c', OPT_FLAG, AT(configure), NULL, "bring the interface up: lo, address, default route"},
    {"mtu", 'm', OPT_UINT, AT(mtu), "N", "MTU of the interface (default 1500, at most 65521)", .min = 68,
     .max = MAX_MTU},
    {"enable-ipv6", '6', OPT_FLAG, AT(ipv6), NULL, "IPv6 too: fd00::/64"},
    {"cidr", 0, OPT_STR, AT(cidr), "A.B.C.0/N", "the guest's network (default 10.0.2.0/24, prefix 1 to 25)"},
    {"macaddress", 0, OPT_STR, AT(mac), "MAC", "hardware address of the interface (only with --configure)"},
    {"link", 0, OPT_ENUM, AT(link), NULL, "tap, or packet: a veth pair, where there is no /dev/net/tun",
     .values = link_kind_names},
    {.help = "Target"},
    {"netns-type", 0, OPT_ENUM, AT(netns_type), NULL, "what the target is", .values = netns_types},
    {"userns-path", 0, OPT_STR, AT(userns), "PATH", "user namespace to join first"},
    {"target-type", 0, OPT_ENUM, AT(target_type), NULL, "kind of network (only netns)",
     .values = target_types},
    {.help = "Host"},
    {"disable-host-loopback", 0, OPT_FLAG, AT(disable_loopback), NULL,
     "no way to the host's 127.0.0.1 by the gateway's address"},
    {"host-loopback", 0, OPT_FLAG, AT(host_loopback), NULL,
     "let the gateway's address lead to the host's 127.0.0.1"},
    {"disable-dns", 0, OPT_FLAG, AT(disable_dns), NULL, "no DNS server at the third address"},
    {"outbound-addr", 0, OPT_STR, AT(outbound), "IPv4|IFACE", "source address of what goes out"},
    {"outbound-addr6", 0, OPT_STR, AT(outbound6), "IPv6|IFACE", "the same for IPv6"},
    {.help = "Control"},
    {"exit-fd", 'e', OPT_UINT, AT(exit_fd), "FD", "end when the other end of FD is closed", .max = 1 << 20,
     .seen_offset = AT(have_exit)},
    {"ready-fd", 'r', OPT_UINT, AT(ready_fd), "FD", "write \"1\" to FD when the network is up",
     .max = 1 << 20, .seen_offset = AT(have_ready)},
    {"api-socket", 'a', OPT_STR, AT(api), "PATH", "serve the port forwarding API here"},
    {.help = "Sandbox (always on)"},
    {"enable-sandbox", 0, OPT_FLAG, AT(sandbox), NULL, "insist on an empty root (=false: none)"},
    {"enable-seccomp", 0, OPT_FLAG, AT(seccomp), NULL, "system calls by an allow-list (=false: all)"},
    {.help = "Other"},
    {"debug", 0, OPT_FLAG, AT(debug), NULL, "log every step"},
    {"help", 'h', OPT_FLAG, AT(help), NULL, "this text"},
    {"version", 'v', OPT_FLAG, AT(version), NULL, "versions of the program and of libslirp"},
    {"no-host-loopback", 0, OPT_FLAG, AT(disable_loopback), NULL, "", .hidden = true},
    {"create-sandbox", 0, OPT_FLAG, AT(sandbox), NULL, "", .hidden = true},
    {0},
};

static int help(const char *called, bool alias)
{
    printf("Usage: %s%s [OPTION]... PID|PATH|FD [TAPNAME]\n"
           "User-mode network for an unprivileged network namespace.\n\n",
           alias ? "" : "rootlet ", called);
    opt_help(stdout, table);
    printf("\n%s\n",
           alias ? "The host's loopback addresses can be reached unless --disable-host-loopback is given."
                 : "The interface is configured unless --configure=false is given.");
    return fflush(stdout) ? 1 : 0;
}

static int version(bool alias)
{
    if (alias)
        printf("slirp4netns version " PEER_VERSION "\ncommit: rootlet-" ROOTLET_VERSION "\n");
    else
        printf("rootlet netd version " ROOTLET_VERSION "\n");
    printf("libslirp: %s\nSLIRP_CONFIG_VERSION_MAX: %u\nlibseccomp: none (own filter)\n", stack_version(),
           stack_config_version_max());
    return fflush(stdout) ? 1 : 0;
}

/* ---- arguments into a plan */

static int parse_mac(const char *text, uint8_t ret[6])
{
    unsigned b[6];
    char tail;
    if (strlen(text) != 17 ||
        sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &tail) != 6) {
        log_error("--macaddress: '%s' is no hardware address (write it as 02:00:00:00:00:01)", text);
        return -EINVAL;
    }
    if (b[0] & 1) {
        log_error("--macaddress: '%s' is a multicast address (the first byte has to be even)", text);
        return -EINVAL;
    }
    for (int i = 0; i < 6; i++)
        ret[i] = (uint8_t)b[i];
    return 0;
}

/* An address, or the first one of an interface of the host. */
static int parse_outbound(const char *option, const char *text, int family, void *ret)
{
    if (inet_pton(family, text, ret) == 1)
        return 0;
    const char *kind = family == AF_INET ? "IPv4" : "IPv6";
    struct rtnl_link l;
    fd_auto int nl = nl_open(NETLINK_ROUTE);
    if (nl < 0)
        return log_errno(nl, "cannot open a netlink socket");
    if (strlen(text) >= IFNAMSIZ || rtnl_link_get(nl, text, 0, &l) < 0) {
        log_error("%s: '%s' is neither an %s address nor an interface of the host", option, text, kind);
        return -EINVAL;
    }
    if (rtnl_addr_find(nl, l.ifindex, family, ret) < 0) {
        log_error("%s: interface '%s' has no global %s address to send from", option, text, kind);
        return -EADDRNOTAVAIL;
    }
    return 0;
}

static int fill_config(const struct options *o, bool alias, struct netd_config *c)
{
    struct reason why = {""};
    int r = addrplan_for(NET_SLIRP4NETNS, &c->plan);
    if (r == 0 && o->cidr)
        r = addrplan_set_cidr(&c->plan, o->cidr, &why);
    if (r < 0) {
        log_error("--cidr: %s", why.text);
        return r;
    }
    c->plan.mtu = o->mtu;
    c->plan.ipv6 = o->ipv6;
    c->disable_host_loopback = o->disable_loopback || (!alias && !o->host_loopback);
    c->disable_dns = o->disable_dns;
    c->exit_fd = o->have_exit ? (int)o->exit_fd : -1;
    c->ready_fd = o->have_ready ? (int)o->ready_fd : -1;
    c->seccomp = o->seccomp;
    if (o->outbound) {
        r = parse_outbound("--outbound-addr", o->outbound, AF_INET, &c->outbound);
        c->have_outbound = r == 0;
    }
    if (r == 0 && o->outbound6) {
        r = parse_outbound("--outbound-addr6", o->outbound6, AF_INET6, &c->outbound6);
        c->have_outbound6 = r == 0;
    }
    return r;
}

/* ---- the target */

struct target {
    const char *name;
    int userns, netns, tap; /* -1: none */
};

static void target_done(struct target *t)
{
    fd_close(&t->userns);
    fd_close(&t->netns);
    fd_close(&t->tap);
}

static int open_path(const char *path, const char *what)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return log_errno(-errno, "cannot open %s '%s'", what, path);
    return fd;
}

static int open_pid(const char *text, struct target *t)
{
    pid_t pid;
    if (parse_pid(text, &pid) < 0) {
        log_error("'%s' is no process id (for a path add --netns-type=path)", text);
        return -EINVAL;
    }
    t->netns = ns_open(pid, "net");
    if (t->netns < 0)
        return log_errno(t->netns, "cannot open the network namespace of process %s%s", text,
                         t->netns == -ENOENT   ? " (is it still running?)"
                         : t->netns == -EACCES ? " (it is not yours)"
                                               : "");
    t->userns = ns_open(pid, "user");
    if (t->userns < 0)
        return log_errno(t->userns, "cannot open the user namespace of process %s", text);
    return 0;
}

static int open_target(const struct options *o, const char *text, struct target *t)
{
    if (o->netns_type == BY_TAPFD) {
        uint32_t fd;
        if (parse_u32(text, &fd) < 0 || fd > 1 << 20) {
            log_error("'%s' is no file descriptor number", text);
            return -EINVAL;
        }
        t->tap = fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
        if (t->tap < 0)
            return log_errno(-errno, "cannot use tap fd %s (is it open in this process?)", text);
        return 0;
    }
    int r = o->netns_type == BY_PID ? open_pid(text, t) : (t->netns = open_path(text, "network namespace"));
    if (r < 0)
        return r;
    if (o->userns) {
        fd_close(&t->userns);
        t->userns = open_path(o->userns, "user namespace");
        return t->userns < 0 ? t->userns : 0;
    }
    /* A path alone: the namespace knows its owner (ioctl_ns(2)); without rights over that one this says nothing. */
    if (t->userns < 0 && !proc_has_cap(CAP_SYS_ADMIN))
        t->userns = ioctl(t->netns, NS_GET_USERNS);
    return 0;
}

/* ---- the helper, which lives only until the link is made */

struct made {
    int32_t kind;
    char ifname[IFNAMSIZ];
};

static int make_link(const struct options *o, const struct netd_config *c, const struct target *t,
                     const char *ifname, struct link *ret)
{
    struct reason why = {""};
    uint8_t mac[6];
    int r = 0;
    if (o->mac && (r = parse_mac(o->mac, mac)) < 0)
        return r;
    if (t->userns >= 0) {
        r = ns_join(t->userns, CLONE_NEWUSER);
        if (r < 0)
            return log_errno(r, "cannot join the user namespace of '%s'%s", t->name,
                             r == -EPERM ? " (run this as the user who made it, or as root)" : "");
    }
    r = ns_join(t->netns, CLONE_NEWNET);
    if (r < 0)
        return log_errno(
            r, "cannot join the network namespace of '%s'%s", t->name,
            r == -EPERM ? " (run this as the user who made it, or name its user namespace with --userns-path)"
            : r == -EINVAL ? " (it is no network namespace)"
                           : "");
    r = link_create((enum link_kind)o->link, ifname, c->plan.mtu, o->mac ? mac : NULL, -1, ret, &why);
    if (r == 0 && o->configure)
        r = link_configure(ret, &c->plan, &why);
    if (r < 0)
        log_error("%s", why.text);
    return r;
}

static int helper(const struct options *o, const struct netd_config *c, const struct target *t,
                  const char *ifname, int sync)
{
    struct link l = {.fd = -1};
    int r = make_link(o, c, t, ifname, &l);
    if (r < 0) {
        int32_t e = r;
        sync_send(sync, SYNC_FAILED, &e, sizeof(e), NULL, 0);
        return 1;
    }
    struct made m = {.kind = l.kind};
    memcpy(m.ifname, l.ifname, sizeof(m.ifname));
    return sync_send(sync, SYNC_NET, &m, sizeof(m), &l.fd, 1) < 0;
}

static int take_link(int sync, struct netd_config *c)
{
    struct sync_in in sync_in_auto = {.nfds = 0};
    struct reason why = {""};
    struct made m;
    int r = sync_expect(sync, SYNC_NET, &in, HELPER_TIMEOUT_MS, "link helper", &why);
    if (r == -ECANCELED)
        return r; /* it has said why */
    if (r == 0 && (in.nfds != 1 || in.len != sizeof(m)))
        r = reason_set(&why, -EPROTO, "the link helper sent no link");
    if (r < 0) {
        log_error("cannot get the link: %s", why.text);
        return r;
    }
    memcpy(&m, in.payload, sizeof(m));
    c->link_kind = (enum link_kind)m.kind;
    c->link_fd = steal_fd(&in.fds[0]);
    log_debug("link: %s '%.*s'", link_kind_names[c->link_kind], IFNAMSIZ, m.ifname);
    return 0;
}

static int get_link(const struct options *o, const struct target *t, const char *ifname,
                    struct netd_config *c)
{
    int sv[2], pidfd = -1;
    int r = sync_pair(sv);
    if (r < 0)
        return log_errno(r, "cannot make a socket pair");
    fd_auto int ours = sv[0];
    fd_auto int theirs = sv[1];
    pid_t pid = proc_clone(0, &pidfd);
    if (pid < 0)
        return log_errno(pid, "cannot start the link helper");
    if (pid == 0) {
        /* The caller waits for the end of the ready fd: no copy of it may live here longer than needed. */
        const int keep[] = {theirs, t->userns, t->netns};
        fd_close_all_but(3, keep, array_size(keep));
        _exit(helper(o, c, t, ifname, theirs));
    }
    fd_auto int child = pidfd;
    fd_close(&theirs);
    r = take_link(ours, c);
    if (pidfd_wait(child, r < 0 ? 0 : HELPER_TIMEOUT_MS, NULL) == -ETIMEDOUT)
        pidfd_signal(child, 9);
    return r;
}

/* ---- the API socket */

static int listen_api(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof(a.sun_path)) {
        log_error("the path of the API socket is too long (at most %zu bytes): '%s'", sizeof(a.sun_path) - 1,
                  path);
        return -ENAMETOOLONG;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    fd_auto int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return log_errno(-errno, "cannot open a socket");
    /* One that an earlier run left behind; never anything that is not a socket. */
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    mode_t old = umask(077);
    int r = bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
    umask(old);
    if (r < 0)
        return log_errno(r, "cannot make the API socket '%s'", path);
    if (listen(fd, 32) < 0)
        return log_errno(-errno, "cannot listen on the API socket '%s'", path);
    return steal_fd(&fd);
}

/* ---- all together */

static int check_options(const struct options *o, bool alias)
{
    if (o->target_type == TARGET_BESS) {
        log_error("--target-type=bess is not supported; only network namespaces are (--target-type=netns)");
        return -EINVAL;
    }
    if (o->mac && !o->configure) {
        log_error("--macaddress can be used only with --configure");
        return -EINVAL;
    }
    if (o->host_loopback && o->disable_loopback) {
        log_error("--host-loopback and --disable-host-loopback exclude each other");
        return -EINVAL;
    }
    if (o->netns_type == BY_TAPFD && o->configure && alias) {
        log_error("--configure needs a namespace to configure; a tap fd has none");
        return -EINVAL;
    }
    return 0;
}

/* Fds the caller gave us stay with us alone; any other is closed, so that nobody waits for its end in vain. */
static int own_fds(const struct netd_config *c, const struct target *t)
{
    const int keep[] = {c->exit_fd, c->ready_fd, t->userns, t->netns, t->tap};
    if (c->exit_fd >= 0 && fd_set_cloexec(c->exit_fd, true) < 0)
        return log_errno(-EBADF, "--exit-fd=%d", c->exit_fd);
    if (c->ready_fd >= 0 && fd_set_cloexec(c->ready_fd, true) < 0)
        return log_errno(-EBADF, "--ready-fd=%d", c->ready_fd);
    return fd_close_all_but(3, keep, array_size(keep));
}

/* End as the signal would have ended us: callers look at how their child died. */
static void die_by(int sig)
{
    sigset_t set;
    signal(sig, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, sig);
    raise(sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int run(const struct options *o, bool alias, char **operands)
{
    __attribute__((cleanup(target_done))) struct target t = {operands[0], -1, -1, -1};
    struct netd_config c;
    netd_config_init(&c);
    if (check_options(o, alias) < 0 || fill_config(o, alias, &c) < 0 || open_target(o, operands[0], &t) < 0 ||
        own_fds(&c, &t) < 0)
        return 1;
    c.sandbox = o->sandbox;
    c.userns_fd = t.userns;
    if (t.tap >= 0) {
        c.link_kind = LINK_TAP;
        c.link_fd = steal_fd(&t.tap);
    } else if (get_link(o, &t, operands[1] ? operands[1] : "tap0", &c) < 0) {
        return 1;
    }
    fd_close(&t.netns); /* the link holds it for as long as it has to be there */
    if (o->api) {
        c.api_fd = listen_api(o->api);
        if (c.api_fd < 0)
            return 1;
    }
    int r = keeper_start(o->api, &c.resolv_fd);
    if (r < 0) {
        if (o->api)
            unlink(o->api);
        log_errno(r, "cannot start the keeper process");
        return 1;
    }
    int code = netd_serve(&c);
    keeper_stop(c.resolv_fd);
    if (code > 128)
        die_by(code - 128);
    return code;
}

static int netd_main(int argc, char **argv)
{
    bool alias = applet_is_alias(&applet_netd, argv[0]);
    struct options o = {.mtu = DEFAULT_MTU, .configure = !alias, .sandbox = true, .seccomp = true};
    int first;
    log_set_name(alias ? argv[0] : "rootlet netd");
    if (opt_parse(table, &o, argc, argv, OPT_PERMUTE, &first) < 0)
        return 1;
    if (o.help)
        return help(argv[0], alias);
    if (o.version)
        return version(alias);
    log_set_debug(o.debug);
    if (argc - first < 1 || argc - first > 2) {
        log_error("%s (see --help)",
                  argc - first < 1 ? "which namespace? give a PID, a PATH with --netns-type=path, or an FD"
                                   : "too many arguments: PID|PATH|FD [TAPNAME]");
        return 1;
    }
    return run(&o, alias, argv + first);
}

const struct applet applet_netd = {
    .name = "netd",
    .aliases = "slirp4netns",
    .summary = "user-mode network for a network namespace",
    .main = netd_main,
};
