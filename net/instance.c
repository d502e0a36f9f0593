/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor.  It stays outside all new namespaces, holds what must outlive a crash of netd or portd (the link,
 * the listeners), and does nothing that blocks once its loop runs.  The sequence stands on top of applets/run.c.
 *
 *     STARTING ── child ready, netd up, ports published ──▶ RUNNING ── the child's end ──▶ loop left, all cleaned up
 *        └─ an error, a deadline, a signal ──────────────────────────────────────────────▶ the same
 */
#include "net/instance.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/cgroup.h"
#include "core/fd.h"
#include "core/instances.h"
#include "core/log.h"
#include "core/ns.h"
#include "core/probe.h"
#include "core/sandbox.h"
#include "net/child.h"
#include "net/detach.h"
#include "net/instance_net.h"
#include "net/instance_signals.h"
#include "net/resolv.h"

enum { NOFILE_WANTED = 1 << 20, WORKERS_END_MS = 1000 };

void instance_give_up(struct instance *in)
{
    loop_quit(in->loop, 1);
}

/* ---------------------------------------------------------------- stage: state directory and its files */

static int prepare_state(struct instance *in)
{
    struct reason why;
    int r = statedir_open(in->cfg->state_dir, &in->sd, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return r;
    }
    r = detach_output(in);
    if (r < 0)
        return r;
    if (!child_has_netns(in->cfg) || in->cfg->net == NET_NONE)
        return 0;
    free_auto char *resolv = NULL;
    free_auto char *hosts = NULL;
    struct utsname uts;
    if (uname(&uts) < 0)
        return log_errno(errno, "cannot learn the host's name");
    r = resolv_conf_text(&in->cfg->plan, in->cfg->plan.ipv6, &resolv);
    if (r == 0)
        r = resolv_hosts_text(uts.nodename, &hosts);
    if (r == 0)
        r = statedir_file(&in->sd, "resolv.conf", resolv, strlen(resolv), 0644);
    if (r == 0)
        r = statedir_file(&in->sd, "hosts", hosts, strlen(hosts), 0644);
    return r < 0 ? log_errno(r, "cannot write resolv.conf and hosts in '%s'", in->sd.path) : 0;
}

/* ---------------------------------------------------------------- stage: the child and its id map */

static int start_child(struct instance *in)
{
    const struct instance_config *cfg = in->cfg;
    uint64_t flags = CLONE_NEWUSER | CLONE_NEWNS;
    if (child_has_netns(cfg) && !cfg->detach_netns)
        flags |= CLONE_NEWNET;
    flags |= (cfg->pidns ? CLONE_NEWPID : 0u) | (cfg->cgroupns ? CLONE_NEWCGROUP : 0u);
    flags |= (cfg->utsns ? CLONE_NEWUTS : 0u) | (cfg->ipcns ? CLONE_NEWIPC : 0u);
    int sv[2];
    int r = sync_pair(sv);
    if (r < 0)
        return log_errno(r, "cannot make a socket pair");
    fd_auto int ours = sv[0];
    fd_auto int theirs = sv[1];
    pid_t parent = getpid();
    pid_t pid = proc_clone(flags, &in->child_pidfd);
    if (pid < 0) {
        struct reason why;
        probe_why_no_clone(flags, pid, &why);
        log_error("%s", why.text);
        return pid;
    }
    if (pid == 0) {
        fd_close(&ours);
        struct child c = {.cfg = cfg,
                          .sd = &in->sd,
                          .sync_fd = theirs,
                          .parent = parent,
                          .parent_euid = in->map.euid,
                          .parent_egid = in->map.egid,
                          .nofile = in->nofile};
        child_main(&c);
    }
    in->child = pid;
    in->child_sync = steal_fd(&ours);
    return 0;
}

/* Where /proc shows an outer pid namespace, its number there: for all that goes by the name /proc/PID, newuidmap(1) too. */
static int find_in_proc(struct instance *in)
{
    int r = proc_number(in->child_pidfd, &in->child_in_proc);
    if (r == -ESRCH)
        return log_errno(r, "the /proc here is of another pid namespace, which does not show the new process "
                            "(mount -t proc proc /proc)");
    if (r < 0)
        in->child_in_proc =
            in->child; /* before Linux 5.2; or no /proc at all, which the next step will say */
    return 0;
}

