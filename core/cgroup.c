/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <linux/mount.h>

#include "core/fd.h"
#include "core/parse.h"

enum { PROCS_MAX = 1 << 20, ROUNDS_MAX = 100 };

int cgroup_parse_own(const char *text, char **ret)
{
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        if (n > 3 && !strncmp(line, "0::/", 4)) {
            if (n >= 6 && !strncmp(line + 3, "/..", 3) && (n == 6 || line[6] == '/'))
                return -ENOENT;
            char *path = strndup(line + 3, n - 3);
            if (!path)
                return -ENOMEM;
            *ret = path;
            return 0;
        }
        line += n + (line[n] == '\n');
    }
    return -ENOENT;
}

int cgroup_open_own(void)
{
    static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    free_auto char *text = NULL;
    free_auto char *path = NULL;
    int r = file_read(AT_FDCWD, "/proc/self/cgroup", 1 << 20, &text, NULL);
    if (r == 0)
        r = cgroup_parse_own(text, &path);
    if (r < 0)
        return r;
    for (size_t i = 0; i < array_size(mounts); i++) {
        struct statfs fs;
        fd_auto int top = open(mounts[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (top < 0 || fstatfs(top, &fs) < 0 || (unsigned long)fs.f_type != CGROUP2_SUPER_MAGIC)
            continue;
        const char *relative = path + strspn(path, "/");
        int fd = openat(top, *relative ? relative : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
    }
    return -ENOENT;
}

/* Write each pid that stands in @from/cgroup.procs into @to/cgroup.procs. Returns how many were moved, or -errno. */
static int move_once(int from, int to)
{
    free_auto char *text = NULL;
    int moved = 0;
    int r = file_read(from, "cgroup.procs", PROCS_MAX, &text, NULL);
    if (r < 0)
        return r;
    for (char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        char *next = line + n + (line[n] == '\n');
        line[n] = 0;
        pid_t pid;
        if (parse_pid(line, &pid) == 0) { /* 0: a process of an outer pid namespace, out of reach */
            r = file_write(to, "cgroup.procs", line);
            if (r < 0 && r != -ESRCH)
                return r;
            moved++;
        }
        line = next;
    }
    return moved;
}

/* A process that forks meanwhile leaves its child behind: again, until none is seen. */
static int move_all(int from, int to)
{
    for (int i = 0; i < ROUNDS_MAX; i++) {
        int n = move_once(from, to);
        if (n <= 0)
            return n;
    }
    return -EAGAIN;
}

int cgroup_evacuate(int dir_fd, const char *name, struct reason *why)
{
    if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
        return reason_set(
            why, -errno,
            "cannot make cgroup '%s' in the own one: %s (start it in a delegated cgroup: systemd-run "
            "--user --scope -p Delegate=yes ...)",
            name, strerror(errno));
    fd_auto int inner = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0)
        return reason_set(why, -errno, "cannot open cgroup '%s': %s", name, strerror(errno));
    int r = move_all(dir_fd, inner);
    if (r < 0)
        return reason_set(why, r, "cannot move the processes of the own cgroup into '%s': %s", name,
                          strerror(-r));
    return 0;
}

int cgroup_return(int dir_fd, const char *name)
{
    fd_auto int inner = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0)
        return -errno;
    int r = move_all(inner, dir_fd);
    if (r < 0)
        return r;
    return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int mount_failed(struct reason *why)
{
    int r = -errno;
    return reason_set(
        why, r,
        "cannot mount the new cgroup namespace on /sys/fs/cgroup: %s (the host's tree stays in sight there)",
        strerror(-r));
}

int cgroup_mount_own(struct reason *why)
{
    struct statfs fs;
    if (statfs("/sys/fs/cgroup", &fs) < 0 || (unsigned long)fs.f_type != CGROUP2_SUPER_MAGIC)
        return 1;
    /* mount(2) refuses a file system over itself (EBUSY), and all cgroup2 mounts are one; a detached one may be moved there. */
    fd_auto int context = (int)syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC);
    if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return mount_failed(why);
    const unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    fd_auto int tree = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
    if (tree < 0 ||
        syscall(SYS_move_mount, tree, "", AT_FDCWD, "/sys/fs/cgroup", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return mount_failed(why);
    return 0;
}
