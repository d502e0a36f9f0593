/* SPDX-License-Identifier: Apache-2.0 */
#include "net/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cgroup.h"
#include "core/copyup.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/ns.h"
#include "core/sync.h"

/* Tell the supervisor that the cause is on the terminal already, and end. */
_Noreturn static void fail(const struct child *c, int r)
{
    int32_t err = r;
    sync_send(c->sync_fd, SYNC_FAILED, &err, sizeof(err), NULL, 0);
    _exit(1);
}

/* Wait for a message of the supervisor. When it is gone, it has said why, or was killed: there is nothing to add. */
static void await(const struct child *c, enum sync_msg want)
{
    sync_in_auto struct sync_in in = {0};
    struct reason why;
    int r = sync_expect(c->sync_fd, want, &in, SYNC_TIMEOUT_MS, "supervisor", &why);
    if (r == -ECONNRESET)
        _exit(1);
    if (r < 0) {
        log_error("%s", why.text);
        fail(c, r);
    }
}

static void child_wait_mapped(const struct child *c)
{
    /* In a new pid namespace getppid(2) is 0; a parent that died before this shows as EOF in await(). */
    int r = proc_die_with_parent(c->cfg->pidns ? 0 : c->parent);
    if (r == -ESRCH)
        _exit(1);
    if (r < 0)
        fail(c, log_errno(r, "cannot make the child end with its supervisor"));
    await(c, SYNC_MAPPED);
    r = idmap_become_root();
    if (r < 0)
        fail(c, log_errno(r, "cannot become root of the new user namespace"));
    /* A change of ids would have cleared both (prctl(2)). */
    r = proc_die_with_parent(0);
    if (r < 0)
        fail(c, log_errno(r, "cannot make the child end with its supervisor"));
    if (prctl(PR_SET_DUMPABLE, 1) < 0)
        fail(c, log_errno(errno, "cannot make the child's /proc its own"));
}

bool child_has_netns(const struct instance_config *cfg)
{
    return cfg->net != NET_HOST;
}

/* Without it TCP goes by libslirp, which is an error only if that is not wanted. */
static int make_fast_path(const struct instance_config *cfg, const struct link *link, struct fast_set *ret)
{
    struct reason why = {{0}};
    if (cfg->tcp == TCP_SLIRP)
        return 0;
    int r = fast_set_create(&cfg->plan, link->ifname, link->ifindex, ret, &why);
    if (r < 0 && cfg->tcp == TCP_FAST) {
        log_error("--tcp=fast: %s", why.text);
        return r;
    }
    if (r < 0)
        log_debug("no TCP fast path, connections go by libslirp: %s", why.text);
    return 0;
}

