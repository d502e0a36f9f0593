/* SPDX-License-Identifier: Apache-2.0 */
#include "core/nstarget.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/nsfs.h>

#include "core/fd.h"
#include "core/ns.h"
#include "core/parse.h"
#include "core/proc.h"
#include "core/target.h"

void nstarget_done(struct nstarget *t)
{
    fd_close(&t->pidfd);
    fd_close(&t->netns_fd);
    fd_close(&t->userns_fd);
}

/* ---- opening ---- */

static int open_pidfd(struct nstarget *t, int proc, struct reason *why)
{
    t->pidfd = pidfd_open_(t->pid);
    if (t->pidfd == -EINVAL || t->pidfd == -ENOENT)
        return reason_set(why, t->pidfd, "%d is a thread (give the id of its process)", (int)t->pid);
    if (t->pidfd < 0 && t->pidfd != -ESRCH)
        return reason_set(why, t->pidfd, "cannot watch process %d: %s", (int)t->pid, strerror(-t->pidfd));
    /* Alive now, so it was when its number was used. */
    if (t->pidfd < 0 || target_ended(proc))
        return reason_set(why, -ESRCH, "process %d has ended", (int)t->pid);
    return 0;
}

static int open_pid(struct nstarget *t, struct reason *why)
{
    fd_auto int proc = target_open(t->pid);
    if (proc < 0 && access("/proc/self/ns", F_OK) < 0)
        return reason_set(why, proc, "cannot look for process %d: /proc is not mounted here", (int)t->pid);
    if (proc < 0)
        return reason_set(why, proc, "cannot find process %d: %s", (int)t->pid, strerror(-proc));
    t->netns_fd = ns_open_at(proc, "net");
    if (t->netns_fd == -ENOENT || t->netns_fd == -ESRCH)
        return reason_set(why, -ESRCH, "process %d has ended", (int)t->pid);
    if (t->netns_fd < 0)
        return reason_set(why, t->netns_fd, "cannot open the network namespace of process %d: %s%s",
                          (int)t->pid, strerror(-t->netns_fd),
                          t->netns_fd == -EACCES
                              ? " (it is another user's, or has more privileges: be that user, "
                                "or root)"
                              : "");
    return open_pidfd(t, proc, why);
}

static int open_path(const char *path, struct nstarget *t, struct reason *why)
{
    t->netns_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (t->netns_fd >= 0)
        return 0;
    return reason_set(why, -errno, "cannot open the network namespace '%s': %s%s", path, strerror(errno),
                      errno != ENOENT               ? ""
                      : !strncmp(path, "/proc/", 6) ? " (has it ended?)"
                      : !strchr(path, '/')          ? " (one of 'ip netns' is in /run/netns)"
                                                    : "");
}

static int check_kind(const struct nstarget *t, const char *name, struct reason *why)
{
    int kind = ioctl(t->netns_fd, NS_GET_NSTYPE);
    if (kind == CLONE_NEWNET)
        return 0;
    for (const struct ns_kind *k = ns_kinds; kind > 0 && k->name; k++)
        if (k->flag == kind)
            return reason_set(why, -EINVAL, "'%s' is a %s namespace, and not a network namespace", name,
                              k->name);
    return reason_set(why, -EINVAL, "'%s' is no network namespace (was it unmounted, or never made?)", name);
}

/* ---- joining ---- */

/* The owning user namespace (ioctl_ns(2)), unless it is ours. *ret_uid: who made it; -1: not known. */
static void open_owner(struct nstarget *t, uid_t *ret_uid)
{
    fd_auto int own = ns_open(0, "user");
    fd_auto int fd = ioctl(t->netns_fd, NS_GET_USERNS);
    *ret_uid = (uid_t)-1;
    if (fd < 0)
        return;
    ns_owner_uid(fd, ret_uid);
    if (own >= 0 && ns_same(fd, own) == 1)
        return;
    fd_set_cloexec(fd, true);
    t->userns_fd = steal_fd(&fd);
}

/* Joining cannot be undone, so that a child of ours does it. 0 or -errno. */
static int try_join(const struct nstarget *t)
{
    fd_auto int pidfd = -1;
    int status = 0;
    pid_t pid = proc_clone(0, &pidfd);
    if (pid < 0)
        return pid;
    if (pid == 0) {
        int r = t->userns_fd >= 0 ? ns_join(t->userns_fd, CLONE_NEWUSER) : 0;
        if (r == 0)
            r = ns_join(t->netns_fd, CLONE_NEWNET);
        _exit(-r); /* errno(3): less than 256 */
    }
    int r = pidfd_wait(pidfd, -1, &status);
    if (r < 0)
        return r;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

static int explain(int r, const struct nstarget *t, const char *name, uid_t owner, struct reason *why)
{
    const char *what = t->pid ? "process " : "";
    if (r != -EPERM)
        return reason_set(why, r, "cannot enter the network namespace of %s'%s': %s", what, name,
                          strerror(-r));
    if (proc_has_cap(CAP_SYS_ADMIN) && owner != (uid_t)-1)
        return reason_set(
            why, r, "cannot enter the network namespace of %s'%s': setns is refused (by a seccomp filter?)",
            what, name);
    if (owner == (uid_t)-1)
        return reason_set(
            why, r,
            "cannot enter the network namespace of %s'%s': it belongs to a user namespace outside of "
            "this one (start this outside)",
            what, name);
    return reason_set(why, r, "cannot enter the network namespace of %s'%s': it belongs to %s (be %s)", what,
                      name, owner == 0 ? "root" : "another user", owner == 0 ? "root" : "that user, or root");
}

int nstarget_open(const char *name, bool is_path, struct nstarget *ret, struct reason *why)
{
    struct nstarget t = {.pidfd = -1, .netns_fd = -1, .userns_fd = -1};
    uid_t owner;
    int r;
    if (is_path || strchr(name, '/'))
        r = open_path(name, &t, why);
    else if (parse_pid(name, &t.pid) == 0)
        r = open_pid(&t, why);
    else
        r = reason_set(why, -EINVAL, "'%s' is no process id, and no path (which has a '/' in it)", name);
    if (r == 0)
        r = check_kind(&t, name, why);
    if (r == 0) {
        open_owner(&t, &owner);
        r = try_join(&t);
        if (r == 0 && t.userns_fd < 0 && !proc_has_cap(CAP_SYS_ADMIN))
            r = -EPERM; /* the caller's own, which one may be in without any right to it */
        if (r < 0)
            explain(r, &t, name, owner, why);
    }
    if (r < 0)
        nstarget_done(&t);
    else
        *ret = t;
    return r;
}
