/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of giving up privilege, in this order, each needing what the next one takes away:
 *
 *     join the child's user namespace   all capabilities, but in there only
 *     join its network namespace        sockets are made there from now on
 *     prepare source addresses          /proc/sys and netlink (net/transparent.c)
 *     empty root                        no file of the host or of the child is in reach
 *     capabilities                      CAP_NET_* stay: low ports and foreign source addresses inside
 *     no_new_privs, non-dumpable        the fake root of the child shares the user namespace and must not trace us
 *     (several workers)                 net/portd_manager.c forks them here, and again when one has died; it keeps to the
 *                                       first column of the filter below and what starting a process needs
 *     limit of files, event loop        what else the filter would refuse
 *     seccomp
 *     SYNC_UP
 *
 * What is left speaks to: the supervisor (trusted), clients and the child's servers (never parsed, only carried).
 */
#include "net/portd.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/sockios.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/netlink.h"
#include "core/ns.h"
#include "core/parse.h"
#include "core/sandbox.h"
#include "core/sync.h"
#include "net/portd_manager.h"
#include "net/portd_tcp.h"
#include "net/portd_udp.h"
#include "net/transparent.h"
#include "net/portd_worker.h"
#include "net/udp_source.h"

enum {
    NOFILE_WANTED = 65536,
    NOFILE_RESERVED = 128, /* loop, sync, pipes of the relay, and something to spare */
    FLOWS_MAX = 16384,     /* fewer than there are local ports to send from */
};

struct portd {
    const struct portd_share *share;
    struct loop *l;
    struct watch sync;
    struct tcp_ports *tcp;
    struct udp_ports *udp;
    struct transparent can;
    struct udp_source *source; /* NULL: not asked for */
    _Atomic uint32_t said;     /* if there is nobody to share that with */
};

void portd_config_init(struct portd_config *c)
{
    *c = (struct portd_config){.sync_fd = -1,
                               .userns_fd = -1,
                               .netns_fd = -1,
                               .source_ip_transparent = true,
                               .udp_idle_s = PORTD_UDP_IDLE_S,
                               .workers = 1,
                               .sandbox = true,
                               .seccomp = true};
}

int portd_filter(bool manager)
{
    static const int calls[] = {
        __NR_splice,
        __NR_recvfrom,
        __NR_sendto,
        __NR_epoll_ctl,
#ifdef __NR_epoll_wait
        __NR_epoll_wait,
#endif
        __NR_epoll_pwait,
        __NR_accept4,
        __NR_connect,
        __NR_socket,
        __NR_close,
        __NR_shutdown,
        __NR_setsockopt,
        __NR_getsockopt,
        __NR_getsockname,
        __NR_getpeername,
        __NR_bind,
        __NR_recvmmsg,
        __NR_sendmmsg,
        __NR_recvmsg,
        __NR_sendmsg,
        __NR_pipe2,
        __NR_fcntl,
        __NR_read,
        __NR_write,
        __NR_writev,
        __NR_clock_gettime,
        __NR_ioctl,
#ifdef __NR_poll
        __NR_poll,
#endif
        __NR_ppoll,
        __NR_brk,
        __NR_mmap,
        __NR_munmap,
        __NR_mremap,
        __NR_madvise,
        __NR_mprotect,
        __NR_futex,
        __NR_rt_sigreturn,
        __NR_rt_sigaction,
        __NR_rt_sigprocmask,
        __NR_restart_syscall,
        __NR_pread64, /* these two: net/claim.h, at the end */
        __NR_flock,
        __NR_getpid,
        __NR_gettid,
        __NR_tgkill,
        __NR_tkill,
        __NR_exit,
        __NR_exit_group,
#if defined(__SANITIZE_ADDRESS__) /* its end-of-thread code */
        __NR_sigaltstack,
#endif
    };
    /* To start a worker, see to its end, and let it prepare itself. */
    static const int more[] = {
        __NR_clone,           __NR_clone3,    __NR_waitid,    __NR_pidfd_send_signal, __NR_kill,
        __NR_socketpair,      __NR_setsid,    __NR_prctl,     __NR_seccomp,           __NR_close_range,
        __NR_getppid,         __NR_prlimit64, __NR_getrandom, __NR_epoll_create1,     __NR_set_robust_list,
        __NR_ioctl, /* if_nametoindex(3) */
        __NR_set_tid_address, __NR_rseq,
    };
    if (manager) {
        int all[array_size(calls) + array_size(more)];
        memcpy(all, calls, sizeof(calls));
        memcpy(all + array_size(calls), more, sizeof(more));
        return sandbox_seccomp(all, array_size(all), NULL, 0);
    }
    struct sandbox_limit limits[SANDBOX_SOCKET_LIMITS + 1] = {
        [SANDBOX_SOCKET_LIMITS] = {
            .call = __NR_ioctl, .arg = 1, .mask = UINT32_MAX, .n = 1, .values = {SIOCATMARK}}};
    sandbox_socket_limits(limits);
    return sandbox_seccomp(calls, array_size(calls), limits, array_size(limits));
}