static int map_child(struct instance *in)
{
    struct reason why;
    int r = idmap_apply(&in->map, in->child_in_proc, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return r;
    }
    if (in->map.warning.text[0])
        log_warn("%s", in->map.warning.text);
    r = sync_send(in->child_sync, SYNC_MAPPED, NULL, 0, NULL, 0);
    if (r < 0)
        return log_errno(r, "cannot tell the child that its ids are mapped (it ended early)");
    return 0;
}

/*
 * The child's cgroup namespace is rooted where it was cloned; from here on everybody is in a group below, so that
 * whoever runs inside may hand out controllers.
 */
static int evacuate_cgroup(struct instance *in)
{
    struct reason why;
    if (!in->cfg->evacuate_cgroup2)
        return 0;
    int fd = cgroup_open_own();
    if (fd < 0)
        return log_errno(
            fd,
            "--evacuate-cgroup2: cannot open the own cgroup (is a cgroup2 tree mounted on /sys/fs/cgroup?)");
    in->cgroup_fd = fd;
    int r = cgroup_evacuate(fd, in->cfg->evacuate_cgroup2, &why);
    if (r < 0)
        log_error("--evacuate-cgroup2: %s", why.text);
    return r;
}

/* ---------------------------------------------------------------- stage: state files, API, go */

static void fill_info(struct instance *in)
{
    const struct instance_config *cfg = in->cfg;
    struct rest_info *i = &in->info;
    i->state_dir = in->sd.path;
    i->child_pid = in->child;
    i->version = cfg->version;
    if (cfg->net != NET_HOST)
        i->net_driver = net_driver_names[cfg->net];
    if (cfg->net != NET_HOST && cfg->net != NET_NONE) {
        inet_ntop(AF_INET, &cfg->plan.guest, in->child_ip, sizeof(in->child_ip));
        inet_ntop(AF_INET, &cfg->plan.dns, in->dns, sizeof(in->dns));
        i->child_ip = in->child_ip;
        i->dns[0] = in->dns;
    }
    i->disallow_loopback_child_ip = instance_dials_link(cfg);
    i->port_driver = cfg->hide_port_driver ? NULL : cfg->port_driver;
}

static int open_api(struct instance *in)
{
    struct sockaddr_un sa;
    socklen_t len;
    int r = statedir_sockaddr(&in->sd, "api.sock", &sa, &len);
    if (r < 0)
        return r;
    fd_auto int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* A state directory that was there may be open to others; the API is not for them. */
    mode_t mask = umask(0177);
    r = bind(fd, (struct sockaddr *)&sa, len) < 0 ? -errno : 0;
    umask(mask);
    if (r < 0)
        return r;
    if (listen(fd, 64) < 0)
        return -errno;
    fill_info(in);
    r = rest_new(in->loop, fd, &in->info, in->ports, &in->rest);
    if (r == 0)
        steal_fd(&fd);
    return r;
}

void instance_maybe_go(struct instance *in)
{
    if (in->running || !in->child_ready || !in->net_up || !in->ports_up)
        return;
    int r = open_api(in);
    if (r < 0) {
        log_errno(r, "cannot open the API socket '%s/api.sock'", in->sd.path);
        instance_give_up(in);
        return;
    }
    r = statedir_write_child_pid(&in->sd, in->child);
    if (r < 0) {
        log_errno(r, "cannot write '%s/child_pid'", in->sd.path);
        instance_give_up(in);
        return;
    }
    loop_timer_del(in->loop, &in->deadline);
    in->running = true;
    r = sync_send(in->child_sync, SYNC_GO, NULL, 0, NULL, 0);
    if (r < 0 && r != -EPIPE) { /* EPIPE: the child's end is told by its pidfd */
        log_errno(r, "cannot tell the child to start the command");
        instance_give_up(in);
    }
}

/* ---------------------------------------------------------------- events */

