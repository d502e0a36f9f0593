/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of the kernel, user namespaces and id maps. Facts: user_namespaces(7), kernel/user_namespace.c, kernel/fork.c. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/ns.h"
#include "core/probe.h"
#include "core/proc.h"
#include "core/strv.h"

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000
#endif

void probe_kernel(struct probe_env *env, struct probe *p)
{
    struct utsname u;
    if (uname(&u) < 0) {
        probe_set(p, PROBE_NO, "uname: %s", strerror(errno));
        return;
    }
    probe_set(p, PROBE_OK, "%s %s %s, configuration %s%s", u.sysname, u.release, u.machine,
              env->config.text ? "in " : "not readable", env->config.text ? env->config.path : "");
}

/* ---------------------------------------------------------------- user namespace */

static bool is_one(const char *path, char digit)
{
    char text[32];
    return probe_read(path, text, sizeof(text)) && text[0] == digit && !text[1];
}

/*
 * Is it a seccomp filter that refuses?  A filter answers before the kernel looks at the arguments, and these the kernel itself
 * refuses with EINVAL before it asks for any right (copy_process() of kernel/fork.c): any other answer is a filter's.
 */
static bool clone_is_filtered(void)
{
    long pid = syscall(SYS_clone, (unsigned long)(CLONE_NEWUSER | CLONE_FS | SIGCHLD), 0, 0, 0, 0);
    int r = errno;
    if (pid == 0)
        _exit(0);
    if (pid > 0) {
        (void)waitpid((pid_t)pid, NULL, 0);
        return false;
    }
    return r != EINVAL;
}