static int empty_root(const struct portd_config *c)
{
    struct reason why = {.text = ""};
    int r = c->sandbox ? sandbox_empty_root(&why) : 0;
    if (r < 0)
        log_error("port forwarder: cannot make an empty root: %s%s", why.text, sandbox_remedy(r));
    return r;
}

static int give_up(const struct portd_config *c)
{
    if (!c->sandbox)
        return 0;
    int r = sandbox_drop_caps(1ull << CAP_NET_ADMIN | 1ull << CAP_NET_RAW | 1ull << CAP_NET_BIND_SERVICE);
    if (r < 0)
        return log_errno(r, "port forwarder: cannot drop capabilities");
    r = sandbox_lock();
    return r < 0 ? log_errno(r, "port forwarder: cannot set no_new_privs") : 0;
}

/* What one protocol's engine, or one worker, has to warn of, the others have as well. */
enum { SAID_SOURCE = 1 << 0, SAID_FULL = 1 << 1 };

static void warn_once(struct portd *p, uint32_t what, const char *text)
{
    _Atomic uint32_t *said = p->share ? &p->share->board->said : &p->said;
    if (!(atomic_fetch_or(said, what) & what))
        sync_send(p->sync.fd, SYNC_WARN, text, strlen(text), NULL, 0);
}

static void warn_of_source(const char *text, void *arg)
{
    warn_once(arg, SAID_SOURCE, text);
}

static void warn_of_limit(const char *text, void *arg)
{
    warn_once(arg, SAID_FULL, text);
}

/* Then no server on a loopback address can be reached, which is where one looks for them; somebody forgot it. */
static void check_loopback(const struct portd_config *c)
{
    struct ifreq ifr = {.ifr_name = "lo"};
    fd_auto int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0 || (ifr.ifr_flags & IFF_UP))
        return;
    static const char text[] =
        "the interface lo is down in the target's network namespace: servers on 127.0.0.1 "
        "cannot be reached (run 'ip link set lo up' in there)";
    sync_send(c->sync_fd, SYNC_WARN, text, strlen(text), NULL, 0);
}

static int join(const struct portd_config *c)
{
    int r = c->userns_fd >= 0 ? ns_join(c->userns_fd, CLONE_NEWUSER) : 0;
    if (r < 0)
        return log_errno(r, "port forwarder: cannot join the user namespace");
    r = c->netns_fd >= 0 ? ns_join(c->netns_fd, CLONE_NEWNET) : 0;
    if (r < 0)
        return log_errno(r, "port forwarder: cannot join the network namespace");
    if (c->userns_fd >= 0)
        close(c->userns_fd);
    if (c->netns_fd >= 0)
        close(c->netns_fd);
    return 0;
}

/* ---- commands ---- */

static int hear_add(const struct portd_ops *ops, void *arg, struct sync_in *in, uint32_t *ret_id)
{
    struct portd_add a;
    if (in->len != sizeof(a) || in->nfds != 1)
        return -EBADMSG;
    memcpy(&a, in->payload, sizeof(a));
    a.child_ip[sizeof(a.child_ip) - 1] = '\0';
    *ret_id = a.id;
    return ops->add(arg, &a, &in->fds[0]);
}

