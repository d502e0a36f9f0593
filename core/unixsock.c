/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unixsock.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/strv.h"

static int address_of(const char *path, struct sockaddr_un *ret, struct reason *why)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (!*path)
        return reason_set(why, -EINVAL, "the path of a socket cannot be empty");
    if (str_format(sa.sun_path, sizeof(sa.sun_path), "%s", path) < 0)
        return reason_set(why, -ENAMETOOLONG, "the path '%s' is too long for a socket (at most %zu bytes)",
                          path, sizeof(sa.sun_path) - 1);
    *ret = sa;
    return 0;
}

/*
 * Whoever looks whether a socket is dead, removes it and makes a new one must be alone with that. A name in the abstract namespace is a
 * lock that vanishes with its holder and leaves no file. fd or -errno.
 */
static int lock_path(const char *path, struct reason *why)
{
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
    const char *slash = strrchr(path, '/');
    struct stat st;
    if (slash)
        snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (stat(folder, &st) < 0)
        return reason_set(why, -errno, "cannot make the socket '%s': %s: %s", path, folder, strerror(errno));
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int n = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "rootlet-listen:%llx:%llx:%s",
                     (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, slash ? slash + 1 : path);
    if (n > (int)sizeof(sa.sun_path) - 2)
        n = (int)sizeof(sa.sun_path) - 2;
    fd_auto int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return reason_set(why, -errno, "cannot make a socket: %s", strerror(errno));
    if (bind(fd, (struct sockaddr *)&sa,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0)
        return reason_set(why, -errno, "cannot make the socket '%s': another program is doing that now",
                          path);
    return steal_fd(&fd);
}

/* 0: it is there and dead. */
static int check_dead(const struct sockaddr_un *sa, struct reason *why)
{
    struct stat st;
    if (lstat(sa->sun_path, &st) < 0)
        return reason_set(why, -errno, "cannot look at '%s': %s", sa->sun_path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return reason_set(why, -EADDRINUSE, "'%s' is there already and is no socket (choose another path)",
                          sa->sun_path);
    fd_auto int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return reason_set(why, -errno, "cannot make a socket: %s", strerror(errno));
    int r = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? -errno : 0;
    if (r == -ECONNREFUSED)
        return 0;
    if (r == -EACCES)
        return reason_set(why, r, "the socket '%s' is another user's (choose another path)", sa->sun_path);
    return reason_set(why, -EADDRINUSE,
                      "the socket '%s' is in use by another program (end that one, or choose another path)",
                      sa->sun_path);
}

static int bind_here(int fd, const struct sockaddr_un *sa)
{
    mode_t mask = umask(0177);
    int r = bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? -errno : 0;
    umask(mask);
    return r;
}

static int bind_or_replace(int fd, const struct sockaddr_un *sa, struct reason *why)
{
    int r = bind_here(fd, sa);
    if (r == -EADDRINUSE) {
        r = check_dead(sa, why);
        if (r < 0)
            return r;
        log_debug("socket '%s': replacing one that nobody listens on", sa->sun_path);
        r = unlink(sa->sun_path) < 0 ? -errno : bind_here(fd, sa);
    }
    return r < 0 ? reason_set(why, r, "cannot make the socket '%s': %s", sa->sun_path, strerror(-r)) : 0;
}

int unix_listen(const char *path, struct unix_listener *ret, struct reason *why)
{
    struct sockaddr_un sa;
    struct stat st;
    int r = address_of(path, &sa, why);
    if (r < 0)
        return r;
    fd_auto int lock = lock_path(path, why);
    if (lock < 0)
        return lock;
    fd_auto int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return reason_set(why, -errno, "cannot make a socket: %s", strerror(errno));
    r = bind_or_replace(fd, &sa, why);
    if (r < 0)
        return r;
    if (listen(fd, 64) < 0 || lstat(path, &st) < 0) {
        r = -errno;
        unlink(path);
        return reason_set(why, r, "cannot listen on the socket '%s': %s", path, strerror(-r));
    }
    *ret = (struct unix_listener){.fd = steal_fd(&fd), .path = path, .dev = st.st_dev, .ino = st.st_ino};
    return 0;
}

void unix_listener_remove(const struct unix_listener *l)
{
    struct stat st;
    if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
        unlink(l->path);
}
