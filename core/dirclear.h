/* SPDX-License-Identifier: Apache-2.0 */
/* Emptying a directory that others may have put things into. */
#pragma once
#include <dirent.h>

/**
 * dir_clear - remove everything in a directory, but one entry
 * @keep: name of that entry
 * @ret_name: the entry that could not be removed; NAME_MAX + 1 bytes, set only on failure
 *
 * Goes through descriptors, follows no symlink, does not descend into other file systems but unmounts them (lazily), and is
 * bounded in depth and number of entries. What vanishes meanwhile is no error.
 * Return: 0; -ELOOP: too deep; -E2BIG: too many; -errno.
 */
int dir_clear(int dir_fd, const char *keep, char *ret_name);

/* dir_open_list - open the directory @name in @dirfd for readdir(3), from its start, not following a symlink. NULL and errno on failure. */
DIR *dir_open_list(int dirfd, const char *name);

/* Local that is closed when it leaves the scope: `dir_auto DIR *d = ...`; NULL is fine. */
#define dir_auto __attribute__((cleanup(dir_cleanup)))
void dir_cleanup(DIR **d);
