/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netd: user-mode network for somebody else's network namespace; slirp4netns by its other name.
 *
 *      open the target's namespaces
 *      make the interface in there (net/nslink.h), or take what is given
 *      bind the API socket, start the keeper (net/keeper.h)
 *      sandbox, "1" to the ready fd, serve (net/netd.h)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
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
#include <linux/if_tun.h>
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
#include "net/keeper.h"
#include "net/link.h"
#include "net/netd.h"
#include "net/nslink.h"
#include "net/slirp.h"

extern const struct applet applet_netd;

enum netns_type { BY_PID, BY_PATH, BY_TAPFD };
static const char *const netns_types[] = {[BY_PID] = "pid", [BY_PATH] = "path", [BY_TAPFD] = "tapfd", NULL};
enum target_type { TARGET_NETNS, TARGET_BESS };
static const char *const target_types[] = {[TARGET_NETNS] = "netns", [TARGET_BESS] = "bess", NULL};

enum { DEFAULT_MTU = 1500, MAX_MTU = 65521 };

/* The version of the peer whose options and habits the alias has. */
#define PEER_VERSION "1.2.0"

struct options {
    bool configure, ipv6, help, version, debug;
    bool disable_loopback, host_loopback, disable_dns;
    bool sandbox, seccomp, have_sandbox;
    bool have_exit, have_ready;
    uint32_t exit_fd, ready_fd, mtu;
    const char *api, *cidr, *userns, *outbound, *outbound6, *mac;
    int netns_type, target_type, link, tcp;
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
    {"target-type", 0, OPT_ENUM, AT(target_type), NULL, "netns, or bess: a socket for User Mode Linux (PATH)",
     .values = target_types},
    {.help = "Host"},
    {"disable-host-loopback", 0, OPT_FLAG, AT(disable_loopback), NULL,
     "no way to the host's 127.0.0.1 by the gateway's address"},
    {"host-loopback", 0, OPT_FLAG, AT(host_loopback), NULL,
     "let the gateway's address lead to the host's 127.0.0.1"},
    {"disable-dns", 0, OPT_FLAG, AT(disable_dns), NULL, "no DNS server at the third address"},
    {"outbound-addr", 0, OPT_STR, AT(outbound), "IPv4|IFACE", "source address of what goes out"},
    {"outbound-addr6", 0, OPT_STR, AT(outbound6), "IPv6|IFACE", "the same for IPv6"},
    {"tcp", 0, OPT_ENUM, AT(tcp), "auto|fast|slirp",
     "how TCP goes out: by the kernel where it can (auto), or not at all (fast); or by libslirp",
     .values = tcp_path_names},
    {.help = "Control"},
    {"exit-fd", 'e', OPT_UINT, AT(exit_fd), "FD", "end when the other end of FD is closed", .max = 1 << 20,
     .seen_offset = AT(have_exit)},
    {"ready-fd", 'r', OPT_UINT, AT(ready_fd), "FD", "write \"1\" to FD when the network is up",
     .max = 1 << 20, .seen_offset = AT(have_ready)},
    {"api-socket", 'a', OPT_STR, AT(api), "PATH", "serve the port forwarding API here"},
    {.help = "Sandbox (always on)"},
    {"enable-sandbox", 0, OPT_FLAG, AT(sandbox), NULL, "insist on an empty root (=false: none)",
     .seen_offset = AT(have_sandbox)},
    {"enable-seccomp", 0, OPT_FLAG, AT(seccomp), NULL, "system calls by an allow-list (=false: all)"},
    {.help = "Other"},
    {"debug", 0, OPT_FLAG, AT(debug), NULL, "log every step"},
    {"help", 'h', OPT_FLAG, AT(help), NULL, "this text"},
    {"version", 'v', OPT_FLAG, AT(version), NULL, "versions of the program and of libslirp"},
    {"no-host-loopback", 0, OPT_FLAG, AT(disable_loopback), NULL, "", .hidden = true},
    {"create-sandbox", 0, OPT_FLAG, AT(sandbox), NULL, "", .hidden = true, .seen_offset = AT(have_sandbox)},
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
    static const char digits[] = "0123456789abcdefABCDEF"; /* sscanf(3) would also take blanks and signs */
    unsigned b[6];
    bool good = strlen(text) == 17;
    for (size_t i = 0; good && i < 17; i++)
        good = i % 3 == 2 ? text[i] == ':' : strchr(digits, text[i]) != NULL;
    if (!good || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6) {
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
    if (o->ipv6 && o->mtu < IPV6_MTU_MIN) {
        log_error("--enable-ipv6 needs an --mtu of at least 1280 (RFC 8200, section 5)");
        return -EINVAL;
    }
    c->plan.mtu = o->mtu;
    c->plan.ipv6 = o->ipv6;
    c->disable_host_loopback = o->disable_loopback || (!alias && !o->host_loopback);
    c->disable_dns = o->disable_dns;
    c->tcp = (enum tcp_path)o->tcp;
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

/* A tap, or a socket at whose other end somebody speaks frames; anything else may be readable for ever and have none. */
static bool carries_frames(int fd)
{
    struct stat st;
    struct ifreq ifr = {.ifr_flags = 0};
    if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
        return true;
    return ioctl(fd, TUNGETIFF, &ifr) == 0 && (ifr.ifr_flags & IFF_TAP);
}

static int open_target(const struct options *o, struct target *t)
{
    const char *text = t->name;
    if (o->target_type == TARGET_BESS)
        return 0;
    if (o->netns_type == BY_TAPFD) {
        uint32_t fd;
        if (parse_u32(text, &fd) < 0 || fd > 1 << 20) {
            log_error("'%s' is no file descriptor number", text);
            return -EINVAL;
        }
        t->tap = fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
        if (t->tap < 0)
            return log_errno(-errno, "cannot use tap fd %s (is it open in this process?)", text);
        if (!carries_frames(t->tap)) {
            log_error("cannot use fd %s: it is neither a tap device with an interface nor a socket", text);
            return -EINVAL;
        }
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

static int get_link(const struct options *o, const struct target *t, const char *ifname,
                    struct netd_config *c)
{
    struct reason why = {""};
    uint8_t mac[6];
    if (o->mac && parse_mac(o->mac, mac) < 0)
        return -EINVAL;
    const struct nslink n = {
        .userns = t->userns,
        .netns = t->netns,
        .target = t->name,
        .kind = (enum link_kind)o->link,
        .ifname = ifname,
        .mac = o->mac ? mac : NULL,
        .plan = &c->plan,
        .configure = o->configure,
        .tcp = c->tcp,
    };
    int r = nslink_create(&n, &c->link_kind, &c->link_fd, &c->fast, &why);
    if (r < 0)
        log_error("%s", why.text);
    else
        log_debug("link: %s '%s'", link_kind_names[c->link_kind], ifname);
    return r;
}

/* ---- sockets in the file system */

static int listen_unix(const char *path, int type, const char *what)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof(a.sun_path)) {
        log_error("the path of the API socket is too long (at most %zu bytes): '%s'", sizeof(a.sun_path) - 1,
                  path);
        return -ENAMETOOLONG;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    fd_auto int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return log_errno(-errno, "cannot open a socket");
    /* One that an earlier run left behind; never anything that is not a socket. */
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    mode_t old = umask(077);
    int r = bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
    umask(old);
    if (r < 0)
        return log_errno(r, "cannot make the %s '%s'", what, path);
    if (listen(fd, 32) < 0)
        return log_errno(-errno, "cannot listen on the %s '%s'", what, path);
    return steal_fd(&fd);
}

/* ---- User Mode Linux (vec0:transport=bess,dst=PATH): it connects to us, a frame a message */

static int wait_for_machine(int listener, int exit_fd)
{
    struct pollfd p[] = {{.fd = listener, .events = POLLIN}, {.fd = exit_fd}};
    for (;;) {
        if (poll(p, array_size(p), -1) < 0 && errno != EINTR)
            return -errno;
        if (p[1].revents)
            return -ECANCELED;
        if (!p[0].revents)
            continue;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED))
            return fd < 0 ? -errno : fd;
    }
}

static int get_machine(const char *path, struct netd_config *c)
{
    fd_auto int listener = listen_unix(path, SOCK_SEQPACKET, "bess socket");
    if (listener < 0)
        return listener;
    int fd = wait_for_machine(listener, c->exit_fd);
    unlink(path);
    if (fd < 0)
        return fd == -ECANCELED ? fd : log_errno(fd, "cannot accept a connection on '%s'", path);
    c->link_fd = fd;
    return 0;
}

/* ---- all together */

static int check_options(const struct options *o, bool alias)
{
    if (o->target_type == TARGET_BESS && (o->mac || (o->configure && alias))) {
        log_error("--configure and --macaddress need a network namespace; --target-type=bess has none");
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
    if (o->tcp == TCP_FAST && (o->netns_type == BY_TAPFD || o->target_type == TARGET_BESS)) {
        log_error("--tcp=fast needs a network namespace; a tap fd or a machine has none");
        return -EINVAL;
    }
    return 0;
}

/* Fds the caller gave us stay with us alone; any other is closed, so that nobody waits for its end in vain. */
static int own_fds(const struct netd_config *c, const struct target *t)
{
    const int keep[] = {c->exit_fd, c->ready_fd, t->userns, t->netns, t->tap};
    if (c->exit_fd >= 0 && fd_set_cloexec(c->exit_fd, true) < 0)
        return log_errno(-EBADF, "cannot use --exit-fd %d", c->exit_fd);
    if (c->ready_fd >= 0 && fd_set_cloexec(c->ready_fd, true) < 0)
        return log_errno(-EBADF, "cannot use --ready-fd %d", c->ready_fd);
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
    int r = 0;
    netd_config_init(&c);
    if (check_options(o, alias) < 0 || fill_config(o, alias, &c) < 0 || open_target(o, &t) < 0 ||
        own_fds(&c, &t) < 0)
        return 1;
    c.sandbox = o->sandbox;
    c.sandbox_try = alias && !o->have_sandbox;
    if (t.tap >= 0) {
        c.link_kind = LINK_TAP;
        c.link_fd = steal_fd(&t.tap);
    }
    if (o->target_type == TARGET_BESS)
        r = get_machine(operands[0], &c);
    else if (c.link_fd < 0)
        r = get_link(o, &t, operands[1] ? operands[1] : "tap0", &c);
    if (r < 0)
        return r != -ECANCELED;
    c.userns_fd = steal_fd(&t.userns);
    fd_close(&t.netns); /* the link holds it for as long as it has to be there */
    if (o->api) {
        c.api_fd = listen_unix(o->api, SOCK_STREAM, "API socket");
        if (c.api_fd < 0)
            return 1;
    }
    r = keeper_start(o->api, &c.resolv_fd);
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
