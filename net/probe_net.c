/* SPDX-License-Identifier: Apache-2.0 */
#include "net/probe_net.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/nfqueue.h"
#include "core/parse.h"
#include "core/strv.h"
#include "net/addrplan.h"
#include "net/fast_set.h"
#include "net/fast_syn.h"
#include "net/ip.h"
#include "net/link.h"
#include "net/resolv.h"

enum { LINK_MTU = 65520, FRAME_TIMEOUT_MS = 5000, LAST_LOW_PORT = 1023 };

/* 0 or -errno; the socket is gone again at once. */
static int try_bind(const char *address, uint16_t port)
{
    union sockaddr_ip a;
    int r = ip_parse(address, port, &a);
    if (r < 0)
        return r;
    fd_auto int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    return bind(fd, &a.sa, ip_len(&a)) < 0 ? -errno : 0;
}

/* ---------------------------------------------------------------- network namespace */

static void try_netns(struct probe_env *env, struct probe *p)
{
    (void)env;
    int r = link_lo_up();
    if (r < 0) {
        probe_set(p, PROBE_NO, "can be made, but its loopback cannot be set up: %s", strerror(-r));
        return;
    }
    r = try_bind("127.0.0.1", 80);
    if (r < 0)
        probe_set(p, PROBE_NO, "can be made, but no socket be bound to port 80 of its loopback: %s",
                  strerror(-r));
    else
        probe_set(p, PROBE_OK, "can be made, and used as its root");
}

void probe_netns(struct probe_env *env, struct probe *p)
{
    if (!probe_in_child(env, CLONE_NEWNET, try_netns, p) || p->state == PROBE_OK)
        return;
    probe_means(p, "run: only --net=host works; netd: has nothing to serve");
    if (!p->fix.text[0])
        probe_fix_kernel(env, p, "CONFIG_NET_NS", NULL);
}

/* ---------------------------------------------------------------- links */

/* A datagram to the gateway makes the kernel ask for its hardware address: a frame comes out of the link. */
static int take_frame(int link_fd, const struct addrplan *plan)
{
    unsigned char frame[LINK_MTU + 64];
    const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = plan->gateway};
    fd_auto int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0 || sendto(s, "?", 1, 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
        return -errno;
    struct pollfd p = {.fd = link_fd, .events = POLLIN};
    int n;
    do
        n = poll(&p, 1, FRAME_TIMEOUT_MS);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : -ETIMEDOUT;
    return read(link_fd, frame, sizeof(frame)) < 14 ? -EIO : 0;
}

/* The error of the link's making is in the return value, for what the kernel's configuration says about it. */
static int use_link(enum link_kind kind, struct probe *p)
{
    struct addrplan plan;
    struct link l = {.fd = -1};
    struct reason why = {""};

    int r = addrplan_for(NET_SLIRP4NETNS, &plan);
    if (r == 0)
        r = link_create(kind, plan.ifname, LINK_MTU, NULL, -1, &l, &why);
    if (r < 0) {
        probe_set(p, PROBE_NO, "%s", why.text);
        return r;
    }
    fd_auto int fd = l.fd;
    r = link_configure(&l, &plan, &why);
    if (r < 0) {
        probe_set(p, PROBE_NO, "can be made, but not configured: %s", why.text);
        return 0;
    }
    r = take_frame(fd, &plan);
    if (r < 0)
        probe_set(p, PROBE_NO, "can be made, but no frame comes out of it: %s", strerror(-r));
    else
        probe_set(p, PROBE_OK, "can be made with an MTU of %d, and frames come out of it", LINK_MTU);
    return 0;
}

static void try_tap(struct probe_env *env, struct probe *p)
{
    int r = use_link(LINK_TAP, p);
    if (r == -ENOENT || r == -ENODEV || r == -ENXIO) {
        probe_fix_kernel(env, p, "CONFIG_TUN", "tun");
        if (!p->fix.text[0])
            probe_fix(p, "as root: mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200 (a container "
                         "outside: start it with --device=/dev/net/tun)");
    } else if (r == -EACCES) {
        probe_fix(p, "as root: chmod 666 /dev/net/tun");
    } else if (r == -EPERM) {
        probe_fix(
            p,
            "start the container outside with --device=/dev/net/tun (its device filter does not allow it)");
    }
}

