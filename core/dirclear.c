/* SPDX-License-Identifier: Apache-2.0 */
#include "core/dirclear.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/mount.h"
#include "core/strv.h"

enum { CLEAR_DEPTH = 16, CLEAR_ENTRIES = 20000 };

void dir_cleanup(DIR **d)
{
    if (*d)
        closedir(*d);
}

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

DIR *dir_open_list(int dirfd, const char *name)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    DIR *d = fdopendir(fd);
    if (!d)
        fd_close(&fd);
    return d;
}

struct clearing {
    dev_t dev;
    unsigned left; /* entries that may still be looked at */
};

static int clear_dir(struct clearing *c, int parent, const char *name, unsigned depth);

static int clear_entry(struct clearing *c, int parent, const char *name, unsigned depth)
{
    struct stat st;

    if (c->left-- == 0)
        return -E2BIG;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    /* A namespace, or whatever else is mounted there: without the mount there is a plain file or directory again. */
    if (st.st_dev != c->dev) {
        int r = mount_umount_stale(parent, name);
        if (r < 0)
            return r;
        if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return errno == ENOENT ? 0 : -errno;
        if (st.st_dev != c->dev)
            return -EBUSY;
    }
    if (S_ISDIR(st.st_mode)) {
        int r = depth > 0 ? clear_dir(c, parent, name, depth - 1) : -ELOOP;
        if (r < 0)
            return r;
    }
    if (unlinkat(parent, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
        return 0;
    if (errno == EBUSY) /* a bind mount of the same file system */
        if (mount_umount_stale(parent, name) == 0 &&
            unlinkat(parent, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0)
            return 0;
    return -errno;
}

static int clear_dir(struct clearing *c, int parent, const char *name, unsigned depth)
{
    dir_auto DIR *d = dir_open_list(parent, name);
    if (!d)
        return errno == ENOENT ? 0 : -errno;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e)
            return -errno;
        if (is_dots(e->d_name))
            continue;
        int r = clear_entry(c, dirfd(d), e->d_name, depth);
        if (r < 0)
            return r;
    }
}

int dir_clear(int dir_fd, const char *keep, char *ret_name)
{
    struct stat st;

    if (fstat(dir_fd, &st) < 0)
        return -errno;
    struct clearing c = {.dev = st.st_dev, .left = CLEAR_ENTRIES};
    dir_auto DIR *d = dir_open_list(dir_fd, ".");
    if (!d)
        return -errno;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e)
            return -errno;
        if (is_dots(e->d_name) || !strcmp(e->d_name, keep))
            continue;
        int r = clear_entry(&c, dir_fd, e->d_name, CLEAR_DEPTH);
        if (r < 0) {
            (void)str_format(ret_name, NAME_MAX + 1, "%s", e->d_name);
            return r;
        }
    }
}
