/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's COMMAND: how it is started, in place or under a reaper, and what its end means.
 *
 * On a terminal the command stays in the session and process group of whoever started us, as if it had been started without
 * us: the terminal's signals reach it directly and once, the shell outside stops and continues it, a pipeline is one job. A
 * session of its own could not have the terminal (TIOCSCTTY steals it for CAP_SYS_ADMIN in the initial user namespace only), a
 * group of its own would take it from the rest of its pipeline, and a pseudo-terminal between them would leave the real one
 * raw when its copier is killed. Without a terminal nothing speaks against a session, and the reaper gives it one.
 *
 * The reaper leaves that group for a session of its own: what is sent to the group is not for it to pass on. And not just for
 * another group: as the command's parent in the same session it would keep the group from ever being orphaned, and a
 * stopped job would outlive its shell for ever (setpgid(2), "orphaned process group").
 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/proc.h"

struct command {
    char *const *argv;     /* NULL-terminated, at least one word */
    enum exit_style style; /* of exit statuses: 126/127/128+N, or 1/255 */
    sigset_t mask;         /* signal mask the command gets (the one we were started with) */
    bool own_session;      /* under a reaper and without a controlling terminal: setsid(2) */
    unsigned
        listen_fds; /* socket activation: fds 3.. that pass through; LISTEN_PID becomes the command's pid */
    /*
     * 0: none; else a CLOEXEC end of a sync pair, the caller's: SYNC_FAILED tells that the exec failed; EOF, or SYNC_STARTED
     * of a reaper, that it did not; SYNC_STOPPED that the command under a reaper was stopped (an init cannot stop along with it).
     */
    int sync_fd;
};

/**
 * command_exec - become the command
 * argv[0] is searched in $PATH; a script without '#!' is given to /bin/sh, as execvp(3) does.
 * Every fd but 0..2 and the activation sockets must be CLOEXEC already.
 * Does not return: on failure logs and exits 127 (not found) or 126 (found, cannot run); 1 in the rootlesskit style.
 */
_Noreturn void command_exec(const struct command *c);

/*
 * The value (sigqueue(3)) of a SIGCONT to the reaper that ends the stop of that number (of SYNC_STOPPED messages, from 1 on). The
 * command may have got a SIGCONT of the shell's already, or even have been stopped anew since: then it is out of date.
 */
enum { COMMAND_RESUME = 0x72650000, COMMAND_RESUME_NUMBER = 0xffff };

/**
 * command_reap - be the init of a pid namespace: start the command, forward signals, reap orphans
 * Every signal but CHLD, PIPE, URG that a process sent to the reaper goes to the command.
 * Blocks until the command ends. Return: its exit status in c->style; the caller exits with it, which ends
 * everything left in the pid namespace (pid_namespaces(7)). -errno when the command could not be started.
 */
int command_reap(const struct command *c);

/**
 * command_follow - start the command in a new process and be its stand-in
 *
 * What is sent to this process by kill(2) is passed on; what the terminal sends reaches both alike. When the command
 * stops, this process stops, and what makes it go on goes to the command, too: so a shell's job control sees one thing.
 * Blocks until the command ends. @ret_status: as of waitpid(2).
 * Return: 0 or -errno (the command was not started; -ENOMEM also: the pid namespace to be has no init any more, fork(2)).
 */
int command_follow(const struct command *c, int *ret_status);

/* command_find_activation - number of activation sockets meant for this process (sd_listen_fds(3)): $LISTEN_FDS if $LISTEN_PID is us, else 0. */
unsigned command_find_activation(void);
