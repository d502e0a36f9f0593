/* SPDX-License-Identifier: Apache-2.0 */
#include "core/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/ns.h"
#include "core/proc.h"
#include "core/strv.h"
#include "core/sync.h"

enum { TRIAL_TIMEOUT_MS = 10000 };

const char *const probe_state_names[] = {"ok", "partly", "no"};
_Static_assert(array_size(probe_state_names) == PROBE_NO + 1, "a name for each state");
_Static_assert(sizeof(struct probe) <= SYNC_MAX_PAYLOAD, "a result is one message");

void probe_env_done(struct probe_env *env)
{
    kconfig_done(&env->config);
}

/* ---------------------------------------------------------------- results */

static void fill(struct reason *r, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void fill(struct reason *r, const char *fmt, va_list ap)
{
    (void)vsnprintf(r->text, sizeof(r->text), fmt, ap);
}

void probe_set(struct probe *p, enum probe_state state, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    p->state = state;
    fill(&p->seen, fmt, ap);
    va_end(ap);
}

void probe_means(struct probe *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fill(&p->means, fmt, ap);
    va_end(ap);
}

void probe_fix(struct probe *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fill(&p->fix, fmt, ap);
    va_end(ap);
}

void probe_fix_kernel(const struct probe_env *env, struct probe *p, const char *option, const char *module)
{
    char loaded[64];
    if (module && str_format(loaded, sizeof(loaded), "/sys/module/%s", module) == 0 &&
        access(loaded, F_OK) == 0)
        return;
    switch (kconfig_get(&env->config, option)) {
    case KCONFIG_NO:
        probe_fix(p, "take a kernel with %s (%s says that it is off)", option, env->config.path);
        break;
    case KCONFIG_MODULE:
        if (module)
            probe_fix(p, "as root of the machine: modprobe %s (%s is a module)", module, option);
        break;
    case KCONFIG_UNKNOWN:
        if (module)
            probe_fix(p, "as root of the machine: modprobe %s (or the kernel lacks %s)", module, option);
        else
            probe_fix(p, "take a kernel with %s (whether it has that cannot be read here)", option);
        break;
    case KCONFIG_BUILT_IN: break;
    }
}

bool probe_read(const char *path, char *ret, size_t size)
{
    free_auto char *text = NULL;
    *ret = '\0';
    if (file_read(AT_FDCWD, path, 4096, &text, NULL) < 0)
        return false;
    text[strcspn(text, "\n")] = '\0';
    return str_format(ret, size, "%s", text) == 0;
}

/* ---------------------------------------------------------------- trials in a child */

_Noreturn static void child(struct probe_env *env, bool mapped, probe_fn *fn, int sync)
{
    struct sync_in in sync_in_auto = {.nfds = 0};
    struct probe p = {.state = PROBE_NO};

    /* From inside a new pid namespace the parent has no number; that it lives still is what the first wait finds out. */
    if (proc_die_with_parent(0) < 0 ||
        sync_expect(sync, SYNC_MAPPED, &in, TRIAL_TIMEOUT_MS, "parent", NULL) < 0)
        _exit(1);
    int r = mapped ? idmap_become_root() : 0;
    if (r < 0)
        probe_set(&p, PROBE_NO, "cannot become root of the new user namespace: %s", strerror(-r));
    else
        fn(env, &p);
    (void)sync_send(sync, SYNC_READY, &p, sizeof(p), NULL, 0);
    _exit(0);
}

/* Why there is no answer: the child is gone already, or hangs. */
static void say_no_answer(int r, int status, const char *why, struct probe *p)
{
    if (r == -ETIMEDOUT)
        probe_set(p, PROBE_NO, "the trial did not come to an end");
    else if (WIFSIGNALED(status))
        probe_set(p, PROBE_NO, "the trial was killed by signal %d%s", WTERMSIG(status),
                  WTERMSIG(status) == SIGSYS ? " (a seccomp filter outside does not allow it)" : "");
    else
        probe_set(p, PROBE_NO, "the trial came to nothing: %s", why);
}

static int converse(struct probe_env *env, pid_t pid, bool mapped, int sync, struct probe *p,
                    struct reason *why)
{
    struct sync_in in sync_in_auto = {.nfds = 0};
    int r = mapped ? idmap_apply(&env->plan, pid, why) : 0;
    if (r < 0) {
        probe_set(p, PROBE_NO, "%s", why->text);
        return r;
    }
    r = sync_send(sync, SYNC_MAPPED, NULL, 0, NULL, 0);
    if (r == 0)
        r = sync_expect(sync, SYNC_READY, &in, TRIAL_TIMEOUT_MS, "trial", why);
    if (r == 0 && in.len != sizeof(*p))
        r = -EBADMSG;
    if (r == 0)
        memcpy(p, in.payload, sizeof(*p));
    return r;
}

/* "user, mnt and net" */
static const char *namespace_names(uint64_t flags, char *buf, size_t size)
{
    size_t len = 0;
    *buf = '\0';
    for (const struct ns_kind *k = ns_kinds; k->name; k++) {
        if (!(flags & (uint64_t)(unsigned)k->flag))
            continue;
        flags &= ~(uint64_t)(unsigned)k->flag;
        int n = snprintf(buf + len, size - len, "%s%s", len == 0 ? "" : flags ? ", " : " and ", k->name);
        if (n < 0 || (size_t)n >= size - len)
            break;
        len += (size_t)n;
    }
    return buf;
}

static void say_no_clone(int r, uint64_t flags, struct probe *p)
{
    char names[64];
    probe_set(p, PROBE_NO, "cannot make %s namespaces: %s", namespace_names(flags, names, sizeof(names)),
              strerror(-r));
    if (r == -ENOSPC)
        probe_fix(p, "as root: raise the limits user.max_*_namespaces (sysctl), or end other containers");
}

int probe_clone(struct probe_env *env, uint64_t ns_flags, bool mapped, probe_fn *fn, struct probe *p)
{
    struct reason why = {""};
    fd_auto int pidfd = -1;
    int sv[2], status = 0;

    int r = sync_pair(sv);
    if (r < 0) {
        probe_set(p, PROBE_NO, "cannot make a socket pair: %s", strerror(-r));
        return r;
    }
    fd_auto int ours = sv[0];
    fd_auto int theirs = sv[1];
    pid_t pid = proc_clone(ns_flags, &pidfd);
    if (pid < 0) {
        say_no_clone(pid, ns_flags, p);
        return pid;
    }
    if (pid == 0) {
        fd_close(&ours);
        child(env, mapped, fn, theirs);
    }
    fd_close(&theirs);
    r = converse(env, pid, mapped, ours, p, &why);
    /* The child is nobody else's: whatever it still does, it is over, and under a pid namespace everything below it, too. */
    fd_close(&ours);
    if (r == -ECONNRESET)
        (void)pidfd_wait(pidfd, TRIAL_TIMEOUT_MS, &status);
    else
        (void)pidfd_signal(pidfd, SIGKILL);
    (void)pidfd_wait(pidfd, -1, NULL);
    if (r < 0 && !p->seen.text[0])
        say_no_answer(r, status, why.text, p);
    return r < 0 ? 1 : 0;
}

void probe_skip(struct probe *p, const char *why)
{
    probe_set(p, PROBE_NO, "not tried: %s", why);
    p->skipped = true;
}

bool probe_in_child(struct probe_env *env, uint64_t ns_flags, probe_fn *fn, struct probe *p)
{
    if (!env->have_map) {
        probe_skip(p, env->have_userns ? "it takes a user namespace with id maps, and none can be written"
                                       : "it takes a user namespace, and none can be made");
        return false;
    }
    (void)probe_clone(env, CLONE_NEWUSER | ns_flags, true, fn, p);
    return true;
}
