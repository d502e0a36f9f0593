/* SPDX-License-Identifier: Apache-2.0 */
#include "net/udp_dial.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/fd.h"
#include "core/log.h"

static void warn_once(struct udp_dialler *d, const char *why)
{
    log_debug("ports: udp: no flow from the client's address: %s", why);
    if (d->warned)
        return;
    d->warned = true;
    struct reason text;
    reason_set(&text, 0,
               "UDP clients' source addresses are not kept, datagrams come from a local address: %s", why);
    d->warn(text.text, d->warn_arg);
}

static enum transparent_way way_to(const struct udp_dialler *d, const struct port_targets *t,
                                   const union sockaddr_ip *client, unsigned target,
                                   const struct reason **ret_why)
{
    if (!d->source)
        return TRANSPARENT_NO;
    return transparent_way(udp_source_can(d->source), client, &t->addr[target], t->local[target], ret_why);
}

/* Sets up->way on success. */
static int open_kept(struct udp_dialler *d, const struct port_targets *t, struct udp_upstream *up)
{
    const struct reason *cause = NULL;
    struct reason why = {.text = ""};
    enum transparent_way way = way_to(d, t, &up->client, up->target, &cause);
    int fd = -EOPNOTSUPP;
    if (way != TRANSPARENT_NO) {
        fd = udp_source_open(d->source, &up->client, &t->addr[up->target], way, &why);
        if (fd < 0 && fd != -EMFILE && fd != -ENFILE && fd != -EEXIST)
            cause = &why;
    }
    if (cause)
        warn_once(d, cause->text);
    if (fd >= 0)
        up->way = way;
    return fd;
}

/* Socket connected to up->target, or -errno. */
static int open_target(struct udp_dialler *d, const struct port_targets *t, struct udp_upstream *up)
{
    const union sockaddr_ip *to = &t->addr[up->target];
    up->way = TRANSPARENT_NO;
    int kept = open_kept(d, t, up);
    if (kept >= 0 || kept == -EMFILE || kept == -ENFILE)
        return kept;
    fd_auto int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, &to->sa, ip_len(to)) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* No address was asked for, and this client's is kept over IPv6 only: a server that is there as well is the better one. */
static unsigned first_target(const struct udp_dialler *d, const struct port_targets *t,
                             const union sockaddr_ip *client)
{
    const struct reason *why = NULL;
    for (unsigned i = 0; i < t->n; i++)
        if (way_to(d, t, client, i, &why) != TRANSPARENT_NO)
            return i;
    return 0;
}

/* Try targets until one can be had or all were tried. */
static int open_from(struct udp_dialler *d, const struct port_targets *t, struct udp_upstream *up)
{
    for (;;) {
        up->fd = open_target(d, t, up);
        if (up->fd >= 0)
            return 0;
        int r = up->fd;
        up->fd = -1;
        if (r == -EMFILE || r == -ENFILE || up->tried >= t->n)
            return r;
        up->target = (up->target + 1) % t->n;
        up->tried++;
    }
}

int udp_upstream_open(struct udp_dialler *d, const struct port_targets *t, const union sockaddr_ip *client,
                      struct udp_upstream *ret)
{
    struct udp_upstream up = {.fd = -1, .client = *client, .tried = 1};
    up.target = first_target(d, t, client);
    int r = open_from(d, t, &up);
    if (r == 0)
        *ret = up;
    return r;
}

int udp_upstream_next(struct udp_dialler *d, const struct port_targets *t, struct udp_upstream *up)
{
    if (up->tried >= t->n)
        return -ENOENT;
    udp_upstream_close(d, t, up);
    up->target = (up->target + 1) % t->n;
    up->tried++;
    return open_from(d, t, up);
}

void udp_upstream_close(struct udp_dialler *d, const struct port_targets *t, struct udp_upstream *up)
{
    fd_close(&up->fd);
    if (up->way != TRANSPARENT_NO)
        udp_source_release(d->source, &up->client, &t->addr[up->target], up->way);
    up->way = TRANSPARENT_NO;
}
