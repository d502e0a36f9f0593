/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enter: run a command in the namespaces of a running process or instance.  Also nsenter, under that name with its habits.
 *
 * Two doors: --target PID, with the namespaces named one by one, and --state-dir DIR, which finds the process and takes all of
 * them.  The order of things, which is what makes it safe and makes it work:
 *
 *     look up      the target is held by one descriptor of its /proc/PID (core/target.h); a state directory is believed
 *                  only when the instance is alive (core/running.h)
 *     open         namespaces, root, working directory, environment: paths mean what they mean outside.  Only now is it sure
 *                  that the target still lives, so all of it belongs together
 *     join         core/nsset.h; from here to the exec this process is non-dumpable and all its descriptors are close-on-exec,
 *                  so the fake root inside sees neither its memory nor what it has open
 *     settle       detached network namespace, root, working directory: paths mean what they mean inside
 *     credentials  last of all: until here the rights of who came in may be needed
 *     exec         or fork and exec, when the pid namespace is another: only children are members of it (setns(2))
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/command.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/nsset.h"
#include "core/parse.h"
#include "core/running.h"
#include "core/strv.h"
#include "core/target.h"

extern const struct applet applet_enter;

/* The release of util-linux whose options and habits the alias has. */
#define PEER_VERSION "2.38.1"

enum { ENVIRON_MAX = 16 << 20 };

struct options {
    bool help, version, debug;
    bool all, preserve, no_fork, context, inherit_env, detached_netns;
    const char *target, *state_dir;
    const char *user, *cgroup, *ipc, *uts, *net, *pid, *mount, *time;
    const char *uid, *gid;
    const char *root, *wd, *wdns;
};

#define AT(field) offsetof(struct options, field)

static const struct opt table[] = {
    {.help = "Whose namespaces"},
    {"target", 't', OPT_STR, AT(target), "PID", "those of this process"},
    {"state-dir", 0, OPT_STR, AT(state_dir), "DIR",
     "those of the instance of rootlet run or rootlesskit with this state directory; all of them, if none is "
     "named"},
    {.help = "Which (of the target, or FILE)"},
    {"all", 'a', OPT_FLAG, AT(all), .help = "all of the target's that are not ours already"},
    {"mount", 'm', OPT_OPTSTR, AT(mount), "FILE", "mount namespace"},
    {"uts", 'u', OPT_OPTSTR, AT(uts), "FILE", "UTS namespace (host name)"},
    {"ipc", 'i', OPT_OPTSTR, AT(ipc), "FILE", "System V IPC namespace"},
    {"net", 'n', OPT_OPTSTR, AT(net), "FILE", "network namespace"},
    {"pid", 'p', OPT_OPTSTR, AT(pid), "FILE", "pid namespace; the command is a child process then"},
    {"cgroup", 'C', OPT_OPTSTR, AT(cgroup), "FILE", "cgroup namespace"},
    {"user", 'U', OPT_OPTSTR, AT(user), "FILE", "user namespace"},
    {"time", 'T', OPT_OPTSTR, AT(time), "FILE", "time namespace"},
    {"detached-netns", 0, OPT_FLAG, AT(detached_netns),
     .help = "with --state-dir: the network namespace of run --detach-netns, at DIR/netns, instead of the "
             "command's"},
    {.help = "As whom and where"},
    {"setuid", 'S', OPT_STR, AT(uid), "UID|follow",
     "uid in there (default with a user namespace: 0); follow: the target's"},
    {"setgid", 'G', OPT_STR, AT(gid), "GID|follow",
     "gid in there (default with a user namespace: 0), without supplementary groups"},
    {"preserve-credentials", 0, OPT_FLAG, AT(preserve), .help = "leave uid, gid and groups alone"},
    {"root", 'r', OPT_OPTSTR, AT(root), "DIR", "root directory: the target's, or DIR as it is out here"},
    {"wd", 'w', OPT_OPTSTR, AT(wd), "DIR", "working directory: the target's, or DIR as it is out here"},
    {"wdns", 'W', OPT_STR, AT(wdns), "DIR", "working directory, DIR as it is in there"},
    {"env", 'e', OPT_FLAG, AT(inherit_env), .help = "the target's environment instead of ours"},
    {"no-fork", 'F', OPT_FLAG, AT(no_fork), .help = "no child process, even with another pid namespace"},
    {"follow-context", 'Z', OPT_FLAG, AT(context), .help = "accepted where SELinux is off"},
    {.help = "Other"},
    {"debug", 0, OPT_FLAG, AT(debug), .help = "say every step on stderr"},
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {"version", 'V', OPT_FLAG, AT(version), .help = "show the version"},
    {0},
};

