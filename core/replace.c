/* SPDX-License-Identifier: Apache-2.0 */
#include "core/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/strv.h"

static int open_folder(struct replace *r, const char *path, struct reason *why)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];

    r->name = slash ? slash + 1 : path;
    if (!*r->name || strcmp(r->name, ".") == 0 || strcmp(r->name, "..") == 0)
        return reason_set(why, -EISDIR, "'%s' is no file", path);
    if (str_format(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".") <
        0)
        return reason_set(why, -ENAMETOOLONG, "'%s' is too long", path);
    r->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir < 0)
        return reason_set(why, -errno, "cannot open the folder of '%s': %s", path, strerror(errno));
    return 0;
}

int replace_open(struct replace *r, const char *path, bool must_exist, struct reason *why)
{
    int e;

    *r = (struct replace){.dir = -1, .fd = -1};
    e = open_folder(r, path, why);
    if (e < 0)
        return e;
    /* O_NONBLOCK: a FIFO would wait for a writer before it can be refused */
    r->fd = openat(r->dir, r->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (r->fd < 0 && errno == ENOENT && !must_exist)
        return 0;
    if (r->fd < 0 && errno == ELOOP)
        return reason_set(why, -ELOOP, "'%s' is a symbolic link: name the file itself", path);
    if (r->fd < 0)
        return reason_set(why, -errno, "cannot open '%s': %s", path, strerror(errno));
    if (fstat(r->fd, &r->st) < 0)
        return reason_set(why, -errno, "cannot look at '%s': %s", path, strerror(errno));
    if (!S_ISREG(r->st.st_mode))
        return reason_set(why, -EINVAL, "'%s' is not a regular file", path);
    return 0;
}

/* Is @name the file that was opened, as it was then? */
static bool is_same(const struct replace *r, const char *name)
{
    struct stat st;

    if (fstatat(r->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    return st.st_dev == r->st.st_dev && st.st_ino == r->st.st_ino && st.st_size == r->st.st_size &&
           st.st_mtim.tv_sec == r->st.st_mtim.tv_sec && st.st_mtim.tv_nsec == r->st.st_mtim.tv_nsec;
}

static int set_owner_and_mode(const struct replace *r, int fd)
{
    mode_t mask;

    if (r->fd < 0) {
        mask = umask(0);
        umask(mask);
        return fchmod(fd, 0666 & ~mask) < 0 ? -errno : 0;
    }
    /* owner first: chown(2) clears the set-user-id bits */
    if ((r->st.st_uid != geteuid() || r->st.st_gid != getegid()) &&
        fchown(fd, r->st.st_uid, r->st.st_gid) < 0)
        return -errno;
    return fchmod(fd, r->st.st_mode & 07777) < 0 ? -errno : 0;
}

/* ---- extended attributes: xattr(7), acl(5) ---- */

static const char acl_name[] = "system.posix_acl_access";

/* Does the new file have that value already, as with a label that the system itself gives? */
static bool has_value(int fd, const char *name, const void *value, size_t len)
{
    free_auto char *now = malloc(len + 1);

    return now && fgetxattr(fd, name, now, len + 1) == (ssize_t)len && memcmp(now, value, len) == 0;
}

static int copy_attribute(int from, int to, const char *name)
{
    ssize_t len = fgetxattr(from, name, NULL, 0);
    free_auto char *value = len < 0 ? NULL : malloc((size_t)len + 1);

    if (len >= 0 && !value)
        return -ENOMEM;
    if (len >= 0)
        len = fgetxattr(from, name, value, (size_t)len);
    if (len < 0)
        return -errno;
    if (has_value(to, name, value, (size_t)len))
        return 0;
    return fsetxattr(to, name, value, (size_t)len, 0) < 0 ? -errno : 0;
}

/* *ret has the names, each with its NUL; NULL where there are none. */
static int list_attributes(int fd, char **ret, size_t *ret_len)
{
    ssize_t len = flistxattr(fd, NULL, 0);
    char *names;

    *ret = NULL;
    *ret_len = 0;
    if (len <= 0)
        return len == 0 || errno == ENOTSUP ? 0 : -errno;
    names = malloc((size_t)len);
    if (!names)
        return -ENOMEM;
    len = flistxattr(fd, names, (size_t)len);
    if (len < 0) {
        int e = -errno;
        free(names);
        return e;
    }
    *ret = names;
    *ret_len = (size_t)len;
    return 0;
}

/* All or none: a file that lost its access control list would be open to others, or closed to those who are meant to read it. */
static int copy_attributes(const struct replace *r, int fd, struct reason *why)
{
    free_auto char *names = NULL;
    size_t len, n;
    bool has_acl = false;
    int e;

    if (r->fd < 0)
        return 0;
    e = list_attributes(r->fd, &names, &len);
    if (e < 0)
        return reason_set(why, e, "cannot read the extended attributes of '%s': %s", r->name, strerror(-e));
    for (char *s = names; s && s < names + len; s += n + 1) {
        n = strlen(s);
        has_acl |= strcmp(s, acl_name) == 0;
        e = copy_attribute(r->fd, fd, s);
        if (e < 0)
            return reason_set(why, e, "cannot give a new '%s' the extended attribute %s of the old one: %s",
                              r->name, s, strerror(-e));
    }
    /* one that comes from the folder's default list */
    if (!has_acl && fremovexattr(fd, acl_name) < 0 && errno != ENODATA && errno != ENOTSUP)
        return reason_set(why, -errno, "cannot take the folder's access control list from a new '%s': %s",
                          r->name, strerror(errno));
    return 0;
}

/* ---- the new file */

/* On the way from nowhere to its place. */
struct made {
    int fd;
    bool named;    /* it is to be seen in the folder, as: */
    char name[32]; /* .rootlet-0123456789abcdef */
};

/*
 * Without a name if the file system can do that (O_TMPFILE, open(2)), so that being killed while it is filled leaves
 * nothing behind.
 */
static int make_file(const struct replace *r, struct made *m, struct reason *why)
{
    uint64_t random;
    char self[32];

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return reason_set(why, -EIO, "no random number for a temporary name");
    snprintf(m->name, sizeof(m->name), ".rootlet-%016llx", (unsigned long long)random);
    m->fd = openat(r->dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    snprintf(self, sizeof(self), "/proc/self/fd/%d", m->fd);
    if (m->fd >= 0 && access(self, F_OK) == 0)
        return 0;
    fd_close(&m->fd); /* without /proc it could not be given a name */
    m->fd = openat(r->dir, m->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (m->fd < 0)
        return reason_set(
            why, -errno,
            "cannot make a temporary file beside '%s', which takes a folder that is writable: %s", r->name,
            strerror(errno));
    m->named = true;
    return 0;
}

/* Content and everything else, on the disk. */
static int fill(const struct replace *r, int fd, const void *data, size_t len, struct reason *why)
{
    int e = fd_write_all(fd, data, len);

    if (e < 0)
        return reason_set(why, e, "cannot write a new '%s': %s", r->name, strerror(-e));
    e = set_owner_and_mode(r, fd);
    if (e < 0)
        return reason_set(why, e, "cannot give a new '%s' owner (uid %u, gid %u) and mode of the old one: %s",
                          r->name, r->st.st_uid, r->st.st_gid, strerror(-e));
    e = copy_attributes(r, fd, why);
    if (e < 0)
        return e;
    if (fsync(fd) < 0)
        return reason_set(why, -errno, "cannot write a new '%s' to disk: %s", r->name, strerror(errno));
    return 0;
}

/* linkat(2) has this way for files without a name. */
static int give_name(const struct replace *r, const struct made *m, const char *name)
{
    char self[32];

    snprintf(self, sizeof(self), "/proc/self/fd/%d", m->fd);
    return linkat(AT_FDCWD, self, r->dir, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* rename(2) with flags; -EINVAL from a file system that has none, -ENOSYS from an old kernel. */
static int rename_with(const struct replace *r, const char *from, const char *to, unsigned flags)
{
    return syscall(SYS_renameat2, r->dir, from, r->dir, to, flags) < 0 ? -errno : 0;
}

static int cannot_place(const struct replace *r, int e, struct reason *why)
{
    const char *hint = e == -EBUSY   ? " (something is mounted on it)"
                       : e == -EPERM ? " (it is immutable, or its folder has the sticky bit)"
                                     : "";

    if (e == -ENOENT || e == -EEXIST)
        return reason_set(why, -ESTALE, "'%s' was %s by somebody else meanwhile", r->name,
                          e == -ENOENT ? "removed"
                          : r->fd < 0  ? "made"
                                       : "changed");
    return reason_set(why, e, "cannot put a new '%s' in place: %s%s", r->name, strerror(-e), hint);
}

static int sync_folder(const struct replace *r, struct reason *why)
{
    if (fsync(r->dir) < 0)
        return reason_set(why, -errno, "cannot write the folder of '%s' to disk: %s", r->name,
                          strerror(errno));
    return 0;
}

/* There was no such file, and whoever makes one now wins. */
static int put_new(const struct replace *r, struct made *m, struct reason *why)
{
    int e = m->named ? rename_with(r, m->name, r->name, RENAME_NOREPLACE) : give_name(r, m, r->name);

    if (m->named && (e == -EINVAL || e == -ENOSYS))
        e = faccessat(r->dir, r->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -EEXIST
                                                                       : rename_with(r, m->name, r->name, 0);
    if (e < 0)
        return cannot_place(r, e, why);
    m->named = false;
    e = sync_folder(r, why);
    if (e < 0)
        unlinkat(r->dir, r->name, 0);
    return e;
}

/* Where the file system cannot exchange: what is found too late cannot be taken back. */
static int put_blindly(const struct replace *r, struct made *m, struct reason *why)
{
    int e = is_same(r, r->name) ? rename_with(r, m->name, r->name, 0) : -EEXIST;

    if (e < 0)
        return cannot_place(r, e, why);
    m->named = false;
    return sync_folder(r, why);
}

/*
 * Both change places in one step, so that what was there is still at hand when it turns out that it is not what was read,
 * or that the folder cannot be written.
 */
static int put_over(const struct replace *r, struct made *m, struct reason *why)
{
    int e = m->named ? 0 : give_name(r, m, m->name);

    if (e < 0)
        return cannot_place(r, e, why);
    m->named = true;
    e = rename_with(r, m->name, r->name, RENAME_EXCHANGE);
    if (e == -EINVAL || e == -ENOSYS)
        return put_blindly(r, m, why);
    if (e < 0)
        return cannot_place(r, e, why);
    e = is_same(r, m->name) ? sync_folder(r, why) : cannot_place(r, -EEXIST, why);
    if (e == 0 && unlinkat(r->dir, m->name, 0) < 0)
        e = reason_set(why, -errno, "cannot remove the old '%s': %s", r->name, strerror(errno));
    if (e == 0)
        m->named = false;
    else if (rename_with(r, m->name, r->name, RENAME_EXCHANGE) < 0) {
        m->named = false; /* it stays */
        return reason_set(why, e,
                          "'%s' is replaced, but perhaps not on the disk, and what it was is in '%s': %s",
                          r->name, m->name, strerror(-e));
    }
    return e;
}

int replace_commit(struct replace *r, const void *data, size_t len, struct reason *why)
{
    struct made m = {.fd = -1};
    sigset_t all, before;
    int e;

    /* Nobody's ^C leaves a temporary file. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    e = make_file(r, &m, why);
    if (e == 0)
        e = fill(r, m.fd, data, len, why);
    if (e == 0)
        e = r->fd < 0 ? put_new(r, &m, why) : put_over(r, &m, why);
    if (m.named)
        unlinkat(r->dir, m.name, 0);
    fd_close(&m.fd);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return e;
}

void replace_done(struct replace *r)
{
    fd_close(&r->fd);
    fd_close(&r->dir);
}
