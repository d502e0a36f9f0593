/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faulter: run a program, with all its descendants, and make one system call of one of them fail.
 *
 *     faulter [--user UID:GID] [--record | --fault ROLE:CALL:N:KIND] [--deadline SECONDS] --last NAME --out FILE -- COMMAND...
 *
 * Theory of operation: the program and all that it forks are traced from the first exec on (ptrace(2), PTRACE_SEIZE with
 * EXITKILL), so that none can be lost: the kernel says that there is no process left by ECHILD. A process is known by its
 * role, the way to it: "0" is the program, "0.2" its second child, "0.1.1" the first child's first. A system call is known
 * by its role, name and number ("the third openat of 0.2"), which unlike a mere count stays the same when an event loop
 * takes two events in another order. What the command itself does (whoever executes the file NAME) is not touched.
 *
 * KIND    an error's name (ENOMEM): the call is not made and returns it; for close(2), which always closes, it is made.
 *         TERM, KILL: this signal at this call.
 * FILE gets, one a line:
 *     call ROLE COMM NAME N KIND,KIND...       (--record) what can be made to fail
 *     unknown NUMBER                           (--record) a system call that is missing in the table below
 *     hit ROLE COMM NAME N ARGUMENTS           the fault took place
 *     ran                                      the command was executed
 *     slow ROLE COMM STATE / left ROLE COMM STATE    it was there at the deadline / after the program's end
 *     end exit STATUS | end signal NUMBER      how the program ended
 * The tracer is to be root, so that set-user-ID programs work although they are traced.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---------------------------------------------------------------- which calls fail how */

enum { MADE = 1 }; /* made all the same: only what it returns is false */

struct call {
    long nr;
    const char *name, *kinds; /* the errors of its manual page that tell most; "": cannot fail */
    int path;                 /* which argument is a path, from 1; 0: none */
    int flags;
};

#define C(name, ...)                    \
    {                                   \
        __NR_##name, #name, __VA_ARGS__ \
    }
