/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says about the mount that a path is on. Facts: statmount(2), mount_setattr(2), open_tree(2), statvfs(3). */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/oci_rules.h"

/* Not in every C library and every copy of the kernel's headers: linux/mount.h, linux/stat.h. */
enum {
    NR_OPEN_TREE = 428,
    NR_MOUNT_SETATTR = 442,
    NR_STATMOUNT = 457,
    TREE_CLONE = 1,
    TREE_RECURSIVE = 0x8000,
    STATX_UNIQUE_MNT_ID = 0x4000,
    STATMOUNT_BASIC = 2,
    ATTR_RDONLY = 1,
    ATTR_NOSUID = 2,
    ATTR_NODEV = 4,
    ATTR_NOEXEC = 8,
    ATTR_ATIME = 0x70, /* a choice: */
    ATTR_RELATIME = 0,
    ATTR_NOATIME = 0x10,
    ATTR_NODIRATIME = 0x80,
};

struct statx_result {
    uint32_t mask;
    uint8_t skipped[140];
    uint64_t mnt_id;
    uint8_t rest[104];
};
struct statmount_request {
    uint32_t size, spare;
    uint64_t mnt_id, what;
};
struct statmount_result {
    uint32_t size, options;
    uint64_t mask;
    uint8_t super[24]; /* sb_dev_major to fs_type */
    uint64_t mnt_id, parent_id;
    uint32_t old_id, old_parent_id;
    uint64_t attr;
    uint8_t rest[440];
};
struct attr_request {
    uint64_t set, clear, propagation, userns;
};
_Static_assert(sizeof(struct statx_result) == 256, "struct statx");
_Static_assert(sizeof(struct statmount_request) == 24, "struct mnt_id_req");
_Static_assert(offsetof(struct statmount_result, attr) == 64, "struct statmount");
_Static_assert(sizeof(struct attr_request) == 32, "struct mount_attr");

static const struct {
    uint64_t attr;
    unsigned flag;
} table[] = {
    {ATTR_RDONLY, ST_RDONLY},
    {ATTR_NOSUID, ST_NOSUID},
    {ATTR_NODEV, ST_NODEV},
    {ATTR_NOEXEC, ST_NOEXEC},
};

static unsigned of_attr(uint64_t attr)
{
    unsigned flags = attr & ATTR_NODIRATIME ? ST_NODIRATIME : 0;

    for (size_t i = 0; i < array_size(table); i++)
        if (attr & table[i].attr)
            flags |= table[i].flag;
    if ((attr & ATTR_ATIME) == ATTR_RELATIME)
        flags |= ST_RELATIME;
    else if ((attr & ATTR_ATIME) == ATTR_NOATIME)
        flags |= ST_NOATIME;
    return flags;
}

/* Linux 6.8 tells the mount's own flags; before that, those of its file system are mixed in ("ro" of a medium that is so). */
unsigned oci_fact_mount_flags(const char *path)
{
    struct statx_result id = {0};
    struct statmount_request request = {.size = sizeof(request), .what = STATMOUNT_BASIC};
    struct statmount_result result = {0};
    struct statvfs st;

    if (syscall(SYS_statx, AT_FDCWD, path, 0, STATX_UNIQUE_MNT_ID, &id) == 0 &&
        (id.mask & STATX_UNIQUE_MNT_ID)) {
        request.mnt_id = id.mnt_id;
        if (syscall(NR_STATMOUNT, &request, &result, sizeof(result), 0) == 0 &&
            (result.mask & STATMOUNT_BASIC))
            return of_attr(result.attr);
    }
    return statvfs(path, &st) < 0 ? OCI_FLAGS_UNKNOWN : (unsigned)st.f_flag;
}

/* Nothing tells which flags are locked, but changing them in a copy that is in no place yet. */
static bool may_change(int tree, struct attr_request how)
{
    return syscall(NR_MOUNT_SETATTR, tree, "", AT_EMPTY_PATH, &how, sizeof(how)) == 0;
}

unsigned oci_fact_locked_flags(const char *path)
{
    fd_auto int tree = (int)syscall(NR_OPEN_TREE, AT_FDCWD, path, TREE_CLONE | TREE_RECURSIVE | O_CLOEXEC);
    unsigned locked = 0;

    /* that such calls are there and allowed is seen by one that changes nothing */
    if (tree < 0 || !may_change(tree, (struct attr_request){0}))
        return OCI_FLAGS_UNKNOWN;
    for (size_t i = 0; i < array_size(table); i++)
        if (!may_change(tree, (struct attr_request){.clear = table[i].attr}))
            locked |= table[i].flag;
    /* two modes: one of them is another than the present one */
    if (!may_change(tree, (struct attr_request){.clear = ATTR_ATIME, .set = ATTR_NOATIME}) ||
        !may_change(tree, (struct attr_request){.clear = ATTR_ATIME, .set = ATTR_RELATIME}))
        locked |= ST_RELATIME;
    return locked;
}