static int hear_del(const struct portd_ops *ops, void *arg, const struct sync_in *in, uint32_t *ret_id)
{
    if (in->len != sizeof(*ret_id))
        return -EBADMSG;
    memcpy(ret_id, in->payload, sizeof(*ret_id));
    return ops->del(arg, *ret_id);
}

void portd_hear(struct loop *l, int sync_fd, const struct portd_ops *ops, void *arg)
{
    sync_in_auto struct sync_in in = {.nfds = 0};
    int r = sync_recv(sync_fd, &in, 0);
    if (r == -EAGAIN)
        return;
    if (r < 0 || in.msg == SYNC_STOP) {
        log_debug("port forwarder: the supervisor is done (%d)", r);
        loop_quit(l, 0);
        return;
    }
    struct portd_ack ack = {.id = 0};
    if (in.msg == SYNC_PORT_ADD) {
        ack.err = hear_add(ops, arg, &in, &ack.id);
    } else if (in.msg == SYNC_PORT_DEL) {
        ack.err = hear_del(ops, arg, &in, &ack.id);
    } else {
        log_debug("port forwarder: message '%s' is none for it", sync_name(in.msg));
        return;
    }
    log_debug("port forwarder: %s %u: %d", sync_name(in.msg), ack.id, ack.err);
    if (sync_send(sync_fd, SYNC_PORT_ACK, &ack, sizeof(ack), NULL, 0) < 0)
        loop_quit(l, 0);
}

static int add(void *arg, const struct portd_add *a, int *fd)
{
    const struct portd *p = arg;
    if (a->udp && !p->udp)
        return -EINVAL;
    int r = a->udp ? udp_ports_add(p->udp, a, *fd) : tcp_ports_add(p->tcp, a, *fd);
    if (r == 0)
        *fd = -1; /* the port's now */
    return r;
}

static int del(void *arg, uint32_t id)
{
    const struct portd *p = arg;
    int r = tcp_ports_del(p->tcp, id);
    return r == -ENOENT && p->udp ? udp_ports_del(p->udp, id) : r;
}

static void on_sync(struct loop *l, struct watch *w, uint32_t events)
{
    static const struct portd_ops ops = {add, del};
    (void)events;
    portd_hear(l, w->fd, &ops, container_of(w, struct portd, sync));
}

/* ---- the process ---- */

/* How many connections and flows there can be, by the limit of open files. */
static int set_limits(bool udp, size_t *ret_connections, size_t *ret_flows)
{
    int64_t nofile = sandbox_nofile(NOFILE_WANTED);
    if (nofile < 0)
        return (int)nofile;
    /* Two descriptors a connection, one a flow: a quarter for the flows at most. */
    size_t left = nofile > 2 * NOFILE_RESERVED ? (size_t)(nofile - NOFILE_RESERVED) : NOFILE_RESERVED;
    *ret_flows = !udp ? 0 : left / 4 < FLOWS_MAX ? left / 4 : FLOWS_MAX;
    *ret_connections = (left - *ret_flows) / 2;
    return 0;
}

static int make_tcp(struct portd *p, const struct portd_worker *w, size_t connections)
{
    int r = tcp_ports_new(p->l, connections, &p->tcp);
    if (r < 0)
        return r;
    tcp_ports_on_full(p->tcp, warn_of_limit, p);
    if (w->can)
        tcp_ports_keep_source(p->tcp, &p->can, warn_of_source, p);
    return w->share ? tcp_ports_share(p->tcp, w->share) : 0;
}

static int make_udp(struct portd *p, const struct portd_worker *w, size_t flows)
{
    int r = udp_ports_new(p->l, flows, (uint64_t)w->config->udp_idle_s * 1000000000u, &p->udp);
    if (r == 0 && w->can)
        r = udp_source_new(&p->can, &p->source);
    if (r == 0 && w->can)
        udp_ports_keep_source(p->udp, p->source, warn_of_source, p);
    return r;
}

