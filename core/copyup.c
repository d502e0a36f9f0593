/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: for each directory a detached copy of the host's tree and a detached, empty tmpfs are made; the tmpfs
 * is filled with symlinks; then the tmpfs is attached to the directory and the tree to .roXXXXXX in it.  So a failure up
 * to the last two steps leaves nothing behind, and the last one is undone by unmounting the tmpfs.
 *
 * All of it by descriptor: the directory that was opened is the one that is read and mounted on, whatever happens to its name.
 */
#include "core/copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/dirclear.h"
#include "core/fd.h"
#include "core/ns.h"
#include "core/strv.h"

const char *const copyup_mode_names[] = {"tmpfs+symlink", NULL};

enum { RO_NAME_SIZE = sizeof(".roXXXXXX"), RO_NAME_TRIES = 100 };

/* "//etc/./foo/" -> "/etc/foo"; ".." stays, since what it means depends on symlinks. */
static int clean(const char *path, char ret[static PATH_MAX])
{
    size_t len = 0;

    if (*path != '/' || strlen(path) >= PATH_MAX)
        return *path != '/' ? -EINVAL : -ENAMETOOLONG;
    for (const char *p = path; *p;) {
        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        if (n > 0 && !(n == 1 && *p == '.')) {
            ret[len++] = '/';
            memcpy(ret + len, p, n);
            len += n;
        }
        p += n;
    }
    if (len == 0)
        ret[len++] = '/';
    ret[len] = '\0';
    return 0;
}