static const struct call calls[] = {
    C(accept4, "EMFILE,EINTR"),
    C(bind, "EADDRINUSE,EACCES"),
    C(brk, "ENOMEM"),
    C(capget, "EPERM"),
    C(capset, "EPERM"),
    C(chdir, "EACCES", 1),
    C(chroot, "EPERM", 1),
    C(clock_gettime, ""),
    C(clone, "EAGAIN,EPERM"),
    C(clone3, "EAGAIN,EPERM,ENOSPC,ENOSYS"),
    C(close, "EIO,EINTR", .flags = MADE),
    C(close_range, "ENOSYS,ENOMEM"),
    C(connect, "ECONNREFUSED,EINTR"),
    C(dup3, "EMFILE"),
    C(epoll_create1, "EMFILE"),
    C(epoll_ctl, "ENOSPC,ENOMEM"),
    C(epoll_pwait, "EINTR,EINVAL"),
    C(execve, "ENOMEM,EACCES", 1),
    C(exit, ""),
    C(exit_group, ""),
    C(faccessat, "EACCES", 2),
    C(faccessat2, "EACCES,ENOSYS", 2),
    C(fadvise64, "EINVAL"),
    C(fchdir, "EACCES"),
    C(fchmod, "EPERM,EIO"),
    C(fchmodat, "EPERM,EIO", 2),
    C(fchown, "EPERM"),
    C(fchownat, "EPERM", 2),
    C(fcntl, "EMFILE,EINVAL"),
    C(fgetxattr, "EIO,ENOMEM"),
    C(flistxattr, "EIO,ENOMEM"),
    C(flock, "ENOLCK"),
    C(fremovexattr, "EIO,EPERM"),
    C(fsconfig, "ENOSYS,EINVAL"),
    C(fsetxattr, "ENOSPC,EDQUOT,EPERM"),
    C(fsmount, "EPERM"),
    C(fsopen, "ENOSYS,EPERM"),
    C(fstat, "EIO"),
    C(fstatfs, "EIO"),
    C(fsync, "EIO,ENOSPC,EDQUOT"),
    C(ftruncate, "EIO"),
    C(futex, "EINTR"),
    C(getcwd, "ENOMEM"),
    C(getdents64, "EIO"),
    C(getegid, ""),
    C(geteuid, ""),
    C(getgid, ""),
    C(getgroups, "EPERM"),
    C(getpid, ""),
    C(getppid, ""),
    C(getrandom, "ENOSYS"),
    C(getsockname, "ENOBUFS"),
    C(getsockopt, "ENOPROTOOPT"),
    C(gettid, ""),
    C(getuid, ""),
    C(getxattr, "EIO", 1),
    C(inotify_add_watch, "ENOSPC", 2),
    C(inotify_init1, "EMFILE"),
    C(ioctl, "EPERM,EINVAL"),
    C(kill, "EPERM"),
    C(lgetxattr, "EIO", 1),
    C(linkat, "EIO", 4),
    C(listen, "EADDRINUSE"),
    C(lseek, "EINVAL"),
    C(madvise, "EINVAL"),
    C(membarrier, "ENOSYS"),
    C(mkdirat, "EACCES,ENOSPC", 2),
    C(mmap, "ENOMEM"),
    C(mount, "EPERM,ENOMEM,EINVAL", 2),
    C(mount_setattr, "EPERM,ENOSYS", 2),
    C(move_mount, "EPERM,ENOSYS", 2),
    C(mprotect, "ENOMEM"),
    C(mremap, "ENOMEM"),
    C(munmap, "ENOMEM"),
    C(nanosleep, "EINTR"),
    C(newfstatat, "EIO,ENOMEM", 2),
    C(open_tree, "EPERM,ENOSYS", 2),
    C(openat, "EMFILE,EACCES", 2),
    C(openat2, "ENOSYS,EMFILE", 2),
    C(pidfd_open, "EMFILE"),
    C(pidfd_send_signal, "EPERM,ENOSYS"),
    C(pipe2, "EMFILE"),
    C(pivot_root, "EPERM,EINVAL"),
    C(ppoll, "ENOMEM,EINTR"),
    C(prctl, "EPERM,EINVAL"),
    C(pread64, "EIO,EINTR"),
    C(prlimit64, "EPERM"),
    C(read, "EIO,EINTR"),
    C(readlinkat, "EACCES", 2),
    C(readv, "EIO,EINTR"),
    C(recvfrom, "ENOBUFS,EINTR"),
    C(recvmsg, "ENOMEM,EINTR"),
    C(renameat, "EIO,ENOSPC", 2),
    C(renameat2, "EIO,ENOSPC,EINVAL,ENOSYS", 2),
    C(rseq, "ENOSYS"),
    C(rt_sigaction, "EINVAL"),
    C(rt_sigprocmask,
      ""), /* only by wrong arguments, sigprocmask(2); fork() of the C library builds on that */
    C(rt_sigreturn, ""),
    C(rt_sigtimedwait, "EINTR"),
    C(seccomp, "EINVAL"),
    C(sendmsg, "ENOBUFS,EINTR"),
    C(sendto, "ENOBUFS,EINTR"),
    C(set_robust_list, "ENOSYS"),
    C(set_tid_address, ""),
    C(setgid, "EPERM"),
    C(setgroups, "EPERM"),
    C(setns, "EPERM"),
    C(setresgid, "EPERM,EAGAIN"),
    C(setresuid, "EPERM,EAGAIN"),
    C(setsid, "EPERM"),
    C(setitimer, ""),
    C(setsockopt, "ENOPROTOOPT,EPERM"),
    C(setuid, "EPERM"),
    C(shutdown, "ENOTCONN"),
    C(signalfd4, "EMFILE"),
    C(socket, "EMFILE,EPERM"),
    C(socketpair, "EMFILE"),
    C(statfs, "EIO", 1),
    {457, "statmount", "ENOSYS,EPERM,ENOMEM", 0,
     0}, /* younger than the headers (include/uapi/asm-generic/unistd.h) */
    C(statx, "ENOSYS", 2),
    C(symlinkat, "ENOSPC", 3),
    C(sysinfo, "EPERM"),
    C(tgkill, "EPERM"),
    C(tkill, "EPERM"),
    C(umask, ""),
    C(umount2, "EPERM,EBUSY", 1),
    C(uname, "EFAULT"),
    C(unlinkat, "EIO,EBUSY", 2),
    C(unshare, "EPERM,ENOSPC"),
    C(wait4, "ECHILD,EINTR"),
    C(waitid, "ECHILD,EINTR"),
    C(write, "EIO,ENOSPC,EINTR"),
    C(writev, "EIO,EINTR"),
#ifdef __x86_64__
    C(access, "EACCES", 1),
    C(arch_prctl, ""),
    C(chmod, "EPERM", 1),
    C(dup2, "EMFILE"),
    C(epoll_wait, "EINTR,EINVAL"),
    C(fork, "EAGAIN"),
    C(getpgrp, ""),
    C(lstat, "EIO", 1),
    C(mkdir, "EACCES,ENOSPC", 1),
    C(open, "EMFILE,EACCES", 1),
    C(poll, "ENOMEM,EINTR"),
    C(readlink, "EACCES", 1),
    C(rename, "EIO", 1),
    C(rmdir, "EIO,EBUSY", 1),
    C(stat, "EIO,ENOMEM", 1),
    C(symlink, "ENOSPC", 2),
    C(unlink, "EIO", 1),
    C(vfork, "EAGAIN"),
#endif
};
enum { N_CALLS = sizeof(calls) / sizeof(*calls) };

