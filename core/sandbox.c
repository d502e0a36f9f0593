/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "core/fd.h"
#include "core/ns.h"

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#else
#error "name this architecture's AUDIT_ARCH_ constant here"
#endif

static int step_failed(struct reason *why, const char *step)
{
    int r = -errno;
    return reason_set(why, r, "%s: %s%s", step, strerror(-r), ns_limit_hint(r));
}

const char *sandbox_remedy(int r)
{
    switch (r) {
    case -EPERM:
        return " (a seccomp filter or security module around has to allow unshare, setns, mount and "
               "pivot_root)";
    case -ENOSPC: return " (raise user.max_mnt_namespaces and user.max_user_namespaces)";
    default: return "";
    }
}

/* Make the tmpfs mounted at the current directory the root of this mount namespace. */
static int become_root(struct reason *why)
{
    /* pivot_root(2), "pivot_root(".", ".")": the old root is stacked over the new one and taken off again. */
    if (syscall(SYS_pivot_root, ".", ".") == 0) {
        if (umount2(".", MNT_DETACH) < 0)
            return step_failed(why, "letting go of the old root");
        return 0;
    }
    /* An initramfs cannot be pivoted away (EINVAL): move over it. Without CAP_SYS_CHROOT nobody gets below again. */
    if (errno != EINVAL)
        return step_failed(why, "pivot_root");
    if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
        return step_failed(why, "moving the empty root into place");
    return 0;
}

int sandbox_empty_root(struct reason *why)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (unshare(CLONE_NEWNS) < 0)
        return step_failed(why, "new mount namespace");
    /* Nothing of what follows may travel back to where this mount namespace was copied from. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return step_failed(why, "making mounts private");
    /*
     * Any directory will do as a place: the mount is seen in this namespace only, and ends up as its root.
     * /tmp, /proc or /dev is there on nearly every system; the root itself is the last resort.
     */
    static const char *const places[] = {"/tmp", "/proc", "/dev", "/"};
    const char *place = NULL;
    for (size_t i = 0; i < array_size(places) && !place; i++)
        if (mount("rootlet", places[i], "tmpfs", flags, "mode=0555,size=64k,nr_inodes=16") == 0)
            place = places[i];
    if (!place)
        return step_failed(why, "mounting an empty tmpfs");
    if (chdir(place) < 0)
        return step_failed(why, "entering the empty root");
    int r = become_root(why);
    if (r < 0)
        return r;
    if (chdir("/") < 0)
        return step_failed(why, "entering the empty root");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
        return step_failed(why, "making the empty root read-only");
    return 0;
}

int sandbox_drop_caps(uint64_t keep)
{
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return -errno;
    /* The bounding set can be lowered with CAP_SETPCAP only; without it no_new_privs must do (sandbox_lock()). */
    for (unsigned c = 0; c < 64; c++) {
        if (keep & (1ULL << c))
            continue;
        if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0) {
            if (errno == EPERM || errno == EINVAL) /* EINVAL: past the kernel's last capability */
                break;
            return -errno;
        }
    }
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &h, d) < 0)
        return -errno;
    for (unsigned i = 0; i < 2; i++) {
        uint32_t k = (uint32_t)(keep >> (32 * i));
        d[i].permitted &= k; /* one that we do not have cannot be kept */
        d[i].effective = d[i].permitted;
        d[i].inheritable = 0;
    }
    return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

int sandbox_lock(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return -errno;
    return 0;
}

enum { MAX_CALLS = 200, MAX_FILTER = 256 };

struct filter {
    struct sock_filter f[MAX_FILTER];
    unsigned n;
};

static void filter_stmt(struct filter *f, unsigned code, uint32_t k)
{
    f->f[f->n++] = (struct sock_filter)BPF_STMT((uint16_t)code, k);
}

/* Skip @yes instructions if the accumulator is @k, else @no. */
static void filter_jeq(struct filter *f, uint32_t k, unsigned yes, unsigned no)
{
    f->f[f->n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, (uint8_t)yes, (uint8_t)no);
}

static unsigned limit_length(const struct sandbox_limit *l)
{
    return 2 + l->n + 2;
}

static void filter_limit(struct filter *f, const struct sandbox_limit *l)
{
    /* The lower half comes first on both architectures: they are little-endian. */
    filter_stmt(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8u * l->arg));
    filter_stmt(f, BPF_ALU | BPF_AND | BPF_K, l->mask);
    for (unsigned i = 0; i < l->n; i++)
        filter_jeq(f, l->values[i], l->n - i, 0);
    filter_stmt(f, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    filter_stmt(f, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

static int load_filter(struct filter *f)
{
    const struct sock_fprog prog = {.len = (unsigned short)f->n, .filter = f->f};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0)
        return -errno;
    return 0;
}

/*
 * Another architecture's calls (a 64-bit program may make 32-bit ones) have other numbers: those kill. A call that is
 * not on the list fails with EPERM and does not kill: a library that tries something new goes on without it, and an
 * intruder gains nothing from the errno.
 */
int sandbox_seccomp(const int *calls, size_t n, const struct sandbox_limit *limits, size_t n_limits)
{
    struct filter f = {.n = 0};
    size_t length = 4 + n + 2;
    if (n == 0 || n > MAX_CALLS)
        return -EINVAL;
    for (size_t i = 0; i < n_limits; i++)
        length += limit_length(&limits[i]);
    if (length > MAX_FILTER)
        return -EINVAL;
    filter_stmt(&f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter_jeq(&f, SANDBOX_ARCH, 1, 0);
    filter_stmt(&f, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    filter_stmt(&f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    /* x32's numbers (bit 30) are equal to none of the list's, so they fall through to the refusal. */
    for (size_t i = 0; i < n; i++) {
        size_t to = n - i; /* the word that allows, or the start of a limit behind that */
        for (size_t j = 0, at = to + 1; j < n_limits; at += limit_length(&limits[j++]))
            if (limits[j].call == calls[i])
                to = at;
        filter_jeq(&f, (uint32_t)calls[i], (unsigned)to, 0);
    }
    filter_stmt(&f, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    filter_stmt(&f, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < n_limits; i++)
        filter_limit(&f, &limits[i]);
    return load_filter(&f);
}

void sandbox_socket_limits(struct sandbox_limit ret[SANDBOX_SOCKET_LIMITS])
{
    const struct sandbox_limit limits[SANDBOX_SOCKET_LIMITS] = {
        {.call = __NR_socket, .arg = 0, .mask = UINT32_MAX, .n = 2, .values = {AF_INET, AF_INET6}},
        {.call = __NR_mmap, .arg = 2, .mask = PROT_EXEC, .n = 1, .values = {0}},
        {.call = __NR_mprotect, .arg = 2, .mask = PROT_EXEC, .n = 1, .values = {0}},
        {.call = __NR_prlimit64, .arg = 0, .mask = UINT32_MAX, .n = 1, .values = {0}},
        {.call = __NR_tkill, .arg = 0, .mask = UINT32_MAX, .n = 1, .values = {(uint32_t)gettid()}},
        {.call = __NR_tgkill, .arg = 0, .mask = UINT32_MAX, .n = 1, .values = {(uint32_t)getpid()}},
    };
    memcpy(ret, limits, sizeof(limits));
}

int64_t sandbox_nofile(uint64_t max)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) < 0)
        return -errno;
    rlim_t want = l.rlim_max < max ? l.rlim_max : max;
    if (want > l.rlim_cur) {
        l.rlim_cur = want;
        if (setrlimit(RLIMIT_NOFILE, &l) < 0)
            return -errno;
    }
    return (int64_t)l.rlim_cur;
}
