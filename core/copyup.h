/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copy-up: make directories writable for the namespace while their contents stay the host's.
 *
 *     /etc            tmpfs, mode 0755
 *     /etc/.roXXXXXX  the host's /etc, with everything mounted below it
 *     /etc/NAME       symlink to .roXXXXXX/NAME; where the host has a symlink, a copy of that
 *
 * Symlinks and not bind mounts, on purpose: `rm -rf /etc` removes symlinks and stops there.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/log.h"
#include "core/mount.h"

extern const char *const copyup_mode_names[]; /* "tmpfs+symlink", NULL: for OPT_ENUM */

/**
 * copyup_check - refuse what copyup_dirs() would refuse, before anything is started
 *
 * Relative paths, "/", "/tmp" (however it is spelled), and shared propagation.
 * Return: 0 or -EINVAL with the text in @why.
 */
int copyup_check(char *const *dirs, size_t n, enum mount_propagation p, struct reason *why);

/**
 * copyup_dirs - copy up each directory, in this process's own mount namespace
 * @dirs: absolute paths; symlinks to directories are followed, duplicates (also by another spelling) done once,
 *        parents before the directories in them
 * @p: the propagation that was set before
 *
 * The current directory is entered again by its name at the end, so that "." is not left under a mount.
 * Return: 0 or -errno with the text in @why; a directory that failed is as it was, those before it stay copied up.
 */
int copyup_dirs(char *const *dirs, size_t n, enum mount_propagation p, struct reason *why);

/* copyup_has - is @dir among @dirs (by cleaned spelling: "/etc/" and "//etc/." are "/etc")? */
bool copyup_has(char *const *dirs, size_t n, const char *dir);
