/* SPDX-License-Identifier: Apache-2.0 */
#include "core/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
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
