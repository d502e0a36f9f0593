/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 *     client ─▶ port's socket (host) ─▶ flow of (port, client, address it wrote to) ─▶ connected socket (child) ─▶ server
 *     client ◀─ port's socket, from the address the client wrote to  ◀─ flow ◀─ connected socket ◀─ server
 *
 * A flow is made by a client's first datagram; net/udp_flow.c finds it again, ends it when it is idle, and says which one has to go when
 * there are too many. UDP may lose datagrams, so nothing is ever queued here: what a socket does not take at once is dropped. What
 * comes through keeps its order, since each flow has one way in and one way out.
 *
 * A server that is not there shows as ECONNREFUSED on the flow's socket. If nobody has answered yet and no child address was asked for,
 * the flow moves on to the next loopback address; after the last one it begins anew with the client's next datagram, so that a server
 * that starts later is found. The client is told nothing: ICMP errors can be sent by root only.
 *
 * The connected socket has the client's own address where that can be (net/udp_dial.c), else a local one.
 */
#include "net/portd_udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/fd.h"
#include "core/log.h"
#include "net/ip.h"
#include "net/udp_batch.h"
#include "net/udp_dial.h"
#include "net/udp_flow.h"

struct flow {
    struct udp_flow f;
    struct watch w; /* of up.fd */
    struct udp_port *port;
    struct udp_upstream up;
};

struct udp_port {
    struct watch w; /* the port's socket; owned */
    struct udp_ports *u;
    struct udp_port *next;
    uint32_t id;
    int family;
    struct port_targets targets;
};

struct udp_ports {
    struct loop *l;
    struct udp_port *ports;
    struct udp_flows *flows;
    struct udp_dialler dialler;
    struct udp_batch *batch;
};

size_t udp_ports_flows(const struct udp_ports *u)
{
    return udp_flows_count(u->flows);
}

/* ---- flows ---- */

static void flow_end(struct udp_flow *uf)
{
    struct flow *f = container_of(uf, struct flow, f);
    struct udp_ports *u = f->port->u;
    loop_del(u->l, &f->w);
    udp_upstream_close(&u->dialler, &f->port->targets, &f->up);
    udp_flows_remove(u->flows, uf);
    free(f);
}

/* The address to answer from, as a control message (ip(7), ipv6(7)). */
static size_t set_local(struct cmsghdr *c, const struct flow *f)
{
    if (IN6_IS_ADDR_UNSPECIFIED(&f->f.key.local))
        return 0;
    if (f->port->family == AF_INET) {
        struct in_pktinfo info = {.ipi_ifindex = 0};
        memcpy(&info.ipi_spec_dst, &f->f.key.local.s6_addr[12], 4);
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        return CMSG_SPACE(sizeof(info));
    }
    struct in6_pktinfo info = {.ipi6_addr = f->f.key.local, .ipi6_ifindex = f->f.key.ifindex};
    c->cmsg_level = IPPROTO_IPV6;
    c->cmsg_type = IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(info));
    memcpy(CMSG_DATA(c), &info, sizeof(info));
    return CMSG_SPACE(sizeof(info));
}

/* The first @n of the batch are for the client. */
static void answer(struct flow *f, unsigned n)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control;
    memset(&control, 0, sizeof(control));
    struct udp_batch_to to = {
        .addr = &f->f.key.client, .control = &control, .controllen = set_local(&control.align, f)};
    for (unsigned done = 0; done < n;) {
        bool refused = false; /* not on a socket that is connected to nobody; but never turn in a circle */
        done += udp_batch_send(f->port->u->batch, f->port->w.fd, done, n - done, &to, &refused);
        done += refused;
    }
}

/* Nobody listens there. 0: try the next one; -ENOENT: there is none; -ECONNABORTED: the flow is gone. */
static int next_target(struct flow *f)
{
    struct udp_ports *u = f->port->u;
    if (f->f.answered || f->up.tried >= f->port->targets.n)
        return -ENOENT;
    loop_del(u->l, &f->w);
    int r = udp_upstream_next(&u->dialler, &f->port->targets, &f->up);
    f->w.fd = f->up.fd;
    if (r == 0 && loop_add(u->l, &f->w) == 0)
        return 0;
    flow_end(&f->f);
    return -ECONNABORTED;
}

static void on_flow(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    struct flow *f = container_of(w, struct flow, w);
    struct udp_ports *u = f->port->u;
    int n = udp_batch_recv(u->batch, w->fd);
    if (n > 0) {
        answer(f, (unsigned)n);
        udp_flows_heard(u->flows, &f->f, true);
    } else if (n == -ECONNREFUSED) {
        next_target(f);
    }
}

static int flow_open(struct flow *f)
{
    struct udp_port *p = f->port;
    union sockaddr_ip client = f->f.key.client;
    ip_unmap(&client);
    int r = udp_upstream_open(&p->u->dialler, &p->targets, &client, &f->up);
    if (r < 0)
        return r;
    f->w = (struct watch){.fd = f->up.fd, .events = EPOLLIN, .fn = on_flow, .what = "udp flow"};
    r = loop_add(p->u->l, &f->w);
    if (r < 0)
        udp_upstream_close(&p->u->dialler, &p->targets, &f->up);
    return r;
}

