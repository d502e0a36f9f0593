/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. The process that was called stays in the foreground until the command has been executed; the
 * supervisor is its child, in a session of its own, without a terminal and with /dev/null as stdin:
 *
 *     starter                               supervisor
 *     detach_run      fork ───────────────▶ setsid, stdin, instance_run()
 *     wait_for_start                        state directory; detach_output: 1 and 2 are STATE_DIR/log, messages go to the
 *                                           caller's stderr too
 *                                           ... the start as on top of applets/run.c ...
 *                     ◀── ready (DIR) ───── detach_ready: the exec has closed the child's end of its pair
 *                     ◀── EOF, after it ─── the caller's stderr is closed
 *     print DIR, exit 0
 *                     ◀── EOF, no ready ─── it has ended, and with it all that it had made
 *     its exit status
 *     a signal, stdout fails ── stop ─────▶ the same end, even if the command runs by now
 *     killed ────────────────── EOF ──────▶ before ready: the same end, for nobody would know of the instance
 *
 * The caller's stdout is held by nobody after detach_output(). Its stderr is held as log_copy_fd(): by the supervisor until
 * ready; by the child until its exec (the reaper closes everything); by netd and portd until they are up.
 */
#include "net/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/proc.h"
#include "core/sync.h"
#include "net/instance_net.h"

/* ---------------------------------------------------------------- the supervisor's side */

/* The exit status of a start that was ended; as for one in the foreground. */
static int stop_code(const struct instance *in, const struct sync_in *msg)
{
    int32_t sig = 0;
    if (msg->len == sizeof(sig))
        memcpy(&sig, msg->payload, sizeof(sig));
    if (sig <= 0 || sig > 64)
        return 1;
    return in->cfg->command.style == EXIT_SHELL ? 128 + sig : 255;
}

static void starter_spoke(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct instance *in = container_of(w, struct instance, on_starter);
    sync_in_auto struct sync_in msg = {0};
    int r = sync_recv(w->fd, &msg, 0);
    if (r == -EAGAIN)
        return;
    loop_del(l, w);
    if (r == 0 && msg.msg == SYNC_STOP) {
        log_debug("whoever waits for the start ends it");
        loop_quit(l, stop_code(in, &msg)); /* the pair stays open until we end: that is what is waited for */
    } else if (in->ready_told) {
        fd_close(&in->starter);
    } else {
        log_error("gave up: the process that waited for the start is gone");
        loop_quit(l, 1);
    }
}

int detach_watch(struct instance *in)
{
    if (in->starter < 0)
        return 0;
    in->on_starter =
        (struct watch){.fd = in->starter, .events = EPOLLIN, .fn = starter_spoke, .what = "starter"};
    int r = loop_add(in->loop, &in->on_starter);
    return r < 0 ? log_errno(r, "cannot watch the process that waits for the start") : 0;
}

int detach_output(struct instance *in)
{
    if (in->starter < 0)
        return 0;
    fd_auto int file =
        openat(in->sd.dir_fd, "log",
               O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
    if (file < 0 || fchmod(file, 0600) < 0)
        return log_errno(errno, "cannot create '%s/log'", in->sd.path);
    int caller = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (caller < 0)
        return log_errno(errno, "cannot keep the standard error stream");
    log_copy_to(caller);
    if (dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0)
        return log_errno(errno, "cannot write to '%s/log'", in->sd.path);
    return 0;
}

void detach_ready(struct instance *in)
{
    if (in->starter < 0 || in->ready_told)
        return;
    int r = sync_send(in->starter, SYNC_READY, in->sd.path, strlen(in->sd.path), NULL, 0);
    if (r < 0) {
        log_errno(r, "gave up: cannot tell the process that waits for the start");
        loop_quit(in->loop, 1);
        return;
    }
    in->ready_told = true;
    log_copy_end();
    /* The other direction stays open: it may still want us to stop. */
    if (shutdown(in->starter, SHUT_WR) < 0) {
        loop_del(in->loop, &in->on_starter);
        fd_close(&in->starter);
    }
}

/* ---------------------------------------------------------------- the starter's side */

/* An empty input, also where there is no /dev: a pipe that nobody writes to. */
static int empty_stdin(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int p[2];
        if (pipe2(p, O_CLOEXEC) < 0)
            return -errno;
        close(p[1]);
        fd = p[0];
    }
    int r = dup2(fd, STDIN_FILENO) < 0 ? -errno : 0;
    close(fd);
    return r;
}