static void try_packet(struct probe_env *env, struct probe *p)
{
    int r = use_link(LINK_PACKET, p);
    if (r == -EOPNOTSUPP || r == -ENODEV)
        probe_fix_kernel(env, p, "CONFIG_VETH", "veth");
    else if (r == -EAFNOSUPPORT)
        probe_fix_kernel(env, p, "CONFIG_PACKET", "af_packet");
}

void probe_tap(struct probe_env *env, struct probe *p)
{
    if (probe_in_child(env, CLONE_NEWNET, try_tap, p) && p->state != PROBE_OK)
        probe_means(p, "run, netd: the packet link is taken instead, if that works");
}

void probe_packet(struct probe_env *env, struct probe *p)
{
    if (probe_in_child(env, CLONE_NEWNET, try_packet, p) && p->state != PROBE_OK)
        probe_means(p, "run, netd: work only if a tap can be made");
}

/* ---------------------------------------------------------------- TCP fast path */

static void saw_packet(const struct nfq_packet *packet, void *arg)
{
    struct syn s;
    bool *seen = arg;
    *seen = *seen || (!packet->cut && syn_parse(packet->data, packet->len, &s));
}

/* With lo as the link: a SYN to ourselves leaves by it, and has to come out of the queue. */
static int take_queued(const struct fast_set *set)
{
    unsigned char buf[1024];
    bool seen = false;
    union sockaddr_ip to;
    int r = ip_parse("127.0.0.1", 9, &to);
    fd_auto int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r == 0)
        r = nfq_bind(set->fd[FAST_QUEUE], set->number, 256, 16, NULL);
    if (r < 0)
        return r;
    if (s < 0 || (connect(s, &to.sa, ip_len(&to)) < 0 && errno != EINPROGRESS))
        return -errno;
    struct pollfd p = {.fd = set->fd[FAST_QUEUE], .events = POLLIN};
    while (!seen) {
        int n = poll(&p, 1, FRAME_TIMEOUT_MS);
        if (n == 0)
            return -ETIMEDOUT;
        if (n < 0 && errno != EINTR)
            return -errno;
        r = nfq_receive(set->fd[FAST_QUEUE], buf, sizeof(buf), saw_packet, &seen);
        if (r < 0 && r != -EAGAIN)
            return r;
    }
    return 0;
}

static void try_fast(struct probe_env *env, struct probe *p)
{
    static const char *const needs[][2] = {
        {"CONFIG_NETFILTER_NETLINK", "nfnetlink"},
        {"CONFIG_NETFILTER_NETLINK_QUEUE", "nfnetlink_queue"},
        {"CONFIG_NF_TABLES", "nf_tables"},
        {"CONFIG_NF_CONNTRACK", "nf_conntrack"},
        {"CONFIG_NFT_CT", "nft_ct"},
        {"CONFIG_NFT_NAT", "nft_chain_nat"},
        {"CONFIG_NFT_REDIR", "nft_redir"},
        {"CONFIG_NFT_REJECT", "nft_reject"},
        {"CONFIG_NFT_QUEUE", "nft_queue"},
    };
    struct addrplan plan;
    struct fast_set set = FAST_SET_NONE;
    struct reason why = {""};
    int r = addrplan_for(NET_SLIRP4NETNS, &plan);
    if (r == 0)
        r = fast_set_create(&plan, "lo", if_nametoindex("lo"), &set, &why);
    if (r < 0) {
        probe_set(p, PROBE_NO, "%s", why.text);
        for (size_t i = 0; i < array_size(needs) && !p->fix.text[0]; i++)
            probe_fix_kernel(env, p, needs[i][0], needs[i][1]);
        return;
    }
    r = take_queued(&set);
    if (r < 0)
        probe_set(p, PROBE_NO, "its rules can be made, but no packet comes out of the queue: %s",
                  strerror(-r));
    else
        probe_set(p, PROBE_OK, "its rules can be made, and packets come out of the queue");
    fast_set_done(&set, false);
}

