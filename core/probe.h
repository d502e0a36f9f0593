/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes: does a thing that rootlet needs work here, and if not, why?  Each one really does the thing, in a forked child
 * with new namespaces where it takes some, and leaves nothing behind.  What a refusal means is then looked for in sysctls
 * and the kernel's configuration; those never decide.  The probes of the network: net/probe_net.h.
 *
 *     probe_in_child()                              child
 *     clone with the namespaces ──────────────────▶ waits
 *     idmap_apply(env->plan)  ───── mapped ───────▶ idmap_become_root(), then the trial
 *                             ◀──── ready ───────── struct probe
 *
 * Either one's death is an EOF for the other, and the wait has a deadline, so a trial that hangs or is killed (a seccomp
 * filter of the container outside may do that) is a result, too.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "core/idmap.h"
#include "core/kconfig.h"
#include "core/log.h"

enum probe_state {
    PROBE_OK,
    PROBE_PARTLY, /* works in a lesser way */
    PROBE_NO,
};
extern const char *const probe_state_names[]; /* "ok", "partly", "no" */

struct probe {
    enum probe_state state;
    bool skipped;        /* NO because an earlier probe's finding leaves nothing to try */
    struct reason seen;  /* what was seen, in plain words */
    struct reason means; /* for PARTLY and NO: what that means for which applet */
    struct reason fix;   /* the command or setting that would change it; may be empty */
};

/* What the probes share. Zeroed at first; probe_env_done() at the end. */
struct probe_env {
    struct kconfig config;
    bool have_userns; /* probe_userns() made one */
    bool have_map;    /* probe_idmap() wrote one: @plan is in force */
    struct idmap_plan plan;
};
void probe_env_done(struct probe_env *env);

/* Runs in the calling process, or (probe_in_child()) in the child. Fills @p, which is zeroed. */
typedef void probe_fn(struct probe_env *env, struct probe *p);

void probe_set(struct probe *p, enum probe_state state, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void probe_means(struct probe *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void probe_fix(struct probe *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * probe_fix_kernel - the fix for something that the kernel says it does not have: name the option that is off, or the module
 * Leaves @p alone when the kernel has the option built in or its module loaded.
 * @option: "CONFIG_TUN"; @module: "tun", or NULL when it cannot be one
 */
void probe_fix_kernel(const struct probe_env *env, struct probe *p, const char *option, const char *module);

/* probe_read - the first line of a short file such as a sysctl; false (and "" in @ret) when it cannot be read. */
bool probe_read(const char *path, char *ret, size_t size);

/**
 * probe_clone - run @fn in a child with new namespaces and wait for what it says
 * @ns_flags: CLONE_NEW*
 * @mapped: write the id maps of @env->plan (which may move down a rung) and be root there; else the child is unmapped, with
 *          all capabilities in its user namespace when it has a new one
 *
 * Blocks until the child is gone, at most some seconds. Return: 0: @p is the child's answer; 1: it gave none, and
 * @p says why; -errno: of clone(2), there was no child, and @p says so.
 */
int probe_clone(struct probe_env *env, uint64_t ns_flags, bool mapped, probe_fn *fn, struct probe *p);

/* probe_skip - PROBE_NO without a trial; @why: what is missing */
void probe_skip(struct probe *p, const char *why);

/**
 * probe_in_child - the same in a new user namespace with id maps
 * Return: was it tried?  When there are no user namespaces or maps to be had it is not, and @p says that.
 */
bool probe_in_child(struct probe_env *env, uint64_t ns_flags, probe_fn *fn, struct probe *p);

/* The kernel and the user (core/probe_user.c); in this order, as later ones use what earlier ones found. */
void probe_kernel(struct probe_env *env, struct probe *p);
void probe_userns(struct probe_env *env, struct probe *p);
void probe_idmap(struct probe_env *env, struct probe *p);
void probe_newuidmap(struct probe_env *env, struct probe *p);
void probe_getsubids(struct probe_env *env, struct probe *p);

/**
 * probe_why_no_clone - why new namespaces could not be made, in one sentence with what to do about it
 * @ns_flags: what clone(2) was asked for, CLONE_NEWUSER among it
 * @r: its -errno
 * Tries again, each kind by itself: blocks some milliseconds. For error messages only.
 */
void probe_why_no_clone(uint64_t ns_flags, int r, struct reason *ret);

/* Namespaces and what is mounted in them (core/probe_mount.c) */
void probe_namespaces(struct probe_env *env, struct probe *p); /* mount, pid, IPC, UTS, cgroup */
void probe_proc(struct probe_env *env, struct probe *p);
void probe_sys(struct probe_env *env, struct probe *p);
void probe_overlay(struct probe_env *env, struct probe *p);

/* What the sandboxed processes and the instance take (core/probe_host.c) */
void probe_empty_root(struct probe_env *env, struct probe *p);
void probe_seccomp(struct probe_env *env, struct probe *p);
void probe_state_dir(struct probe_env *env, struct probe *p);
void probe_runtime_dir(struct probe_env *env, struct probe *p);

/* core/probe_cgroup.c */
void probe_cgroup(struct probe_env *env, struct probe *p);
