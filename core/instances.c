/* SPDX-License-Identifier: Apache-2.0 */
#include "core/instances.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/dirclear.h"
#include "core/fd.h"
#include "core/parse.h"
#include "core/strv.h"
#include "core/target.h"

enum {
    FILE_MAX = 1 << 20,    /* of a file of /proc; a command line may be longer: it is not shown then */
    FORKED_NO_EXEC = 0x40, /* PF_FORKNOEXEC of linux/sched.h, in the flags of /proc/PID/stat */
};

/* ---------------------------------------------------------------- what /proc says of one process */

bool instance_is_child(pid_t child, pid_t parent, bool *ret_stage)
{
    fd_auto int proc = target_open(child);
    struct target_state s;
    if (proc < 0 || target_state(proc, &s) < 0 || s.parent != parent)
        return false;
    if (!ret_stage)
        return true;
    free_auto char *words = NULL;
    bool stage = s.flags & FORKED_NO_EXEC;
    if (!stage && file_read(proc, "cmdline", FILE_MAX, &words, NULL) == 0)
        stage = !strcmp(words, "/proc/self/exe");
    *ret_stage = stage;
    return true;
}

bool instance_executed(pid_t pid)
{
    struct target_state s;
    fd_auto int proc = target_open(pid);
    return proc < 0 || target_state(proc, &s) < 0 || !(s.flags & FORKED_NO_EXEC);
}

/* The @n-th from the outside of the numbers that a process has in nested pid namespaces, or 0; @n 0: the innermost, and its depth. */
static pid_t number_at(int proc_fd, unsigned n, unsigned *ret_depth)
{
    free_auto char *text = NULL;
    if (file_read(proc_fd, "status", FILE_MAX, &text, NULL) < 0)
        return 0;
    char *at = strstr(text, "\nNSpid:");
    if (!at)
        return 0;
    at += strlen("\nNSpid:");
    at[strcspn(at, "\n")] = '\0';
    unsigned depth = 0;
    pid_t pid = 0;
    char *save = NULL;
    for (const char *w = strtok_r(at, "\t ", &save); w; w = strtok_r(NULL, "\t ", &save)) {
        if (parse_pid(w, &pid) < 0)
            return 0;
        if (++depth == n)
            return pid;
    }
    if (ret_depth)
        *ret_depth = depth;
    return n ? 0 : pid;
}

/* Call @fn for each child that a thread has made, until it returns true. */
static bool each_child_of(int proc_fd, const char *thread, bool (*fn)(pid_t, void *), void *arg)
{
    free_auto char *text = NULL;
    char path[NAME_MAX + 24];
    if (str_format(path, sizeof(path), "task/%s/children", thread) < 0 ||
        file_read(proc_fd, path, FILE_MAX, &text, NULL) < 0)
        return false;
    char *save = NULL;
    for (const char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        pid_t child;
        if (parse_pid(w, &child) == 0 && fn(child, arg))
            return true;
    }
    return false;
}

/* The same for all of a process's threads. Nothing is called where the kernel has no such lists (CONFIG_PROC_CHILDREN). */
static bool each_child(int proc_fd, bool (*fn)(pid_t, void *), void *arg)
{
    dir_auto DIR *d = dir_open_list(proc_fd, "task");
    const struct dirent *e;
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.' && each_child_of(proc_fd, e->d_name, fn, arg))
            return true;
    return false;
}

/* ---------------------------------------------------------------- the child */

struct wanted {
    unsigned depth; /* of the supervisor's pid namespace, below ours */
    pid_t number;   /* what child_pid says, a number there */
    pid_t found;
};

static bool is_wanted(pid_t pid, void *arg)
{
    struct wanted *w = arg;
    fd_auto int proc = target_open(pid);
    if (proc < 0 || number_at(proc, w->depth, NULL) != w->number)
        return false;
    w->found = pid;
    return true;
}

/* child_pid is a number of the supervisor's pid namespace, which may be below ours. */
static int find_child(struct found_instance *f)
{
    free_auto char *text = NULL;
    pid_t number;
    int r = file_read(f->dir_fd, "child_pid", 32, &text, NULL);
    if (r == 0)
        r = parse_pid(text, &number);
    if (r < 0)
        return r;
    struct wanted w = {.number = number};
    if (number_at(f->proc_fd, 0, &w.depth) && w.depth > 1) {
        if (!each_child(f->proc_fd, is_wanted, &w))
            return -ESRCH;
        f->child = w.found;
        return 0;
    }
    if (!instance_is_child(number, f->pid, NULL))
        return -ESRCH;
    f->child = number;
    return 0;
}

/* ---------------------------------------------------------------- lock and state directory */

/* "lock:\t1: FLOCK  ADVISORY  WRITE 4711 00:2d:123 0 EOF", with the number of whoever took it. */
static bool holds_lock(int proc_fd, const char *fd, pid_t pid)
{
    free_auto char *text = NULL;
    char path[32], kind[16], mode[16];
    int owner;
    if (str_format(path, sizeof(path), "fdinfo/%s", fd) < 0 ||
        file_read(proc_fd, path, FILE_MAX, &text, NULL) < 0)
        return false;
    for (const char *l = strstr(text, "lock:\t"); l; l = strstr(l + 1, "lock:\t"))
        if (sscanf(l, "lock:\t%*[0-9]: %15s %*s %15s %9d ", kind, mode, &owner) == 3 &&
            !strcmp(kind, "FLOCK") && !strcmp(mode, "WRITE") && owner == pid)
            return true;
    return false;
}

static int open_if_it_has(int at, const char *path, const struct stat *lock)
{
    struct stat st;
    fd_auto int dir = openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fstatat(dir, "lock", &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != lock->st_dev ||
        st.st_ino != lock->st_ino || !S_ISREG(st.st_mode))
        return -ENOENT;
    return steal_fd(&dir);
}

