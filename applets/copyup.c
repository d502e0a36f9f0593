/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copyup: make directories writable for one command, without changing the host's.
 *
 * With CAP_SYS_ADMIN a new mount namespace is enough.  Without, a user namespace comes first, with the id map of
 * core/idmap.h; this process enters it itself, so that the command keeps its pid, its parent and its terminal, and a helper
 * that stayed outside writes the maps:
 *
 *     copyup                               mapper
 *     idmap_plan
 *     fork ──────────────────────────────▶ map_parent
 *     unshare(user, mount)
 *                   ──────── go ─────────▶ idmap_apply
 *                   ◀────── mapped ─────── exit
 *     idmap_become_root
 *     propagation, copy-up, exec COMMAND
 */
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/command.h"
#include "core/copyup.h"
#include "core/fd.h"
#include "core/idmap.h"
#include "core/log.h"
#include "core/proc.h"
#include "core/sync.h"

extern const struct applet applet_copyup;

/* getsubids, newuidmap and newgidmap may each take 10 s. */
enum { MAPPER_TIMEOUT_MS = 45000 };

struct options {
    bool help, version, debug;
    int mode, propagation, subid_source;
    const char *map;
};

#define AT(field) offsetof(struct options, field)

static const struct opt table[] = {
    {"propagation", 0, OPT_ENUM, AT(propagation), "private|rprivate|slave|rslave",
     "mount propagation of / (default: rprivate; shared and rshared are refused)",
     .values = mount_propagation_names},
    {"copy-up-mode", 0, OPT_ENUM, AT(mode), "tmpfs+symlink", "how", .values = copyup_mode_names},
    {"map", 0, OPT_STR, AT(map), "auto|direct|newuidmap|single|C:H:N",
     .help = "make a user namespace, with this id map (default: only without CAP_SYS_ADMIN, auto)"},
    {"subid-source", 0, OPT_ENUM, AT(subid_source), "auto|dynamic|static",
     "where subordinate ids come from: getsubids, or /etc/subuid and /etc/subgid",
     .values = subid_source_names},
    {"debug", 0, OPT_FLAG, AT(debug), .help = "say every step on stderr"},
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {"version", 'v', OPT_FLAG, AT(version), .help = "show the version"},
    {0},
};

static int usage(bool alias, const char *called)
{
    const char *name = alias ? called : "rootlet copyup";
    printf(
        "%s - make directories writable for a command, and only for it\n\n"
        "Usage: %s [OPTION]... DIR... [-- COMMAND [ARG]...]\n\n"
        "Each DIR becomes a tmpfs of symlinks to what the host has there. Without COMMAND: $SHELL, or sh.\n"
        "The exit status is the command's; 126: it cannot be run; 127: not found; 1: own "
        "errors.\n\nOptions:\n",
        name, name);
    opt_help(stdout, table);
    printf("\nExample: %s /etc -- sh -c 'rm /etc/hostname; echo box >/etc/hostname; cat /etc/hostname'\n",
           name);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* ---------------------------------------------------------------- the user namespace */

_Noreturn static void map_parent(int sync_fd, struct idmap_plan *plan, pid_t parent)
{
    sync_in_auto struct sync_in in = {0};
    struct reason why = {""};

    if (proc_die_with_parent(parent) < 0)
        _exit(1);
    if (sync_expect(sync_fd, SYNC_GO, &in, SYNC_TIMEOUT_MS, "copyup", &why) < 0)
        _exit(1); /* it has said why itself, or is gone */
    int r = idmap_apply(plan, parent, &why);
    if (r < 0) {
        log_error("cannot map ids: %s", why.text);
        (void)sync_send(sync_fd, SYNC_FAILED, &r, sizeof(r), NULL, 0);
        _exit(1);
    }
    if (plan->warning.text[0])
        log_warn("%s", plan->warning.text);
    _exit(sync_send(sync_fd, SYNC_MAPPED, NULL, 0, NULL, 0) < 0);
}

static int explain_unshare(int r)
{
    if (r == -ENOSPC || r == -EUSERS)
        return log_errno(r,
                         "cannot make a user namespace (raise user.max_user_namespaces, or nest less deep)");
    if (r == -EPERM || r == -EACCES)
        return log_errno(
            r, "cannot make a user namespace (forbidden here: look at kernel.unprivileged_userns_clone, "
               "kernel.apparmor_restrict_unprivileged_userns, the seccomp filter, or a chroot)");
    return log_errno(r, "cannot make a user namespace");
}

static int enter_with(int sync_fd)
{
    sync_in_auto struct sync_in in = {0};
    struct reason why = {""};

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return explain_unshare(-errno);
    int r = sync_send(sync_fd, SYNC_GO, NULL, 0, NULL, 0);
    if (r < 0)
        return log_errno(r, "cannot tell the mapper to go on (it ended early)");
    r = sync_expect(sync_fd, SYNC_MAPPED, &in, MAPPER_TIMEOUT_MS, "mapper", &why);
    if (r < 0 && r != -ECANCELED)
        log_error("%s", why.text);
    return r;
}

static int enter_userns(const struct options *o)
{
    struct idmap_request req = {.source = (enum subid_source)o->subid_source};
    struct reason why = {""};
    struct idmap_plan plan;
    int sv[2], status;

    int r = o->map ? idmap_request_parse(o->map, &req, &why) : 0;
    if (r == 0)
        r = idmap_plan(&req, &plan, &why);
    if (r < 0) {
        log_error("cannot map ids: %s", why.text);
        return r;
    }
    r = sync_pair(sv);
    if (r < 0)
        return log_errno(r, "cannot make a socket pair");
    fd_auto int ours = sv[0];
    fd_auto int theirs = sv[1];
    fd_auto int pidfd = -1;
    pid_t parent = getpid(), pid = proc_clone(0, &pidfd);
    if (pid < 0)
        return log_errno((int)pid, "cannot fork");
    if (pid == 0) {
        fd_close(&ours);
        map_parent(theirs, &plan, parent);
    }
    fd_close(&theirs);
    r = enter_with(ours);
    fd_close(&ours); /* a mapper that still waits sees EOF */
    int w = pidfd_wait(pidfd, -1, &status);
    if (r == 0 && w < 0)
        r = log_errno(w, "cannot wait for the mapper");
    if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
        log_error("the mapper ended badly (wait status %d)", status);
        r = -EIO;
    }
    if (r < 0)
        return r;
    r = idmap_become_root();
    return r < 0 ? log_errno(r, "cannot become root of the new user namespace") : 0;
}