/* Certain when true; a chroot into the root of another mount cannot be told from no chroot. */
static bool is_chroot(void)
{
    struct statx st;
    if (statx(AT_FDCWD, "/", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st) < 0)
        return false;
    return (st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) && !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static bool own_ids_unmapped(void)
{
    struct idmap *m = malloc(sizeof(*m));
    bool unmapped = false;
    uint32_t outer;
    for (int kind = SUBID_UID; m && kind <= SUBID_GID && !unmapped; kind++)
        unmapped =
            idmap_read(0, (enum subid_kind)kind, m) == 0 &&
            idmap_to_outer(m, kind == SUBID_UID ? (uint32_t)geteuid() : (uint32_t)getegid(), &outer) < 0;
    free(m);
    return unmapped;
}

static void say_apparmor(struct probe *p, const char *before)
{
    probe_set(p, PROBE_NO,
              "%sAppArmor does not let unprivileged programs have one with power "
              "(kernel.apparmor_restrict_unprivileged_userns is 1)",
              before);
    probe_fix(p, "as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile "
                 "for rootlet with 'userns,'");
}

static const char restricted_by_apparmor[] = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

/* EPERM has many reasons; those that can be proved come first. */
static void explain_eperm(int r, struct probe *p)
{
    if (!proc_has_cap(CAP_SYS_ADMIN) && is_one("/proc/sys/kernel/unprivileged_userns_clone", '0')) {
        probe_set(p, PROBE_NO, "kernel.unprivileged_userns_clone is 0: only root may make user namespaces");
        probe_fix(p, "as root: sysctl -w kernel.unprivileged_userns_clone=1");
    } else if (own_ids_unmapped()) {
        probe_set(p, PROBE_NO, "the own uid %u or gid %u is not mapped in the user namespace around",
                  geteuid(), getegid());
        probe_fix(p, "map it there (unshare -r, or --userns=keep-id), or run as a user that is mapped");
    } else if (is_chroot()) {
        probe_set(p, PROBE_NO, "'/' is a chroot, and the kernel makes no user namespaces in one");
        probe_fix(p, "enter the directory by pivot_root, as container runtimes do, instead of chroot");
    } else if (!proc_has_cap(CAP_SYS_ADMIN) && is_one(restricted_by_apparmor, '1')) {
        say_apparmor(p, "");
    } else {
        probe_set(p, PROBE_NO,
                  "the kernel refuses: %s (a chroot into the root of a mount, or a security module)",
                  strerror(-r));
        probe_fix(p, "start it outside the chroot, or allow user namespaces in the policy of the security "
                     "module (its log says more)");
    }
}

static void explain_limit(struct probe *p)
{
    char text[32];
    if (!probe_read("/proc/sys/user/max_user_namespaces", text, sizeof(text)) || strcmp(text, "0")) {
        probe_set(p, PROBE_NO,
                  "there are too many already: user.max_user_namespaces is %s here, a user namespace around "
                  "may allow "
                  "fewer, and 32 can be nested",
                  text[0] ? text : "not readable");
        probe_fix(p, "end other containers, or as root: sysctl -w user.max_user_namespaces=63000");
        return;
    }
    probe_set(p, PROBE_NO, "user.max_user_namespaces is 0: no user namespace may be made");
    probe_fix(p, "as root: sysctl -w user.max_user_namespaces=63000");
}

static void explain_refusal(struct probe_env *env, int r, struct probe *p)
{
    p->fix.text[0] = '\0';
    if (r == -ENOSPC || r == -EUSERS) {
        explain_limit(p);
    } else if (clone_is_filtered()) {
        probe_set(p, PROBE_NO, "a seccomp filter of the container around does not allow it: %s",
                  strerror(-r));
        probe_fix(
            p, "start the container outside with a filter that allows clone and unshare with CLONE_NEWUSER "
               "(docker, podman: --security-opt seccomp=unconfined)");
    } else if (r == -EPERM || r == -EACCES) {
        explain_eperm(r, p);
    } else {
        probe_set(p, PROBE_NO, "the kernel cannot: %s", strerror(-r));
        if (r == -EINVAL || r == -ENOSYS)
            probe_fix_kernel(env, p, "CONFIG_USER_NS", NULL);
        else if (r == -EAGAIN)
            probe_fix(p, "raise the limit of processes (ulimit -u, and pids.max of the cgroup), or end some");
    }
}

/* A namespace whose root may do nothing is one that a security module has emptied. */
static void use_power(struct probe_env *env, struct probe *p)
{
    (void)env;
    if (unshare(CLONE_NEWUTS) < 0 || sethostname("probe", 5) < 0) {
        int r = -errno;
        if (is_one(restricted_by_apparmor, '1')) {
            say_apparmor(p, "one can be made, but is without power: ");
        } else {
            probe_set(p, PROBE_NO, "one can be made, but its root has no power: %s", strerror(-r));
            probe_fix(p, "allow unshare and capabilities in user namespaces in the seccomp filter or "
                         "security module of the container around");
        }
        return;
    }
    p->state = PROBE_OK;
}

void probe_userns(struct probe_env *env, struct probe *p)
{
    int r = probe_clone(env, CLONE_NEWUSER, false, use_power, p);
    if (r < 0)
        explain_refusal(env, r, p);
    env->have_userns = p->state == PROBE_OK;
    if (env->have_userns)
        probe_set(p, PROBE_OK, "can be made%s", ns_is_initial_user() ? "" : " (inside another)");
    else
        probe_means(p, "run, copyup: cannot work at all; netd: only as root, or for a network namespace "
                       "whose user namespace it may join");
}

static void works(struct probe_env *env, struct probe *p)
{
    (void)env;
    p->state = PROBE_OK;
}

void probe_why_no_clone(uint64_t ns_flags, int r, struct reason *ret)
{
    struct probe_env env = {.have_userns = false};
    struct probe p = {.state = PROBE_NO};
    int again = probe_clone(&env, CLONE_NEWUSER, false, works, &p);
    if (again < 0) {
        explain_refusal(&env, again, &p);
        (void)snprintf(ret->text, sizeof(ret->text), "cannot make a user namespace: %.240s (%.200s)",
                       p.seen.text, p.fix.text);
        return;
    }
    for (const struct ns_kind *k = ns_kinds; k->name; k++) {
        uint64_t flag = (uint64_t)(unsigned)k->flag;
        if (!(ns_flags & flag & ~(uint64_t)CLONE_NEWUSER))
            continue;
        again = probe_clone(&env, CLONE_NEWUSER | flag, false, works, &p);
        if (again == -ENOSPC)
            (void)snprintf(ret->text, sizeof(ret->text),
                           "cannot make a new %s namespace: the limit is reached (raise "
                           "user.max_%s_namespaces, here and in the "
                           "user namespaces around, or end other containers)",
                           k->name, k->name);
        else if (again < 0)
            (void)snprintf(ret->text, sizeof(ret->text), "cannot make a new %s namespace: %s%s", k->name,
                           strerror(-again),
                           again == -EINVAL ? " (the kernel is built without)"
                                            : " (a seccomp filter or security module outside forbids it?)");
        if (again < 0)
            return;
    }
    /* It can be made now: whoever was in the way has ended meanwhile. */
    const char *limit = r == -ENOSPC || r == -EUSERS ? ": a limit of user.max_*_namespaces was reached"
                        : r == -EAGAIN
                            ? ": the limit of processes was reached (ulimit -u, pids.max of the cgroup)"
                            : "";
    (void)snprintf(ret->text, sizeof(ret->text), "cannot make the namespaces%s: %s (try again)", limit,
                   strerror(-r));
}

/* ---------------------------------------------------------------- id maps */

static void be_root(struct probe_env *env, struct probe *p)
{
    (void)env;
    if (geteuid() != 0 || getegid() != 0)
        probe_set(p, PROBE_NO, "written, but the process inside is %u:%u and not root", geteuid(), getegid());
    else
        p->state = PROBE_OK;
}

/* "not direct: no CAP_SETUID; not newuidmap: not installed" */
static void list_refused(const struct idmap_plan *plan, struct strbuf *b)
{
    for (int i = 0; i < IDMAP_RUNGS; i++)
        if (plan->rung[i].state == RUNG_REFUSED)
            strbuf_addf(b, "; not %s: %s", idmap_method_name((enum idmap_method)(IDMAP_DIRECT + i)),
                        plan->rung[i].why.text);
}

static void say_map(const struct idmap_plan *plan, struct probe *p)
{
    struct strbuf b = {0};
    unsigned long long uids = idmap_total(&plan->uids), gids = idmap_total(&plan->gids);
    if (uids == 1 && gids == 1)
        strbuf_addf(&b, "%s, the own uid and gid alone", idmap_method_name(plan->method));
    else
        strbuf_addf(&b, "%s, %llu uids and %llu gids", idmap_method_name(plan->method), uids, gids);
    if (plan->dropped)
        strbuf_addf(&b, " (%llu subordinate ids are not mapped here and left out)",
                    (unsigned long long)plan->dropped);
    list_refused(plan, &b);
    bool lesser = uids == 1 || gids == 1 || plan->warning.text[0];
    probe_set(p, lesser ? PROBE_PARTLY : PROBE_OK, "%s", b.s ? b.s : "");
    strbuf_done(&b);
    if (plan->warning.text[0]) {
        probe_means(p, "run, copyup: %s", plan->warning.text);
    } else if (lesser) {
        probe_means(p, "run, copyup: no other user or group exists inside, chown and setgroups fail");
        probe_fix(p, "map more ids in the user namespace around, or start it outside of that");
    }
}

void probe_idmap(struct probe_env *env, struct probe *p)
{
    const struct idmap_request any = {.method = IDMAP_AUTO};
    struct reason why = {""};
    if (!env->have_userns) {
        probe_skip(p, "there is no user namespace to write maps for");
        return;
    }
    int r = idmap_plan(&any, &env->plan, &why);
    if (r < 0) {
        probe_set(p, PROBE_NO, "%s", why.text);
    } else {
        r = probe_clone(env, CLONE_NEWUSER, true, be_root, p);
        env->have_map = r == 0 && p->state == PROBE_OK;
        if (env->have_map)
            say_map(&env->plan, p);
    }
    if (!env->have_map)
        probe_means(p, "run, copyup: cannot work");
}

void probe_newuidmap(struct probe_env *env, struct probe *p)
{
    const struct idmap_request by_helper = {.method = IDMAP_NEWUIDMAP};
    char uid[PATH_MAX], gid[PATH_MAX];
    struct reason why = {""};

    int r = proc_which("newuidmap", uid);
    if (r == 0)
        r = proc_which("newgidmap", gid);
    if (r < 0)
        probe_set(p, PROBE_NO, "not installed");
    if (r == 0 && !env->have_userns) {
        probe_skip(p, "there is no user namespace to write maps for");
        return;
    }
    if (r == 0) {
        struct probe_env own = {.have_userns = true};
        r = idmap_plan(&by_helper, &own.plan, &why);
        if (r == 0)
            r = probe_clone(&own, CLONE_NEWUSER, true, be_root, p);
        else
            probe_set(p, PROBE_NO, "%s", why.text);
        if (r == 0 && p->state == PROBE_OK)
            probe_set(p, PROBE_OK, "%s, %s", uid, gid);
    }
    if (p->state == PROBE_OK)
        return;
    if (env->have_map && !env->plan.by_helper && env->plan.method != IDMAP_SINGLE) {
        probe_means(p, "not needed here: run writes the id maps itself");
        return;
    }
    probe_means(p,
                "run, copyup: the only id inside is the own one; spec: runtimes cannot map more ids either");
    if (!why.text[0])
        probe_fix(p, "install newuidmap and newgidmap (package uidmap or shadow-utils)");
}

void probe_getsubids(struct probe_env *env, struct probe *p)
{
    subid_auto struct subid_list l = {0};
    struct reason why = {""};
    char user[256];

    (void)env;
    uint32_t uid = (uint32_t)geteuid();
    bool named = subid_user_name(uid, user, sizeof(user)) == 0;
    int r = subid_getsubids(SUBID_UID, named ? user : NULL, uid, &l, &why);
    if (r == 0) {
        probe_set(p, PROBE_OK, "%llu subordinate uids", (unsigned long long)subid_list_total(&l));
        return;
    }
    probe_set(p, r == -ENODATA ? PROBE_PARTLY : PROBE_NO, "%s", why.text);
    probe_means(p, "run --subid-source=dynamic: not possible; ranges of a directory service (nsswitch.conf, "
                   "subid:) are not seen, "
                   "/etc/subuid and /etc/subgid are read");
    if (r == -ENOENT)
        probe_fix(p, "install getsubids (package uidmap or shadow-utils), if the ranges come from a "
                     "directory service");
}
