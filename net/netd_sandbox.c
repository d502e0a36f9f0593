/* SPDX-License-Identifier: Apache-2.0 */
#include "net/netd_sandbox.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>

#include "core/fd.h"
#include "core/ns.h"
#include "core/proc.h"
#include "core/sandbox.h"

/* What libslirp, glib, the C library and the loop call while serving, and at the end. The frequent ones come first. */
static const int calls[] = {
    __NR_read,
    __NR_write,
    __NR_ppoll,
    __NR_recvfrom,
    __NR_sendto,
    __NR_recvmsg,
    __NR_sendmsg,
    __NR_epoll_pwait,
    __NR_clock_gettime,
    __NR_readv,
    __NR_writev,
    __NR_socket,
    __NR_connect,
    __NR_close,
    __NR_setsockopt,
    __NR_getsockopt,
    __NR_getsockname,
    __NR_getpeername,
    __NR_bind,
    __NR_listen,
    __NR_accept,
    __NR_accept4,
    __NR_shutdown,
    __NR_fcntl,
    __NR_ioctl,
    __NR_epoll_ctl,
    __NR_splice,
    __NR_pipe2,
    /* memory */
    __NR_brk,
    __NR_mmap,
    __NR_munmap,
    __NR_mremap,
    __NR_mprotect,
    __NR_madvise,
    __NR_futex,
    /* standard streams */
    __NR_fstat,
    __NR_newfstatat,
    __NR_lseek,
    /* time, random numbers, limits */
    __NR_gettimeofday,
    __NR_clock_nanosleep,
    __NR_nanosleep,
    __NR_getrandom,
    __NR_prlimit64,
    /* the end, also by a failed assertion */
    __NR_rt_sigreturn,
    __NR_rt_sigaction,
    __NR_rt_sigprocmask,
    __NR_restart_syscall,
    __NR_exit,
    __NR_exit_group,
    __NR_getpid,
    __NR_gettid,
    __NR_tgkill,
    __NR_tkill,
#ifdef __x86_64__
    __NR_poll,
    __NR_epoll_wait,
#endif
#ifdef __SANITIZE_ADDRESS__
    /* reports of the sanitizers, and the leak checker's thread at the end */
    __NR_sigaltstack,
    __NR_sched_yield,
    __NR_readlinkat,
    __NR_getdents64,
    __NR_clone,
    __NR_wait4,
    __NR_ptrace,
    __NR_prctl,
    __NR_kill,
    __NR_sched_getaffinity,
    __NR_set_robust_list,
#endif
};

/* A user namespace of our own; no ids need to be mapped to mount an empty file system. */
static int own_userns(struct reason *why)
{
    if (unshare(CLONE_NEWUSER) < 0) {
        int r = -errno;
        return reason_set(why, r, "cannot make a user namespace: %s", strerror(-r));
    }
    return 0;
}

static int join_guest(const struct netd_config *c, struct reason *why)
{
    int r = ns_join(c->userns_fd, CLONE_NEWUSER);
    return r < 0 ? reason_set(why, r, "cannot join the user namespace of the network: %s", strerror(-r)) : 0;
}

/*
 * The fast path's CAP_NET_ADMIN had better be that of the guest's user namespace, even for root, who could do with his own.
 * But who serves the API may be asked for ports below 1024 of the host, and no capability of the guest's opens those.
 */
static bool leaves_host(const struct netd_config *c)
{
    return fast_set_is_there(&c->fast) && c->userns_fd >= 0 && c->api_fd < 0;
}

/*
 * Where CAP_SYS_ADMIN comes from, which an empty root takes: had already (root; podman inside its user namespace), by
 * joining the user namespace of the guest, which our user made, or in one of our own.
 */
static int get_admin(const struct netd_config *c, struct reason *why)
{
    if (proc_has_cap(CAP_SYS_ADMIN) && !leaves_host(c))
        return 0;
    if (c->userns_fd >= 0) {
        int r = join_guest(c, why);
        if (r < 0 || proc_has_cap(CAP_SYS_ADMIN))
            return r;
    }
    return own_userns(why);
}

/* Over the guest's namespace, without a sandbox: had already, or by joining the user namespace that owns it. */
static int get_net_admin(const struct netd_config *c, struct reason *why)
{
    if (!fast_set_is_there(&c->fast) || proc_has_cap(CAP_NET_ADMIN) || c->userns_fd < 0)
        return 0;
    return join_guest(c, why);
}

/* Ports below 1024 for those who may; and with a fast path what it takes to decide about packets (net/fast.h). */
static uint64_t kept_caps(const struct netd_config *c, uint64_t had)
{
    uint64_t keep = leaves_host(c) ? 0 : had & (1ULL << CAP_NET_BIND_SERVICE);
    return fast_set_is_there(&c->fast) ? keep | 1ULL << CAP_NET_ADMIN : keep;
}

static int empty_root(const struct netd_config *c, struct reason *why)
{
    struct reason k = {""};
    int r = get_admin(c, &k);
    if (r == 0)
        r = sandbox_empty_root(&k);
    if (r < 0)
        return reason_set(why, r, "no sandbox: %s%s", k.text, sandbox_remedy(r));
    return 0;
}

int netd_sandbox_enter(const struct netd_config *c, struct reason *why)
{
    int r, pdeathsig = 0;
    uint64_t had = 0; /* before get_admin(): what a new user namespace adds is not ours to keep */
    if (prctl(PR_GET_PDEATHSIG, &pdeathsig) < 0)
        return reason_set(why, -errno, "cannot learn which signal is due at the parent's death: %s",
                          strerror(errno));
    r = proc_caps_effective(&had);
    if (r < 0)
        return reason_set(why, r, "cannot read the own capabilities: %s", strerror(-r));
    if (c->sandbox) {
        struct reason k = {""};
        r = empty_root(c, &k);
        if (r < 0 && !c->sandbox_try)
            return reason_set(why, r, "%s%s", k.text,
                              c->sync_fd < 0 ? " (--enable-sandbox=false does without one)" : "");
        if (r < 0)
            log_warn("%s (going on with the host's file system in sight)", k.text);
        r = sandbox_drop_caps(kept_caps(c, had));
        if (r < 0)
            return reason_set(why, r, "cannot drop capabilities: %s", strerror(-r));
    } else {
        r = get_net_admin(c, why);
        if (r < 0)
            return r;
    }
    if (c->userns_fd >= 0)
        close(c->userns_fd);
    r = sandbox_lock();
    if (r < 0)
        return reason_set(why, r, "cannot set no_new_privs: %s", strerror(-r));
    /* Taking on other credentials cleared it (prctl(2)); whether the parent died meanwhile, its socket tells. */
    if (pdeathsig && prctl(PR_SET_PDEATHSIG, pdeathsig) < 0)
        return reason_set(why, -errno, "cannot ask for a signal at the parent's death: %s", strerror(errno));
    if (c->seccomp) {
        struct sandbox_limit limits[SANDBOX_SOCKET_LIMITS];
        sandbox_socket_limits(limits);
        r = sandbox_seccomp(calls, array_size(calls), limits, array_size(limits));
        if (r < 0)
            return reason_set(
                why, r, "cannot filter system calls: %s (is CONFIG_SECCOMP_FILTER missing in the kernel?)",
                strerror(-r));
    }
    return 0;
}