/* The options of namespaces. */
static const struct ns_option {
    int flag;
    size_t offset;
    const char *name;
} ns_options[] = {
    {CLONE_NEWUSER, AT(user), "user"}, {CLONE_NEWCGROUP, AT(cgroup), "cgroup"},
    {CLONE_NEWIPC, AT(ipc), "ipc"},    {CLONE_NEWUTS, AT(uts), "uts"},
    {CLONE_NEWNET, AT(net), "net"},    {CLONE_NEWPID, AT(pid), "pid"},
    {CLONE_NEWNS, AT(mount), "mount"}, {NS_CLONE_NEWTIME, AT(time), "time"},
};

static const char *value_of(const struct options *o, size_t offset)
{
    const char *value;
    memcpy(&value, (const char *)o + offset, sizeof(value));
    return value;
}

/* An id that was asked for. */
struct wanted_id {
    bool given, follow;
    uint32_t id;
};

struct visit {
    const struct options *o;
    bool alias;
    struct wanted_id uid, gid;
    pid_t pid; /* the target; 0: none */
    int target_fd;
    struct running instance; /* with --state-dir */
    bool ours;               /* our own user's instance: its command has our groups, so has what joins it */
    struct nsset set;
    bool fork, into_user;
    bool groups_dropped;
    int root_fd, wd_fd;
    char cwd[PATH_MAX]; /* ours, outside; empty: unknown */
};

