/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts are made by descriptor: what is checked is what is mounted on.  Where a call takes paths only, the path is
 * /proc/self/fd/N, which the kernel follows to the very file (proc(5)).
 */
#include "core/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/parse.h"
#include "core/strv.h"

/* linux/mount.h and sys/mount.h cannot be included together everywhere: the few values that are needed. */
enum {
    TREE_CLONE = 1,           /* OPEN_TREE_CLONE */
    TREE_CLOEXEC = O_CLOEXEC, /* OPEN_TREE_CLOEXEC */
    TREE_RECURSIVE = 0x8000,  /* AT_RECURSIVE */
    MOVE_FROM_EMPTY = 0x04,   /* MOVE_MOUNT_F_EMPTY_PATH */
    MOVE_TO_EMPTY = 0x40,     /* MOVE_MOUNT_T_EMPTY_PATH */
    FSOPEN_CLOEXEC_ = 1,
    FSCONFIG_SET_STRING_ = 1,
    FSCONFIG_CMD_CREATE_ = 6,
    FSMOUNT_CLOEXEC_ = 1,
    MOUNTINFO_MAX = 16 << 20,
};

static int open_tree_(int dirfd, unsigned flags)
{
    long fd = syscall(SYS_open_tree, dirfd, "", flags | AT_EMPTY_PATH | TREE_CLOEXEC);
    return fd < 0 ? -errno : (int)fd;
}

static int move_mount_(int from, int to_dir, const char *to)
{
    unsigned flags = MOVE_FROM_EMPTY | (*to ? 0 : MOVE_TO_EMPTY);
    return syscall(SYS_move_mount, from, "", to_dir, to, flags) < 0 ? -errno : 0;
}

/*
 * Kernels before 5.2 and old seccomp filters know no open_tree(2); EPERM may also be the true answer, mount(2) repeats it.
 * ENOSPC: a tree without a place counts as a mount namespace, and user.max_mnt_namespaces is reached; mount(2) needs none.
 */
static bool is_missing_call(int r)
{
    return r == -ENOSYS || r == -EPERM || r == -ENOSPC;
}

struct fd_path {
    char s[32];
};

static struct fd_path fd_path(int fd)
{
    struct fd_path p;
    (void)snprintf(p.s, sizeof(p.s), "/proc/self/fd/%d", fd);
    return p;
}

/* ---------------------------------------------------------------- propagation */

const char *const mount_propagation_names[] = {"",       "private", "rprivate", "slave",
                                               "rslave", "shared",  "rshared",  NULL};
_Static_assert(array_size(mount_propagation_names) == PROP_RSHARED + 2, "a name for each propagation");

bool mount_propagation_is_shared(enum mount_propagation p)
{
    return p == PROP_SHARED || p == PROP_RSHARED;
}

int mount_set_propagation(enum mount_propagation p, struct reason *why)
{
    static const unsigned long flags[] = {
        [PROP_DEFAULT] = MS_PRIVATE | MS_REC,  [PROP_PRIVATE] = MS_PRIVATE,
        [PROP_RPRIVATE] = MS_PRIVATE | MS_REC, [PROP_SLAVE] = MS_SLAVE,
        [PROP_RSLAVE] = MS_SLAVE | MS_REC,     [PROP_SHARED] = MS_SHARED,
        [PROP_RSHARED] = MS_SHARED | MS_REC,
    };
    if ((size_t)p >= array_size(flags))
        return -EINVAL;
    const char *name = mount_propagation_names[p == PROP_DEFAULT ? PROP_RPRIVATE : p];
    if (mount(NULL, "/", NULL, flags[p], NULL) == 0)
        return 0;
    if (errno == EINVAL)
        return reason_set(why, -EINVAL,
                          "cannot set the propagation of '/' to %s: '/' is not a mount point (a chroot?)",
                          name);
    return reason_set(why, -errno, "cannot set the propagation of '/' to %s: %s", name, strerror(errno));
}

/* ---------------------------------------------------------------- asking about mounts */

/* The id of the mount a descriptor is on, as in /proc/self/mountinfo (proc(5), /proc/PID/fdinfo). */
static int mount_id(int fd, uint64_t *ret)
{
    free_auto char *text = NULL;
    char path[48];

    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    int r = file_read(AT_FDCWD, path, 1 << 16, &text, NULL);
    if (r < 0)
        return r;
    const char *p = strstr(text, "mnt_id:");
    if (!p)
        return -ENODATA;
    *ret = strtoull(p + strlen("mnt_id:"), NULL, 10);
    return 0;
}