/* What needs calls that the filter refuses: epoll instance, limits, randomness. */
static int make_engines(struct portd *p, const struct portd_worker *w, int sync_fd)
{
    bool udp = !w->share || w->share->self == 0;
    size_t connections = 0, flows = 0;
    int r = set_limits(udp, &connections, &flows);
    if (r == 0)
        r = loop_new(&p->l);
    p->share = w->share;
    if (r == 0 && w->can) {
        p->can = *w->can;
        r = p->can.nl = nl_open(NETLINK_ROUTE);
    }
    p->sync = (struct watch){.fd = sync_fd, .events = EPOLLIN, .fn = on_sync, .what = "supervisor"};
    if (r >= 0)
        r = make_tcp(p, w, connections);
    if (r == 0 && udp)
        r = make_udp(p, w, flows);
    if (r == 0)
        r = loop_add(p->l, &p->sync);
    if (r < 0)
        return log_errno(r, "port forwarder: cannot start");
    r = w->config->sandbox && w->config->seccomp ? portd_filter(false) : 0;
    return r < 0 ? log_errno(r, "port forwarder: cannot set the seccomp filter") : 0;
}

int portd_failed(int sync_fd, int err)
{
    int32_t e = err;
    sync_send(sync_fd, SYNC_FAILED, &e, sizeof(e), NULL, 0);
    return 1;
}

int portd_work(const struct portd_worker *w, int sync_fd)
{
    struct portd p = {.can.nl = -1};
    int r = make_engines(&p, w, sync_fd);
    if (r < 0) {
        portd_failed(sync_fd, r);
    } else {
        r = sync_send(sync_fd, SYNC_UP, NULL, 0, NULL, 0);
        if (r < 0 && r != -EPIPE)
            log_errno(r, "port forwarder: cannot tell the supervisor that it is up");
        if (r == 0) {
            log_copy_end();
            r = loop_run(p.l);
            if (r < 0)
                log_errno(r, "port forwarder: the event loop failed");
        }
    }
    tcp_ports_free(p.tcp);
    udp_ports_free(p.udp);
    udp_source_free(p.source);
    fd_close(&p.can.nl);
    loop_free(p.l);
    return r < 0 ? 1 : 0;
}

/* What this namespace is not made for is no failure: there are local addresses. */
static void prepare_source(bool keep_tables, struct claim **ret_claim, struct transparent *ret_can)
{
    struct reason why = {.text = ""};
    int r = claim_new(ret_claim, &why);
    if (r < 0)
        ret_can->why = why;
    else
        transparent_setup(*ret_claim, keep_tables, ret_can);
}

static int prepare(const struct portd_config *c, struct claim **ret_claim, struct transparent *ret_can)
{
    int r = join(c);
    if (r == 0)
        check_loopback(c);
    if (r == 0 && c->source_ip_transparent)
        prepare_source(c->keep_tables, ret_claim, ret_can);
    if (r == 0)
        r = empty_root(c);
    return r == 0 ? give_up(c) : r;
}

int portd_serve(const struct portd_config *c)
{
    struct transparent can = {.nl = -1};
    struct claim *claim = NULL;
    struct portd_worker w = {.config = c, .can = c->source_ip_transparent ? &can : NULL};
    int r = prepare(c, &claim, &can);
    if (r < 0)
        r = portd_failed(c->sync_fd, r);
    else
        r = c->workers > 1 ? portd_manage(&w, c->sync_fd) : portd_work(&w, c->sync_fd);
    claim_free(claim);
    return r;
}

int portd_workers_parse(const char *text, unsigned *ret)
{
    uint64_t n;
    cpu_set_t set;
    if (!strcmp(text, "auto")) {
        n = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) / 2 : 1;
        *ret = n < 1 ? 1 : n > PORTD_WORKERS_MAX ? PORTD_WORKERS_MAX : (unsigned)n;
        return 0;
    }
    if (parse_uint(text, 1, PORTD_WORKERS_MAX, &n) < 0)
        return -EINVAL;
    *ret = (unsigned)n;
    return 0;
}
