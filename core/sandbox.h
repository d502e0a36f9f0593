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
/* Of a call that is on the list: allowed only where argument @arg (0 the first), masked, is one of the values. */
struct sandbox_limit {
    int call; /* __NR_* */
    unsigned arg;
    uint32_t mask; /* of the lower 32 bits, the only ones that count */
    unsigned n;
    uint32_t values[2];
};

/**
 * sandbox_seccomp - allow-list of system calls; anything else fails with EPERM, another architecture's calls kill
 * @calls: __NR_* numbers, the frequent ones first; at most 200 and together with @limits as many as BPF's short jumps reach
 * @limits: at most one a call; NULL when there are none
 *
 * Needs no_new_privs or CAP_SYS_ADMIN (seccomp(2)). Cannot be taken back.
 */
int sandbox_seccomp(const int *calls, size_t n, const struct sandbox_limit *limits, size_t n_limits);

enum { SANDBOX_SOCKET_LIMITS = 6 };
/**
 * sandbox_socket_limits - limits for a process that serves Internet sockets, to be called in that process itself
 * Sockets of the Internet's families only (those of AF_UNIX would reach the abstract names of the network namespace, others
 * the hypervisor or seldom-used parts of the kernel); no memory that can be executed; resource limits and signals of its own.
 */
void sandbox_socket_limits(struct sandbox_limit ret[SANDBOX_SOCKET_LIMITS]);
/* sandbox_nofile - raise RLIMIT_NOFILE's soft limit to at most @max (the hard limit bounds it); returns the limit in force or -errno. */
int64_t sandbox_nofile(uint64_t max);
