/* SPDX-License-Identifier: Apache-2.0 */
#include "net/instance_stop.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/instances.h"
#include "core/loop.h"
#include "core/parse.h"
#include "core/proc.h"
#include "core/statedir.h"
#include "core/strv.h"

enum { KILL_MS = 10000 };

#ifndef SO_PEERPIDFD /* Linux 6.5 */
#define SO_PEERPIDFD 77
#endif

/* ---------------------------------------------------------------- finding */

static void one_free(struct stop_one *one)
{
    fd_close(&one->pidfd);
    fd_close(&one->child_pidfd);
    fd_close(&one->dir_fd);
    free(one);
}

/* Where a process was found: by its /proc/PID, or by the pidfd that its socket gave (-1 otherwise). */
struct origin {
    int proc_fd, pidfd;
};

/* Hold both processes, and be sure of them. 0; -ESRCH: it has ended; -errno. */
static int hold(struct stop_one *one, const struct origin *from)
{
    one->pidfd = from->pidfd >= 0 ? fcntl(from->pidfd, F_DUPFD_CLOEXEC, 3) : pidfd_open_(one->pid);
    one->child_pidfd = pidfd_open_(one->child);
    if (one->pidfd < 0)
        return one->pidfd;
    if (one->child_pidfd < 0 && one->child_pidfd != -ESRCH)
        return one->child_pidfd;
    /* After both are held: were a number somebody else's by now, these two would not be parent and child. */
    if (one->child_pidfd >= 0 && instance_is_child(one->child, one->pid, NULL))
        return 0;
    /* The command has just ended, and the supervisor tidies up: then its /proc/PID, opened before, is that of the pidfd. */
    fd_close(&one->child_pidfd);
    return from->proc_fd >= 0 && faccessat(from->proc_fd, "stat", F_OK, 0) == 0 ? 0 : -ESRCH;
}

static int add(struct stop_set *set, pid_t pid, pid_t child, int dir_fd, const char *path,
               const struct origin *from)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->v[i]->pid == pid)
            return 0;
    struct stop_one **v = reallocarray(set->v, set->n + 1, sizeof(struct stop_one *));
    if (!v)
        return -ENOMEM;
    set->v = v;
    struct stop_one *one = calloc(1, sizeof(*one));
    if (!one)
        return -ENOMEM;
    one->pid = pid;
    one->child = child;
    one->pidfd = one->child_pidfd = -1;
    one->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
    int r = one->dir_fd < 0 ? -EMFILE : str_format(one->path, sizeof(one->path), "%s", path);
    if (r == 0)
        r = hold(one, from);
    if (r == -ESRCH && from->proc_fd >= 0) {
        one->result = STOP_ENDED; /* it was there, and has ended by itself meanwhile */
        r = 0;
    }
    if (r < 0)
        one_free(one);
    else
        v[set->n++] = one;
    return r;
}

struct search {
    struct stop_set *set;
    pid_t pid;             /* 0: any */
    const struct stat *st; /* of the directory; NULL: any */
    size_t found;
};

static int take(const struct found_instance *f, void *arg)
{
    struct search *s = arg;
    struct stat st;
    if (s->pid && f->pid != s->pid && f->child != s->pid)
        return 0;
    if (s->st && (fstat(f->dir_fd, &st) < 0 || st.st_dev != s->st->st_dev || st.st_ino != s->st->st_ino))
        return 0;
    int r = add(s->set, f->pid, f->child, f->dir_fd, f->path, &(struct origin){f->proc_fd, -1});
    s->found += r == 0;
    return r;
}

int instance_stop_add_all(struct stop_set *set, struct reason *why)
{
    struct search s = {.set = set};
    int r = instances_each(false, take, &s);
    return r < 0 ? reason_set(why, r, "cannot look for instances: %s", strerror(-r)) : 0;
}

static int add_pid(struct stop_set *set, pid_t pid, struct reason *why)
{
    struct search s = {.set = set, .pid = pid};
    int r = instances_each(true, take, &s);
    if (r < 0)
        return reason_set(why, r, "cannot look for instance %d: %s", (int)pid, strerror(-r));
    return s.found ? 0
                   : reason_set(why, -ESRCH,
                                "process %d is not the supervisor of a running instance (see ps)", (int)pid);
}