void probe_fast(struct probe_env *env, struct probe *p)
{
    if (probe_in_child(env, CLONE_NEWNET, try_fast, p) && p->state != PROBE_OK)
        probe_means(p, "run, netd: TCP goes by libslirp, which is several times slower");
}

/* ---------------------------------------------------------------- ports */

/* The first free one of some ports from @first on tells; a socket is bound and closed, nothing listens. */
static int try_ports(unsigned first, unsigned last)
{
    int r = -EADDRINUSE;
    for (unsigned port = first; port <= last && r == -EADDRINUSE; port++)
        r = try_bind("127.0.0.1", (uint16_t)port);
    return r;
}

void probe_low_ports(struct probe_env *env, struct probe *p)
{
    char text[16];
    uint64_t start;

    (void)env;
    int r = try_ports(1, LAST_LOW_PORT);
    if (r == 0) {
        probe_set(p, PROBE_OK, "can be bound");
        return;
    }
    bool known = probe_read("/proc/sys/net/ipv4/ip_unprivileged_port_start", text, sizeof(text)) &&
                 parse_uint(text, 0, UINT16_MAX + 1, &start) == 0;
    if (r == -EACCES && known && start > 1 && start <= LAST_LOW_PORT &&
        try_ports((unsigned)start, LAST_LOW_PORT) == 0) {
        probe_set(p, PROBE_PARTLY, "can be bound from %s on", text);
        probe_means(p, "run -p, forward, netd: cannot publish ports below %s on the host", text);
    } else {
        probe_set(
            p, PROBE_NO,
            "cannot be bound: %s (no CAP_NET_BIND_SERVICE, and net.ipv4.ip_unprivileged_port_start is %s)",
            strerror(-r), known ? text : "not readable");
        probe_means(p, "run -p, forward, netd: cannot publish ports below 1024 on the host");
    }
    probe_fix(p, "as root: sysctl -w net.ipv4.ip_unprivileged_port_start=0, or setcap "
                 "cap_net_bind_service=ep on the rootlet executable");
}

/* ---------------------------------------------------------------- ping */

void probe_ping(struct probe_env *env, struct probe *p)
{
    char range[64];

    fd_auto int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (fd >= 0) {
        probe_set(p, PROBE_OK, "ICMP sockets can be opened");
        return;
    }
    int r = -errno;
    if (!probe_read("/proc/sys/net/ipv4/ping_group_range", range, sizeof(range)))
        (void)str_format(range, sizeof(range), "not readable");
    for (char *c = range; *c; c++)
        if (*c == '\t')
            *c = ' ';
    probe_set(p, PROBE_NO,
              "an ICMP socket cannot be opened: %s (net.ipv4.ping_group_range is %s, the own group %u)",
              strerror(-r), range, getegid());
    probe_means(p, "run, netd: ping from inside gets no answer from hosts outside");
    if (r == -EACCES || r == -EPERM)
        probe_fix(p, "as root: sysctl -w net.ipv4.ping_group_range='0 2147483647'");
    else
        probe_fix_kernel(env, p, "CONFIG_INET", NULL);
}

/* ---------------------------------------------------------------- resolvers */

void probe_resolv_conf(struct probe_env *env, struct probe *p)
{
    struct resolv conf resolv_auto = {.n = 0};
    struct strbuf b = {0};
    char text[64];

    (void)env;
    bool missing = access("/etc/resolv.conf", R_OK) < 0;
    int error = errno;
    int r = resolv_read(&conf);
    if (r < 0 || missing) {
        probe_set(p, r < 0 ? PROBE_NO : PROBE_PARTLY, "cannot be read: %s", strerror(r < 0 ? -r : error));
        probe_means(
            p,
            r < 0
                ? "run, netd: the network process does not start"
                : "run, netd: names inside are looked up at the host's own 127.0.0.1, if there is a server");
        probe_fix(p, "as root: write 'nameserver ADDRESS' into /etc/resolv.conf, readable by all");
        return;
    }
    for (size_t i = 0; i < conf.n; i++)
        strbuf_addf(&b, "%s%s", i ? ", " : "", ip_format(&conf.servers[i], text, sizeof(text)));
    probe_set(p, PROBE_OK, "names inside are looked up at %s", b.s ? b.s : "");
    strbuf_done(&b);
}
