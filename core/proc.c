/* SPDX-License-Identifier: Apache-2.0 */
#include "core/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/loop.h"
#include "core/parse.h"
#include "core/strv.h"

extern char **environ;

int pidfd_open_(pid_t pid)
{
    long fd = syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : (int)fd;
}

int pidfd_signal(int pidfd, int sig)
{
    return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int proc_signal(int pidfd, pid_t pid, int sig)
{
    int r = pidfd_signal(pidfd, sig);
    if (r == 0 || r == -ESRCH || pid <= 0)
        return r;
    return kill(pid, sig) < 0 ? -errno : 0;
}

int pidfd_queue(int pidfd, int sig, int value)
{
    siginfo_t si;
    memset(&si, 0, sizeof(si));
    si.si_signo = sig;
    si.si_code = SI_QUEUE;
    si.si_pid = getpid();
    si.si_uid = getuid();
    si.si_value.sival_int = value;
    return syscall(SYS_pidfd_send_signal, pidfd, sig, &si, 0) < 0 ? -errno : 0;
}

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* waitid(2) fills a siginfo; the rest of the program speaks waitpid(2)'s status. */
static int status_of(const siginfo_t *si)
{
    switch (si->si_code) {
    case CLD_EXITED: return (si->si_status & 0xff) << 8;
    case CLD_DUMPED: return (si->si_status & 0x7f) | 0x80;
    default: return si->si_status & 0x7f;
    }
}

int pidfd_wait(int pidfd, int timeout_ms, int *ret_status)
{
    uint64_t end = now_ns() + (timeout_ms < 0 ? 0 : (uint64_t)timeout_ms * 1000000u);
    for (;;) {
        siginfo_t si;
        memset(&si, 0, sizeof(si));
        int options = WEXITED | (timeout_ms < 0 ? 0 : WNOHANG);
        if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, options) < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (si.si_pid) {
            if (ret_status)
                *ret_status = status_of(&si);
            return 0;
        }
        uint64_t now = now_ns();
        if (now >= end)
            return -ETIMEDOUT;
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        if (poll(&p, 1, (int)((end - now + 999999u) / 1000000u)) < 0 && errno != EINTR)
            return -errno;
    }
}

int pidfd_stopped(int pidfd)
{
    siginfo_t si;
    memset(&si, 0, sizeof(si));
    return waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WSTOPPED | WNOHANG) == 0 && si.si_pid ? si.si_status
                                                                                             : 0;
}

bool pidfd_continued(int pidfd)
{
    siginfo_t si;
    memset(&si, 0, sizeof(si));
    return waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WCONTINUED | WNOHANG) == 0 && si.si_pid;
}

bool pidfd_has_ended(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return pidfd < 0 || poll(&p, 1, 0) > 0;
}

void proc_all_signals(sigset_t *ret)
{
    memset(ret, 0xff, sizeof(*ret));
}

pid_t proc_clone(uint64_t ns_flags, int *ret_pidfd)
{
    int pidfd = -1;
    struct clone_args args = {
        .flags = ns_flags | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
    };
    long pid = syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0 && (errno == ENOSYS || errno == EPERM)) {
        /* Old container runtimes' seccomp filters know no clone3(2). EPERM may also be the true answer: clone(2) repeats it.
         * clone(2)'s pidfd goes where the parent tid would (clone(2), CLONE_PIDFD). */
#if defined(__x86_64__) || defined(__aarch64__)
        pid = syscall(SYS_clone, (unsigned long)(ns_flags | CLONE_PIDFD | SIGCHLD), 0, &pidfd, 0, 0);
#endif
    }
    if (pid < 0)
        return -errno;
    if (pid > 0) {
        if (ret_pidfd)
            *ret_pidfd = pidfd;
        else
            close(pidfd);
    }
    return (pid_t)pid;
}

int proc_die_with_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    /* The parent may have died between the clone and this: then nobody sends the signal. */
    if (parent && getppid() != parent)
        return -ESRCH;
    return 0;
}

static bool ignored_sigchld; /* by whoever started this program */

void proc_expect_children(void)
{
    ignored_sigchld = signal(SIGCHLD, SIG_DFL) == SIG_IGN;
}

void proc_restore_sigchld(void)
{
    if (ignored_sigchld)
        signal(SIGCHLD, SIG_IGN);
}

int proc_number(int pidfd, pid_t *ret)
{
    char path[48];
    free_auto char *text = NULL;
    int r = str_format(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    if (r == 0)
        r = file_read(AT_FDCWD, path, 4096, &text, NULL);
    if (r < 0)
        return r;
    const char *p = strstr(text, "\nPid:\t");
    if (!p)
        return -ENODATA;
    char number[16] = "";
    p += strlen("\nPid:\t");
    r = str_format(number, sizeof(number), "%.*s", (int)strcspn(p, "\n"), p);
    return r == 0 && parse_pid(number, ret) == 0 ? 0 : -ESRCH; /* 0 and -1: none that is to be seen */
}

static void open_null(int fd, int flags)
{
    int null = open("/dev/null", flags | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, fd);
    if (null != fd)
        close(null);
}

_Noreturn static void exec_helper(char *const argv[], int out, int err)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int dies = proc_die_with_parent(0);
    /* Both pipes may sit on low numbers: move them up before 0..2 are replaced. */
    int o = fcntl(out, F_DUPFD_CLOEXEC, 10), e = fcntl(err, F_DUPFD_CLOEXEC, 10);
    open_null(0, O_RDONLY);
    if (o >= 0)
        dup2(o, 1);
    if (e >= 0)
        dup2(e, 2);
    int alone = fd_close_all_but(3, NULL, 0);
    if (dies < 0)
        dprintf(2, "cannot make it end with its parent: %s", strerror(-dies));
    else if (alone < 0)
        dprintf(2, "cannot close what is not for it: %s", strerror(-alone));
    else if (execve(argv[0], argv, environ) < 0)
        dprintf(2, "%s", strerror(errno));
    _exit(127);
}

