/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of what the sandboxed processes and an instance's files take. Facts: seccomp(2), pivot_root(2), basedir-spec. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/probe.h"
#include "core/sandbox.h"
#include "core/statedir.h"
#include "core/strv.h"

/* ---------------------------------------------------------------- sandbox */

static void try_empty_root(struct probe_env *env, struct probe *p)
{
    struct reason why = {""};
    (void)env;
    if (sandbox_empty_root(&why) < 0)
        probe_set(p, PROBE_NO, "%s", why.text);
    else if (access("/proc", F_OK) == 0 || access("/etc", F_OK) == 0)
        probe_set(p, PROBE_NO, "can be entered, but files outside can still be reached");
    else
        probe_set(p, PROBE_OK, "can be entered, and nothing outside be reached from it");
}

void probe_empty_root(struct probe_env *env, struct probe *p)
{
    if (probe_in_child(env, 0, try_empty_root, p) && p->state != PROBE_OK)
        probe_means(p, "run, netd, forward: the network processes do not start without their sandbox");
}

static void try_seccomp(struct probe_env *env, struct probe *p)
{
    static const int calls[] = {
        __NR_sendmsg,     __NR_exit_group, __NR_exit, __NR_futex, __NR_write,
#ifdef __SANITIZE_ADDRESS__
        __NR_sigaltstack, /* AddressSanitizer asks for it before each function that does not return: _exit() */
#endif
    };
    int r = sandbox_lock();
    if (r < 0) {
        probe_set(p, PROBE_NO, "cannot set no_new_privs: %s", strerror(-r));
        return;
    }
    r = sandbox_seccomp(calls, array_size(calls), NULL, 0);
    if (r < 0) {
        probe_set(p, PROBE_NO, "cannot install a filter: %s", strerror(-r));
        if (r == -EINVAL)
            probe_fix_kernel(env, p, "CONFIG_SECCOMP_FILTER", NULL);
    } else if (syscall(SYS_getppid) >= 0 || errno != EPERM) {
        probe_set(p, PROBE_NO, "a filter was installed, but does not refuse what it should");
    } else {
        probe_set(p, PROBE_OK, "a filter can be installed, and refuses what it should");
    }
}

void probe_seccomp(struct probe_env *env, struct probe *p)
{
    (void)probe_clone(env, 0, false, try_seccomp, p);
    if (p->state != PROBE_OK)
        probe_means(p, "run, netd, forward: the network processes do not start without their sandbox (netd "
                       "--enable-seccomp=false does)");
}

/* ---------------------------------------------------------------- directories */

/* What is made and removed again stays behind if a signal comes in between. */
static void hold_signals(sigset_t *old)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, old);
}

void probe_state_dir(struct probe_env *env, struct probe *p)
{
    struct statedir sd = STATEDIR_NONE;
    struct reason why = {""};
    sigset_t old;

    (void)env;
    hold_signals(&old);
    int r = statedir_open(NULL, &sd, &why);
    if (r == 0) {
        char *slash = strrchr(sd.path, '/');
        probe_set(p, PROBE_OK, "can be made in %.*s", slash && slash != sd.path ? (int)(slash - sd.path) : 1,
                  sd.path);
        statedir_remove(&sd);
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (r < 0) {
        probe_set(p, PROBE_NO, "cannot be made: %s", why.text);
        probe_means(p, "run: works only with --state-dir=DIR, DIR a folder that can be written to");
        probe_fix(p, "set TMPDIR to a folder that can be written to");
    }
}

/* A folder of our own with a socket in it: what launchers of container engines put there. */
static int use_folder(const char *dir)
{
    char path[PATH_MAX];
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    int r = str_format(path, sizeof(path), "%s/rootlet-XXXXXX", dir);
    if (r < 0)
        return r;
    if (!mkdtemp(path))
        return -errno;
    fd_auto int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r = s < 0 ? -errno : str_format(a.sun_path, sizeof(a.sun_path), "%s/s", path);
    if (r == 0 && bind(s, (const struct sockaddr *)&a, sizeof(a)) < 0)
        r = -errno;
    if (r == 0 && unlink(a.sun_path) < 0)
        r = -errno;
    if (rmdir(path) < 0 && r == 0)
        r = -errno;
    return r;
}

void probe_runtime_dir(struct probe_env *env, struct probe *p)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    sigset_t old;

    (void)env;
    if (!dir || !*dir) {
        probe_set(p, PROBE_PARTLY, "XDG_RUNTIME_DIR is not set");
        probe_means(p, "run: its own state directory goes elsewhere; launchers like dockerd-rootless.sh "
                       "refuse to start");
        probe_fix(p, "log in by a session manager (as root: loginctl enable-linger USER), or set "
                     "XDG_RUNTIME_DIR to a folder of your own, "
                     "mode 0700, in a tmpfs");
        return;
    }
    hold_signals(&old);
    int r = use_folder(dir);
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (r < 0) {
        probe_set(p, PROBE_NO, "no socket can be made in XDG_RUNTIME_DIR '%s': %s", dir, strerror(-r));
        probe_means(p, "run --state-dir: cannot be there; launchers like dockerd-rootless.sh cannot start");
        probe_fix(p, r == -ENAMETOOLONG
                         ? "take a shorter path (sockets have at most 107 bytes)"
                         : "set XDG_RUNTIME_DIR to a folder of your own, mode 0700, in a tmpfs");
    } else if (stat(dir, &st) == 0 && (st.st_uid != geteuid() || (st.st_mode & 022))) {
        probe_set(p, PROBE_PARTLY, "'%s' can be written to, but by others, too, or it is another user's",
                  dir);
        probe_means(p, "run --state-dir: others could put files in the place of an instance's");
        probe_fix(p, "set XDG_RUNTIME_DIR to a folder of your own, mode 0700");
    } else {
        probe_set(p, PROBE_OK, "%s, sockets can be made in it", dir);
    }
}