/* In the new netns: the interface, its addresses and routes; what the supervisor needs goes to it. */
static int make_network(const struct child *c, bool detached)
{
    const struct instance_config *cfg = c->cfg;
    struct child_net msg = {.kind = LINK_AUTO, .detached = detached};
    struct link link = {.fd = -1};
    struct reason why = {{0}};
    struct fast_set fast = FAST_SET_NONE;
    int fds[2 + FAST_FDS];
    size_t n = 0;
    int r;
    if (cfg->net == NET_NONE) {
        r = link_lo_up();
        if (r < 0)
            return log_errno(r, "cannot bring up lo in the new network namespace");
    } else {
        r = link_create(cfg->link, cfg->ifname, cfg->plan.mtu, NULL, -1, &link, &why);
        if (r == 0)
            r = link_configure(&link, &cfg->plan, &why);
        if (r < 0) {
            fd_close(&link.fd);
            log_error("%s", why.text);
            return r;
        }
        link_keep(&link);
        msg.kind = link.kind;
        fds[n++] = link.fd;
        r = make_fast_path(cfg, &link, &fast);
        if (r < 0)
            return r;
        msg.fast = fast_set_pack(&fast);
        memcpy(fds + n, fast.fd, msg.fast.n_fds * sizeof(*fds));
        n += msg.fast.n_fds;
    }
    fd_auto int netns = -1;
    if (detached) {
        netns = ns_open(0, "net");
        if (netns < 0)
            return log_errno(netns, "cannot open the new network namespace");
        /* By path: the supervisor's own descriptor leads into its mount namespace, where this one may not mount. */
        fd_auto int dir = open(c->sd->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
            return log_errno(errno, "cannot open the state directory '%s'", c->sd->path);
        r = mount_bind_ns("net", dir, "netns", &why);
        if (r < 0) {
            log_error("cannot keep the network namespace at '%s/netns': %s", c->sd->path, why.text);
            return r;
        }
        fds[n++] = netns;
    }
    r = sync_send(c->sync_fd, SYNC_NET, &msg, sizeof(msg), fds, n);
    fd_close(&link.fd);
    fast_set_done(&fast, false); /* the supervisor has it: nothing is waited for */
    return r < 0 ? log_errno(r, "cannot hand the link to the supervisor") : 0;
}

/*
 * With a detached netns the command stays outside it, and there is no way back from inside the user namespace
 * (setns(2) to the host's netns needs CAP_SYS_ADMIN over it): a process of its own goes in, and ends.
 */
static void make_detached_network(const struct child *c)
{
    pid_t pid = fork();
    if (pid < 0)
        fail(c, log_errno(errno, "cannot fork"));
    if (pid == 0) {
        if (unshare(CLONE_NEWNET) < 0) {
            log_errno(errno, "cannot make a network namespace (is user.max_net_namespaces reached?)");
            _exit(1);
        }
        _exit(make_network(c, true) < 0);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            fail(c, log_errno(errno, "cannot wait for the process that makes the network"));
    if (WIFSIGNALED(status))
        log_error("the process that makes the network was killed by signal %d", WTERMSIG(status));
    if (status)
        fail(c, -EIO);
}

static void child_network(const struct child *c)
{
    if (!child_has_netns(c->cfg))
        return;
    if (c->cfg->detach_netns) {
        make_detached_network(c);
        return;
    }
    int r = make_network(c, false);
    if (r < 0)
        fail(c, r);
}

static void bind_own_file(const struct child *c, const char *name, bool etc_is_own)
{
    char src[PATH_MAX], dst[64];
    struct reason why;
    if (statedir_join(c->sd, name, src) < 0)
        fail(c, log_errno(-ENAMETOOLONG, "cannot name '%s' in the state directory", name));
    snprintf(dst, sizeof(dst), "/etc/%s", name);
    int r = mount_bind_file(src, dst, etc_is_own, &why);
    if (r == -ENOENT)
        log_debug("no '%s' here: name lookups use what the program has built in", dst);
    else if (r < 0)
        log_warn("cannot put our own file over '%s': %s (use --copy-up=/etc)", dst, why.text);
}

static void mount_etc_files(const struct child *c)
{
    bool own = copyup_has(c->cfg->copy_up.v, c->cfg->copy_up.n, "/etc");
    if (!own)
        log_warn(
            "/etc is not copied up: the host may replace the mounted /etc/resolv.conf and /etc/hosts at any "
            "time, and they vanish then (add --copy-up=/etc)");
    bind_own_file(c, "resolv.conf", own);
    bind_own_file(c, "hosts", own);
}

/* Before all else: nothing that is mounted may get out. The first thing, too, that takes power in the new user namespace. */
static void child_propagation(const struct child *c)
{
    struct reason why;
    int r = mount_set_propagation(c->cfg->propagation, &why);
    if (r == -EPERM || r == -EACCES)
        log_error(
            "%s (the user namespace is without power: a seccomp filter around, or a security module such as "
            "AppArmor, "
            "see kernel.apparmor_restrict_unprivileged_userns, has to allow mount(2) and capabilities in it; "
            "'rootlet check' says more)",
            why.text);
    else if (r < 0)
        log_error("%s", why.text);
    if (r < 0)
        fail(c, r);
}

static void child_mounts(const struct child *c)
{
    const struct instance_config *cfg = c->cfg;
    struct reason why;
    int r;
    if (cfg->copy_up.n) {
        r = copyup_dirs(cfg->copy_up.v, cfg->copy_up.n, cfg->propagation, &why);
        if (r < 0) {
            log_error("%s", why.text);
            fail(c, r);
        }
    }
    bool own_netns = child_has_netns(cfg) && !cfg->detach_netns;
    if (own_netns) {
        r = mount_sys(&why);
        if (r == -ENOENT)
            log_debug("no /sys here"); /* an empty root */
        else if (r < 0 || r == MOUNT_KEPT)
            log_warn("%s", why.text);
    }
    if (cfg->cgroupns && cgroup_mount_own(&why) < 0)
        log_warn("%s", why.text);
    if (cfg->pidns) {
        r = mount_proc(&why);
        if (r < 0 || r == MOUNT_KEPT)
            log_warn("%s", why.text);
    }
    if (own_netns && cfg->net != NET_NONE)
        mount_etc_files(c);
}

static void child_environment(const struct child *c)
{
    char euid[16], egid[16];
    snprintf(euid, sizeof(euid), "%u", c->parent_euid);
    snprintf(egid, sizeof(egid), "%u", c->parent_egid);
    if (setenv("ROOTLESSKIT_STATE_DIR", c->sd->path, 1) < 0 ||
        setenv("ROOTLESSKIT_PARENT_EUID", euid, 1) < 0 || setenv("ROOTLESSKIT_PARENT_EGID", egid, 1) < 0)
        fail(c, log_errno(errno, "cannot set the command's environment"));
}

_Noreturn static void child_command(const struct child *c)
{
    setrlimit(RLIMIT_NOFILE, &c->nofile); /* never more than what is in force: cannot fail */
    struct command command = c->cfg->command;
    command.sync_fd = c->sync_fd;
    if (!c->cfg->reaper)
        command_exec(&command);
    int r = command_reap(&command);
    if (r < 0)
        fail(c, log_errno(r, "cannot start the command"));
    _exit(r);
}

void child_main(const struct child *c)
{
    child_wait_mapped(c);
    child_propagation(c);
    child_network(c);
    child_mounts(c);
    child_environment(c);
    statedir_close(c->sd);
    int r = sync_send(c->sync_fd, SYNC_READY, NULL, 0, NULL, 0);
    if (r == -EPIPE)
        _exit(1);
    if (r < 0)
        fail(c, log_errno(r, "cannot tell the supervisor that all is ready"));
    await(c, SYNC_GO);
    child_command(c);
}