static void deadline_passed(struct loop *l, struct timer *t)
{
    (void)l;
    struct instance *in = container_of(t, struct instance, deadline);
    const char *what = !in->child_ready ? "the child process" : !in->net_up ? "netd" : "portd";
    log_error("gave up: %s was not ready within %d seconds", what, SYNC_TIMEOUT_MS / 1000);
    instance_give_up(in);
}

/* From now on whoever runs inside may speak through the reaper: this can do it no harm but to stop. */
static void running_message(struct instance *in, const struct sync_in *msg)
{
    int32_t sig;
    if (msg->msg == SYNC_FAILED) {
        in->exec_failed = true; /* the exit status, which is on its way, says more */
    } else if (msg->msg == SYNC_STARTED && !in->exec_failed) {
        in->exec_told = true;
        detach_ready(in);
    } else if (msg->msg == SYNC_STOPPED && msg->len == sizeof(sig)) {
        memcpy(&sig, msg->payload, sizeof(sig));
        in->stops++;
        instance_command_stopped(in, sig);
    }
}

/* Take one message. 0; -EAGAIN: there is none; other errors: there will be none. */
static int take_message(struct instance *in)
{
    sync_in_auto struct sync_in msg = {0};
    int r = sync_recv(in->child_sync, &msg, 0);
    if (r < 0)
        return r;
    if (in->running) {
        running_message(in, &msg);
        return 0;
    }
    switch (msg.msg) {
    case SYNC_NET:
        if (instance_network_made(in, &msg) < 0)
            instance_give_up(in);
        break;
    case SYNC_READY:
        in->child_ready = true;
        instance_maybe_go(in);
        break;
    case SYNC_FAILED: instance_give_up(in); break;
    default:
        log_error("the child sent '%s' where '%s' was due", sync_name(msg.msg), sync_name(SYNC_READY));
        instance_give_up(in);
    }
    return 0;
}

/* Without a reaper nobody says so: its end closes the pair, too. To be asked before it is reaped. */
static bool was_executed(const struct instance *in)
{
    return in->running && !in->exec_failed &&
           (in->cfg->reaper ? in->exec_told : instance_executed(in->child_in_proc));
}

static void child_message(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct instance *in = container_of(w, struct instance, on_message);
    int r = take_message(in);
    if (r == 0 || r == -EAGAIN)
        return;
    /* The exec closes the child's end; a death is told by the pidfd. */
    loop_del(l, w);
    if (in->child_pidfd >= 0 && (was_executed(in) || (r != -ECONNRESET && in->running))) {
        detach_ready(in); /* or it cannot be heard any more: then its end will say how it went */
    } else if (r != -ECONNRESET && !in->running) {
        log_errno(r, "cannot receive the child's messages");
        instance_give_up(in);
    }
}

static void child_ended(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct instance *in = container_of(w, struct instance, on_exit);
    int status = 0;
    /*
     * What it sent before its end comes first, for one turn of the loop may tell of both in any order: why it gave up, and
     * whether there was an exec.
     */
    while (in->on_message.armed && !loop_quitting(l, NULL) && take_message(in) == 0)
        ;
    bool executed = was_executed(in);
    int r = pidfd_wait(in->child_pidfd, 0, &status);
    if (r == -ETIMEDOUT)
        return;
    loop_del(l, w);
    fd_close(&in->child_pidfd);
    if (executed)
        detach_ready(in);
    if (loop_quitting(l, NULL))
        return;
    if (r < 0) {
        log_errno(r, "cannot learn how the command ended");
        instance_give_up(in);
    } else if (!in->running && (status & 0x7f)) {
        log_error("the child was killed by signal %d while it was set up", status & 0x7f);
        instance_give_up(in);
    } else if (!in->running) {
        log_error("the child ended (exit status %d) while it was set up", status >> 8);
        instance_give_up(in);
    } else {
        if (!executed && (status & 0x7f))
            log_error("the child was killed by signal %d before it could run the command", status & 0x7f);
        loop_quit(l, proc_exit_code(status, in->cfg->command.style));
    }
}

