/* SPDX-License-Identifier: Apache-2.0 */
#include "core/running.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/ns.h"
#include "core/parse.h"
#include "core/statedir.h"
#include "core/strv.h"
#include "core/target.h"

static int nobody(const char *path, const char *sign, struct reason *why)
{
    return reason_set(why, -ESRCH, "no instance is running in '%s' (%s)", path, sign);
}

/* Whoever could replace what is in it could lead us anywhere. */
static int check_directory(int fd, const char *path, struct stat *ret, struct reason *why)
{
    if (fstat(fd, ret) < 0)
        return reason_set(why, -errno, "cannot examine '%s': %s", path, strerror(errno));
    if (ret->st_mode & S_IWOTH)
        return reason_set(why, -EPERM,
                          "'%s' is not to be trusted as a state directory: everybody can write to it", path);
    return 0;
}

/* Who listens at api.sock? */
static int find_supervisor(int dir_fd, const char *path, struct ucred *ret, struct reason *why)
{
    char sock[64];
    struct stat st;
    socklen_t len = sizeof(*ret);

    if (fstatat(dir_fd, "api.sock", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT
                   ? nobody(path, "there is no api.sock in it", why)
                   : reason_set(why, -errno, "cannot examine '%s/api.sock': %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return reason_set(why, -EPERM, "'%s/api.sock' is no socket", path);
    int r = str_format(sock, sizeof(sock), "/proc/self/fd/%d/api.sock", dir_fd);
    if (r < 0)
        return r;
    fd_auto int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return reason_set(why, -errno, "cannot make a socket: %s", strerror(errno));
    r = statedir_connect(fd, sock);
    if (r == -ECONNREFUSED || r == -ENOENT)
        return nobody(path, "nobody listens at its api.sock", why);
    if (r < 0)
        return reason_set(why, r, "cannot connect to '%s/api.sock': %s", path, strerror(-r));
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &len) < 0)
        return reason_set(why, -errno, "cannot learn who listens at '%s/api.sock': %s", path,
                          strerror(errno));
    if (ret->pid <= 0)
        return reason_set(
            why, -EPERM, "the instance of '%s' is in a pid namespace that is not to be seen from here", path);
    return 0;
}

static int check_lock(int dir_fd, const char *path, struct reason *why)
{
    struct stat st;
    fd_auto int fd = openat(dir_fd, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? nobody(path, "there is no lock in it", why)
                               : reason_set(why, -errno, "cannot open '%s/lock': %s", path, strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return reason_set(why, -EPERM, "'%s/lock' is no file", path);
    if (flock(fd, LOCK_SH | LOCK_NB) == 0)
        return nobody(path, "its lock is free", why);
    return errno == EWOULDBLOCK
               ? 0
               : reason_set(why, -errno, "cannot examine '%s/lock': %s", path, strerror(errno));
}

static int find_child(int dir_fd, const char *path, pid_t supervisor, pid_t *ret, int *ret_fd,
                      struct reason *why)
{
    free_auto char *text = NULL;
    struct target_state state;
    pid_t pid;

    int r = file_read(dir_fd, "child_pid", 32, &text, NULL);
    if (r == -ENOENT)
        return reason_set(why, -EAGAIN,
                          "the instance of '%s' is only just starting (it has no child_pid yet)", path);
    if (r < 0)
        return reason_set(why, r, "cannot read '%s/child_pid': %s", path, strerror(-r));
    if (parse_pid(text, &pid) < 0)
        return reason_set(why, -EINVAL, "there is no process id in '%s/child_pid'", path);
    fd_auto int fd = target_open(pid);
    if (fd < 0 && fd != -ESRCH)
        return reason_set(why, fd, "cannot open '/proc/%d': %s", (int)pid, strerror(-fd));
    if (fd < 0 || target_ended(fd))
        return nobody(path, "its child process has ended", why);
    r = target_state(fd, &state);
    if (r < 0)
        return nobody(path, "its child process has ended", why);
    if (state.parent != supervisor)
        return reason_set(
            why, -EPERM,
            "'%s/child_pid' names process %d, which is no child of the instance's supervisor, process %d",
            path, (int)pid, (int)supervisor);
    *ret = pid;
    *ret_fd = steal_fd(&fd);
    return 0;
}

/*
 * An instance is in a user namespace that its supervisor's user has made. A process in another one may be a trap: what root wants to
 * have done inside would be done outside, by root.
 */
static int check_userns(int child_fd, const char *path, uid_t supervisor_uid, struct reason *why)
{
    uid_t owner;
    fd_auto int fd = ns_open_at(child_fd, "user");
    int r = fd < 0 ? fd : ns_owner_uid(fd, &owner);
    if (r == -EACCES) /* then it cannot be entered either, which says more */
        return 0;
    if (r < 0)
        return reason_set(why, r, "cannot examine the user namespace of the instance of '%s': %s", path,
                          strerror(-r));
    if (owner == supervisor_uid)
        return 0;
    return reason_set(
        why, -EPERM,
        "the process of '%s/child_pid' is in a user namespace that belongs to uid %u, not to uid "
        "%u like the state directory: that is no instance",
        path, (unsigned)owner, (unsigned)supervisor_uid);
}

/* As the command has it. A directory in memory (statedir_open_memory()) has no other name than the one given. */
static int full_path(int dir_fd, const char *path, char *ret, struct reason *why)
{
    free_auto char *real = realpath(path, NULL);
    struct stat a, b;
    const char *best =
        real && stat(real, &a) == 0 && fstat(dir_fd, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino
            ? real
            : path;
    if (str_format(ret, PATH_MAX, "%s", best) < 0)
        return reason_set(why, -ENAMETOOLONG, "the name of the state directory is too long");
    return 0;
}

int running_find(const char *path, struct running *ret, struct reason *why)
{
    struct running found = RUNNING_NONE;
    struct stat st;
    struct ucred peer;

    if (!*path)
        return reason_set(why, -EINVAL, "the state directory needs a name");
    fd_auto int dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return reason_set(why, -errno, "cannot open the state directory '%s': %s", path, strerror(errno));
    int r = check_directory(dir_fd, path, &st, why);
    if (r == 0)
        r = full_path(dir_fd, path, found.path, why);
    if (r == 0)
        r = find_supervisor(dir_fd, path, &peer, why);
    if (r < 0)
        return r;
    if (peer.uid != st.st_uid)
        return reason_set(why, -EPERM,
                          "'%s' belongs to uid %u, but uid %u listens at its api.sock: that is no instance",
                          path, (unsigned)st.st_uid, (unsigned)peer.uid);
    r = check_lock(dir_fd, path, why);
    if (r == 0)
        r = find_child(dir_fd, path, peer.pid, &found.child, &found.child_fd, why);
    if (r == 0)
        r = check_userns(found.child_fd, path, peer.uid, why);
    if (r < 0) {
        running_done(&found);
        return r;
    }
    found.supervisor = peer.pid;
    found.euid = peer.uid;
    found.egid = peer.gid;
    *ret = found;
    return 0;
}

void running_done(struct running *r)
{
    fd_close(&r->child_fd);
}
