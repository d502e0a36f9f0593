/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces: names, opening, joining. Facts: namespaces(7), setns(2), ioctl_ns(2). */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

enum { NS_CLONE_NEWTIME = 0x00000080 }; /* CLONE_NEWTIME, linux/sched.h, which older libcs' <sched.h> lacks */

struct ns_kind {
    const char *name; /* as in /proc/PID/ns */
    int flag;         /* CLONE_NEW* */
};
extern const struct ns_kind ns_kinds[]; /* user first; ends with name NULL */

/* ns_open - open /proc/@pid/ns/@name (pid 0: self). CLOEXEC fd or -errno. */
int ns_open(pid_t pid, const char *name);
/* ns_open_at - the same of the process whose /proc/PID is open as @proc_fd: never of another one that has its number by now. */
int ns_open_at(int proc_fd, const char *name);
/* ns_owner_uid - the uid that made a user namespace (NS_GET_OWNER_UID, ioctl_ns(2)). 0 or -errno. */
int ns_owner_uid(int userns_fd, uid_t *ret);
/* ns_same - are the two namespace fds the same namespace? 1, 0 or -errno (fstat(2): st_dev and st_ino). */
int ns_same(int a, int b);
/* ns_is_initial_user - does this process live in the initial user namespace? (its inode number is fixed, PROC_USER_INIT_INO in linux/proc_ns.h) */
bool ns_is_initial_user(void);
/* ns_limit_hint - for the end of a message about @r (-errno) where a namespace was made, with or without saying so (fsmount(2)
 * and open_tree(2) make one, too): names the limit when it is reached, else "". */
const char *ns_limit_hint(int r);
/* ns_join - setns(2); skips a namespace that is already ours (joining the own user namespace is EINVAL). */
int ns_join(int fd, int flag);
