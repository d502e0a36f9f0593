/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: pidfds, helper programs, exit statuses. */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/log.h"

int pidfd_open_(pid_t pid);                     /* CLOEXEC fd or -errno (pidfd_open(2)) */
int pidfd_signal(int pidfd, int sig);           /* pidfd_send_signal(2) */
int pidfd_queue(int pidfd, int sig, int value); /* the same with a value, as sigqueue(3) */
/*
 * proc_signal - a signal for a child of ours that was not reaped yet, so that @pid is still its own.
 * pidfd_send_signal(2), or kill(2) where that is refused (container runtimes' seccomp filters may not know it).
 */
int proc_signal(int pidfd, pid_t pid, int sig);
/* pidfd_wait - reap exactly this child, waiting at most @timeout_ms (-1: for ever). 0 and *ret_status as of waitpid(2), -ETIMEDOUT, -ECHILD. */
int pidfd_wait(int pidfd, int timeout_ms, int *ret_status);
/* pidfd_has_ended - is that process (anybody's) dead, reaped or not (pidfd_open(2))? True for -1: none. Does not block. */
bool pidfd_has_ended(int pidfd);
/* pidfd_stopped - the signal that has stopped this child since this was asked last, or 0 (waitid(2), WSTOPPED). Does not block. */
int pidfd_stopped(int pidfd);
/* pidfd_continued - has this child been continued since it was stopped, and this not been asked since? (waitid(2), WCONTINUED). Does not block. */
bool pidfd_continued(int pidfd);

/* proc_all_signals - every signal. musl's sigfillset(3) leaves out those that it uses among its threads, one of which is glibc's SIGRTMIN. */
void proc_all_signals(sigset_t *ret);

/* proc_clone - fork(2) with namespace flags (clone3(2)) and a pidfd. Return: pid in the parent, 0 in the child, -errno. */
pid_t proc_clone(uint64_t ns_flags, int *ret_pidfd);

/* proc_die_with_parent - PR_SET_PDEATHSIG SIGKILL, then check that @parent still is the parent (-ESRCH if not; pass 0 from inside a new pid namespace). */
int proc_die_with_parent(pid_t parent);

/**
 * proc_run - run a helper program to its end and collect its stderr
 * @argv: argv[0] is looked up by the caller (absolute path)
 * @ret_status: wait status; a death by signal is visible there (WIFSIGNALED), never taken for success
 * @err: first line(s) of its stderr; may be NULL
 *
 * stdin is /dev/null; every other fd is closed. Blocks until the program ends or @timeout_ms passed (killed, -ETIMEDOUT).
 * @out/@out_size: its stdout, NUL-terminated, truncated to fit; may be NULL/0.
 */
int proc_run(char *const argv[], int timeout_ms, int *ret_status, struct reason *err, char *out,
             size_t out_size);

/**
 * proc_expect_children - SIGCHLD back to its default
 * Where it is ignored, which exec(2) passes on, a child that has ended is gone, and wait(2) has nothing to report (ECHILD).
 */
void proc_expect_children(void);
/* proc_restore_sigchld - as it was before proc_expect_children(): for the user's command, which gets what its caller set. */
void proc_restore_sigchld(void);

/**
 * proc_number - the number of a process in the /proc that is mounted here
 * It is not @pid where /proc shows an outer pid namespace (`unshare --pid --fork` without --mount-proc).
 * Return: 0; -ESRCH when that /proc does not show the process at all; -errno when there is no usable /proc.
 * Source: the line "Pid:" of a pidfd's fdinfo, proc(5).
 */
int proc_number(int pidfd, pid_t *ret);

/* proc_which - find an executable regular file in $PATH (or @name itself when it has a slash). 0 or -ENOENT. @ret: PATH_MAX bytes. */
int proc_which(const char *name, char *ret);

/* How a death by signal becomes an exit status: 128+N as shells do, or 255 as rootlesskit does. */
enum exit_style { EXIT_SHELL, EXIT_ROOTLESSKIT };
int proc_exit_code(int wait_status, enum exit_style style);

/* proc_caps_effective - the effective capabilities of this process (capget(2)) as a bit mask. */
int proc_caps_effective(uint64_t *ret);
bool proc_has_cap(unsigned cap);