static int watch_child(struct instance *in)
{
    in->on_exit =
        (struct watch){.fd = in->child_pidfd, .events = EPOLLIN, .fn = child_ended, .what = "child"};
    in->on_message = (struct watch){
        .fd = in->child_sync, .events = EPOLLIN, .fn = child_message, .what = "child's messages"};
    int r = loop_add(in->loop, &in->on_exit);
    if (r == 0)
        r = loop_add(in->loop, &in->on_message);
    if (r < 0)
        return log_errno(r, "cannot watch the child");
    in->deadline = (struct timer){.fn = deadline_passed, .what = "start"};
    loop_timer_set(in->loop, &in->deadline, (uint64_t)SYNC_TIMEOUT_MS * 1000000u);
    return 0;
}

/* ---------------------------------------------------------------- the whole */

static int run(struct instance *in)
{
    struct reason why;
    /* Many ports may be published, and the limit may be tiny; the command gets the one that we came with. */
    if (getrlimit(RLIMIT_NOFILE, &in->nofile) < 0)
        return log_errno(errno, "cannot read the limit of open files");
    sandbox_nofile(NOFILE_WANTED);
    int r = loop_new(&in->loop);
    if (r < 0)
        return log_errno(r, "cannot make an event loop");
    r = instance_watch_signals(in);
    if (r == 0)
        r = detach_watch(in);
    if (r == 0)
        r = prepare_state(in);
    if (r < 0)
        return r;
    r = idmap_plan(&in->cfg->map, &in->map, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return r;
    }
    if (in->cfg->port_driver) {
        r = instance_make_ports(in);
        if (r < 0)
            return r;
    }
    r = start_child(in);
    if (r == 0)
        r = find_in_proc(in);
    if (r == 0)
        r = evacuate_cgroup(in);
    if (r == 0)
        r = map_child(in);
    if (r == 0)
        r = watch_child(in);
    if (r < 0)
        return r;
    r = loop_run(in->loop);
    return r < 0 ? log_errno(r, "cannot wait for events") : r;
}

/* In the order in which nobody misses what is already gone: the command first, the directory last. */
static void tear_down(struct instance *in)
{
    if (in->child_pidfd >= 0) {
        proc_signal(in->child_pidfd, in->child, SIGKILL);
        pidfd_wait(in->child_pidfd, -1, NULL);
        fd_close(&in->child_pidfd);
    }
    instance_take_terminal(in);
    rest_free(in->rest);
    if (in->cfg->port_workers > 1) /* let it see them end: they hold the listeners, too */
        service_finish(&in->portd, WORKERS_END_MS);
    else
        service_stop(&in->portd);
    service_stop(&in->netd);
    port_table_free(in->ports);
    fd_close(&in->child_sync);
    fd_close_later(&in->link_fd);
    fast_set_done(&in->fast, true);
    resolv_watch_free(in->resolv);
    fd_close(&in->resolv_sv[0]);
    fd_close(&in->resolv_sv[1]);
    fd_close(&in->netns_fd);
    fd_close(&in->userns_fd);
    if (in->cgroup_fd >= 0)
        cgroup_return(in->cgroup_fd, in->cfg->evacuate_cgroup2);
    fd_close(&in->cgroup_fd);
    int r = in->sd.dir_fd >= 0 ? statedir_remove(&in->sd) : 0;
    if (r < 0)
        log_warn("cannot remove the state directory '%s': %s (the next start there clears it)", in->sd.path,
                 strerror(-r));
    if (in->loop)
        fd_close(&in->on_signal.fd);
    loop_free(in->loop);
}

int instance_run(const struct instance_config *cfg)
{
    struct instance *in = calloc(1, sizeof(*in));
    if (!in) {
        log_errno(-ENOMEM, "cannot start");
        return 1;
    }
    in->cfg = cfg;
    in->sd = (struct statedir)STATEDIR_NONE;
    in->resolv_sv[0] = in->resolv_sv[1] = -1;
    in->child_pidfd = in->child_sync = in->link_fd = in->userns_fd = in->netns_fd = in->cgroup_fd = -1;
    in->fast = (struct fast_set)FAST_SET_NONE;
    in->on_signal.fd = -1;
    in->starter = cfg->starter;
    in->net_up = cfg->net == NET_HOST || cfg->net == NET_NONE;
    in->ports_up = !cfg->port_driver;
    int r = run(in);
    tear_down(in);
    free(in);
    return r < 0 ? 1 : r;
}