static const struct {
    const char *name;
    int value;
} errors[] = {
#define E(name)     \
    {               \
#name, name \
    }
    E(EACCES), E(EADDRINUSE),  E(EAGAIN), E(EBUSY),  E(ECHILD),   E(ECONNREFUSED), E(EDQUOT),
    E(EFAULT), E(EINTR),       E(EINVAL), E(EIO),    E(EMFILE),   E(ENOBUFS),      E(ENOLCK),
    E(ENOMEM), E(ENOPROTOOPT), E(ENOSPC), E(ENOSYS), E(ENOTCONN), E(EPERM),        E(EWOULDBLOCK),
};

static const struct call *call_of(uint64_t nr)
{
    for (size_t i = 0; i < N_CALLS; i++)
        if (calls[i].nr == (long)nr)
            return &calls[i];
    return NULL;
}

/* ---------------------------------------------------------------- what is asked for, and what is seen */

enum { PROCESSES_MAX = 256, ROLE_MAX = 32, DEADLINE_S = 25, LEFT_S = 5 };

struct process {
    pid_t pid; /* 0: free */
    char role[ROLE_MAX];
    unsigned forks, count[N_CALLS];
    bool stopped; /* it came before its parent's news of it */
    bool command; /* it executed the command */
    bool false_return;
};

static struct process processes[PROCESSES_MAX];
static struct {
    const char *last, *role;
    const struct call *call;
    unsigned n;
    int error, sig;
    bool record, done;
} want;
static FILE *out;
static volatile sig_atomic_t late;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("faulter: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(125);
}

static struct process *process_of(pid_t pid)
{
    for (size_t i = 0; i < PROCESSES_MAX; i++)
        if (processes[i].pid == pid)
            return &processes[i];
    return NULL;
}

static struct process *process_new(pid_t pid)
{
    struct process *p = process_of(0);
    if (!p)
        die("more than %d processes", PROCESSES_MAX);
    memset(p, 0, sizeof(*p));
    p->pid = pid;
    return p;
}

static void read_proc(pid_t pid, const char *name, char *ret, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);
    if (fd >= 0)
        close(fd);
    ret[n < 0 ? 0 : n] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
}

static const char *comm_of(pid_t pid)
{
    static char comm[32];
    read_proc(pid, "comm", comm, sizeof(comm));
    for (char *c = comm; *c; c++)
        if (*c == ' ')
            *c = '-';
    return *comm ? comm : "-";
}

static void say_all(const char *what)
{
    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        char at[256];
        if (!processes[i].pid || !*processes[i].role)
            continue;
        read_proc(processes[i].pid, "syscall", at, sizeof(at));
        fprintf(out, "%s %s %s %s\n", what, processes[i].role, comm_of(processes[i].pid), at);
    }
}

/* ---------------------------------------------------------------- a system call */

static void say_hit(const struct process *p, const struct __ptrace_syscall_info *info)
{
    const struct call *c = want.call;
    fprintf(out, "hit %s %s %s %u", p->role, comm_of(p->pid), c->name, want.n);
    for (int i = 0; i < 4; i++) {
        char text[128] = "";
        if (c->path == i + 1) {
            struct iovec to = {text, sizeof(text) - 1},
                         from = {(void *)(uintptr_t)info->entry.args[i], sizeof(text) - 1};
            ssize_t n = process_vm_readv(p->pid, &to, 1, &from, 1, 0);
            text[n < 0 ? 0 : n] = '\0';
            text[strcspn(text, "\n")] = '\0';
            fprintf(out, " \"%s\"", text);
        } else {
            fprintf(out, " 0x%llx", (unsigned long long)info->entry.args[i]);
        }
    }
    fputc('\n', out);
}