static int supervise(struct instance_config *cfg, int fd)
{
    int r = setsid() < 0 ? -errno : empty_stdin();
    if (r < 0)
        return log_errno(r, "cannot leave the foreground"), 1;
    cfg->starter = fd;
    return instance_run(cfg);
}

static int print_dir(const struct sync_in *msg)
{
    char line[SYNC_MAX_PAYLOAD + 1];
    memcpy(line, msg->payload, msg->len);
    line[msg->len] = '\n';
    int r = fd_write_all(STDOUT_FILENO, line, msg->len + 1);
    return r < 0 ? log_errno(r, "cannot write to standard output (the instance is stopped again)") : 0;
}

static void tell_stop(int fd, int32_t sig)
{
    int r = sync_send(fd, SYNC_STOP, &sig, sizeof(sig), NULL, 0);
    if (r < 0)
        log_debug("the supervisor has ended already: error %d", -r);
}

/* 1: the instance runs, and its directory is printed; 0: the supervisor has ended or is about to, stopped by *ret_sig if that is set; -errno: logged, it is to be stopped. */
static int wait_for_start(int fd, int signal_fd, int *ret_sig)
{
    int sig = 0; /* that was passed on */
    sync_in_auto struct sync_in ready = {0};
    for (;;) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return log_errno(-errno, "cannot wait for the start");
        struct signalfd_siginfo si;
        if (p[1].revents && read(signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si) && !sig) {
            sig = (int)si.ssi_signo;
            tell_stop(fd, sig);
            *ret_sig = sig;
        }
        if (!p[0].revents)
            continue;
        sync_in_auto struct sync_in msg = {0};
        int r = sync_recv(fd, &msg, 0);
        if (r == -EAGAIN)
            continue;
        if (r == 0 && msg.msg == SYNC_READY)
            ready = msg; /* no descriptors come with it */
        if (r == 0)
            continue;
        if (r != -ECONNRESET)
            return log_errno(r, "cannot receive the news of the start");
        if (ready.msg != SYNC_READY || sig)
            return 0;
        r = print_dir(&ready);
        return r < 0 ? r : 1;
    }
}

static int exit_code(int pidfd, enum exit_style style)
{
    int status = 0;
    int r = pidfd_wait(pidfd, -1, &status);
    if (r < 0)
        return log_errno(r, "cannot learn how the supervisor ended"), 1;
    if (status & 0x7f)
        log_error("the supervisor was killed by signal %d while it started", status & 0x7f);
    return proc_exit_code(status, style);
}

/* Signals that ask us to end; from before the fork, so that none finds us without a child to end. */
static int catch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    static const int asked[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < array_size(asked); i++)
        sigaddset(&set, asked[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int detach_run(struct instance_config *cfg)
{
    fd_auto int signal_fd = catch_signals();
    if (signal_fd < 0)
        return log_errno(signal_fd, "cannot watch signals"), 1;
    int sv[2];
    int r = sync_pair(sv);
    if (r < 0)
        return log_errno(r, "cannot make a socket pair"), 1;
    fd_auto int ours = sv[0];
    fd_auto int theirs = sv[1];
    fd_auto int pidfd = -1;
    pid_t pid = proc_clone(0, &pidfd);
    if (pid < 0)
        return log_errno(pid, "cannot fork"), 1;
    if (pid == 0) {
        fd_close(&ours);
        fd_close(&signal_fd);
        return supervise(cfg, theirs);
    }
    fd_close(&theirs);
    signal(SIGPIPE, SIG_IGN); /* what cannot be printed is an error that has an answer */
    int sig = 0;
    r = wait_for_start(ours, signal_fd, &sig);
    if (r > 0)
        return 0;
    if (r < 0) { /* Whether it runs by now or is about to: nobody would know of it. */
        tell_stop(ours, 0);
        fd_close(&ours);
    }
    int code = exit_code(pidfd, cfg->command.style);
    if (code == 0 && sig) /* the command was over before it could be stopped */
        return proc_exit_code(sig, cfg->command.style);
    return code == 0 && r < 0 ? 1 : code;
}
