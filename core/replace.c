/* SPDX-License-Identifier: Apache-2.0 */
#include "core/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
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

/* Is the name still the file that was opened (or still free)? */
static int check_unchanged(const struct replace *r, struct reason *why)
{
    struct stat st;

    if (fstatat(r->dir, r->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT && r->fd < 0 ? 0
                                            : reason_set(why, -ESTALE, "'%s' was removed meanwhile", r->name);
    if (r->fd < 0 || st.st_dev != r->st.st_dev || st.st_ino != r->st.st_ino)
        return reason_set(why, -ESTALE, "'%s' was replaced by somebody else meanwhile", r->name);
    return 0;
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

/* The temporary file, complete and on the disk. */
static int fill(const struct replace *r, int fd, const void *data, size_t len, struct reason *why)
{
    int e = fd_write_all(fd, data, len);

    if (e < 0)
        return reason_set(why, e, "cannot write a new '%s': %s", r->name, strerror(-e));
    e = set_owner_and_mode(r, fd);
    if (e < 0)
        return reason_set(why, e, "cannot give a new '%s' owner and mode of the old one: %s", r->name,
                          strerror(-e));
    e = copy_attributes(r, fd, why);
    if (e < 0)
        return e;
    if (fsync(fd) < 0)
        return reason_set(why, -errno, "cannot write a new '%s' to disk: %s", r->name, strerror(errno));
    return check_unchanged(r, why);
}

int replace_commit(struct replace *r, const void *data, size_t len, struct reason *why)
{
    char temp[64];
    uint64_t random;
    fd_auto int fd = -1;
    int e;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return reason_set(why, -EIO, "no random number for a temporary name");
    snprintf(temp, sizeof(temp), ".rootlet-%016llx", (unsigned long long)random);
    fd = openat(r->dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return reason_set(why, -errno, "cannot make a temporary file beside '%s': %s", r->name,
                          strerror(errno));
    e = fill(r, fd, data, len, why);
    if (e == 0 && renameat(r->dir, temp, r->dir, r->name) < 0)
        e = reason_set(why, -errno, "cannot put a new '%s' in place: %s", r->name, strerror(errno));
    if (e < 0) {
        unlinkat(r->dir, temp, 0);
        return e;
    }
    if (fsync(r->dir) < 0)
        return reason_set(why, -errno, "'%s' is replaced, but its folder cannot be written to disk: %s",
                          r->name, strerror(errno));
    return 0;
}

void replace_done(struct replace *r)
{
    fd_close(&r->fd);
    fd_close(&r->dir);
}
