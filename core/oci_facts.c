/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says about this process, and /etc about its user. */
#include "core/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/ns.h"
#include "core/oci_rules.h"
#include "core/proc.h"

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */
#endif

enum { SMALL_FILE = 65536 };

/* A namespace by its path, which is a document's: what is no namespace is not opened, because that alone makes some devices act. */
static int open_namespace(const char *path)
{
    fd_auto int place = open(path, O_PATH | O_CLOEXEC);
    struct statfs fs;
    char self[32];

    if (place < 0 || fstatfs(place, &fs) < 0 || fs.f_type != NSFS_MAGIC)
        return -1;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", place);
    return open(self, O_RDONLY | O_CLOEXEC);
}

/* ioctl_ns(2): EPERM when the owner is not this process's user namespace or one below it. */
static enum oci_owner owner_of(int ns)
{
    int owner = ioctl(ns, NS_GET_USERNS);

    if (owner < 0)
        return errno == EPERM ? OCI_OWNER_OUTSIDE : OCI_OWNER_UNKNOWN;
    close(owner);
    return OCI_OWNER_OURS;
}

static enum oci_owner own_ns(const char *name)
{
    fd_auto int fd = ns_open(0, name);

    return fd < 0 ? OCI_OWNER_UNKNOWN : owner_of(fd);
}

static enum oci_owner ns_owner(const char *path)
{
    fd_auto int fd = open_namespace(path);

    return fd < 0 ? OCI_OWNER_UNKNOWN : owner_of(fd);
}