static void skip_call(pid_t pid)
{
#if defined(__x86_64__)
    if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), -1L) < 0)
        die("cannot skip a call: %s", strerror(errno));
#elif defined(__aarch64__)
    int nr = -1;
    struct iovec v = {&nr, sizeof(nr)};
    if (ptrace(PTRACE_SETREGSET, pid, 0x404 /* NT_ARM_SYSTEM_CALL */, &v) < 0)
        die("cannot skip a call: %s", strerror(errno));
#else
#error "how is a system call skipped here?"
#endif
}

static void set_return(pid_t pid, long value)
{
#if defined(__x86_64__)
    if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), value) < 0 && errno != ESRCH)
        die("cannot set what a call returns: %s", strerror(errno));
#elif defined(__aarch64__)
    struct user_regs_struct r;
    struct iovec v = {&r, sizeof(r)};
    if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &v) < 0)
        die("cannot read the registers: %s", strerror(errno));
    r.regs[0] = (unsigned long long)value;
    if (ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &v) < 0)
        die("cannot set what a call returns: %s", strerror(errno));
#endif
}

static void enter(struct process *p, const struct __ptrace_syscall_info *info)
{
    const struct call *c = call_of(info->entry.nr);
    if (!c) {
        fprintf(out, "unknown %llu\n", (unsigned long long)info->entry.nr);
        return;
    }
    unsigned n = ++p->count[c - calls];
    if (want.record) {
        fprintf(out, "call %s %s %s %u %s\n", p->role, comm_of(p->pid), c->name, n,
                *c->kinds ? c->kinds : "-");
        return;
    }
    if (want.done || c != want.call || n != want.n)
        return;
    want.done = true;
    say_hit(p, info);
    if (want.sig) {
        kill(p->pid, want.sig);
        return;
    }
    p->false_return = true;
    if (!(c->flags & MADE))
        skip_call(p->pid);
}

static void at_call(struct process *p)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof(info), &info) < 0) {
        if (errno == ESRCH)
            return;
        die("PTRACE_GET_SYSCALL_INFO: %s", strerror(errno));
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        enter(p, &info);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && p->false_return) {
        p->false_return = false;
        set_return(p->pid, -want.error);
    }
}

/* ---------------------------------------------------------------- stops */

static bool of_interest(const struct process *p)
{
    if (p->command)
        return false;
    return want.record || p->false_return || (!want.done && want.role && !strcmp(p->role, want.role));
}

static void go_on(struct process *p, int sig)
{
    /* ESRCH: killed meanwhile. */
    if (ptrace(of_interest(p) ? PTRACE_SYSCALL : PTRACE_CONT, p->pid, 0, (long)sig) < 0 && errno != ESRCH)
        die("cannot continue: %s", strerror(errno));
}

static void forked(struct process *parent)
{
    unsigned long pid;
    if (ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, &pid) < 0)
        return;
    struct process *p = process_of((pid_t)pid);
    bool was = p != NULL;
    if (!was)
        p = process_new((pid_t)pid);
    if (snprintf(p->role, sizeof(p->role), "%.*s.%u", ROLE_MAX - 5, parent->role, ++parent->forks) >=
        ROLE_MAX)
        die("too many generations");
    p->command = parent->command;
    if (was && p->stopped) {
        p->stopped = false;
        go_on(p, 0);
    }
}

static void executed(struct process *p)
{
    if (want.last && !strcmp(comm_of(p->pid), want.last)) {
        p->command = true;
        fputs("ran\n", out);
    }
}

static void stopped(pid_t pid, int status)
{
    struct process *p = process_of(pid);
    int sig = WSTOPSIG(status), event = status >> 16;
    if (!p) {
        p = process_new(pid); /* its parent's news will come */
        p->stopped = true;
        return;
    }
    switch (event) {
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE: forked(p); break;
    case PTRACE_EVENT_EXEC: executed(p); break;
    case PTRACE_EVENT_STOP:
        if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU) {
            ptrace(PTRACE_LISTEN, pid, 0, 0);
            return;
        }
        if (!*p->role) {
            p->stopped = true;
            return;
        }
        break;
    default:
        if (sig == (SIGTRAP | 0x80))
            at_call(p);
        else
            return go_on(p, sig);
    }
    go_on(p, 0);
}

/* ---------------------------------------------------------------- the whole */

