/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals and the terminal.  The command is in our session and process group (core/command.h says why), so that
 *
 *   - what the terminal sends (si_code > 0: Ctrl-C, Ctrl-Z, a new window size) reaches both, and is not passed on;
 *   - what a process sends to us (si_code <= 0) is passed on, because we are who the sender knows.  A kill(2) of the whole
 *     group looks the same and arrives twice.
 *
 * A stop:
 *
 *     shell outside           supervisor                     reaper, if any          command
 *       Ctrl-Z ─────────────▶ (ignored) ───────────────────────────────────────────▶ SIGTSTP: does what it has to, stops
 *                             SIGCHLD, or ◀──── stopped ─── SIGCHLD ◀────────────────
 *     ◀── SIGCHLD ─────────── SIGSTOP itself
 *       takes the terminal
 *       fg: gives it back,
 *       SIGCONT to the group ▶ gives it on ────────────────────────────────────────▶ goes on
 *                              SIGCONT, if it has not had it ─▶ the same test ─────▶
 *
 * The command may have made a group of its own the foreground group (a shell does): the SIGCONT to ours does not reach it then.
 */
#include "net/instance_signals.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/command.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/proc.h"
#include "core/tty.h"
#include "net/instance_net.h"

bool instance_take_terminal(const struct instance *in)
{
    return in->foreground && tty_take_back();
}

/* The foreground group, if it is not ours or the shell's that called but, as it was our turn, one of the command's. */
static pid_t group_inside(const struct instance *in)
{
    fd_auto int tty = in->foreground ? tty_open() : -1;
    pid_t group = tty >= 0 ? tcgetpgrp(tty) : 0;
    bool outside = group == getpgrp() || group == getpgid(getppid()) || group == getsid(0);
    return group > 0 && !outside ? group : 0;
}

static void stop(struct instance *in)
{
    in->inside_group = group_inside(in);
    in->continued = true;
    kill(getpid(), SIGSTOP);
    in->foreground = tty_in_foreground();
    fd_auto int tty = in->foreground && in->inside_group ? tty_open() : -1;
    if (tty >= 0)
        tcsetpgrp(tty, in->inside_group);
}

/*
 * The shell that started us waits for us, not for the command: stop with it, and not before it has stopped, or it would
 * still take the first key that is meant for the shell. A SIGSTOP is for the command alone, and whoever sent it wakes only that;
 * but who sits at the terminal must get his shell back (bash's `suspend`).
 */
void instance_command_stopped(struct instance *in, int sig)
{
    bool job = sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
    if (in->cfg->starter >= 0) /* detached: there is no shell, and whoever stopped the command wakes it */
        return;
    if (!job && !(sig == SIGSTOP && (tty_in_foreground() || group_inside(in))))
        return;
    /* A shell that ended inside a pid namespace could not give the terminal back: it cannot name the group that is outside. */
    if ((sig == SIGTTIN || sig == SIGTTOU) && instance_take_terminal(in)) {
        in->continued = true;
        kill(0, SIGCONT);
        return;
    }
    stop(in);
}

/* A SIGCONT after we were stopped: the command has got it too, if it was sent to the whole group. */
static void resume_command(struct instance *in)
{
    in->continued = false;
    if (in->cfg->reaper) {
        pidfd_queue(in->child_pidfd, SIGCONT, COMMAND_RESUME | (int)(in->stops & COMMAND_RESUME_NUMBER));
        return;
    }
    int sig = pidfd_stopped(in->child_pidfd);
    if (sig) /* anew, after it had gone on */
        instance_command_stopped(in, sig);
    else if (!pidfd_continued(in->child_pidfd))
        proc_signal(in->child_pidfd, in->child, SIGCONT);
}

static void pass_on(struct instance *in, const struct signalfd_siginfo *si)
{
    int sig = (int)si->ssi_signo;
    if (sig == SIGCONT && in->continued)
        resume_command(in);
    else if (si->ssi_code <= 0)
        proc_signal(in->child_pidfd, in->child, sig);
}

/* Before there is a command. What the caller had ignored (nohup(1), a shell's background) is none of ours. */
static bool gives_up(int sig)
{
    struct sigaction sa;
    return (sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT) &&
           sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN;
}

static void signal_came(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct instance *in = container_of(w, struct instance, on_signal);
    struct signalfd_siginfo si;
    while (read(w->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
        int sig = (int)si.ssi_signo;
        bool running = in->running && in->child_pidfd >= 0;
        if (sig == SIGCHLD && running)
            instance_command_stopped(in, pidfd_stopped(in->child_pidfd));
        if (sig == SIGCHLD || sig == SIGPIPE || sig == SIGURG)
            continue;
        if (running) {
            pass_on(in, &si);
        } else if (gives_up(sig)) {
            log_debug("signal %d during start: giving up", sig);
            loop_quit(l, in->cfg->command.style == EXIT_SHELL ? 128 + sig : 255);
            return;
        }
    }
}

int instance_watch_signals(struct instance *in)
{
    /* Those of a bug of this very program, too: the kernel does not ask for the mask then (signal(7)). */
    sigset_t all;
    proc_all_signals(&all);
    in->foreground = tty_in_foreground();
    in->on_signal = (struct watch){.fd = -1, .fn = signal_came, .what = "signals"};
    int r = loop_signals(in->loop, &in->on_signal, &all);
    return r < 0 ? log_errno(r, "cannot watch signals") : 0;
}