bool copyup_has(char *const *dirs, size_t n, const char *dir)
{
    char want[PATH_MAX], have[PATH_MAX];

    if (clean(dir, want) < 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (clean(dirs[i], have) == 0 && !strcmp(have, want))
            return true;
    return false;
}

static int check_one(const char *dir, struct reason *why)
{
    char path[PATH_MAX], real[PATH_MAX], tmp[PATH_MAX];

    int r = clean(dir, path);
    if (r == -EINVAL)
        return reason_set(why, r, "cannot copy up '%s': not an absolute path", dir);
    if (r < 0)
        return reason_set(why, r, "cannot copy up '%.64s...': %s", dir, strerror(-r));
    bool resolved = realpath(path, real) != NULL; /* if not: the copy-up itself will say why */
    if (!strcmp(path, "/") || (resolved && !strcmp(real, "/")))
        return reason_set(why, -EINVAL, "cannot copy up '/': name the directories in it instead");
    if (!strcmp(path, "/tmp") || (resolved && realpath("/tmp", tmp) && !strcmp(real, tmp)))
        return reason_set(why, -EINVAL, "cannot copy up '/tmp': it is writable already");
    return 0;
}

int copyup_check(char *const *dirs, size_t n, enum mount_propagation p, struct reason *why)
{
    if (n > 0 && mount_propagation_is_shared(p))
        return reason_set(why, -EINVAL,
                          "copy-up and propagation %s exclude each other: the copy would be mounted on the "
                          "host, too (use rslave)",
                          mount_propagation_names[p]);
    for (size_t i = 0; i < n; i++) {
        int r = check_one(dirs[i], why);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---------------------------------------------------------------- one directory */

/* A name that the directory does not have, in the tmpfs. */
static int make_ro_dir(int list, int root, char ret[static RO_NAME_SIZE])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char name[RO_NAME_SIZE] = ".roXXXXXX";
    unsigned char random[6];
    struct stat st;

    for (int try = 0; try < RO_NAME_TRIES; try++) {
        if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
            return -EIO;
        for (size_t i = 0; i < sizeof(random); i++)
            name[3 + i] = letters[random[i] % (sizeof(letters) - 1)];
        if (fstatat(list, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        if (errno != ENOENT || mkdirat(root, name, 0755) < 0)
            return -errno;
        memcpy(ret, name, sizeof(name));
        return 0;
    }
    return -EEXIST;
}

/* What is there by itself (some systems make an mtab wherever they see an /etc) gives way. */
static int put_symlink(const char *target, int root, const char *name)
{
    if (symlinkat(target, root, name) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (unlinkat(root, name, 0) < 0 && unlinkat(root, name, AT_REMOVEDIR) < 0)
        return -errno;
    return symlinkat(target, root, name) < 0 ? -errno : 0;
}

static int add_entry(int list, int root, const char *ro, const struct dirent *e)
{
    char target[PATH_MAX];

    if (e->d_type == DT_LNK || e->d_type == DT_UNKNOWN) {
        ssize_t n = readlinkat(list, e->d_name, target, sizeof(target));
        if (n == (ssize_t)sizeof(target))
            return -ENAMETOOLONG;
        if (n >= 0) {
            target[n] = '\0';
            return put_symlink(target, root, e->d_name);
        }
        if (errno == ENOENT) /* gone since the directory was read */
            return 0;
        if (errno != EINVAL) /* EINVAL: not a symlink */
            return -errno;
    }
    int r = str_format(target, sizeof(target), "%s/%s", ro, e->d_name);
    return r < 0 ? r : put_symlink(target, root, e->d_name);
}

static int fill(int list, int root, const char *ro)
{
    int fd = fcntl(list, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    dir_auto DIR *d = fdopendir(fd);
    if (!d) {
        int r = -errno;
        close(fd);
        return r;
    }
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e)
            return -errno;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        int r = add_entry(list, root, ro, e);
        if (r < 0)
            return r;
    }
}

static int attach(struct mount_tree *tmpfs, int root, struct mount_tree *host, int dir, const char *ro)
{
    char path[32];

    int r = mount_tree_attach(tmpfs, dir, "");
    if (r < 0)
        return r;
    r = mount_tree_attach(host, root, ro);
    if (r < 0) {
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", root);
        umount2(path, MNT_DETACH);
    }
    return r;
}

static int failed(const char *path, const char *step, int r, struct reason *why)
{
    return reason_set(why, r, "cannot copy up '%.300s': cannot %s: %s", path, step, strerror(-r));
}

/* A mount that is attached nowhere counts as a mount namespace. */
static int mount_failed(const char *path, const char *step, int r, struct reason *why)
{
    return reason_set(why, r, "cannot copy up '%.300s': cannot %s: %s%s", path, step, strerror(-r),
                      ns_limit_hint(r));
}

static int copy_up(const char *path, struct reason *why)
{
    mount_tree_auto struct mount_tree host = MOUNT_TREE_NONE, tmpfs = MOUNT_TREE_NONE;
    char ro[RO_NAME_SIZE];
    int root_fd;

    fd_auto int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return failed(path, "open it", -errno, why);
    fd_auto int list = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list < 0)
        return failed(path, "read it", -errno, why);
    /* A mount there would show up in the host's mount namespace. Non-recursive propagation leaves such mounts. */
    int r = mount_is_shared(dir);
    if (r > 0)
        return reason_set(why, -EINVAL,
                          "cannot copy up '%.300s': it is on a mount shared with the host (use propagation "
                          "rslave or rprivate)",
                          path);
    if (r < 0)
        return failed(path, "read /proc/self/mountinfo", r, why);
    r = mount_tree_take(dir, &host);
    if (r < 0)
        return mount_failed(path, "bind it aside", r, why);
    r = mount_tree_tmpfs(0755, &tmpfs, &root_fd);
    if (r < 0)
        return mount_failed(path, "make a tmpfs", r, why);
    fd_auto int root = root_fd;
    r = make_ro_dir(list, root, ro);
    if (r == 0)
        r = fill(list, root, ro);
    if (r < 0)
        return failed(path, "fill the tmpfs with symlinks", r, why);
    r = attach(&tmpfs, root, &host, dir, ro);
    if (r < 0)
        return failed(path, "mount on it", r, why);
    log_debug("copied up '%s', the host's is in '%s/%s'", path, path, ro);
    return 0;
}

/* ---------------------------------------------------------------- all of them */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int resolve(char *const *dirs, size_t n, struct strv *ret, struct reason *why)
{
    for (size_t i = 0; i < n; i++) {
        char path[PATH_MAX], real[PATH_MAX];
        /* Cleaned first: POSIX lets realpath(3) keep two slashes at the beginning, and musl does. */
        int r = clean(dirs[i], path);
        if (r < 0)
            return r;
        if (!realpath(path, real))
            return reason_set(why, -errno, "cannot copy up '%.300s': %s", dirs[i], strerror(errno));
        if (strv_add(ret, real) < 0)
            return -ENOMEM;
    }
    /* A parent sorts before what is in it. */
    if (ret->n > 1)
        qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
    return 0;
}

int copyup_dirs(char *const *dirs, size_t n, enum mount_propagation p, struct reason *why)
{
    __attribute__((cleanup(strv_done))) struct strv real = {0};
    char cwd[PATH_MAX];

    int r = copyup_check(dirs, n, p, why);
    if (r == 0)
        r = resolve(dirs, n, &real, why);
    if (r < 0)
        return r;
    bool has_cwd = getcwd(cwd, sizeof(cwd)) != NULL;
    for (size_t i = 0; i < real.n && r == 0; i++)
        if (i == 0 || strcmp(real.v[i], real.v[i - 1]) != 0)
            r = copy_up(real.v[i], why);
    if (has_cwd && chdir(cwd) < 0)
        log_debug("cannot enter '%s' again: %s", cwd, strerror(errno));
    return r;
}
