/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 *      guest ── link fd ──> frame_check ──> stack (libslirp) ──> sockets of the host's netns
 *                                     └──> dns (port 53 of the plan's DNS address) ──> the host's resolvers
 *      guest ── SYNs ──> fast path (net/fast.h) ──> sockets of the host's netns, for TCP where the kernel can do that
 *
 * One process, one thread, one turn:
 *      fill the poll set (event loop's epoll fd, link, libslirp's sockets), poll
 *      libslirp's sockets (this also moves its clock)
 *      frames from the link, at most FRAMES_A_TURN
 *      the event loop (API clients, DNS, signals of the supervisor, timers)
 *
 * Everything that needs a file, a capability or a look at the host happens before the sandbox is closed; after it the
 * process has the fds it was given, can open sockets, and sees an empty root.
 */
#include "net/netd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/loop.h"
#include "core/sandbox.h"
#include "core/sync.h"
#include "net/dns.h"
#include "net/dns_tcp.h"
#include "net/fragment.h"
#include "net/fast.h"
#include "net/frame.h"
#include "net/netd_api.h"
#include "net/netd_sandbox.h"
#include "net/ra.h"
#include "net/resolv.h"
#include "net/resolv_watch.h"
#include "net/service.h"
#include "net/slirp.h"

enum {
    FRAMES_A_TURN = 64,
    SOCKETS_A_FRAME = 16, /* a turn that looks at many sockets takes more frames, one for so many of them */
    MAX_FILES = 1 << 20,
    FILES_OF_OTHERS = 512, /* the process's own descriptors, and some for libslirp, DNS and the API */
    /* Places in the poll set. */
    AT_LOOP = 0,
    AT_LINK = 1,
};

struct netd {
    const struct netd_config *c;
    struct loop *loop;
    struct stack *stack;
    struct dns *dns; /* NULL: --disable-dns */
    struct dns_tcp *dns_tcp;
    struct fragments *fragments;
    struct fast *fast; /* NULL: none */
    size_t max_files;
    struct netd_api *api;
    struct watch exit, sync, resolv, signals;
    enum { RESOLV_UNASKED, RESOLV_ASKED, RESOLV_KNOWN } resolv_state;
    int resolv_inotify; /* readable: resolv.conf is being changed, the new text will come; -1: not known */
    struct pollset set;
    uint64_t dropped;           /* frames the link did not take */
    unsigned char *frame, *out; /* FRAME_MAX bytes: from the guest; to it, when it has to be changed */
};

void netd_config_init(struct netd_config *c)
{
    *c = (struct netd_config){
        .link_fd = -1,
        .userns_fd = -1,
        .ready_fd = -1,
        .fast = FAST_SET_NONE,
        .exit_fd = -1,
        .sync_fd = -1,
        .resolv_fd = -1,
        .api_fd = -1,
        .sandbox = true,
        .seccomp = true,
    };
}

/*
 * To the guest.  A link that cannot take a frame now (its queue is full, the interface is down or gone) loses it, as any
 * Ethernet does; TCP comes again.
 */
static void to_link(const void *frame, size_t len, void *arg)
{
    struct netd *n = arg;
    ssize_t r;
    if (n->dns_tcp && frame_from_loopback(frame, len) && len <= FRAME_MAX) {
        memcpy(n->out, frame, len);
        dns_tcp_output(n->dns_tcp, n->out, len);
        frame = n->out;
    } else if (ra_is(frame, len) && len + RA_MORE <= FRAME_MAX) {
        memcpy(n->out, frame, len);
        len = ra_complete(&n->c->plan, n->dns, n->out, len);
        frame = n->out;
    }
    do
        r = write(n->c->link_fd, frame, len);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        n->dropped++;
}

static void from_guest(struct netd *n, unsigned char *frame, size_t len)
{
    struct frame_udp u;
    enum frame_verdict v = frame_check(&n->c->plan, n->dns, frame, len, &u);
    if (v == FRAME_FRAGMENT) {
        len = fragments_add(n->fragments, frame, len, &frame);
        if (len == 0)
            return;
        v = frame_check(&n->c->plan, n->dns, frame, len, &u);
    }
    switch (v) {
    case FRAME_PASS: stack_input(n->stack, frame, len); break;
    case FRAME_DNS: dns_query(n->dns, &u); break;
    case FRAME_DNS_TCP: dns_tcp_input(n->dns_tcp, frame, len); break;
    case FRAME_FRAGMENT:
    case FRAME_DROP: break;
    }
}

/* Take what is there, up to a turn's worth, so that sockets and API get theirs under a flood. */
static void read_link(struct netd *n, short revents)
{
    size_t most = FRAMES_A_TURN + stack_sockets(n->stack) / SOCKETS_A_FRAME;
    for (size_t i = 0; i < most; i++) {
        ssize_t len = read(n->c->link_fd, n->frame, FRAME_MAX);
        if (len > 0) {
            from_guest(n, n->frame, (size_t)len);
            continue;
        }
        if ((len < 0 && errno == EINTR) ||
            (len == 0 && !(revents & POLLHUP))) /* an empty message is no end */
            continue;
        if (len < 0 && (errno == EAGAIN || errno == ENETDOWN || errno == ENOBUFS || errno == EIO))
            return; /* down for now: comes up again, or its owner ends us */
        log_info("the interface is gone (%s); ending", len ? strerror(errno) : "closed");
        loop_quit(n->loop, n->c->sync_fd >= 0 ? SERVICE_DONE : 0); /* another one would find the same */
        return;
    }
}

static void exit_event(struct loop *l, struct watch *w, uint32_t events)
{
    (void)w;
    (void)events;
    loop_quit(l, 0);
}

/* The supervisor's death or its wish to stop. */
static void sync_event(struct loop *l, struct watch *w, uint32_t events)
{
    struct sync_in in sync_in_auto = {.nfds = 0};
    (void)events;
    int r = sync_recv(w->fd, &in, 0);
    if (r == -EAGAIN)
        return;
    if (r < 0 || in.msg == SYNC_STOP)
        loop_quit(l, 0);
}

/* The host's resolv.conf: its text now, and what tells when that is old. */
static void resolv_event(struct loop *l, struct watch *w, uint32_t events)
{
    struct netd *n = container_of(w, struct netd, resolv);
    struct resolv host resolv_auto = {.n = 0};
    (void)events;
    ssize_t len = resolv_watch_recv(w->fd, (char *)n->frame, FRAME_MAX, &n->resolv_inotify);
    if (len == -EAGAIN)
        return;
    if (len < 0) {
        log_debug("netd: changes of resolv.conf are not followed any more");
        n->resolv_state = RESOLV_KNOWN;
        loop_del(l, w);
        fd_close(&n->resolv_inotify);
        return;
    }
    if (n->resolv_state ==
        RESOLV_ASKED) /* otherwise it was meant for a netd before this one, and may be old */
        n->resolv_state = RESOLV_KNOWN;
    if (n->dns && resolv_parse((const char *)n->frame, &host) == 0)
        dns_set_servers(n->dns, &host);
}

/* Has the host's resolv.conf changed since its text came here? It is followed from the first query on. */
static bool resolv_is_stale(void *arg)
{
    struct netd *n = arg;
    struct pollfd p = {.fd = n->resolv_inotify, .events = POLLIN};
    if (n->resolv_state == RESOLV_UNASKED)
        n->resolv_state = resolv_watch_ask(n->resolv.fd) == 0 ? RESOLV_ASKED : RESOLV_KNOWN;
    return n->resolv_state == RESOLV_ASKED || (p.fd >= 0 && poll(&p, 1, 0) > 0);
}

static void signal_event(struct loop *l, struct watch *w, uint32_t events)
{
    struct signalfd_siginfo si;
    (void)events;
    if (read(w->fd, &si, sizeof(si)) == sizeof(si))
        loop_quit(l, 128 + (int)si.ssi_signo);
}

/* On our own, a signal ends us in good order; a supervised one is ended by its supervisor. */
static int watch_signals(struct netd *n)
{
    sigset_t set;
    if (n->c->sync_fd >= 0)
        return 0;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    n->signals = (struct watch){.fn = signal_event, .what = "signals"};
    return loop_signals(n->loop, &n->signals, &set);
}

static int add_watches(struct netd *n)
{
    const struct netd_config *c = n->c;
    n->resolv =
        (struct watch){.fd = c->resolv_fd, .events = EPOLLIN, .fn = resolv_event, .what = "resolv.conf"};
    n->exit = (struct watch){.fd = c->exit_fd, .events = EPOLLRDHUP, .fn = exit_event, .what = "exit fd"};
    n->sync = (struct watch){.fd = c->sync_fd, .events = EPOLLIN, .fn = sync_event, .what = "supervisor"};
    int r = 0;
    /* EPERM: a file or a device without events; poll(2) would never tell of its end either. */
    if (c->exit_fd >= 0 && (r = loop_add(n->loop, &n->exit)) < 0 && r != -EPERM)
        return log_errno(r, "cannot watch exit fd %d (it must be a pipe or a socket)", c->exit_fd);
    if (c->sync_fd >= 0 && (r = loop_add(n->loop, &n->sync)) < 0)
        return log_errno(r, "cannot watch the supervisor's socket");
    if (c->resolv_fd >= 0 && (r = loop_add(n->loop, &n->resolv)) < 0)
        return log_errno(r, "cannot watch the source of resolv.conf");
    if ((r = watch_signals(n)) < 0)
        return log_errno(r, "cannot watch for signals");
    if (c->api_fd >= 0 && (r = netd_api_new(n->loop, c->api_fd, n->stack, &c->plan, &n->api)) < 0)
        return log_errno(r, "cannot serve the API socket");
    return 0;
}

static int start_stack(struct netd *n)
{
    const struct netd_config *c = n->c;
    const struct stack_config sc = {
        .plan = &c->plan,
        .disable_host_loopback = c->disable_host_loopback,
        .disable_dns = c->disable_dns,
        .outbound = c->have_outbound ? &c->outbound : NULL,
        .outbound6 = c->have_outbound6 ? &c->outbound6 : NULL,
        .loop = n->loop,
        .send = to_link,
        .arg = n,
    };
    int r = stack_new(&sc, &n->stack);
    return r < 0 ? log_errno(r, "cannot start the TCP/IP stack (MTU %u)", c->plan.mtu) : 0;
}

static int start_dns(struct netd *n, const struct resolv *host)
{
    const struct netd_config *c = n->c;
    const struct dns_config dc = {
        .loop = n->loop,
        .mtu = c->plan.mtu,
        .outbound = c->have_outbound ? &c->outbound : NULL,
        .outbound6 = c->have_outbound6 ? &c->outbound6 : NULL,
        .send = to_link,
        .stale = resolv_is_stale,
        .arg = n,
    };
    if (c->disable_dns)
        return 0;
    int r = dns_new(&dc, &n->dns);
    if (r < 0)
        return log_errno(r, "cannot start the DNS forwarder");
    dns_set_servers(n->dns, host);
    r = dns_tcp_new(n->loop, n->dns, n->stack, &c->plan, &n->dns_tcp);
    return r < 0 ? log_errno(r, "cannot start the DNS forwarder for TCP") : 0;
}

/* In the sandbox: what it leaves us with has to be enough. */
static int start_fast(struct netd *n)
{
    const struct netd_config *c = n->c;
    const struct fast_config fc = {
        .plan = &c->plan,
        .disable_host_loopback = c->disable_host_loopback,
        .outbound = c->have_outbound ? &c->outbound : NULL,
        .outbound6 = c->have_outbound6 ? &c->outbound6 : NULL,
        .max = n->max_files > 2 * FILES_OF_OTHERS ? n->max_files - FILES_OF_OTHERS : n->max_files / 2,
    };
    struct reason why = {""};
    if (!fast_set_is_there(&c->fast))
        return 0;
    int r = fast_new(n->loop, &fc, &c->fast, &n->fast, &why);
    if (r < 0 && c->tcp == TCP_FAST) {
        log_error("--tcp=fast: %s", why.text);
        return r;
    }
    if (r < 0)
        log_debug("no TCP fast path, connections go by libslirp: %s", why.text);
    return 0;
}

static int set_up(struct netd *n)
{
    const struct netd_config *c = n->c;
    struct resolv host resolv_auto = {.n = 0};
    struct reason why = {""};
    n->frame = malloc(FRAME_MAX);
    n->out = malloc(FRAME_MAX);
    if (!n->frame || !n->out || fragments_new(&n->fragments) < 0)
        return log_errno(-ENOMEM, "cannot start");
    int r = fd_set_nonblock(c->link_fd, true);
    if (r < 0)
        return log_errno(r, "cannot use the link (fd %d)", c->link_fd);
    r = loop_new(&n->loop);
    if (r < 0)
        return log_errno(r, "cannot make an event loop");
    r = resolv_read(&host);
    if (r < 0)
        return log_errno(r, "cannot read /etc/resolv.conf");
    r = start_stack(n);
    if (r == 0)
        r = start_dns(n, &host);
    if (r < 0)
        return r;
    r = add_watches(n);
    if (r < 0)
        return r;
    r = netd_sandbox_enter(c, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return r;
    }
    return start_fast(n);
}

/* Tell those who wait that we serve. */
static int announce(const struct netd_config *c)
{
    int r = 0;
    if (c->ready_fd >= 0) {
        r = fd_write_all(c->ready_fd, "1", 1);
        close(c->ready_fd);
        if (r < 0)
            return log_errno(r, "cannot write to ready fd %d", c->ready_fd);
    }
    if (c->sync_fd >= 0) {
        r = sync_send(c->sync_fd, SYNC_UP, NULL, 0, NULL, 0);
        if (r < 0)
            return log_errno(r, "cannot tell the supervisor that the network is up");
        log_copy_end();
    }
    return 0;
}

static int turn(struct netd *n)
{
    n->set.n = 0;
    if (pollset_add(&n->set, loop_fd(n->loop), POLLIN) != AT_LOOP ||
        pollset_add(&n->set, n->c->link_fd, POLLIN) != AT_LINK)
        return -ENOMEM;
    int timeout = loop_timeout(n->loop);
    stack_fill(n->stack, &n->set, &timeout);
    int ready = poll(n->set.fds, (nfds_t)n->set.n, timeout);
    if (ready < 0 && errno != EINTR && errno != ENOMEM)
        return -errno;
    stack_polled(n->stack, &n->set, ready < 0);
    if (ready > 0 && n->set.fds[AT_LINK].revents)
        read_link(n, n->set.fds[AT_LINK].revents);
    if ((ready > 0 && n->set.fds[AT_LOOP].revents) || loop_timeout(n->loop) == 0)
        return loop_dispatch(n->loop, 0);
    return 0;
}

static void clean_up(struct netd *n)
{
    netd_api_free(n->api);
    fast_free(n->fast);
    dns_tcp_free(n->dns_tcp);
    dns_free(n->dns);
    stack_free(n->stack);
    fragments_free(n->fragments);
    loop_free(n->loop);
    pollset_done(&n->set);
    fd_close(&n->resolv_inotify);
    free(n->frame);
    free(n->out);
}

int netd_serve(const struct netd_config *c)
{
    struct netd n = {.c = c, .resolv_inotify = -1};
    int code = 1;
    /* libslirp sends without MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
    int64_t files = sandbox_nofile(MAX_FILES); /* best effort: the soft limit in force also works */
    n.max_files = files > 0 ? (size_t)files : 1024;
    int r = set_up(&n);
    if (r == 0)
        r = announce(c);
    while (r == 0 && !loop_quitting(n.loop, &code)) {
        r = turn(&n);
        if (r < 0)
            log_errno(r, "the network's loop failed");
    }
    if (n.dropped)
        log_debug("netd: %llu frames were lost at the link", (unsigned long long)n.dropped);
    clean_up(&n);
    return r < 0 ? 1 : code;
}