struct sink {
    char *buf;
    size_t size, len;
};

static void take(struct sink *s, const char *data, size_t n)
{
    if (!s->size)
        return;
    size_t room = s->size - 1 - s->len;
    if (n > room)
        n = room;
    memcpy(s->buf + s->len, data, n);
    s->len += n;
    s->buf[s->len] = 0;
}

/* Read both pipes to their ends or until the deadline. What a program that has ended left running may hold them open for ever. */
static int drain(int pidfd, int fds[2], struct sink sinks[2], uint64_t end)
{
    while (fds[0] >= 0 || fds[1] >= 0) {
        struct pollfd p[3] = {{.fd = fds[0], .events = POLLIN},
                              {.fd = fds[1], .events = POLLIN},
                              {.fd = pidfd, .events = POLLIN}};
        uint64_t now = now_ns();
        if (now >= end)
            return -ETIMEDOUT;
        int n = poll(p, 3, (int)((end - now + 999999u) / 1000000u));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 1 && p[2].revents)
            return 0;
        for (int i = 0; n > 0 && i < 2; i++) {
            if (!p[i].revents)
                continue;
            char buf[1024];
            ssize_t got = read(fds[i], buf, sizeof(buf));
            if (got > 0)
                take(&sinks[i], buf, (size_t)got);
            else if (got == 0 || errno != EINTR)
                fd_close(&fds[i]);
        }
    }
    return 0;
}

static void trim(char *s)
{
    size_t n = strlen(s);
    while (n && (s[n - 1] == '\n' || s[n - 1] == ' '))
        s[--n] = 0;
    for (char *p = s; *p; p++)
        if (*p == '\n')
            *p = ' ';
}

int proc_run(char *const argv[], int timeout_ms, int *ret_status, struct reason *err, char *out,
             size_t out_size)
{
    int out_pipe[2] = {-1, -1}, err_pipe[2] = {-1, -1};
    if (pipe2(out_pipe, O_CLOEXEC) < 0)
        return -errno;
    fd_auto int out_read = out_pipe[0];
    fd_auto int out_write = out_pipe[1];
    if (pipe2(err_pipe, O_CLOEXEC) < 0)
        return -errno;
    fd_auto int err_read = err_pipe[0];
    fd_auto int err_write = err_pipe[1];
    fd_auto int pidfd = -1;
    pid_t pid = proc_clone(0, &pidfd);
    if (pid < 0)
        return pid;
    if (pid == 0)
        exec_helper(argv, out_write, err_write);
    fd_close(&out_write);
    fd_close(&err_write);
    struct reason scratch = {{0}};
    struct reason *text = err ? err : &scratch;
    text->text[0] = 0;
    if (out_size)
        out[0] = 0;
    struct sink sinks[2] = {{out, out_size, 0}, {text->text, sizeof(text->text), 0}};
    int fds[2] = {steal_fd(&out_read), steal_fd(&err_read)};
    uint64_t end = now_ns() + (uint64_t)timeout_ms * 1000000u;
    int r = drain(pidfd, fds, sinks, end);
    fd_close(&fds[0]);
    fd_close(&fds[1]);
    if (r == 0)
        r = pidfd_wait(pidfd, timeout_ms, ret_status);
    if (r < 0) {
        proc_signal(pidfd, pid, SIGKILL);
        pidfd_wait(pidfd, -1, NULL);
    }
    trim(text->text);
    return r;
}

static bool is_executable_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

int proc_which(const char *name, char *ret)
{
    if (strchr(name, '/')) {
        if (!is_executable_file(name) || str_format(ret, PATH_MAX, "%s", name) < 0)
            return -ENOENT;
        return 0;
    }
    const char *path = getenv("PATH");
    if (!path || !*path)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    while (*path) {
        size_t n = strcspn(path, ":");
        if (str_format(ret, PATH_MAX, "%.*s/%s", n ? (int)n : 1, n ? path : ".", name) == 0 &&
            is_executable_file(ret))
            return 0;
        path += n + (path[n] == ':');
    }
    return -ENOENT;
}

int proc_exit_code(int wait_status, enum exit_style style)
{
    if (WIFEXITED(wait_status))
        return WEXITSTATUS(wait_status);
    if (WIFSIGNALED(wait_status))
        return style == EXIT_SHELL ? 128 + WTERMSIG(wait_status) : 255;
    return 255;
}

int proc_caps_effective(uint64_t *ret)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &head, data) < 0)
        return -errno;
    *ret = (uint64_t)data[1].effective << 32 | data[0].effective;
    return 0;
}

bool proc_has_cap(unsigned cap)
{
    uint64_t caps = 0;
    return proc_caps_effective(&caps) == 0 && (caps >> cap & 1);
}
