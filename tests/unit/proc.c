/* SPDX-License-Identifier: Apache-2.0 */
#include "core/proc.h"
#include "core/fd.h"
#include "tests/unit/tap.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN(...) proc_run((char *[]){__VA_ARGS__, NULL}, 20000, &status, &err, out, sizeof(out))
#define W(s)     ((char[]){s})

static void test_run(void)
{
    int status = -1;
    struct reason err;
    char out[8];
    is_int(RUN(W("/bin/sh"), W("-c"), W("echo out; echo err >&2; exit 3")), 0, "a helper runs");
    is_int(WEXITSTATUS(status), 3, "its status");
    is_str(out, "out\n", "its output");
    is_str(err.text, "err", "its complaint, trimmed");
    is_int(RUN(W("/bin/sh"), W("-c"), W("echo 0123456789012345")), 0, "more output than there is room");
    is_str(out, "0123456", "is cut");
    is_int(RUN(W("/bin/sh"), W("-c"), W("kill -9 $$")), 0, "a helper is killed");
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "which is no success");
    is_int(RUN(W("/nonexistent/helper")), 0, "a helper that is not there");
    is_int(WEXITSTATUS(status), 127, "shows in its status");
    ok(strlen(err.text) > 0, "and says why: %s", err.text);
    is_int(RUN(W("/bin/sh"), W("-c"), W("test ! -e /proc/self/fd/3 && test /dev/null -ef /proc/self/fd/0")),
           0, "what a helper inherits");
    is_int(status, 0, "an empty stdin and no descriptor else");
    int r = proc_run((char *[]){W("/bin/sh"), W("-c"), W("exec tail -f /dev/null"), NULL}, 50, &status, NULL,
                     NULL, 0);
    is_int(r, -ETIMEDOUT, "a helper that does not end is ended");
    is_int(waitpid(-1, NULL, WNOHANG), -1, "and reaped");
}

static void test_clone(void)
{
    int pidfd = -1, status = 0;
    pid_t pid = proc_clone(0, &pidfd);
    if (pid == 0) {
        for (;;)
            pause();
    }
    ok(pid > 0 && pidfd >= 0, "a child with a pidfd");
    is_int(pidfd_wait(pidfd, 0, &status), -ETIMEDOUT, "it lives");
    is_int(pidfd_signal(pidfd, SIGTERM), 0, "a signal by pidfd");
    is_int(pidfd_wait(pidfd, -1, &status), 0, "it is reaped");
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "by that signal");
    is_int(pidfd_wait(pidfd, 0, &status), -ECHILD, "once");
    close(pidfd);
    pid = proc_clone(0, &pidfd);
    if (pid == 0)
        _exit(42);
    pidfd_wait(pidfd, -1, &status);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 42, "an exit status");
    close(pidfd);
}

static void test_codes(void)
{
    is_int(proc_exit_code(7 << 8, EXIT_SHELL), 7, "a status is passed on");
    is_int(proc_exit_code(SIGKILL, EXIT_SHELL), 137, "a signal, as shells say it");
    is_int(proc_exit_code(SIGKILL, EXIT_ROOTLESSKIT), 255, "a signal, as rootlesskit says it");
}

static void test_which(void)
{
    char path[PATH_MAX];
    setenv("PATH", "/nonexistent:/bin:/usr/bin", 1);
    is_int(proc_which("sh", path), 0, "a program in PATH");
    is_str(path, "/bin/sh", "the first one");
    is_int(proc_which("no-such-program-here", path), -ENOENT, "none");
    is_int(proc_which("/bin/sh", path), 0, "by its path");
    is_int(proc_which("/bin", path), -ENOENT, "a directory is no program");
    is_int(proc_which("/etc/passwd", path), -ENOENT, "nor is a file that cannot be executed");
}

int main(void)
{
    test_run();
    test_clone();
    test_codes();
    test_which();
    uint64_t caps;
    is_int(proc_caps_effective(&caps), 0, "capabilities can be read");
    return done_testing();
}
