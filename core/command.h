/* SPDX-License-Identifier: Apache-2.0 */
/* The user's COMMAND: how it is started, in place or under a reaper, and what its end means. */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/proc.h"

struct command {
    char *const *argv;     /* NULL-terminated, at least one word */
    enum exit_style style; /* of exit statuses: 126/127/128+N, or 1/255 */
    sigset_t mask;         /* signal mask the command gets (the one we were started with) */
    bool own_session;      /* under a reaper: setsid(2) */
    unsigned
        listen_fds; /* socket activation: fds 3.. that pass through; LISTEN_PID becomes the command's pid */
    int exec_fd; /* 0: none; else a (CLOEXEC) end of a sync pair: SYNC_FAILED tells that the exec failed, EOF alone that it did not */
};

/**
 * command_exec - become the command
 * argv[0] is searched in $PATH; a script without '#!' is given to /bin/sh, as execvp(3) does.
 * Every fd but 0..2 and the activation sockets must be CLOEXEC already.
 * Does not return: on failure logs and exits 127 (not found) or 126 (found, cannot run); 1 in the rootlesskit style.
 */
_Noreturn void command_exec(const struct command *c);

/**
 * command_reap - be the init of a pid namespace: start the command, forward signals, reap orphans
 *
 * Signals the terminal sent (si_code > 0) are not passed on: whoever is outside decides about those.
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
