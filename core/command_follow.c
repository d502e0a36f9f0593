/* SPDX-License-Identifier: Apache-2.0 */
#include "core/command.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"

/* Learn what happened to @pid; true once it has ended. */
static bool has_ended(pid_t pid, int *ret_status)
{
    for (;;) {
        int status;
        pid_t got = waitpid(pid, &status, WNOHANG | WUNTRACED);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        if (!WIFSTOPPED(status)) {
            *ret_status = status;
            return true;
        }
        /* Whoever waits for us waits for the command. The SIGCONT that ends this is pending then, and passed on. */
        kill(getpid(), SIGSTOP);
    }
}

int command_follow(const struct command *c, int *ret_status)
{
    struct sigaction reap = {.sa_handler = SIG_DFL}, before;
    sigset_t all;

    /* Ignored (and so inherited), SIGCHLD would let the kernel throw the status away. */
    sigaction(SIGCHLD, &reap, &before);
    sigfillset(&all);
    /* A bug of this very program must end it, not wait in a queue. */
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    for (size_t i = 0; i < array_size(own); i++)
        sigdelset(&all, own[i]);
    sigprocmask(SIG_BLOCK, &all, NULL);
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        sigaction(SIGCHLD, &before, NULL);
        command_exec(c);
    }
    fd_close_all_but(3, NULL, 0);
    for (;;) {
        siginfo_t si;
        int sig = sigwaitinfo(&all, &si);
        if (sig < 0)
            continue;
        if (sig == SIGCHLD) {
            if (has_ended(pid, ret_status))
                return 0;
        } else if (si.si_code <= 0 && sig != SIGPIPE && sig != SIGURG) {
            kill(pid, sig);
        }
    }
}