static void on_alarm(int sig)
{
    (void)sig;
    late = 1;
}

static void set_alarm(unsigned seconds)
{
    /* Again and again: the first one may come just before the wait. */
    struct itimerval t = {.it_value.tv_sec = (time_t)seconds, .it_interval.tv_usec = 100000};
    late = 0;
    setitimer(ITIMER_REAL, &t, NULL);
}

static void kill_all(void)
{
    for (size_t i = 0; i < PROCESSES_MAX; i++)
        if (processes[i].pid)
            kill(processes[i].pid, SIGKILL);
}

static void trace(pid_t first, unsigned deadline)
{
    int end = -1;
    set_alarm(deadline);
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == ECHILD)
            break;
        if (late) {
            say_all(end < 0 ? "slow" : "left");
            kill_all();
            set_alarm(LEFT_S);
        }
        if (pid < 0)
            continue;
        if (WIFSTOPPED(status)) {
            stopped(pid, status);
            continue;
        }
        struct process *p = process_of(pid);
        if (p)
            p->pid = 0;
        if (pid == first) {
            end = status;
            set_alarm(LEFT_S);
        }
    }
    if (WIFEXITED(end))
        fprintf(out, "end exit %d\n", WEXITSTATUS(end));
    else
        fprintf(out, "end signal %d\n", WTERMSIG(end));
}

static pid_t start(char **argv, long uid, long gid)
{
    int go[2];
    char byte = 0;
    if (pipe2(go, O_CLOEXEC) < 0)
        die("pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid == 0) {
        gid_t group = (gid_t)gid;
        close(go[1]);
        if (read(go[0], &byte, 1) != 1)
            _exit(125);
        if (uid >= 0 && (setgroups(1, &group) < 0 || setresgid(group, group, group) < 0 ||
                         setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) < 0))
            _exit(125);
        execv(argv[0], argv);
        _exit(125);
    }
    const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
                         PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    if (ptrace(PTRACE_SEIZE, pid, 0, options) < 0)
        die("cannot trace: %s", strerror(errno));
    *process_new(pid)->role = '0';
    if (write(go[1], &byte, 1) != 1)
        die("write: %s", strerror(errno));
    close(go[0]);
    close(go[1]);
    return pid;
}

static void parse_fault(char *text)
{
    char *part[4];
    for (size_t i = 0; i < 4; i++)
        part[i] = strsep(&text, ":");
    if (!part[3])
        die("--fault ROLE:CALL:N:KIND");
    want.role = part[0];
    for (size_t i = 0; i < N_CALLS; i++)
        if (!strcmp(calls[i].name, part[1]))
            want.call = &calls[i];
    want.n = (unsigned)strtoul(part[2], NULL, 10);
    if (!strcmp(part[3], "TERM"))
        want.sig = SIGTERM;
    else if (!strcmp(part[3], "KILL"))
        want.sig = SIGKILL;
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
        if (!strcmp(errors[i].name, part[3]))
            want.error = errors[i].value;
    if (!want.call || !want.n || (!want.sig && !want.error))
        die("no such fault: %s %s %s %s", part[0], part[1], part[2], part[3]);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"user", required_argument, NULL, 'u'},
        {"record", no_argument, NULL, 'r'},
        {"fault", required_argument, NULL, 'f'},
        {"last", required_argument, NULL, 'l'},
        {"deadline", required_argument, NULL, 'd'},
        {"out", required_argument, NULL, 'o'},
        {0},
    };
    long uid = -1, gid = -1;
    unsigned deadline = DEADLINE_S;
    int c;
    while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        switch (c) {
        case 'u':
            if (sscanf(optarg, "%ld:%ld", &uid, &gid) != 2)
                die("--user UID:GID");
            break;
        case 'r': want.record = true; break;
        case 'f': parse_fault(optarg); break;
        case 'l': want.last = optarg; break;
        case 'd': deadline = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'o':
            out = fopen(optarg, "we");
            if (!out)
                die("cannot write '%s': %s", optarg, strerror(errno));
            break;
        default: die("see the top of faulter.c");
        }
    }
    if (!out || optind >= argc)
        die("--out FILE and a command are needed");
    const struct sigaction sa = {.sa_handler = on_alarm}; /* no SA_RESTART */
    sigaction(SIGALRM, &sa, NULL);
    trace(start(argv + optind, uid, gid), deadline);
    return fclose(out) == 0 ? 0 : 125;
}