static int enter(const struct options *o)
{
    /* With file capabilities on this program (AT_SECURE), a mount namespace alone would let the user show setuid programs
     * another /etc. */
    if (!o->map && proc_has_cap(CAP_SYS_ADMIN) && !getauxval(AT_SECURE)) {
        if (unshare(CLONE_NEWNS) == 0)
            return 0;
        log_debug("cannot make a mount namespace: %s; trying with a user namespace", strerror(errno));
    }
    return enter_userns(o);
}

/* ---------------------------------------------------------------- */

static int run(const struct options *o, char **dirs, size_t n, char **words)
{
    const char *shell = getenv("SHELL");
    char sh[PATH_MAX];
    char *default_words[] = {sh, NULL};
    struct reason why = {""};
    struct command command = {.argv = words ? words : default_words, .style = EXIT_SHELL};
    enum mount_propagation p = (enum mount_propagation)o->propagation;

    (void)snprintf(sh, sizeof(sh), "%s", shell && *shell ? shell : "sh");
    sigprocmask(SIG_BLOCK, NULL, &command.mask);
    /* What the caller left open by chance is not for a command with other ids. */
    command.listen_fds = command_find_activation();
    fd_close_all_but(3 + (int)command.listen_fds, NULL, 0);
    int r = copyup_check(dirs, n, p, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return 1;
    }
    if (enter(o) < 0)
        return 1;
    r = mount_set_propagation(p, &why);
    if (r == 0)
        r = copyup_dirs(dirs, n, p, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return 1;
    }
    command_exec(&command);
}

static int copyup_main(int argc, char **argv)
{
    bool alias = applet_is_alias(&applet_copyup, argv[0]);
    struct options o = {0};
    int first, n = 1;

    /* Options and directories may be mixed, up to "--"; what follows is the command, untouched. */
    while (n < argc && strcmp(argv[n], "--") != 0)
        n++;
    char **words = n + 1 < argc ? argv + n + 1 : NULL;
    if (n < argc)
        argv[n] = NULL;
    if (opt_parse(table, &o, n, argv, OPT_PERMUTE, &first) < 0)
        return 1;
    log_set_debug(o.debug);
    if (o.help)
        return usage(alias, argv[0]);
    if (o.version) {
        puts("rootlet copyup " ROOTLET_VERSION);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    if (first >= n) {
        log_error("no directory given (see --help)");
        return 1;
    }
    return run(&o, argv + first, (size_t)(n - first), words);
}

const struct applet applet_copyup = {
    .name = "copyup",
    .aliases = "copy-up",
    .summary = "make directories writable for a command, without changing the host's",
    .main = copyup_main,
};
