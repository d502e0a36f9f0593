/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fast_listen.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "net/relay.h"

enum { ACCEPTS_A_TURN = 64 };

static const uint64_t REST_NS = 200 * 1000000;

#ifndef SO_ORIGINAL_DST
#define SO_ORIGINAL_DST \
    80 /* linux/netfilter_ipv4.h and ip6_tables.h, which do not go with libc's netinet/in.h */
#endif

static int original_destination(int fd, union sockaddr_ip *ret)
{
    socklen_t len = sizeof(*ret);
    memset(ret, 0, sizeof(*ret));
    /* SOL_IP and SOL_IPV6 are the protocols' numbers */
    if (getsockname(fd, &ret->sa, &len) < 0)
        return -errno;
    int level = ret->sa.sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    len = sizeof(*ret);
    return getsockopt(fd, level, SO_ORIGINAL_DST, ret, &len) < 0 ? -errno : 0;
}

/* @fd is ours from here on. */
static void accepted(const struct fast_listen *ls, int fd, const union sockaddr_ip *peer)
{
    union sockaddr_ip dst;
    int r = original_destination(fd, &dst);
    if (r < 0) {
        log_debug("fast path: a connection to the listener without a destination: %s", strerror(-r));
        tcp_reset(&fd);
        return;
    }
    ls->fn(fd, peer, &dst, ls->arg);
}

/* Descriptors or memory are used up. The watch is level-triggered: it would come at once again. */
static void rest(struct fast_listener *one)
{
    struct fast_listen *ls = one->all;
    loop_del(ls->l, &one->w);
    loop_timer_set(ls->l, &ls->rest, REST_NS);
}

/* It is no listener any more (SOCK_DESTROY, see sock_diag(7)): its hangup would be told for ever. */
static void is_dead(struct fast_listener *one)
{
    log_debug("fast path: the listener is gone: connections go by libslirp");
    loop_del(one->all->l, &one->w);
    one->w.fd = -1;
}

/* Return: is nobody left to be accepted? */
static bool accept_some(struct fast_listener *one)
{
    for (int i = 0; one->w.fd >= 0 && i < ACCEPTS_A_TURN; i++) {
        union sockaddr_ip peer;
        socklen_t len = sizeof(peer);
        int fd = accept4(one->w.fd, &peer.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            accepted(one->all, fd, &peer);
            continue;
        }
        switch (errno) {
        case EAGAIN: return true;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS: rest(one); return false;
        case EINVAL: is_dead(one); return true;
        default: break; /* the error of one client that is gone already (accept(2)) */
        }
    }
    return one->w.fd < 0;
}

bool fast_listen_all(struct fast_listen *ls)
{
    bool v4 = accept_some(&ls->v4), v6 = accept_some(&ls->v6);
    return v4 && v6;
}

bool fast_listen_serves(const struct fast_listen *ls, int family)
{
    return (family == AF_INET6 ? &ls->v6 : &ls->v4)->w.fd >= 0;
}

static void on_listener(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    accept_some(container_of(w, struct fast_listener, w));
}

static int watch_one(struct fast_listener *one)
{
    return one->w.fd >= 0 && !one->w.armed ? loop_add(one->all->l, &one->w) : 0;
}

static void on_rest(struct loop *l, struct timer *t)
{
    struct fast_listen *ls = container_of(t, struct fast_listen, rest);
    int r4 = watch_one(&ls->v4), r6 = watch_one(&ls->v6);
    if (r4 < 0 || r6 < 0) /* no memory still */
        loop_timer_set(l, t, REST_NS);
}

int fast_listen_start(struct fast_listen *ls, struct loop *l, const struct fast_set *set,
                      fast_accepted_fn *fn, void *arg)
{
    const struct watch w = {.events = EPOLLIN, .fn = on_listener, .what = "redirected connections"};
    *ls = (struct fast_listen){.l = l, .fn = fn, .arg = arg};
    ls->rest = (struct timer){.fn = on_rest, .what = "accept again"};
    ls->v4.all = ls->v6.all = ls;
    ls->v4.w = ls->v6.w = w;
    ls->v4.w.fd = set->fd[FAST_LISTEN4];
    ls->v6.w.fd = set->fd[FAST_LISTEN6];
    int r = watch_one(&ls->v4);
    return r < 0 ? r : watch_one(&ls->v6);
}

void fast_listen_stop(struct fast_listen *ls)
{
    if (!ls->l)
        return;
    loop_timer_del(ls->l, &ls->rest);
    loop_del(ls->l, &ls->v4.w);
    loop_del(ls->l, &ls->v6.w);
}
