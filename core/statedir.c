/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: whoever holds the flock on `lock` owns the directory.  Nothing is changed before the lock is held.
 * The owner deletes the lock file and the directory at exit, so a lock that was waited for, or opened just before, may be
 * one nobody else will ever open: after locking, the name is looked up again, and the whole is repeated if it differs.
 */
#include "core/statedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/dirclear.h"
#include "core/fd.h"
#include "core/parse.h"
#include "core/strv.h"

enum { LOCK_TRIES = 20 };

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* ---------------------------------------------------------------- is it a state directory at all? */

static int check_owner(int fd, const char *path, struct reason *why)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return reason_set(why, -errno, "cannot examine '%s': %s", path, strerror(errno));
    if (st.st_uid != geteuid())
        return reason_set(why, -EPERM, "cannot use '%s' as state directory: it belongs to uid %u, not to you",
                          path, (unsigned)st.st_uid);
    if (st.st_mode & S_IWOTH)
        return reason_set(why, -EPERM,
                          "cannot use '%s' as state directory: everybody can write to it (chmod o-w)", path);
    return 0;
}

/* When that cannot be told, it may be. (Where we may not look, or nothing is, our directory is not.) */
static bool is_path(const struct stat *st, const char *path)
{
    struct stat other;
    if (!path)
        return false;
    if (stat(path, &other) == 0)
        return same_file(st, &other);
    return errno != ENOENT && errno != ENOTDIR && errno != EACCES && errno != ELOOP && errno != ENAMETOOLONG;
}

/*
 * Everything in the directory is going to be deleted, so one that never was a state directory has to look harmless: no
 * directories in it, and no place where people keep things.
 */
static int check_harmless(int fd, const char *path, struct reason *why)
{
    struct stat st;

    /* A file named `lock` may be anybody's: it says nothing about these two. */
    bool was_one = fstatat(fd, "lock", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
    if (fstat(fd, &st) < 0)
        return reason_set(why, -errno, "cannot examine '%s': %s", path, strerror(errno));
    if (is_path(&st, "/") || is_path(&st, getenv("HOME")) || (!was_one && is_path(&st, ".")))
        return reason_set(
            why, -EINVAL,
            "'%s' is no state directory: all that is in it would be deleted (name a new or empty directory)",
            path);
    if (was_one)
        return 0;
    dir_auto DIR *d = dir_open_list(fd, ".");
    if (!d)
        return reason_set(why, -errno, "cannot read '%s': %s", path, strerror(errno));
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e)
            return errno ? reason_set(why, -errno, "cannot read '%s': %s", path, strerror(errno)) : 0;
        if (is_dots(e->d_name) || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISDIR(st.st_mode))
            continue;
        return reason_set(why, -EINVAL,
                          "'%s' is no state directory: it has the directory '%.64s' in it, which would be "
                          "deleted (name a new or empty "
                          "directory)",
                          path, e->d_name);
    }
}

/* ---------------------------------------------------------------- removing */

void statedir_close(struct statedir *sd)
{
    fd_close(&sd->lock_fd);
    fd_close(&sd->dir_fd);
}