/* ---- by whoever listens on the socket: where /proc does not show the locks, as inside the instance itself */

static int peer_of(int fd, pid_t *ret_pid, int *ret_pidfd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return -errno;
    int pidfd = -1;
    len = sizeof(pidfd);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) < 0)
        pidfd = -1;
    *ret_pid = cred.pid;
    *ret_pidfd = pidfd;
    return 0;
}

static int connect_to(const char *socket_path, int *ret)
{
    fd_auto int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r = statedir_connect(fd, socket_path);
    if (r == 0)
        *ret = steal_fd(&fd);
    return r;
}

static int add_listener(struct stop_set *set, int dir_fd, const char *dir, const char *socket_path,
                        struct reason *why)
{
    fd_auto int fd = -1;
    fd_auto int pidfd = -1;
    pid_t pid = 0, child = 0;
    char here[64];
    int r = connect_to(socket_path, &fd);
    if (r == -ENOENT || r == -ECONNREFUSED)
        return reason_set(why, -ESRCH, "no instance is running in '%s'", dir);
    if (r == 0)
        r = peer_of(fd, &pid, &pidfd);
    if (r < 0)
        return reason_set(why, r, "cannot connect to '%s': %s", socket_path, strerror(-r));
    if (pid <= 0)
        return reason_set(
            why, -ESRCH,
            "the supervisor of '%s' cannot be seen from this pid namespace: stop it from outside", dir);
    snprintf(here, sizeof(here), "/proc/self/fd/%d", dir_fd);
    r = statedir_read_child_pid(here, &child);
    if (r == 0)
        r = add(set, pid, child, dir_fd, dir, &(struct origin){-1, pidfd});
    if (r == 0)
        return 0;
    return reason_set(
        why, r, "process %d, which listens on '%s', is not the supervisor of an instance in that directory",
        (int)pid, socket_path);
}

static int add_dir(struct stop_set *set, const char *dir, const char *socket_path, struct reason *why)
{
    char path[PATH_MAX];
    struct stat st;
    fd_auto int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return reason_set(why, -errno, "no instance is running in '%s': %s", dir, strerror(errno));
    struct search s = {.set = set, .st = &st};
    int r = instances_each(true, take, &s);
    if (r < 0)
        log_debug("cannot look for instances in /proc: %s", strerror(-r));
    if (s.found)
        return 0;
    if (!socket_path && str_format(path, sizeof(path), "%s/api.sock", dir) < 0)
        return reason_set(why, -ENAMETOOLONG, "the name '%s' is too long", dir);
    return add_listener(set, fd, dir, socket_path ? socket_path : path, why);
}

int instance_stop_add_socket(struct stop_set *set, const char *path, struct reason *why)
{
    char dir[PATH_MAX];
    if (str_format(dir, sizeof(dir), "%s", path) < 0)
        return reason_set(why, -ENAMETOOLONG, "the name '%s' is too long", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = '\0';
    return add_dir(set, slash ? dir : ".", path, why);
}

int instance_stop_add(struct stop_set *set, const char *which, struct reason *why)
{
    pid_t pid;
    return parse_pid(which, &pid) == 0 ? add_pid(set, pid, why) : add_dir(set, which, NULL, why);
}

/* ---------------------------------------------------------------- ending */

/* Wait until each pending one's processes (the child too, with @child) have ended, but not longer. */
static void wait_all(const struct stop_set *set, bool child, unsigned ms)
{
    uint64_t end = now_ns() + ms * 1000000ull;
    for (size_t i = 0; i < set->n; i++) {
        const struct stop_one *one = set->v[i];
        int fds[2] = {one->pidfd, child ? one->child_pidfd : -1};
        for (int k = 0; k < 2 && one->result == STOP_PENDING; k++) {
            uint64_t now;
            while (!pidfd_has_ended(fds[k]) && (now = now_ns()) < end) {
                struct pollfd p = {.fd = fds[k], .events = POLLIN};
                poll(&p, 1, (int)((end - now) / 1000000u) + 1);
            }
        }
    }
}

static void settle(const struct stop_set *set, enum stop_result result)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->v[i]->result == STOP_PENDING && pidfd_has_ended(set->v[i]->pidfd))
            set->v[i]->result = result;
}

