/* SPDX-License-Identifier: Apache-2.0 */
/*
 * newuidmap(1) and newgidmap(1): the programs with the privilege to write a user's subordinate ids into an id map.
 * Facts: newuidmap(1), shadow's newuidmap.c, subordinate_io.c and commonio.c, execve(2), capabilities(7).
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "core/idmap.h"
#include "core/log.h"

/**
 * newuidmap_usable - could both programs do their work, started from here?
 * @ret_fix: static text, what to do about it; set only on failure
 *
 * Installed; no no_new_privs, nosuid mount, or empty bounding set in the way; setuid root or with file capabilities.
 * A script instead of one is taken at its word. Does not block.
 * Return: 0, or -errno with the text in @why.
 */
int newuidmap_usable(const char **ret_fix, struct reason *why);

/**
 * newuidmap_write - have the id maps of @child written
 * @ret_wrote: whether the uid map was written, also on failure
 *
 * Blocks until both have ended, at most 10 s each. Death by a signal is a failure, and so is an exit status of 0 after which
 * the map is empty. Return: 0, or -errno with the text in @why.
 */
int newuidmap_write(pid_t child, const struct idmap *uids, const struct idmap *gids, bool *ret_wrote,
                    struct reason *why);

/*
 * newuidmap_explain - what to do after newuidmap_write() failed with @r, which the programs themselves say little of: the likely
 * cause, as far as can be seen.
 */
void newuidmap_explain(int r, struct reason *ret);
