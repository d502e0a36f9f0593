/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts that a new namespace wants anew: /proc, /sys, and files of its own over the host's. */
#include "core/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/strv.h"

enum { STATVFS_RELATIME = 4096 }; /* ST_RELATIME: not in every libc */

/*
 * The kernel gives out proc and sysfs to a less privileged namespace only as open as the ones it can see already are: not
 * writable where those are read-only, with the same atime setting where that is locked (fs/namespace.c, mnt_already_visible).
 */
static unsigned long atime_flags(const char *path)
{
    struct statvfs vfs;

    if (statvfs(path, &vfs) < 0 || (vfs.f_flag & STATVFS_RELATIME))
        return MS_RELATIME;
    unsigned long flags = vfs.f_flag & ST_NOATIME ? MS_NOATIME : MS_STRICTATIME;
    return flags | (vfs.f_flag & ST_NODIRATIME ? MS_NODIRATIME : 0);
}

/* MOUNT_FRESH, MOUNT_READ_ONLY, or -errno of the writable try. */
static int mount_fresh(const char *type, const char *path)
{
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | atime_flags(path);

    if (mount(type, path, type, flags, NULL) == 0)
        return MOUNT_FRESH;
    int r = -errno;
    if (mount(type, path, type, flags | MS_RDONLY, NULL) == 0)
        return MOUNT_READ_ONLY;
    return r;
}

int mount_proc(struct reason *why)
{
    int r = mount_fresh("proc", "/proc");
    if (r == -ENOENT || r == -ENOTDIR)
        return reason_set(why, r, "cannot mount /proc: %s", strerror(-r));
    if (r < 0) {
        (void)reason_set(why, r,
                         "cannot mount a fresh /proc: %s (parts of it are masked by the container outside?); "
                         "the outer one stays: "
                         "ps shows the processes outside, with their numbers there",
                         strerror(-r));
        return MOUNT_KEPT;
    }
    return r;
}

/* Take the cgroup tree aside. 1: taken; 0: there is none; -errno. */
static int take_cgroup(struct mount_tree *ret)
{
    fd_auto int fd = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    if (mount_is_point(AT_FDCWD, "/sys/fs/cgroup") == 0)
        return 0;
    int r = mount_tree_take(fd, ret);
    return r < 0 ? r : 1;
}

static int put_cgroup(struct mount_tree *t)
{
    fd_auto int fd = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return mount_tree_attach(t, fd, "");
}

static int sys_kept(struct reason *why, const char *what, int r)
{
    (void)reason_set(
        why, r,
        "cannot mount a fresh /sys: %s%s%s; the outer one stays: /sys/class/net shows the host's network",
        what, strerror(-r),
        r == -EPERM ? " (parts of it are masked by the container outside, or it has none?)" : "");
    return MOUNT_KEPT;
}

int mount_sys(struct reason *why)
{
    mount_tree_auto struct mount_tree cgroup = MOUNT_TREE_NONE;

    int has_cgroup = take_cgroup(&cgroup);
    if (has_cgroup < 0)
        return sys_kept(why, "cannot keep the cgroup tree: ", has_cgroup);
    int result = mount_fresh("sysfs", "/sys");
    if (result == -ENOENT || result == -ENOTDIR)
        return reason_set(why, result, "cannot mount /sys: %s", strerror(-result));
    if (result < 0)
        return sys_kept(why, "", result);
    int r = has_cgroup ? put_cgroup(&cgroup) : 0;
    if (r < 0) {
        umount2("/sys", MNT_DETACH);
        return sys_kept(why, "cannot move the cgroup tree into it: ", r);
    }
    return result;
}

static int open_regular(int dirfd, const char *path, int flags)
{
    struct stat st;

    fd_auto int fd = openat(dirfd, path, O_PATH | O_CLOEXEC | flags);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
    return steal_fd(&fd);
}

/* In a directory of our own: what is there, but an empty file in place of a symlink or of nothing. */
static int open_own(const char *path)
{
    char dir[PATH_MAX];

    int r = str_format(dir, sizeof(dir), "%s", path);
    if (r < 0)
        return r;
    char *slash = strrchr(dir, '/');
    if (!slash || !slash[1])
        return -EINVAL;
    *slash = '\0';
    const char *name = slash + 1;
    fd_auto int dirfd = open(*dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return -errno;
    int fd = open_regular(dirfd, name, O_NOFOLLOW);
    if (fd == -ELOOP && unlinkat(dirfd, name, 0) == 0)
        fd = -ENOENT;
    if (fd != -ENOENT)
        return fd;
    r = file_create(dirfd, name, "", 0, 0644);
    return r < 0 ? r : open_regular(dirfd, name, O_NOFOLLOW);
}

int mount_bind_file(const char *src, const char *dst, bool own, struct reason *why)
{
    fd_auto int from = open_regular(AT_FDCWD, src, O_NOFOLLOW);
    if (from < 0)
        return reason_set(why, from, "cannot open '%s': %s", src, strerror(-from));
    fd_auto int to = own ? open_own(dst) : open_regular(AT_FDCWD, dst, 0);
    if (to == -ENOENT)
        return reason_set(why, to, "there is no '%s' to bind '%s' over", dst, src);
    if (to < 0)
        return reason_set(why, to, "cannot open '%s': %s", dst,
                          to == -EINVAL ? "not a regular file" : strerror(-to));
    int r = mount_bind(from, to);
    if (r < 0)
        return reason_set(why, r, "cannot bind '%s' over '%s': %s", src, dst, strerror(-r));
    return 0;
}

int mount_bind_ns(const char *ns, int dirfd, const char *name, struct reason *why)
{
    char path[64];

    int r = str_format(path, sizeof(path), "/proc/self/ns/%s", ns);
    if (r < 0)
        return r;
    fd_auto int from = open(path, O_PATH | O_CLOEXEC);
    if (from < 0)
        return reason_set(why, -errno, "cannot open '%s': %s", path, strerror(errno));
    r = file_create(dirfd, name, "", 0, 0444);
    fd_auto int to = r < 0 && r != -EEXIST ? r : open_regular(dirfd, name, O_NOFOLLOW);
    if (to < 0)
        return reason_set(why, to, "cannot create '%s': %s", name, strerror(-to));
    r = mount_bind(from, to);
    if (r < 0)
        return reason_set(why, r, "cannot bind '%s' to '%s': %s", path, name, strerror(-r));
    return 0;
}
