/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "core/fd.h"
#include "core/strv.h"

const struct ns_kind ns_kinds[] = {
    {"user", CLONE_NEWUSER}, {"cgroup", CLONE_NEWCGROUP}, {"ipc", CLONE_NEWIPC},
    {"uts", CLONE_NEWUTS},   {"net", CLONE_NEWNET},       {"pid", CLONE_NEWPID},
    {"mnt", CLONE_NEWNS},    {"time", NS_CLONE_NEWTIME},  {NULL, 0},
};

int ns_open(pid_t pid, const char *name)
{
    char path[64];
    int r = pid ? str_format(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name)
                : str_format(path, sizeof(path), "/proc/self/ns/%s", name);
    if (r < 0)
        return r;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int ns_open_at(int proc_fd, const char *name)
{
    char path[32];
    int r = str_format(path, sizeof(path), "ns/%s", name);
    if (r < 0)
        return r;
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int ns_owner_uid(int userns_fd, uid_t *ret)
{
    return ioctl(userns_fd, NS_GET_OWNER_UID, ret) < 0 ? -errno : 0;
}

int ns_same(int a, int b)
{
    struct stat x, y;
    if (fstat(a, &x) < 0 || fstat(b, &y) < 0)
        return -errno;
    return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool ns_is_initial_user(void)
{
    /* PROC_USER_INIT_INO, include/linux/proc_ns.h: part of the kernel's ABI since 3.8 */
    struct stat st;
    return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == 0xEFFFFFFDu;
}

const char *ns_limit_hint(int r)
{
    return r == -ENOSPC || r == -EUSERS ? " (is a limit of /proc/sys/user/max_*_namespaces reached?)" : "";
}

int ns_join(int fd, int flag)
{
    for (const struct ns_kind *k = ns_kinds; k->name; k++) {
        if (k->flag != flag)
            continue;
        fd_auto int own = ns_open(0, k->name);
        if (own >= 0 && ns_same(own, fd) == 1)
            return 0;
    }
    /*
     * In there root has CAP_SYS_PTRACE over all who join, and our memory and descriptors are from outside. The
     * kernel does not see to it when the owner of the namespace joins: that counts as giving up capabilities
     * (cred_cap_issubset(), kernel/cred.c). Before and not after: there must be no moment in between.
     */
    if (flag == CLONE_NEWUSER && prctl(PR_SET_DUMPABLE, 0) < 0)
        return -errno;
    return setns(fd, flag) < 0 ? -errno : 0;
}