/* A process that has ended is what was wanted. */
static void send_to(struct stop_one *one, const char *what, int pidfd, int sig)
{
    int r = pidfd_signal(pidfd, sig);
    if (r < 0 && r != -ESRCH) {
        one->result = STOP_FAILED;
        reason_set(&one->why, r, "cannot signal the %s %d of '%s': %s", what, (int)one->pid, one->path,
                   strerror(-r));
    }
}

static void ask_to_end(struct stop_one *one)
{
    send_to(one, "supervisor", one->pidfd, SIGTERM);
    if (one->result == STOP_PENDING)
        send_to(one, "supervisor", one->pidfd, SIGCONT);
}

static void kill_command(struct stop_one *one)
{
    if (one->child_pidfd >= 0)
        send_to(one, "child of supervisor", one->child_pidfd, SIGKILL);
}

static void kill_supervisor(struct stop_one *one)
{
    send_to(one, "supervisor", one->pidfd, SIGKILL);
}

static void each_pending(struct stop_set *set, void (*fn)(struct stop_one *))
{
    for (size_t i = 0; i < set->n; i++)
        if (set->v[i]->result == STOP_PENDING)
            fn(set->v[i]);
}

/* Taken over by its lock, cleared and removed. */
static int clear(const char *path, struct reason *why)
{
    struct statedir sd = STATEDIR_NONE;
    int r = statedir_open(path, &sd, why);
    if (r == 0 && statedir_remove(&sd) < 0)
        log_debug("something is left in '%s'", path);
    return r;
}

/*
 * The same with the rights of the owner, in a process of its own: the path is in another user's hands, who could have it lead to
 * somebody else's directory at any moment.
 */
static int clear_as(const struct stat *owner, const char *path, struct reason *why)
{
    fd_auto int pidfd = -1;
    int status = 0;
    pid_t pid = proc_clone(0, &pidfd);
    if (pid < 0)
        return reason_set(why, pid, "cannot fork: %s", strerror(-pid));
    if (pid == 0) {
        if (setgroups(0, NULL) < 0 || setresgid(owner->st_gid, owner->st_gid, owner->st_gid) < 0 ||
            setresuid(owner->st_uid, owner->st_uid, owner->st_uid) < 0)
            _exit(1);
        _exit(clear(path, why) < 0);
    }
    int r = pidfd_wait(pidfd, -1, &status);
    return r == 0 && status == 0
               ? 0
               : reason_set(
                     why, -EIO,
                     "its supervisor was killed, but '%s' cannot be cleared as uid %u, who owns it (the "
                     "next start there clears it)",
                     path, (unsigned)owner->st_uid);
}

/* What a killed supervisor left, if the name still leads there. */
static void remove_dir(struct stop_one *one)
{
    struct stat held, named;
    if (fstat(one->dir_fd, &held) < 0 || stat(one->path, &named) < 0 || held.st_dev != named.st_dev ||
        held.st_ino != named.st_ino)
        return;
    int r = held.st_uid == geteuid() ? clear(one->path, &one->why) : clear_as(&held, one->path, &one->why);
    if (r < 0)
        one->result = STOP_FAILED;
}

static void give_up(struct stop_one *one)
{
    one->result = STOP_FAILED;
    reason_set(&one->why, -ETIMEDOUT, "supervisor %d of '%s' does not end, not even when killed",
               (int)one->pid, one->path);
}

void instance_stop_run(struct stop_set *set, unsigned term_ms)
{
    each_pending(set, ask_to_end);
    wait_all(set, false, term_ms);
    settle(set, STOP_ENDED);
    each_pending(set, kill_command);
    wait_all(set, false, KILL_MS);
    settle(set, STOP_KILLED);
    each_pending(set, kill_supervisor);
    wait_all(set, true, KILL_MS);
    settle(set, STOP_DESTROYED);
    each_pending(set, give_up);
    for (size_t i = 0; i < set->n; i++)
        if (set->v[i]->result == STOP_DESTROYED)
            remove_dir(set->v[i]);
}

void instance_stop_done(struct stop_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        one_free(set->v[i]);
    free(set->v);
    *set = (struct stop_set){NULL, 0};
}
