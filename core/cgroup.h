/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups, version 2, as far as an instance needs them. Facts: cgroups(7), Documentation/admin-guide/cgroup-v2.rst. */
#pragma once
#include "core/log.h"

/**
 * cgroup_parse_own - this process's version 2 group from the text of /proc/self/cgroup
 * @ret: malloc()ed path relative to the root of the hierarchy ("/user.slice/x")
 * Return: 0; -ENOENT: no "0::" line, or a group outside of the cgroup namespace ("/.."); -ENOMEM.
 */
int cgroup_parse_own(const char *text, char **ret);

/**
 * cgroup_open_own - the directory of this process's version 2 group, below /sys/fs/cgroup or /sys/fs/cgroup/unified
 * CLOEXEC fd or -errno; -ENOENT: no version 2 hierarchy is mounted there.
 */
int cgroup_open_own(void);

/**
 * cgroup_evacuate - make group @name in the group @dir_fd and move every process of the latter into it
 * That frees the latter for cgroup.subtree_control ("no internal processes" rule). Return: 0 or -errno with the text in @why;
 * a process that ended meanwhile is no error.
 */
int cgroup_evacuate(int dir_fd, const char *name, struct reason *why);

/* cgroup_return - the way back: processes of @name go to @dir_fd, and @name is removed. Best effort; 0 or -errno. */
int cgroup_return(int dir_fd, const char *name);

/**
 * cgroup_mount_own - in a new cgroup namespace: mount the version 2 hierarchy, as that namespace sees it, on /sys/fs/cgroup
 * Return: 0; 1: /sys/fs/cgroup is not version 2 (hybrid, version 1, nothing there), left alone; -errno with the text in @why.
 */
int cgroup_mount_own(struct reason *why);