int mount_is_point(int dirfd, const char *path)
{
    uint64_t id, parent_id;
    char parent[PATH_MAX];

    fd_auto int fd = openat(dirfd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = str_format(parent, sizeof(parent), "%s", path);
    if (r < 0)
        return r;
    size_t n = strlen(parent);
    while (n > 1 && parent[n - 1] == '/')
        parent[--n] = '\0';
    if (!strcmp(parent, "/"))
        return 1;
    char *slash = strrchr(parent, '/');
    if (slash == parent)
        slash[1] = '\0';
    else if (slash)
        *slash = '\0';
    fd_auto int up = openat(dirfd, slash ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (up < 0)
        return -errno;
    r = mount_id(fd, &id);
    if (r == 0)
        r = mount_id(up, &parent_id);
    return r < 0 ? r : id != parent_id;
}

/* Lines of mountinfo: ID PARENT MAJOR:MINOR ROOT POINT OPTIONS TAG... - TYPE SOURCE SUPER; blanks in names are escaped. */
static bool line_has_shared(const char *line, size_t len)
{
    const char *end = line + len, *p = line;
    for (int field = 0; p < end; field++) {
        size_t n = strcspn(p, " \n");
        if (field >= 6 && n == 1 && *p == '-')
            return false;
        if (field >= 6 && n > 7 && strncmp(p, "shared:", 7) == 0)
            return true;
        p += n + 1;
    }
    return false;
}

int mount_is_shared(int fd)
{
    free_auto char *text = NULL;
    uint64_t id;

    int r = mount_id(fd, &id);
    if (r == 0)
        r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL);
    if (r < 0)
        return r;
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (strtoull(line, NULL, 10) == id)
            return line_has_shared(line, len);
        line += len + (line[len] == '\n');
    }
    return -ENOENT;
}

/* The flags of the file system at @fd, as mount(2) takes them. */
static int mount_flags(int fd, unsigned long *ret)
{
    static const struct {
        unsigned long st, ms;
    } map[] = {
        {ST_RDONLY, MS_RDONLY},
        {ST_NOSUID, MS_NOSUID},
        {ST_NODEV, MS_NODEV},
        {ST_NOEXEC, MS_NOEXEC},
        {ST_NOATIME, MS_NOATIME},
        {ST_NODIRATIME, MS_NODIRATIME},
        {4096 /* ST_RELATIME */, MS_RELATIME},
    };
    struct statvfs vfs;

    if (fstatvfs(fd, &vfs) < 0)
        return -errno;
    *ret = 0;
    for (size_t i = 0; i < array_size(map); i++)
        if (vfs.f_flag & map[i].st)
            *ret |= map[i].ms;
    return 0;
}

int mount_remount(int fd, unsigned long set)
{
    unsigned long flags = 0;
    int r = mount_flags(fd, &flags);
    if (r < 0)
        return r;
    return mount(NULL, fd_path(fd).s, NULL, MS_REMOUNT | MS_BIND | flags | set, NULL) < 0 ? -errno : 0;
}

int mount_umount_stale(int dirfd, const char *name)
{
    fd_auto int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    char path[64 + NAME_MAX];

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    /* By its directory: /proc/self/fd/N of the file itself would be a symlink, which UMOUNT_NOFOLLOW does not follow. */
    int r = str_format(path, sizeof(path), "%s/%s", fd_path(dirfd).s, name);
    if (r < 0)
        return r;
    /* Several may be stacked; EINVAL: no mount (any more); EPERM: whoever may not mount cannot have left one. */
    for (int i = 0; i < 64; i++)
        if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
            return errno == EINVAL || errno == EPERM ? 0 : -errno;
    return -EBUSY;
}

/* ---------------------------------------------------------------- mounts without a place */