static int usage(bool alias, const char *called)
{
    const char *name = alias ? called : "rootlet enter";
    printf("%s - run a command in the namespaces of a running process or instance\n\n"
           "Usage: %s --target=PID OPTION... [COMMAND [ARG]...]\n"
           "       %s --state-dir=DIR [OPTION]... [COMMAND [ARG]...]\n\n"
           "Without COMMAND: $SHELL, or /bin/sh.\n"
           "The exit status is the command's; %s; 126: it cannot be run; 127: not found; 1: own errors.\n",
           name, name, name,
           alias ? "a signal that ends it ends this program, too" : "128+N: signal N has ended it");
    opt_help(stdout, table);
    printf("\nExample: %s --state-dir=/run/user/1000/dockerd-rootless ip address\n", name);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int show_version(bool alias)
{
    puts(alias ? "nsenter from util-linux " PEER_VERSION " (rootlet " ROOTLET_VERSION ")"
               : "rootlet enter " ROOTLET_VERSION);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* ---------------------------------------------------------------- what is asked for */

static int read_id(const char *text, const char *option, struct wanted_id *ret)
{
    uint64_t id;
    if (!text)
        return 0;
    ret->given = true;
    ret->follow = strcmp(text, "follow") == 0;
    if (ret->follow)
        return 0;
    int r = parse_uint(text, 0, UINT32_MAX - 1, &id); /* -1 stands for "leave it" in setresuid(2) */
    if (r < 0) {
        log_error("--%s: bad value '%s' (a number from 0 to %u is needed, or follow)", option, text,
                  UINT32_MAX - 1);
        return -EINVAL;
    }
    ret->id = (uint32_t)id;
    return 0;
}

static int refuse(const char *text)
{
    log_error("%s", text);
    return -EINVAL;
}

/* Something that only a target can give? Its option, or NULL. */
static const char *needs_target(const struct options *o)
{
    for (size_t i = 0; i < array_size(ns_options); i++)
        if (value_of(o, ns_options[i].offset) == opt_no_value)
            return ns_options[i].name;
    if (o->root == opt_no_value)
        return "root";
    if (o->wd == opt_no_value)
        return "wd";
    if ((o->uid && !strcmp(o->uid, "follow")) || (o->gid && !strcmp(o->gid, "follow")))
        return o->uid && !strcmp(o->uid, "follow") ? "setuid=follow" : "setgid=follow";
    return o->all ? "all" : o->inherit_env ? "env" : NULL;
}

static int check_options(const struct options *o, bool alias)
{
    struct stat st;
    if (o->target && o->state_dir)
        return refuse("--target and --state-dir exclude each other: either names the process");
    if (o->wd && o->wdns)
        return refuse("--wd and --wdns exclude each other");
    if (o->detached_netns && !o->state_dir)
        return refuse("--detached-netns needs --state-dir");
    if (o->detached_netns && o->net)
        return refuse("--detached-netns and --net exclude each other");
    /* Not where it is off, so that a script that always says -Z works there. */
    if (o->context && stat("/sys/fs/selinux/enforce", &st) == 0)
        return refuse(
            "--follow-context: SELinux is on here, and setting its context is not supported (leave it out, "
            "or use util-linux's nsenter)");
    const char *option = needs_target(o);
    if (option && !o->target && !o->state_dir) {
        log_error("--%s: whose? (name the process with --target=PID, or an instance with --state-dir=DIR)",
                  option);
        return -EINVAL;
    }
    /* As the peer has it: just the command. Under our own name one who asks for that has forgotten something. */
    bool any =
        alias || o->state_dir || o->all || o->root || o->wd || o->wdns || o->inherit_env || o->uid || o->gid;
    for (size_t i = 0; i < array_size(ns_options); i++)
        any = any || value_of(o, ns_options[i].offset);
    if (any)
        return 0;
    return refuse("nothing to enter (name a process with --target=PID and its namespaces, for example --all, "
                  "or an instance "
                  "of rootlet run or rootlesskit with --state-dir=DIR)");
}

/* ---------------------------------------------------------------- look up */

static int find_target(struct visit *v)
{
    struct reason why = {""};
    if (v->o->state_dir) {
        int r = running_find(v->o->state_dir, &v->instance, &why);
        if (r < 0) {
            log_error("%s", why.text);
            return r;
        }
        v->pid = v->instance.child;
        v->target_fd = v->instance.child_fd;
        v->ours = v->instance.euid == geteuid();
        log_debug("the instance of '%s': supervisor %d, child %d", v->instance.path,
                  (int)v->instance.supervisor, (int)v->pid);
        return 0;
    }
    if (!v->o->target)
        return 0;
    if (parse_pid(v->o->target, &v->pid) < 0) {
        log_error("--target: bad value '%s' (a process id is needed)", v->o->target);
        return -EINVAL;
    }
    v->target_fd = target_open(v->pid);
    if (v->target_fd == -ESRCH) {
        log_error("there is no process %d (--target)", (int)v->pid);
        return -ESRCH;
    }
    if (v->target_fd < 0)
        return log_errno(v->target_fd, "cannot open '/proc/%d' (is /proc mounted?)", (int)v->pid);
    return 0;
}

/* ---------------------------------------------------------------- open */

/* Something of the target's that could not be opened. */
static int explain_open(const struct visit *v, int r, const char *what)
{
    uid_t uid;
    gid_t gid;
    if (r != -EACCES && r != -EPERM && target_ended(v->target_fd)) {
        log_error("cannot open the %s of process %d: it has ended", what, (int)v->pid);
        return -ESRCH;
    }
    if (r == -EACCES && target_ids(v->target_fd, &uid, &gid) == 0 && uid != geteuid())
        return log_errno(
            r, "cannot open the %s of process %d (it belongs to uid %u: run this as that user, or as root)",
            what, (int)v->pid, (unsigned)uid);
    if (r == -EACCES)
        return log_errno(r,
                         "cannot open the %s of process %d (it has privileges that this process has not: run "
                         "this as root)",
                         what, (int)v->pid);
    return log_errno(r, "cannot open the %s of process %d", what, (int)v->pid);
}

static int open_target_ns(struct visit *v, const struct ns_option *n, enum nsset_want want)
{
    char what[32];
    int fd = ns_open_at(v->target_fd, ns_kinds[nsset_index(n->flag)].name);
    if (fd >= 0) {
        nsset_add(&v->set, n->flag, fd, want);
        return 0;
    }
    if (fd == -ENOENT && !target_ended(v->target_fd)) {
        if (want == NSSET_IF_DIFFERENT)
            return 0;
        log_error("--%s: this kernel has no %s namespaces", n->name, n->name);
        return fd;
    }
    snprintf(what, sizeof(what), "%s namespace", n->name);
    return explain_open(v, fd, what);
}

static int open_ns(struct visit *v, const struct ns_option *n, bool all)
{
    const char *value = value_of(v->o, n->offset);
    if (value && value != opt_no_value) {
        int fd = open(value, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
            return log_errno(errno, "--%s: cannot open '%s'", n->name, value);
        nsset_add(&v->set, n->flag, fd, NSSET_ASKED);
        return 0;
    }
    if (value)
        return open_target_ns(v, n, NSSET_ASKED);
    return all ? open_target_ns(v, n, NSSET_IF_DIFFERENT) : 0;
}

static int open_namespaces(struct visit *v)
{
    bool named = v->o->all;
    for (size_t i = 0; i < array_size(ns_options); i++)
        named = named || value_of(v->o, ns_options[i].offset);
    bool all = v->o->all || (v->o->state_dir && !named);
    for (size_t i = 0; i < array_size(ns_options); i++) {
        bool instead = ns_options[i].flag == CLONE_NEWNET && v->o->detached_netns;
        int r = open_ns(v, &ns_options[i], all && !instead);
        if (r < 0)
            return r;
    }
    const struct nsset_entry *pid = &v->set.ns[nsset_index(CLONE_NEWPID)];
    v->fork = !v->o->no_fork && pid->fd >= 0 && !(pid->same && pid->want == NSSET_IF_DIFFERENT);
    v->into_user = nsset_has(&v->set, CLONE_NEWUSER);
    return 0;
}

/* @link: the target's, "root" or "cwd" */
static int open_directory(struct visit *v, const char *value, const char *option, const char *link, int *ret)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;
    if (!value)
        return 0;
    if (value == opt_no_value) {
        *ret = openat(v->target_fd, link, flags);
        return *ret < 0 ? explain_open(v, -errno, *link == 'r' ? "root directory" : "working directory") : 0;
    }
    *ret = open(value, flags);
    return *ret < 0 ? log_errno(errno, "--%s: cannot open '%s'", option, value) : 0;
}

/* Replace our environment with the target's; strings are kept by reference, for ever. */
static int take_environment(struct visit *v)
{
    char *text = NULL;
    size_t len = 0;
    if (!v->o->inherit_env)
        return 0;
    int r = file_read(v->target_fd, "environ", ENVIRON_MAX, &text, &len);
    if (r < 0)
        return explain_open(v, r, "environment");
    clearenv();
    for (char *p = text; p < text + len; p += strlen(p) + 1)
        if (strchr(p, '=') && *p != '=' && putenv(p) != 0)
            return log_errno(-errno, "cannot take over the environment of process %d", (int)v->pid);
    return 0; /* text is the environment now */
}

static int set_instance_environment(const struct visit *v)
{
    char euid[16], egid[16];
    snprintf(euid, sizeof(euid), "%u", (unsigned)v->instance.euid);
    snprintf(egid, sizeof(egid), "%u", (unsigned)v->instance.egid);
    if (setenv("ROOTLESSKIT_STATE_DIR", v->instance.path, 1) < 0 ||
        setenv("ROOTLESSKIT_PARENT_EUID", euid, 1) < 0 || setenv("ROOTLESSKIT_PARENT_EGID", egid, 1) < 0)
        return log_errno(-errno, "cannot set the command's environment");
    return 0;
}

static int open_all(struct visit *v)
{
    int r = open_namespaces(v);
    if (r == 0)
        r = open_directory(v, v->o->root, "root", "root", &v->root_fd);
    if (r == 0)
        r = open_directory(v, v->o->wd, "wd", "cwd", &v->wd_fd);
    if (r == 0)
        r = take_environment(v);
    if (r == 0 && v->o->state_dir)
        r = set_instance_environment(v);
    if (r < 0)
        return r;
    if (!getcwd(v->cwd, sizeof(v->cwd)) || v->cwd[0] != '/')
        v->cwd[0] = '\0';
    if (v->target_fd >= 0 && target_ended(v->target_fd)) {
        log_error("process %d has ended", (int)v->pid);
        return -ESRCH;
    }
    return 0;
}

/* ---------------------------------------------------------------- join and settle */

/* Inside, setgroups(2) may be forbidden (user_namespaces(7)); outside, to who is not root. Once is enough. */
static void drop_groups_early(struct visit *v)
{
    if (v->into_user && !v->o->preserve && !v->ours)
        v->groups_dropped = setgroups(0, NULL) == 0;
}

static int join(struct visit *v)
{
    struct reason why = {""};
    int r = nsset_join(&v->set, &why);
    if (r < 0)
        log_error("%s", why.text);
    return r;
}

/* It is mounted inside only, so it can be opened only now. */
static int join_detached_netns(const struct visit *v)
{
    char path[PATH_MAX];
    if (!v->o->detached_netns)
        return 0;
    int r = str_format(path, sizeof(path), "%s/netns", v->instance.path);
    if (r < 0)
        return log_errno(r, "cannot name 'netns' in '%s'", v->instance.path);
    fd_auto int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT) {
        log_error(
            "the instance has no detached network namespace: there is no '%s' in it (it was started without "
            "--detach-netns)",
            path);
        return -ENOENT;
    }
    if (fd < 0)
        return log_errno(errno, "cannot open '%s'", path);
    if (setns(fd, CLONE_NEWNET) < 0)
        return log_errno(errno, "cannot join the network namespace at '%s'", path);
    return 0;
}

static int settle(struct visit *v)
{
    int r = join_detached_netns(v);
    if (r < 0)
        return r;
    /* As the peer has it: a new root alone does not change the working directory. */
    if (v->root_fd >= 0 && v->wd_fd < 0 && !v->o->wdns && !v->o->state_dir) {
        v->wd_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (v->wd_fd < 0)
            return log_errno(errno, "cannot open the working directory");
    }
    if (v->root_fd >= 0 && (fchdir(v->root_fd) < 0 || chroot(".") < 0))
        return log_errno(errno, "cannot change the root directory");
    if (v->o->wdns && chdir(v->o->wdns) < 0)
        return log_errno(errno, "--wdns: cannot change to '%s' in there", v->o->wdns);
    if (v->wd_fd >= 0 && fchdir(v->wd_fd) < 0)
        return log_errno(errno, "cannot change the working directory");
    /* By its name, so that it is what the instance has there (a copied-up one); it need not be there. */
    if (v->o->state_dir && !v->o->wdns && v->wd_fd < 0 && (!v->cwd[0] || chdir(v->cwd) < 0)) {
        log_debug("no '%s' in there: %s; the command starts in '/'", v->cwd, strerror(errno));
        if (chdir("/") < 0)
            return log_errno(errno, "cannot change to '/' in there");
    }
    return 0;
}

/* ---------------------------------------------------------------- credentials */

static int explain_id(int r, const char *call, uint32_t id, const char *option)
{
    if (r == -EINVAL)
        return log_errno(
            r,
            "cannot set the %s to %u: it is not mapped in that user namespace (--%s names another one, "
            "--preserve-credentials leaves it)",
            call, id, option);
    if (r == -EPERM)
        return log_errno(
            r,
            "cannot set the %s to %u (it takes CAP_SET%s: enter the user namespace too, with --user, or run "
            "this as root)",
            call, id, *call == 'u' ? "UID" : "GID");
    return log_errno(r, "cannot set the %s to %u", call, id);
}

static int set_groups(const struct visit *v)
{
    if (v->ours && !v->gid.given)
        return 0;
    if (setgroups(0, NULL) == 0 || v->groups_dropped)
        return 0;
    return log_errno(errno,
                     "cannot drop the supplementary groups (setgroups is denied in that user namespace; "
                     "--preserve-credentials leaves them)");
}

/* What an id is to be: asked for, the target's, or with a user namespace 0. @ret_id: its value; return: whether to set it. */
static bool choose(const struct visit *v, const struct wanted_id *w, uint32_t followed, uint32_t *ret_id)
{
    *ret_id = w->follow ? followed : w->given ? w->id : 0;
    return w->given || (v->into_user && !v->o->preserve);
}

static int set_credentials(const struct visit *v)
{
    uid_t target_uid = 0;
    gid_t target_gid = 0;
    uint32_t uid, gid;
    int r = 0;

    /* Asked for in here: as the numbers that they are in here. */
    if (v->uid.follow || v->gid.follow)
        r = target_ids(v->target_fd, &target_uid, &target_gid);
    if (r < 0)
        return log_errno(r, "cannot learn the ids of process %d (it has ended?)", (int)v->pid);
    if (choose(v, &v->gid, target_gid, &gid)) {
        r = set_groups(v);
        if (r < 0)
            return r;
        r = setresgid(gid, gid, gid) < 0 ? -errno : 0;
        /* An instance whose map leaves 0 out has its user's own id mapped, which is ours: then stay what we are. */
        if (r == -EINVAL && v->ours && !v->gid.given)
            r = 0;
        if (r < 0)
            return explain_id(r, "gid", gid, "setgid");
    }
    if (choose(v, &v->uid, target_uid, &uid)) {
        r = setresuid(uid, uid, uid) < 0 ? -errno : 0;
        if (r == -EINVAL && v->ours && !v->uid.given)
            r = 0;
        if (r < 0)
            return explain_id(r, "uid", uid, "setuid");
    }
    /* A change of ids may have made this process dumpable again. */
    r = nsset_hide();
    return r < 0 ? log_errno(r, "cannot hide from who is in there") : 0;
}

/* ---------------------------------------------------------------- the command */

/* The peer ends as its command did: whoever waits sees the same signal. */
_Noreturn static void die_by(int sig)
{
    struct rlimit none = {0, 0};
    sigset_t set;
    setrlimit(RLIMIT_CORE, &none); /* the command has left its own */
    signal(sig, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, sig);
    kill(getpid(), sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + sig);
}

static int start(const struct visit *v, struct command *command)
{
    int status = 0;
    if (!v->fork)
        command_exec(command);
    int r = command_follow(command, &status);
    if (r == -ENOMEM) {
        log_error("cannot start a process in the pid namespace: its init has ended");
        return 1;
    }
    if (r < 0)
        return log_errno(r, "cannot fork"), 1;
    if (v->alias && WIFSIGNALED(status))
        die_by(WTERMSIG(status));
    return proc_exit_code(status, EXIT_SHELL);
}

/* Whatever happens, this process never goes back: on failure it ends where it is. */
static int enter(struct visit *v, char **words)
{
    char shell[PATH_MAX];
    char *shell_words[] = {shell, NULL};
    struct command command = {.argv = words, .style = EXIT_SHELL};

    sigprocmask(SIG_BLOCK, NULL, &command.mask);
    /* The peer hands on what its caller left open; under our own name that is not for a command inside. */
    if (!v->alias) {
        command.listen_fds = command_find_activation();
        int r = fd_close_all_but(3 + (int)command.listen_fds, NULL, 0);
        if (r < 0)
            return log_errno(r, "cannot close the descriptors that came from outside"), 1;
        for (unsigned i = 0; i < command.listen_fds; i++)
            fd_set_cloexec(3 + (int)i, true); /* until the command's own exec */
    }
    if (find_target(v) < 0 || open_all(v) < 0)
        return 1;
    drop_groups_early(v);
    if (join(v) < 0 || settle(v) < 0 || set_credentials(v) < 0)
        return 1;
    if (!words) {
        const char *name = getenv("SHELL");
        if (str_format(shell, sizeof(shell), "%s", name && *name ? name : "/bin/sh") < 0)
            return refuse("$SHELL is too long"), 1;
        command.argv = shell_words;
    }
    return start(v, &command);
}

static int enter_main(int argc, char **argv)
{
    bool alias = applet_is_alias(&applet_enter, argv[0]);
    struct options o = {0};
    int first;

    if (opt_parse(table, &o, argc, argv, OPT_GETOPT, &first) < 0)
        return 1;
    log_set_debug(o.debug);
    if (o.help)
        return usage(alias, argv[0]);
    if (o.version)
        return show_version(alias);
    struct visit v = {
        .o = &o, .alias = alias, .target_fd = -1, .instance = RUNNING_NONE, .root_fd = -1, .wd_fd = -1};
    if (check_options(&o, alias) < 0 || read_id(o.uid, "setuid", &v.uid) < 0 ||
        read_id(o.gid, "setgid", &v.gid) < 0)
        return 1;
    nsset_init(&v.set);
    return enter(&v, first < argc ? argv + first : NULL);
}

const struct applet applet_enter = {
    .name = "enter",
    .aliases = "nsenter",
    .summary = "run a command in the namespaces of a running process or instance",
    .main = enter_main,
};
