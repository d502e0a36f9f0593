/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of the container side. All of it acts on the calling process's mount namespace, which must be its own.
 * Facts: mount(2), mount_namespaces(7), open_tree(2), move_mount(2), fs/namespace.c.
 *
 * Functions that change something return 0 (or a positive note where said) or -errno, with a text in @why (may be NULL).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/log.h"

enum mount_propagation {
    PROP_DEFAULT, /* not given: rprivate */
    PROP_PRIVATE,
    PROP_RPRIVATE,
    PROP_SLAVE,
    PROP_RSLAVE,
    PROP_SHARED,
    PROP_RSHARED,
};
extern const char
    *const mount_propagation_names[]; /* "", "private" ... NULL: for OPT_ENUM, the enum is the index */

bool mount_propagation_is_shared(enum mount_propagation p);

/* mount_set_propagation - of "/". -EINVAL: the root is not a mount point (chroot). */
int mount_set_propagation(enum mount_propagation p, struct reason *why);

enum mount_result {
    MOUNT_FRESH = 0,
    MOUNT_READ_ONLY = 1, /* the kernel would only have it read-only */
    MOUNT_KEPT = 2,      /* refused: what was there stays; @why says what that means, for one warning */
};

/* mount_proc - a fresh /proc for a new pid namespace. Return: enum mount_result or -errno. */
int mount_proc(struct reason *why);

/**
 * mount_sys - a fresh /sys for a new network namespace, with the cgroup tree that was under /sys/fs/cgroup moved in
 * Return: enum mount_result or -errno (/sys is as it was).
 */
int mount_sys(struct reason *why);

/**
 * mount_bind_file - bind one regular file over another
 * @src: the last component must not be a symlink
 * @own: @dst is in a directory of our own (copied up): a symlink there (or nothing) is replaced by an empty file first.
 *       Otherwise a symlink is followed to what it names.
 *
 * Both are opened first and used by their descriptors, so nobody can swap them in between.
 * Return: 0; -ENOENT: no @dst; -errno.
 */
int mount_bind_file(const char *src, const char *dst, bool own, struct reason *why);

/**
 * mount_bind_ns - bind /proc/self/ns/@ns over an empty file made at @dirfd/@name (mode 0444)
 * For namespaces that have to be found by a path. Return: 0 or -errno.
 */
int mount_bind_ns(const char *ns, int dirfd, const char *name, struct reason *why);

/* mount_remount - change @set (MS_RDONLY...) of the mount at @fd, repeating the flags it has (they may be locked). 0 or -errno. */
int mount_remount(int fd, unsigned long set);

/* mount_is_point - is @path (last symlink not followed) the root of a mount? 1, 0 or -errno. Needs /proc. */
int mount_is_point(int dirfd, const char *path);

/* mount_is_shared - would a mount made at @fd be seen by other mount namespaces? 1, 0 or -errno. Needs /proc. */
int mount_is_shared(int fd);

/* mount_umount_stale - lazily unmount whatever is mounted on @dirfd/@name, never following a symlink. 0 also when nothing is. */
int mount_umount_stale(int dirfd, const char *name);

/* mount_bind - bind the file or directory @src_fd (O_PATH will do), without what is mounted below it, over @dst_fd. 0 or -errno. */
int mount_bind(int src_fd, int dst_fd);

/*
 * Mounts that are in no place yet: detached ones (open_tree(2), fsmount(2)), or where the kernel has no such calls,
 * mounted in a private place under /tmp.  For copy-up and /sys. Functions return 0 or -errno.
 */
struct mount_tree {
    int fd;        /* detached mount, or -1 */
    char path[64]; /* the private place, or "" */
};
#define MOUNT_TREE_NONE \
    {                   \
        .fd = -1        \
    }
#define mount_tree_auto __attribute__((cleanup(mount_tree_done)))

/* mount_tree_take - a copy of what is at the directory @fd, with everything mounted below it */
int mount_tree_take(int fd, struct mount_tree *ret);
/* mount_tree_tmpfs - a new tmpfs whose root has @mode and belongs to the caller; *ret_root: CLOEXEC fd of its root, good before and after it is attached */
int mount_tree_tmpfs(mode_t mode, struct mount_tree *ret, int *ret_root);
/* mount_tree_attach - move it to the directory @name in @dirfd ("": onto @dirfd itself); on success @t is empty */
int mount_tree_attach(struct mount_tree *t, int dirfd, const char *name);
/* mount_tree_done - give up what was not attached; fine on an empty one */
void mount_tree_done(struct mount_tree *t);