static bool same_file(const struct stat *a, int fd)
{
    struct stat b;

    return fstat(fd, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

/* Up from the owner, until it is that one, or none that may be seen from here. User namespaces nest 32 deep. */
static int owned_by(const char *path, const char *userns)
{
    fd_auto int ns = open_namespace(path);
    struct stat want;
    int owner, above;

    if (ns < 0 || stat(userns, &want) < 0 || owner_of(ns) != OCI_OWNER_OURS)
        return -1;
    owner = ioctl(ns, NS_GET_USERNS);
    for (int i = 0; i < 32 && owner >= 0 && !same_file(&want, owner); i++) {
        above = ioctl(owner, NS_GET_PARENT);
        close(owner);
        owner = above;
    }
    if (owner < 0)
        return 0;
    close(owner);
    return 1;
}

static bool has_magic(const char *path, long magic)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && (long)fs.f_type == magic;
}

static enum oci_hierarchy hierarchy(void)
{
    if (has_magic("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC))
        return OCI_CGROUP_V2;
    if (has_magic("/sys/fs/cgroup/unified", CGROUP2_SUPER_MAGIC))
        return OCI_CGROUP_HYBRID;
    return access("/sys/fs/cgroup", F_OK) == 0 ? OCI_CGROUP_V1 : OCI_CGROUP_ABSENT;
}

/* The path after "0::" in /proc/self/cgroup; NULL when there is none, or when it is outside the cgroup namespace. */
static char *own_cgroup(char *text)
{
    char *s = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");

    if (!s)
        return NULL;
    s = strchr(s, '/');
    if (!s)
        return NULL;
    s[strcspn(s, "\n")] = '\0';
    return strncmp(s, "/..", 3) == 0 ? NULL : s;
}

/* cgroup-v2.rst, "Delegation": who may write to these may make groups below and hand the controllers on. */
static bool is_delegated(const char *folder)
{
    char control[PATH_MAX];

    return str_format(control, sizeof(control), "%s/cgroup.subtree_control", folder) >= 0 &&
           faccessat(AT_FDCWD, folder, W_OK, AT_EACCESS) == 0 &&
           faccessat(AT_FDCWD, control, W_OK, AT_EACCESS) == 0;
}

static int read_controllers(struct strv *ret)
{
    free_auto char *text = NULL, *list = NULL;
    char path[PATH_MAX], *own, *save = NULL;
    int r = file_read(AT_FDCWD, "/proc/self/cgroup", SMALL_FILE, &text, NULL);

    own = r < 0 ? NULL : own_cgroup(text);
    if (!own || str_format(path, sizeof(path), "/sys/fs/cgroup%s", own) < 0 || !is_delegated(path))
        return 0;
    if (str_format(path, sizeof(path), "/sys/fs/cgroup%s/cgroup.controllers", own) < 0)
        return 0;
    if (file_read(AT_FDCWD, path, SMALL_FILE, &list, NULL) < 0)
        return 0;
    for (char *s = strtok_r(list, " \n", &save); s; s = strtok_r(NULL, " \n", &save)) {
        r = strv_add(ret, s);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/* Below @top as runtimes go there, who resolve ".." before they look, and never let it lead out. */
static int go_below(char *ret, size_t size, const char *top, const char *path)
{
    size_t len = strlen(top), n;

    if (str_format(ret, size, "%s", top) < 0)
        return -ENAMETOOLONG;
    for (; *path; path += n + (path[n] == '/')) {
        n = strcspn(path, "/");
        if (n == 2 && memcmp(path, "..", 2) == 0) {
            if (len > strlen(top))
                *strrchr(ret, '/') = '\0';
            len = strlen(ret);
        } else if (n && !(n == 1 && *path == '.')) {
            if (n + 1 >= size - len)
                return -ENAMETOOLONG;
            len += (size_t)snprintf(ret + len, size - len, "/%.*s", (int)n, path);
        }
    }
    return 0;
}

/* Is the cgroup there and ours, or may we make it where the nearest one above it is? */
static bool may_create_cgroup(const char *path)
{
    enum oci_hierarchy h = hierarchy();
    char full[PATH_MAX];

    /* Where v1 has a hierarchy a controller, they all have the same owners: the pids one stands for all. */
    if (h == OCI_CGROUP_ABSENT ||
        go_below(full, sizeof(full), h == OCI_CGROUP_V2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids", path) < 0)
        return false;
    while (!is_there(full)) {
        char *slash = strrchr(full, '/');
        if (!slash || slash == full)
            return false;
        *slash = '\0';
    }
    return faccessat(AT_FDCWD, full, W_OK, AT_EACCESS) == 0;
}

static int read_oom_score(int *ret)
{
    free_auto char *text = NULL;
    int r = file_read(AT_FDCWD, "/proc/self/oom_score_adj", 64, &text, NULL), v;

    if (r < 0)
        return r;
    if (sscanf(text, "%d", &v) != 1 || v < -1000 || v > 1000)
        return -EINVAL;
    *ret = v;
    return 0;
}

/* Only an ordinary user has subordinate ids. That there are none is no failure. */
static int read_subids(struct oci_facts *f, struct reason *why)
{
    char name[256], path[PATH_MAX];
    const char *user = subid_user_name(f->euid, name, sizeof(name)) == 0 ? name : NULL;
    int r;

    if (f->euid == 0)
        return 0;
    r = subid_lookup(SUBID_AUTO, SUBID_UID, user, f->euid, &f->subuids, why);
    if (r == -ENOMEM)
        return r;
    r = subid_lookup(SUBID_AUTO, SUBID_GID, user, f->euid, &f->subgids, why);
    if (r == -ENOMEM)
        return r;
    f->has_newuidmap = proc_which("newuidmap", path) == 0 && proc_which("newgidmap", path) == 0;
    return 0;
}

static int gather(struct oci_facts *f, struct reason *why)
{
    int r;

    r = idmap_read(0, SUBID_UID, &f->uid_map);
    if (r < 0)
        return reason_set(why, r, "cannot read /proc/self/uid_map");
    r = idmap_read(0, SUBID_GID, &f->gid_map);
    if (r < 0)
        return reason_set(why, r, "cannot read /proc/self/gid_map");
    r = read_oom_score(&f->oom_score_adj);
    if (r < 0)
        return reason_set(why, r, "cannot read /proc/self/oom_score_adj");
    r = read_subids(f, why);
    if (r < 0)
        return r;
    if (f->cgroup == OCI_CGROUP_V2) {
        r = read_controllers(&f->controllers);
        if (r < 0)
            return reason_set(why, r, "cannot read cgroup.controllers");
    }
    for (int i = 0; i < RLIM_NLIMITS; i++)
        if (getrlimit(i, &f->limits[i]) < 0)
            f->limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    return 0;
}

int oci_facts_gather(struct oci_facts *ret, struct reason *why)
{
    struct oci_facts f = {
        .euid = geteuid(),
        .egid = getegid(),
        .initial_userns = ns_is_initial_user(),
        .net = own_ns("net"),
        .pid = own_ns("pid"),
        .ipc = own_ns("ipc"),
        .cgroup = hierarchy(),
        .has_mqueue = has_magic("/dev/mqueue", MQUEUE_MAGIC),
        .has_shm = is_there("/dev/shm"),
        .ns_owner = ns_owner,
        .owned_by = owned_by,
        .is_there = is_there,
        .mount_flags = oci_fact_mount_flags,
        .locked_flags = oci_fact_locked_flags,
        .may_create_cgroup = may_create_cgroup,
    };
    int r = gather(&f, why);

    if (r < 0) {
        oci_facts_done(&f);
        return r;
    }
    *ret = f;
    return 0;
}

void oci_facts_done(struct oci_facts *f)
{
    subid_list_done(&f->subuids);
    subid_list_done(&f->subgids);
    strv_done(&f->controllers);
}