static struct flow *flow_new(struct udp_port *p, const struct udp_flow_key *k)
{
    struct udp_ports *u = p->u;
    udp_flows_make_room(u->flows);
    struct flow *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->port = p;
    f->f.key = *k;
    int r = flow_open(f);
    if ((r == -EMFILE || r == -ENFILE) && udp_flows_evict(u->flows))
        r = flow_open(f);
    if (r < 0) {
        log_debug("ports: no flow for a new client: %s", strerror(-r));
        free(f);
        return NULL;
    }
    udp_flows_insert(u->flows, &f->f);
    return f;
}

/* The flow of a client that has just sent something. */
static struct flow *flow_of(struct udp_port *p, const struct udp_flow_key *k)
{
    struct udp_flow *uf = udp_flows_find(p->u->flows, k);
    if (!uf)
        return flow_new(p, k);
    udp_flows_heard(p->u->flows, uf, false);
    return container_of(uf, struct flow, f);
}

/* ---- ports ---- */

static void read_local(struct msghdr *m, struct udp_flow_key *k)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memcpy(&k->local.s6_addr[12], &info.ipi_spec_dst, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) /* one cannot answer from there */
                continue;
            k->local = info.ipi6_addr;
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                k->ifindex = info.ipi6_ifindex;
        }
    }
}

/* Has what was sent been refused already? Within this machine that is known when send(2) returns. */
static bool was_refused(int fd)
{
    int err = 0;
    socklen_t len = sizeof(err);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == ECONNREFUSED;
}

/*
 * Send @n of a client's datagrams on, from the one @first on. While it is not known who listens the first one is sent alone: if it is
 * refused it goes to the next target. An earlier one's refusal may be reported by a send, too: then the same again.
 */
static void deliver(struct flow *f, unsigned first, unsigned n)
{
    unsigned end = first + n, refusals = 0;
    const unsigned targets = f->port->targets.n;
    f->up.tried = f->f.answered ? targets : 1;
    for (unsigned at = first; at < end;) {
        bool refused = false, alone = at == first && f->up.tried < targets;
        unsigned sent = udp_batch_send(f->port->u->batch, f->up.fd, at, alone ? 1 : end - at, NULL, &refused);
        if (alone && sent > 0 && was_refused(f->up.fd)) {
            refused = true;
            sent = 0;
        }
        at += sent;
        if (!refused)
            continue;
        if (next_target(f) == -ECONNABORTED)
            return;
        if (++refusals > targets) { /* one is lost, as it would be without us */
            at++;
            refusals = 0;
        }
    }
}

/* Whose is this datagram? A port of 0 can be answered by nobody. */
static void key_of(struct udp_port *p, unsigned i, struct udp_flow_key *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->client = *udp_batch_from(p->u->batch, i);
    ret->port = p->id;
    read_local(udp_batch_msg(p->u->batch, i), ret);
}

static void on_port(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    struct udp_port *p = container_of(w, struct udp_port, w);
    struct udp_flow_key k[UDP_BATCH];
    int n = udp_batch_recv(p->u->batch, w->fd);
    for (int i = 0; i < n; i++)
        key_of(p, (unsigned)i, &k[i]);
    for (int i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && udp_flow_same_key(&k[i], &k[next]); next++)
            ;
        struct flow *f = ip_port(&k[i].client) ? flow_of(p, &k[i]) : NULL;
        if (f)
            deliver(f, (unsigned)i, (unsigned)(next - i));
    }
}

int udp_ports_add(struct udp_ports *u, const struct portd_add *add, int fd)
{
    union sockaddr_ip first, own;
    socklen_t len = sizeof(own);
    if (ip_parse(add->child_ip, add->child_port, &first) < 0 || getsockname(fd, &own.sa, &len) < 0)
        return -EINVAL;
    struct udp_port *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->u = u;
    p->id = add->id;
    p->family = own.sa.sa_family;
    port_targets_set(&p->targets, &first, add->fallback);
    p->w = (struct watch){.fd = fd, .events = EPOLLIN, .fn = on_port, .what = "udp port"};
    int r = loop_add(u->l, &p->w);
    if (r < 0) {
        free(p);
        return r;
    }
    p->next = u->ports;
    u->ports = p;
    return 0;
}

static void port_free(struct udp_port *p)
{
    udp_flows_end_port(p->u->flows, p->id);
    loop_del(p->u->l, &p->w);
    fd_close(&p->w.fd);
    free(p);
}

int udp_ports_del(struct udp_ports *u, uint32_t id)
{
    for (struct udp_port **at = &u->ports; *at; at = &(*at)->next)
        if ((*at)->id == id) {
            struct udp_port *p = *at;
            *at = p->next;
            port_free(p);
            return 0;
        }
    return -ENOENT;
}

void udp_ports_free(struct udp_ports *u)
{
    if (!u)
        return;
    while (u->ports) {
        struct udp_port *p = u->ports;
        u->ports = p->next;
        port_free(p);
    }
    udp_flows_free(u->flows);
    udp_batch_free(u->batch);
    free(u);
}

int udp_ports_new(struct loop *l, size_t max, uint64_t idle_ns, struct udp_ports **ret)
{
    struct udp_ports *u = calloc(1, sizeof(*u));
    if (!u)
        return -ENOMEM;
    int r = udp_batch_new(&u->batch);
    if (r == 0)
        r = udp_flows_new(l, max, idle_ns, flow_end, &u->flows);
    if (r < 0) {
        udp_ports_free(u);
        return r;
    }
    u->l = l;
    *ret = u;
    return 0;
}

void udp_ports_keep_source(struct udp_ports *u, struct udp_source *source,
                           void (*warn)(const char *text, void *arg), void *arg)
{
    u->dialler = (struct udp_dialler){.source = source, .warn = warn, .warn_arg = arg};
}
