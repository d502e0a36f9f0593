/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a new content in the place of a file so that, whatever happens, somebody who looks finds the old content
 * or the new one, whole. Facts: rename(2), fsync(2), open(2), xattr(7).
 *
 *     open the folder ─▶ open the file (regular, no symlink) ─▶ the caller reads and thinks
 *     ─▶ temporary file in the same folder: content, owner, mode, attributes, fsync ─▶ rename over the file ─▶ fsync the folder
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
 * error. Of a new file the mode is 0666 less the umask. Refused (-ESTALE) when the name was given to
 * another file meanwhile. On failure nothing is left behind and the old file is as it was, except that
 * a failing fsync of the folder comes too late for that: @why says so.
 */
int replace_commit(struct replace *r, const void *data, size_t len, struct reason *why);

void replace_done(struct replace *r);
#define replace_auto __attribute__((cleanup(replace_done)))