static int unlink_lock(const struct statedir *sd)
{
    return unlinkat(sd->dir_fd, "lock", 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Only the very directory, not another one that has its name by now; it may have somebody's new lock in it already. */
static int remove_empty(const struct statedir *sd)
{
    struct stat held, named;

    if (fstat(sd->dir_fd, &held) < 0)
        return -errno;
    if (stat(sd->path, &named) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!same_file(&held, &named) || rmdir(sd->path) == 0 || errno == ENOENT || errno == ENOTEMPTY)
        return 0;
    return -errno;
}

int statedir_remove(struct statedir *sd)
{
    char name[NAME_MAX + 1] = "";

    if (sd->dir_fd < 0)
        return 0;
    int r = dir_clear(sd->dir_fd, "lock", name);
    if (r < 0)
        r = dir_clear(sd->dir_fd, "lock", name);
    if (r < 0)
        log_debug("cannot remove '%s/%s': %s", sd->path, name, strerror(-r));
    /* From here on the directory may be somebody else's: no step back. */
    if (r == 0 && unlink_lock(sd) < 0)
        r = unlink_lock(sd);
    if (r == 0 && !sd->memory && remove_empty(sd) < 0)
        r = remove_empty(sd);
    statedir_close(sd);
    return r;
}

/* After an error: a directory that we have made, and that is nobody else's, goes again. */
static void undo(struct statedir *sd)
{
    struct stat held, named;

    if (sd->dir_fd >= 0 && sd->lock_fd >= 0) {
        /* Ours already, or free; or it cannot be locked at all, by nobody. */
        bool taken = flock(sd->lock_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
        if (!taken && fstat(sd->lock_fd, &held) == 0 &&
            fstatat(sd->dir_fd, "lock", &named, AT_SYMLINK_NOFOLLOW) == 0 && same_file(&held, &named)) {
            (void)statedir_remove(sd);
            return;
        }
    }
    (void)rmdir(sd->path); /* fails if there is anything in it */
}

/* ---------------------------------------------------------------- opening */

/* mkdir -p; the last one private. 1: made, 0: was there. */
static int make_dirs(const char *path)
{
    char part[PATH_MAX];

    int r = str_format(part, sizeof(part), "%s", path);
    if (r < 0)
        return r;
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            return -errno;
        *p = '/';
    }
    if (mkdir(part, 0700) == 0)
        return 1;
    struct stat st;
    int saved = errno;
    return saved == EEXIST || stat(part, &st) == 0 ? 0 : -saved;
}

/* Lock @sd->lock_fd, made if need be. -ESTALE: the directory went away meanwhile, start again. */
static int take_lock(struct statedir *sd)
{
    struct stat held, named;

    sd->lock_fd =
        openat(sd->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (sd->lock_fd < 0)
        return errno == ENOENT ? -ESTALE : -errno;
    if (flock(sd->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    if (fstat(sd->lock_fd, &held) < 0)
        return -errno;
    if (!S_ISREG(held.st_mode))
        return -EINVAL;
    if (fstatat(sd->dir_fd, "lock", &named, AT_SYMLINK_NOFOLLOW) < 0 || !same_file(&held, &named))
        return -ESTALE;
    if (stat(sd->path, &named) < 0 || fstat(sd->dir_fd, &held) < 0 || !same_file(&held, &named))
        return -ESTALE;
    /* For cleaners of temporary files. A shared lock of somebody else (a cleaner at work) does not matter, an exclusive one is waited
     * for by nobody: without this lock everything works, too. */
    if (flock(sd->dir_fd, LOCK_SH | LOCK_NB) < 0)
        log_debug("cannot lock '%s' itself: %s", sd->path, strerror(errno));
    return 0;
}

static int open_dir(struct statedir *sd, struct reason *why)
{
    int r = make_dirs(sd->path);
    if (r < 0)
        return reason_set(why, r, "cannot create the state directory '%s': %s", sd->path, strerror(-r));
    sd->created = r == 1;
    char real[PATH_MAX];
    if (!realpath(sd->path, real))
        return errno == ENOENT ? -ESTALE
                               : reason_set(why, -errno, "cannot find '%s': %s", sd->path, strerror(errno));
    memcpy(sd->path, real, sizeof(real));
    sd->dir_fd = open(sd->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (sd->dir_fd < 0)
        return errno == ENOENT ? -ESTALE
                               : reason_set(why, -errno, "cannot open the state directory '%s': %s", sd->path,
                                            strerror(errno));
    r = check_owner(sd->dir_fd, sd->path, why);
    return r < 0 ? r : check_harmless(sd->dir_fd, sd->path, why);
}

static int lock_and_clear(struct statedir *sd, struct reason *why)
{
    char name[NAME_MAX + 1] = "";

    int r = open_dir(sd, why);
    if (r < 0)
        return r;
    r = take_lock(sd);
    if (r == -EWOULDBLOCK)
        return reason_set(why, -EBUSY, "the state directory '%s' is in use by another instance", sd->path);
    if (r == -ESTALE)
        return r;
    if (r == -EINVAL || r == -ELOOP || r == -ENXIO || r == -EISDIR)
        return reason_set(why, r, "'%s/lock' is no ordinary file (remove it, or name another directory)",
                          sd->path);
    if (r < 0)
        return reason_set(why, r, "cannot lock '%s/lock': %s", sd->path, strerror(-r));
    r = dir_clear(sd->dir_fd, "lock", name);
    if (r < 0)
        return reason_set(why, r, "cannot clear the state directory '%s': cannot remove '%s': %s", sd->path,
                          name, strerror(-r));
    return 0;
}

/* @made: the directory is there because the caller has just made it. */
static int open_given(const char *path, bool made, struct statedir *ret, struct reason *why)
{
    char cwd[PATH_MAX] = "";
    struct statedir sd;

    if (!*path)
        return reason_set(why, -EINVAL, "the state directory needs a name");
    while (path[0] == '/' && path[1] == '/') /* realpath(3) of some libcs would keep both */
        path++;
    if (*path != '/' && !getcwd(cwd, sizeof(cwd)))
        return reason_set(why, -errno, "cannot find the current directory: %s", strerror(errno));
    for (int try = 0; try < LOCK_TRIES; try++) {
        sd = (struct statedir)STATEDIR_NONE;
        int r = str_format(sd.path, sizeof(sd.path), "%s%s%s", cwd, *cwd ? "/" : "", path);
        if (r < 0)
            return reason_set(why, r, "the name of the state directory is too long");
        r = lock_and_clear(&sd, why);
        made |= sd.created;
        if (r == 0) {
            sd.created = made;
            *ret = sd;
            return 0;
        }
        if (made && r != -ESTALE && r != -EBUSY)
            undo(&sd);
        statedir_close(&sd);
        if (r != -ESTALE)
            return r;
    }
    return reason_set(why, -EBUSY, "the state directory '%s' is made and removed by others all the time",
                      path);
}

static int open_fresh(struct statedir *ret, struct reason *why)
{
    const char *const places[] = {getenv("TMPDIR"), "/tmp",     getenv("XDG_RUNTIME_DIR"),
                                  "/run",           "/dev/shm", "/"};
    int first = 0;

    for (size_t i = 0; i < array_size(places); i++) {
        char path[PATH_MAX];
        if (!places[i] || *places[i] != '/' ||
            str_format(path, sizeof(path), "%s/rootlet-XXXXXX", strcmp(places[i], "/") ? places[i] : "") < 0)
            continue;
        if (mkdtemp(path)) {
            return open_given(path, true, ret, why);
        }
        log_debug("no state directory in '%s': %s", places[i], strerror(errno));
        if (!first)
            first = -errno;
    }
    int r = statedir_open_memory(ret);
    if (r == 0)
        return 0;
    log_debug("no state directory in memory: %s", strerror(-r));
    return reason_set(
        why, first,
        "cannot create a state directory in $TMPDIR, /tmp or /run: %s (name a place with --state-dir)",
        strerror(-first));
}

int statedir_open(const char *path, struct statedir *ret, struct reason *why)
{
    mode_t mask =
        umask(077); /* of a umask that takes our own rights away (0777), nobody could use what is made */
    umask(mask & 077);
    int r = path ? open_given(path, false, ret, why) : open_fresh(ret, why);
    umask(mask);
    return r;
}

/* ---------------------------------------------------------------- files in it */

int statedir_join(const struct statedir *sd, const char *name, char *ret)
{
    return str_format(ret, PATH_MAX, "%s/%s", sd->path, name);
}

int statedir_file(const struct statedir *sd, const char *name, const void *data, size_t len, mode_t mode)
{
    char tmp[NAME_MAX + 1];

    if (sd->dir_fd < 0)
        return -ENOENT;
    int r = str_format(tmp, sizeof(tmp), ".%s.new", name);
    if (r < 0)
        return r;
    if (unlinkat(sd->dir_fd, tmp, 0) < 0 && errno != ENOENT)
        return -errno;
    r = file_create(sd->dir_fd, tmp, data, len, mode);
    if (r < 0)
        return r;
    if (renameat(sd->dir_fd, tmp, sd->dir_fd, name) < 0) {
        r = -errno;
        unlinkat(sd->dir_fd, tmp, 0);
    }
    return r;
}

int statedir_write_child_pid(const struct statedir *sd, pid_t pid)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", (int)pid);
    return statedir_file(sd, "child_pid", text, (size_t)n, 0444);
}

int statedir_read_child_pid(const char *path, pid_t *ret)
{
    free_auto char *text = NULL;
    char file[PATH_MAX];

    int r = str_format(file, sizeof(file), "%s/child_pid", path);
    if (r == 0)
        r = file_read(AT_FDCWD, file, 32, &text, NULL);
    if (r < 0)
        return r;
    return parse_pid(text, ret) < 0 ? -EINVAL : 0;
}

int statedir_sockaddr(const struct statedir *sd, const char *name, struct sockaddr_un *ret,
                      socklen_t *ret_len)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    if (sd->dir_fd < 0)
        return -ENOENT;
    int r = str_format(sa.sun_path, sizeof(sa.sun_path), "%s/%s", sd->path, name);
    if (r < 0)
        r = str_format(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", sd->dir_fd, name);
    if (r < 0)
        return r;
    *ret = sa;
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(sa.sun_path) + 1);
    return 0;
}

int statedir_connect(int fd, const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    fd_auto int file = -1;

    if (!*path) /* an abstract address otherwise: anybody's */
        return -ENOENT;
    int r = str_format(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    if (r < 0) {
        file = open(path, O_PATH | O_CLOEXEC);
        if (file < 0)
            return -errno;
        r = str_format(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", file);
    }
    if (r < 0)
        return r;
    return connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
}
