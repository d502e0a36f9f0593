/* SPDX-License-Identifier: Apache-2.0 */
#include "core/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/parse.h"
#include "core/strv.h"
#include "core/sync.h"
#include "core/tty.h"

extern char **environ;

enum { ACTIVATION_MAX = 1024 };

unsigned command_find_activation(void)
{
    const char *pid_text = getenv("LISTEN_PID"), *n_text = getenv("LISTEN_FDS");
    pid_t pid;
    uint64_t n;
    if (!pid_text || !n_text || parse_pid(pid_text, &pid) < 0 ||
        parse_uint(n_text, 1, ACTIVATION_MAX, &n) < 0)
        return 0;
    return pid == getpid() ? (unsigned)n : 0;
}

static void set_listen_pid(const struct command *c)
{
    if (!c->listen_fds)
        return;
    char text[16];
    snprintf(text, sizeof(text), "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
    for (unsigned i = 0; i < c->listen_fds; i++)
        fd_set_cloexec(3 + (int)i, false);
}

static void exec_script(char *const *argv, const char *path)
{
    size_t n = 0;
    while (argv[n])
        n++;
    const char **words = calloc(n + 2, sizeof(*words));
    if (!words)
        return;
    words[0] = "sh";
    words[1] = path;
    for (size_t i = 1; i < n; i++)
        words[i + 1] = argv[i];
    execve("/bin/sh", (char *const *)(uintptr_t)words, environ);
    free(words);
}

/* execvp(3), but with the reason kept apart: EACCES anywhere beats ENOENT. Returns the errno. */
static int exec_search(char *const *argv)
{
    const char *name = argv[0];
    if (strchr(name, '/')) {
        execve(name, argv, environ);
        if (errno == ENOEXEC)
            exec_script(argv, name);
        return errno;
    }
    if (!*name)
        return ENOENT;
    const char *path = getenv("PATH");
    if (!path)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    int err = ENOENT;
    for (;;) {
        char full[PATH_MAX];
        size_t n = strcspn(path, ":");
        if (str_format(full, sizeof(full), "%.*s/%s", n ? (int)n : 1, n ? path : ".", name) == 0) {
            execve(full, argv, environ);
            if (errno == ENOEXEC)
                exec_script(argv, full);
            if (errno != ENOENT && errno != ENOTDIR)
                err = errno;
        }
        if (!path[n])
            return err;
        path += n + 1;
    }
}

void command_exec(const struct command *c)
{
    set_listen_pid(c);
    proc_restore_sigchld();
    sigprocmask(SIG_SETMASK, &c->mask, NULL);
    int err = exec_search(c->argv);
    bool missing = err == ENOENT || err == ENOTDIR;
    if (missing && !strchr(c->argv[0], '/'))
        log_error("cannot run '%s': not found in PATH", c->argv[0]);
    else
        log_errno(err, "cannot run '%s'", c->argv[0]);
    int32_t told = -err;
    if (c->sync_fd > 0)
        sync_send(c->sync_fd, SYNC_FAILED, &told, sizeof(told), NULL, 0);
    if (c->style == EXIT_ROOTLESSKIT)
        _exit(1);
    _exit(missing ? 127 : 126);
}

/* Collect every child that has ended; true once @pid is among them. */
static bool reap(pid_t pid, int *ret_status)
{
    bool done = false;
    for (;;) {
        int status;
        pid_t got = waitpid(-1, &status, WNOHANG);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && !done) { /* nobody else will tell: do not wait for ever */
            log_errno(errno, "cannot learn how the command ended");
            *ret_status = 1 << 8;
            return true;
        }
        if (got <= 0)
            return done;
        if (got == pid) {
            *ret_status = status;
            done = true;
        }
    }
}

/* Has the child changed in one of these ways (WSTOPPED, WCONTINUED) since this was asked last? The signal, or 0. */
static int changed(pid_t pid, int how)
{
    siginfo_t si;
    memset(&si, 0, sizeof(si));
    return waitid(P_PID, (id_t)pid, &si, how | WNOHANG) == 0 && si.si_pid ? si.si_status : 0;
}

struct reaper {
    pid_t pid; /* the command's */
    int sync_fd;
    unsigned stops; /* that the supervisor was told of */
};

static void tell_stop(struct reaper *r)
{
    int32_t sig = changed(r->pid, WSTOPPED);
    if (sig && r->sync_fd > 0 && sync_send(r->sync_fd, SYNC_STOPPED, &sig, sizeof(sig), NULL, 0) == 0)
        r->stops++;
}

/* Is this the end of a stop that has ended already? */
static bool out_of_date(struct reaper *r, const siginfo_t *si)
{
    int value = si->si_value.sival_int;
    if (si->si_signo != SIGCONT || si->si_code != SI_QUEUE ||
        (value & ~COMMAND_RESUME_NUMBER) != COMMAND_RESUME)
        return false;
    tell_stop(r); /* its SIGCHLD may be on its way */
    return (unsigned)(value & COMMAND_RESUME_NUMBER) != (r->stops & COMMAND_RESUME_NUMBER) ||
           changed(r->pid, WCONTINUED);
}

static void pass_on(struct reaper *r, const siginfo_t *si)
{
    int sig = si->si_signo;
    if (si->si_code <= 0 && sig != SIGPIPE && sig != SIGURG && !out_of_date(r, si))
        kill(r->pid, sig);
}

/*
 * The exec closes @fd's other end, which only the command has. So does a failed one, but then SYNC_FAILED was sent before.
 * Blocks until then; signals wait.
 */
static int tell_started(const struct command *c, int fd)
{
    char none;
    while (read(fd, &none, 1) < 0 && errno == EINTR)
        ;
    int r = c->sync_fd > 0 ? sync_send(c->sync_fd, SYNC_STARTED, NULL, 0, NULL, 0) : 0;
    return r == -EPIPE ? 0 : r; /* nobody is left to be told, and so nobody waits */
}

int command_reap(const struct command *c)
{
    sigset_t all;
    proc_all_signals(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    bool apart = c->own_session && !tty_present();
    int executed[2];
    if (pipe2(executed, O_CLOEXEC) < 0)
        return -errno;
    fd_auto int done = executed[0];
    fd_auto int undone = executed[1];
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        if (apart)
            setsid();
        command_exec(c);
    }
    setsid();
    /* What the command holds open must not be kept open by its reaper (a pipe's end, a terminal). */
    const int keep[] = {c->sync_fd, done, log_copy_fd()};
    int closed = fd_close_all_but(3, keep, array_size(keep));
    if (closed < 0) /* the first process of a pid namespace: its end is that of the command */
        return closed;
    undone = -1;
    int told = tell_started(c, done);
    if (told < 0)
        return told;
    log_copy_end();
    fd_close(&done);
    if (c->sync_fd > 0)
        fd_set_nonblock(c->sync_fd, true);
    struct reaper r = {.pid = pid, .sync_fd = c->sync_fd};
    for (;;) {
        siginfo_t si;
        int sig = sigwaitinfo(&all, &si);
        if (sig < 0)
            continue;
        if (sig != SIGCHLD) {
            pass_on(&r, &si);
            continue;
        }
        int status;
        if (reap(pid, &status))
            return proc_exit_code(status, c->style);
        tell_stop(&r);
    }
}
