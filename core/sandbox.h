/* SPDX-License-Identifier: Apache-2.0 */
/* Giving up privilege, one function a step (netd, portd, and whoever parses other people's input). */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "core/log.h"

/**
 * sandbox_empty_root - a new mount namespace whose root is an empty, read-only tmpfs
 * Needs CAP_SYS_ADMIN in the current user namespace. Open fds stay good (the host's files are otherwise out of reach).
 */
int sandbox_empty_root(struct reason *why);
/* sandbox_remedy - what to do about a step that was refused with @r, in parentheses after a blank; "" where nothing general is known. */
const char *sandbox_remedy(int r);
/* sandbox_drop_caps - keep only @keep (a mask of 1ULL << CAP_x) in permitted and effective, nothing else anywhere (bounding set, inheritable, ambient). */
int sandbox_drop_caps(uint64_t keep);
/* sandbox_lock - no_new_privs, non-dumpable (call last of the credential changes: each change sets dumpable anew). */
int sandbox_lock(void);
/**
 * sandbox_seccomp - allow-list of system calls; anything else fails with EPERM, another architecture's calls kill
 * @calls: __NR_* numbers, the frequent ones first; at most 240
 *
 * Needs no_new_privs or CAP_SYS_ADMIN (seccomp(2)). Cannot be taken back.
 */
int sandbox_seccomp(const int *calls, size_t n);
/* sandbox_nofile - raise RLIMIT_NOFILE's soft limit to at most @max (the hard limit bounds it); returns the limit in force or -errno. */
int64_t sandbox_nofile(uint64_t max);