/* A directory that the process itself holds open: for one without a name here. */
static int held_dir(struct found_instance *f, const struct stat *lock)
{
    dir_auto DIR *d = dir_open_list(f->proc_fd, "fd");
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        char path[NAME_MAX + 8];
        struct stat st;
        if (e->d_name[0] == '.' || str_format(path, sizeof(path), "fd/%s", e->d_name) < 0 ||
            fstatat(f->proc_fd, path, &st, 0) < 0 || !S_ISDIR(st.st_mode))
            continue;
        int dir = open_if_it_has(f->proc_fd, path, lock);
        if (dir >= 0 && str_format(f->path, sizeof(f->path), "/proc/%d/%s", (int)f->pid, path) == 0)
            return dir;
        fd_close(&dir);
    }
    return -ENOENT;
}

/* @name: what the lock's descriptor leads to, ending in "/lock"; in the mount namespace of its process. */
static int find_dir(struct found_instance *f, const char *name, const struct stat *lock)
{
    int n = (int)(strrchr(name, '/') - name);
    if (str_format(f->path, sizeof(f->path), "%.*s", n ? n : 1, name) < 0)
        return -ENAMETOOLONG;
    int dir = open_if_it_has(AT_FDCWD, f->path, lock);
    if (dir < 0)
        dir = held_dir(f, lock);
    if (dir < 0 && str_format(f->path, sizeof(f->path), "/proc/%d/root%.*s", (int)f->pid, n, name) == 0)
        dir = open_if_it_has(AT_FDCWD, f->path, lock);
    f->dir_fd = dir;
    return dir < 0 ? dir : 0;
}

static bool names_lock(const char *name)
{
    size_t n = strlen(name);
    return name[0] == '/' && n >= 5 && !strcmp(name + n - 5, "/lock");
}

/* Is this descriptor the lock of an instance? 0, with the rest of @f filled in. */
static int examine_fd(struct found_instance *f, const char *fd)
{
    char path[NAME_MAX + 8], name[PATH_MAX];
    struct stat st;
    if (str_format(path, sizeof(path), "fd/%s", fd) < 0)
        return -EINVAL;
    ssize_t n = readlinkat(f->proc_fd, path, name, sizeof(name) - 1);
    if (n < 0)
        return -errno;
    name[n] = '\0';
    if (!names_lock(name) || !holds_lock(f->proc_fd, fd, f->pid))
        return -ENOENT;
    if (fstatat(f->proc_fd, path, &st, 0) < 0)
        return -errno;
    int r = find_dir(f, name, &st);
    if (r == 0)
        r = find_child(f);
    return r;
}

static uint64_t age_of(const struct target_state *s)
{
    struct timespec now;
    long hz = sysconf(_SC_CLK_TCK);
    clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t start = hz > 0 ? s->start / (unsigned long)hz : 0;
    return (uint64_t)now.tv_sec > start ? (uint64_t)now.tv_sec - start : 0;
}

static int examine(pid_t pid, bool all, int (*fn)(const struct found_instance *, void *), void *arg)
{
    fd_auto int proc = target_open(pid);
    struct found_instance f = {.pid = pid, .proc_fd = proc, .dir_fd = -1};
    struct stat st;
    struct target_state line;
    if (proc < 0 || fstat(proc, &st) < 0 || (!all && st.st_uid != geteuid()) || target_state(proc, &line) < 0)
        return 0;
    f.uid = st.st_uid;
    f.age_s = age_of(&line);
    dir_auto DIR *d = dir_open_list(proc, "fd");
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        int r = examine_fd(&f, e->d_name);
        if (r == 0)
            r = fn(&f, arg);
        else
            r = 0;
        bool found = f.dir_fd >= 0 && f.child;
        fd_close(&f.dir_fd);
        if (r || found)
            return r;
    }
    return 0;
}

int instances_each(bool all, int (*fn)(const struct found_instance *, void *), void *arg)
{
    dir_auto DIR *d = dir_open_list(AT_FDCWD, "/proc");
    const struct dirent *e;
    if (!d)
        return -errno;
    while ((e = readdir(d))) {
        pid_t pid;
        int r = parse_pid(e->d_name, &pid) == 0 ? examine(pid, all, fn, arg) : 0;
        if (r)
            return r;
    }
    return 0;
}

/* ---------------------------------------------------------------- the command */

struct eldest {
    pid_t pid;
    unsigned long long start;
};

static bool is_older(pid_t pid, void *arg)
{
    struct eldest *e = arg;
    struct target_state s;
    fd_auto int proc = target_open(pid);
    if (proc < 0 || target_state(proc, &s) < 0)
        return false;
    /* Within one clock tick the number tells, but for the rare moment when numbers start over. */
    if (!e->pid || s.start < e->start || (s.start == e->start && pid < e->pid))
        *e = (struct eldest){pid, s.start};
    return false; /* look at the others too */
}

int instance_command(const struct found_instance *f, char **ret, size_t *ret_len)
{
    bool stage = false;
    pid_t pid = f->child;
    if (!instance_is_child(pid, f->pid, &stage))
        return -ESRCH;
    fd_auto int proc = target_open(pid);
    if (proc >= 0 && stage) {
        struct eldest e = {0, 0};
        each_child(proc, is_older, &e);
        fd_close(&proc);
        if (e.pid)
            proc = target_open(e.pid);
    }
    int r = proc < 0 ? -ESRCH : file_read(proc, "cmdline", FILE_MAX, ret, ret_len);
    if (r == 0 && *ret_len)
        return 0;
    if (r == 0)
        free(*ret);
    return file_read(f->proc_fd, "cmdline", FILE_MAX, ret, ret_len);
}
