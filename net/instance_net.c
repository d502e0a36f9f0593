/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's services: netd with the link, portd with the published ports. Both are forked here and die with the
 * supervisor; what must outlive their deaths (the link, the listeners, the watch on resolv.conf) is held by the supervisor.
 */
#include "net/instance_net.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/ns.h"
#include "core/proc.h"
#include "net/child.h"

static void service_failed(struct service *s, int status)
{
    struct instance *in = s->owner;
    if (status & 0x7f || status >> 8 != 1) /* 1: it has said why */
        log_error("%s did not start (%s %d)", s->name, status & 0x7f ? "signal" : "exit status",
                  status & 0x7f ? status & 0x7f : status >> 8);
    instance_give_up(in);
}

static int serve_netd(void *config, int sync_fd)
{
    struct netd_config *c = config;
    c->sync_fd = sync_fd;
    return netd_serve(c);
}

static void netd_is_up(struct service *s)
{
    struct instance *in = s->owner;
    in->net_up = true;
    instance_maybe_go(in);
}

/* Without it netd uses resolv.conf as it was when it started. */
static void follow_resolv(struct instance *in)
{
    int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, in->resolv_sv) < 0 ? -errno : 0;
    if (r == 0)
        r = resolv_watch_new(in->loop, in->resolv_sv[0], NULL, NULL, &in->resolv);
    if (r < 0)
        log_debug("changes of resolv.conf are not followed: %s", strerror(-r));
}

static int start_netd(struct instance *in, enum link_kind kind)
{
    struct netd_config *c = &in->netd_config;
    netd_config_init(c);
    c->plan = in->cfg->plan;
    c->link_kind = kind;
    follow_resolv(in);
    c->resolv_fd = in->resolv_sv[1];
    c->link_fd = in->link_fd;
    c->tcp = in->cfg->tcp;
    c->fast = in->fast;
    c->userns_fd = in->userns_fd;
    c->disable_host_loopback = in->cfg->disable_host_loopback;
    in->netd = (struct service){
        .name = "netd",
        .serve = serve_netd,
        .config = c,
        .keep = {in->link_fd, in->userns_fd, in->resolv_sv[1]},
        .n_keep = 3,
        .on_up = netd_is_up,
        .on_failed = service_failed,
        .owner = in,
    };
    for (size_t i = 0; i < array_size(in->fast.fd); i++)
        if (in->fast.fd[i] >= 0)
            in->netd.keep[in->netd.n_keep++] = in->fast.fd[i];
    int r = service_start(&in->netd, in->loop);
    return r < 0 ? log_errno(r, "cannot start netd") : 0;
}

static int serve_portd(void *config, int sync_fd)
{
    struct portd_config *c = config;
    c->sync_fd = sync_fd;
    return portd_serve(c);
}

static void portd_warns(const char *text, void *arg)
{
    (void)arg;
    log_warn("%s", text);
}

/* Its death is seen by the loop, which starts another. */
static void portd_is_stuck(void *arg)
{
    struct instance *in = arg;
    log_warn("portd does not answer; ending it");
    if (in->portd.pidfd >= 0)
        proc_signal(in->portd.pidfd, in->portd.pid, SIGKILL);
}

bool instance_dials_link(const struct instance_config *cfg)
{
    return cfg->port_driver && !strcmp(cfg->port_driver, "slirp4netns") && cfg->net != NET_HOST &&
           cfg->net != NET_NONE;
}

int instance_make_ports(struct instance *in)
{
    int r = port_table_new(&in->ports);
    if (r < 0)
        return log_errno(r, "cannot make the port table");
    port_table_on_warn(in->ports, portd_warns, NULL);
    port_table_on_stuck(in->ports, portd_is_stuck, in);
    if (instance_dials_link(in->cfg))
        port_table_dial(in->ports, in->cfg->plan.guest);
    return 0;
}

static int publish_all(struct instance *in)
{
    for (size_t i = 0; i < in->cfg->n_publish; i++) {
        struct port_entry e;
        struct reason why;
        int r = port_add(in->ports, &in->cfg->publish[i], &e, &why);
        if (r < 0) {
            log_error("%s", why.text);
            return r;
        }
        if (in->cfg->publish[i].parent_port == 0)
            log_info("published %s port %u as port %u", port_proto_names[e.spec.proto], e.spec.child_port,
                     e.spec.parent_port);
    }
    return 0;
}

static void portd_is_up(struct service *s)
{
    struct instance *in = s->owner;
    int r = port_table_attach(in->ports, s->sync_fd);
    if (r < 0) {
        log_errno(r, "cannot hand the published ports to portd");
        if (!in->running)
            instance_give_up(in);
        return;
    }
    if (in->ports_up)
        return;
    if (publish_all(in) < 0) {
        instance_give_up(in);
        return;
    }
    in->ports_up = true;
    instance_maybe_go(in);
}

static void portd_is_down(struct service *s)
{
    struct instance *in = s->owner;
    port_table_attach(in->ports, -1);
}

static int start_portd(struct instance *in)
{
    struct portd_config *c = &in->portd_config;
    portd_config_init(c);
    c->userns_fd = in->userns_fd;
    c->netns_fd = in->netns_fd;
    c->source_ip_transparent = in->cfg->source_ip_transparent;
    c->workers = in->cfg->port_workers;
    c->keep_tables = true;
    in->portd = (struct service){
        .name = "portd",
        .serve = serve_portd,
        .config = c,
        .keep = {in->userns_fd, in->netns_fd},
        .n_keep = 2,
        .on_up = portd_is_up,
        .on_down = portd_is_down,
        .on_failed = service_failed,
        .owner = in,
    };
    int r = service_start(&in->portd, in->loop);
    return r < 0 ? log_errno(r, "cannot start portd") : 0;
}

/* The child's network is made: its namespaces can be opened, and whoever lives in or beside them started. */
int instance_network_made(struct instance *in, struct sync_in *msg)
{
    struct child_net net;
    size_t want = 0;
    if (msg->len == sizeof(net)) {
        memcpy(&net, msg->payload, sizeof(net));
        want = (net.kind != LINK_AUTO) + (size_t)net.fast.n_fds + (net.detached ? 1u : 0u);
    }
    if (msg->len != sizeof(net) || msg->nfds != want)
        return log_errno(-EPROTO, "the child sent a malformed '%s'", sync_name(msg->msg));
    if (net.kind != LINK_AUTO)
        in->link_fd = steal_fd(&msg->fds[0]);
    if (fast_set_unpack(&net.fast, msg->fds + 1, net.fast.n_fds, &in->fast) < 0)
        return log_errno(-EPROTO, "the child sent a malformed '%s'", sync_name(msg->msg));
    in->netns_fd = net.detached ? steal_fd(&msg->fds[want - 1]) : ns_open(in->child_in_proc, "net");
    in->userns_fd = ns_open(in->child_in_proc, "user");
    int r = in->netns_fd < 0 ? in->netns_fd : in->userns_fd < 0 ? in->userns_fd : 0;
    if (r < 0 && pidfd_has_ended(in->child_pidfd)) {
        log_debug(
            "the child has ended"); /* and has said why, or its status does: that comes next in the loop */
        return 0;
    }
    if (r < 0)
        return log_errno(r, "cannot open the child's namespaces");
    if (net.kind != LINK_AUTO)
        r = start_netd(in, (enum link_kind)net.kind);
    if (r == 0 && in->ports)
        r = start_portd(in);
    return r;
}
