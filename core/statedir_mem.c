/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state directory where nothing can be written to: a tmpfs that is mounted nowhere and lives as long as its descriptor.
 * Who may not mount here may do so in a user namespace, and a descriptor is good in every namespace:
 *
 *     caller                                   helper, in new user and mount namespaces
 *     clone ─────────────────────────────────▶ wait
 *     idmap_apply(single) ────── mapped ─────▶ fsmount(tmpfs)
 *             ◀───────────── ready, its fd ─── exit
 */
#include "core/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/idmap.h"
#include "core/mount.h"
#include "core/proc.h"
#include "core/strv.h"
#include "core/sync.h"

_Noreturn static void helper(int sync_fd)
{
    mount_tree_auto struct mount_tree tree = MOUNT_TREE_NONE;
    sync_in_auto struct sync_in in = {0};
    int root = -1;

    if (sync_expect(sync_fd, SYNC_MAPPED, &in, SYNC_TIMEOUT_MS, "supervisor", NULL) < 0)
        _exit(1);
    int r = mount_tree_tmpfs(0700, &tree, &root);
    if (r == 0 && tree.fd < 0)
        r = -ENOSYS; /* mounted in a place that nobody else sees: of no use */
    if (r < 0) {
        (void)sync_send(sync_fd, SYNC_FAILED, &r, sizeof(r), NULL, 0);
        _exit(1);
    }
    _exit(sync_send(sync_fd, SYNC_READY, NULL, 0, &root, 1) < 0);
}

/* The tmpfs, as the helper's parent gets it: an O_PATH descriptor. */
static int receive(int sync_fd, pid_t child, int *ret)
{
    const struct idmap_request single = {.method = IDMAP_SINGLE};
    sync_in_auto struct sync_in in = {0};
    struct idmap_plan plan;

    int r = idmap_plan(&single, &plan, NULL);
    if (r == 0)
        r = idmap_apply(&plan, child, NULL);
    if (r == 0)
        r = sync_send(sync_fd, SYNC_MAPPED, NULL, 0, NULL, 0);
    if (r == 0)
        r = sync_expect(sync_fd, SYNC_READY, &in, SYNC_TIMEOUT_MS, "helper", NULL);
    if (r < 0)
        return r;
    if (in.nfds != 1)
        return -EBADMSG;
    *ret = steal_fd(&in.fds[0]);
    return 0;
}

static int detached_tmpfs(int *ret)
{
    int sv[2];

    int r = sync_pair(sv);
    if (r < 0)
        return r;
    fd_auto int ours = sv[0];
    fd_auto int theirs = sv[1];
    fd_auto int pidfd = -1;
    pid_t pid = proc_clone(CLONE_NEWUSER | CLONE_NEWNS, &pidfd);
    if (pid < 0)
        return (int)pid;
    if (pid == 0) {
        fd_close(&ours);
        helper(theirs);
    }
    fd_close(&theirs);
    r = receive(ours, pid, ret);
    fd_close(&ours);
    pidfd_wait(pidfd, -1, NULL);
    return r;
}

int statedir_open_memory(struct statedir *ret)
{
    struct statedir sd = STATEDIR_NONE;
    int fd = -1;

    int r = detached_tmpfs(&fd);
    if (r < 0)
        return r;
    /* Reading and locking need more than O_PATH. The mount lasts while any descriptor in it is open. */
    fd_auto int path_fd = fd;
    fd_auto int dir = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    fd_auto int lock = openat(dir, "lock", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0)
        return -errno;
    if (flock(lock, LOCK_EX | LOCK_NB) < 0 || flock(dir, LOCK_SH | LOCK_NB) < 0)
        return -errno;
    r = str_format(sd.path, sizeof(sd.path), "/proc/%d/fd/%d", (int)getpid(), dir);
    if (r < 0)
        return r;
    sd.dir_fd = steal_fd(&dir);
    sd.lock_fd = steal_fd(&lock);
    sd.created = sd.memory = true;
    *ret = sd;
    return 0;
}
