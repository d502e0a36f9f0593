/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a new content in the place of a file so that, whatever happens, somebody who looks finds the old content
 * or the new one, whole. Facts: rename(2), fsync(2), open(2), xattr(7).
 *
 *     open the folder ─▶ open the file (regular, no symlink) ─▶ the caller reads and thinks
 *     ─▶ new file without a name, of the same folder: content, owner, mode, attributes, fsync
 *     ─▶ a name for it ─▶ the two change places ─▶ fsync the folder ─▶ remove the old one
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "core/log.h"

struct replace {
    int dir, fd;      /* fd: the file, open for reading; -1: there was none */
    const char *name; /* within dir; points into the path given */
    struct stat st;
};

/**
 * replace_open - get hold of the file that is to be replaced
 * @path: kept by reference until replace_done()
 * @must_exist: else a missing file is fine, and will be made
 *
 * Return: 0; -ELOOP: a symlink; -EINVAL: not a regular file; -errno. @why has the text, with the path.
 */
int replace_open(struct replace *r, const char *path, bool must_exist, struct reason *why);

/**
 * replace_commit - put the new content in place
 *
 * Owner, mode and extended attributes (access control lists among them) are those of the old file; where one cannot be given it is an
 * error. Of a new file the mode is 0666 less the umask. Refused (-ESTALE) when the file was changed meanwhile, or the name
 * given to another one. On failure nothing is left behind and the old file is as it was; only a file system without
 * RENAME_EXCHANGE (rename(2)) cannot take back what a failing fsync of the folder says too late. Other names of the old file
 * (@r->st.st_nlink > 1) keep what it was. Signals wait meanwhile; being killed leaves at most a `.rootlet-*` beside the file.
 */
int replace_commit(struct replace *r, const void *data, size_t len, struct reason *why);

void replace_done(struct replace *r);
#define replace_auto __attribute__((cleanup(replace_done)))