int mount_bind(int src_fd, int dst_fd)
{
    fd_auto int tree = open_tree_(src_fd, TREE_CLONE);
    if (tree >= 0)
        return move_mount_(tree, dst_fd, "");
    if (!is_missing_call(tree))
        return tree;
    return mount(fd_path(src_fd).s, fd_path(dst_fd).s, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

/*
 * Without open_tree(2) and fsmount(2): PLACE is a tmpfs nobody else sees, PLACE/t inside it the mount point. MS_MOVE
 * wants a parent that is not shared, hence a mount of its own for the place.
 */
static int private_place(struct mount_tree *t, char inner[static 80])
{
    char place[] = "/tmp/.rootlet-XXXXXX";
    int r = 0;

    if (!mkdtemp(place))
        return -errno;
    memcpy(t->path, place, sizeof(place));
    t->fd = -1;
    (void)snprintf(inner, 80, "%s/t", place);
    if (mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") < 0 ||
        mount(NULL, place, NULL, MS_PRIVATE, NULL) < 0 || mkdir(inner, 0700) < 0)
        r = -errno;
    if (r < 0)
        mount_tree_done(t);
    return r;
}

static int take_by_bind(int fd, struct mount_tree *ret)
{
    struct mount_tree t = MOUNT_TREE_NONE;
    char inner[80];

    int r = private_place(&t, inner);
    if (r < 0)
        return r;
    if (mount(fd_path(fd).s, inner, NULL, MS_BIND | MS_REC, NULL) < 0) {
        r = -errno;
        mount_tree_done(&t);
        return r;
    }
    *ret = t;
    return 0;
}

int mount_tree_take(int fd, struct mount_tree *ret)
{
    int tree = open_tree_(fd, TREE_CLONE | TREE_RECURSIVE);
    if (tree >= 0) {
        *ret = (struct mount_tree){.fd = tree};
        return 0;
    }
    return is_missing_call(tree) ? take_by_bind(fd, ret) : tree;
}

static int tmpfs_by_mount(const char *options, struct mount_tree *ret, int *ret_root)
{
    struct mount_tree t = MOUNT_TREE_NONE;
    char inner[80];

    int r = private_place(&t, inner);
    if (r < 0)
        return r;
    int root =
        mount("tmpfs", inner, "tmpfs", 0, options) < 0 ? -1 : open(inner, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        r = -errno;
        mount_tree_done(&t);
        return r;
    }
    *ret = t;
    *ret_root = root;
    return 0;
}

static int tmpfs_detached(const char *mode)
{
    long fd = syscall(SYS_fsopen, "tmpfs", (unsigned)FSOPEN_CLOEXEC_);
    if (fd < 0)
        return -errno;
    fd_auto int fs = (int)fd;
    if (syscall(SYS_fsconfig, fs, (unsigned)FSCONFIG_SET_STRING_, "source", "tmpfs", 0) < 0 ||
        syscall(SYS_fsconfig, fs, (unsigned)FSCONFIG_SET_STRING_, "mode", mode, 0) < 0 ||
        syscall(SYS_fsconfig, fs, (unsigned)FSCONFIG_CMD_CREATE_, NULL, NULL, 0) < 0)
        return -errno;
    fd = syscall(SYS_fsmount, fs, (unsigned)FSMOUNT_CLOEXEC_, 0);
    return fd < 0 ? -errno : (int)fd;
}

int mount_tree_tmpfs(mode_t mode, struct mount_tree *ret, int *ret_root)
{
    char text[16], options[32];

    (void)snprintf(text, sizeof(text), "%04o", (unsigned)mode & 07777);
    fd_auto int mnt = tmpfs_detached(text);
    if (mnt < 0) {
        if (!is_missing_call(mnt))
            return mnt;
        (void)snprintf(options, sizeof(options), "mode=%s", text);
        return tmpfs_by_mount(options, ret, ret_root);
    }
    int root = fcntl(mnt, F_DUPFD_CLOEXEC, 0);
    if (root < 0)
        return -errno;
    *ret_root = root;
    *ret = (struct mount_tree){.fd = steal_fd(&mnt)};
    return 0;
}

int mount_tree_attach(struct mount_tree *t, int dirfd, const char *name)
{
    int r;

    if (t->fd >= 0) {
        r = move_mount_(t->fd, dirfd, name);
    } else {
        char from[sizeof(t->path) + 4];
        fd_auto int to = *name ? openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                               : fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
        if (to < 0)
            return -errno;
        (void)snprintf(from, sizeof(from), "%s/t", t->path);
        r = mount(from, fd_path(to).s, NULL, MS_MOVE, NULL) < 0 ? -errno : 0;
    }
    if (r == 0)
        mount_tree_done(t);
    return r;
}

void mount_tree_done(struct mount_tree *t)
{
    fd_close(&t->fd);
    if (t->path[0]) {
        umount2(t->path, MNT_DETACH);
        rmdir(t->path);
        t->path[0] = '\0';
    }
}
