/* SPDX-License-Identifier: Apache-2.0 */
#include "core/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/dirclear.h"
#include "core/fd.h"
#include "tests/unit/tap.h"

static char base[PATH_MAX / 2];

static const char *in_base(const char *name)
{
    static char path[8][PATH_MAX];
    static unsigned next;
    char *p = path[next++ % 8];
    snprintf(p, PATH_MAX, "%s/%s", base, name);
    return p;
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void put(const char *name, const char *text)
{
    if (file_create(AT_FDCWD, in_base(name), text, strlen(text), 0644) < 0)
        bail_out("cannot create %s", name);
}

static void make_dir(const char *name)
{
    if (mkdir(in_base(name), 0700) < 0)
        bail_out("cannot create %s", name);
}

static void test_life(void)
{
    struct statedir sd = STATEDIR_NONE;
    struct reason why = {""};
    struct stat st;
    char path[PATH_MAX];
    char *text = NULL;
    pid_t pid = 0;

    is_int(statedir_open(in_base("a/b/state"), &sd, &why), 0, "a new directory, with its parents (%s)",
           why.text);
    is_str(sd.path, in_base("a/b/state"), "its path");
    ok(sd.created, "was made");
    is_int(stat(sd.path, &st) == 0 ? st.st_mode & 07777 : 0, 0700, "and is private");
    is_int(fcntl(sd.lock_fd, F_GETFD) & fcntl(sd.dir_fd, F_GETFD), FD_CLOEXEC,
           "no descriptor is inherited by programs");

    is_int(statedir_write_child_pid(&sd, 4711), 0, "child_pid");
    is_int(statedir_join(&sd, "child_pid", path), 0, "its path");
    is_int(file_read(AT_FDCWD, path, 100, &text, NULL), 0, "can be read");
    is_str(text, "4711", "and is the number alone");
    free(text);
    is_int(stat(path, &st) == 0 ? st.st_mode & 07777 : 0, 0444, "mode 0444");
    is_int(statedir_write_child_pid(&sd, 4712), 0, "child_pid again");
    is_int(statedir_read_child_pid(sd.path, &pid), 0, "is read");
    is_int(pid, 4712, "and is the new one");
    is_int(statedir_file(&sd, "hosts", "x\n", 2, 0644), 0, "another file");
    put("a/b/state/extra", "by somebody else");

    statedir_remove(&sd);
    ok(!exists(in_base("a/b/state")), "removed with everything in it");
    ok(exists(in_base("a/b")), "the parent stays");
    is_int(sd.dir_fd, -1, "the descriptors are closed");
    statedir_remove(&sd);
    is_int(statedir_read_child_pid(in_base("a/b/state"), &pid), -ENOENT, "no child_pid any more");
}

static void test_second_instance(void)
{
    struct statedir one = STATEDIR_NONE, two = STATEDIR_NONE;
    struct reason why = {""};

    is_int(statedir_open(in_base("busy"), &one, &why), 0, "one instance");
    is_int(statedir_write_child_pid(&one, 1), 0, "with a file");
    is_int(statedir_open(in_base("busy"), &two, &why), -EBUSY, "a second one is refused");
    ok(strstr(why.text, "in use by another instance") && strstr(why.text, in_base("busy")),
       "with the cause and the name: %s", why.text);
    ok(exists(in_base("busy/child_pid")), "nothing was touched");
    is_int(two.dir_fd, -1, "the result neither");

    /* A process that was forked holds the locks, too, unless it gives them up. */
    int go[2];
    if (pipe(go) < 0)
        bail_out("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        close(go[1]);
        statedir_close(&one);
        _exit(read(go[0], &c, 1) == 0 ? 0 : 1);
    }
    close(go[0]);
    statedir_close(&one);
    /* The child may not have closed its copies yet: wait for the lock, which is what the directory is about. */
    fd_auto int lock = open(in_base("busy/lock"), O_RDWR | O_CLOEXEC);
    is_int(flock(lock, LOCK_EX), 0, "the lock is free once both have closed it");
    flock(lock, LOCK_UN);
    is_int(statedir_open(in_base("busy"), &two, &why), 0,
           "the directory of an instance that was killed is taken over");
    ok(!two.created && !exists(in_base("busy/child_pid")), "and cleared");
    statedir_remove(&two);
    close(go[1]);
    waitpid(pid, NULL, 0);
}

static void test_clearing(void)
{
    struct statedir sd = STATEDIR_NONE;
    struct reason why = {""};

    make_dir("old");
    make_dir("outside");
    put("outside/precious", "1");
    put("old/lock", "");
    put("old/child_pid", "1");
    put("old/line\nbreak", "1");
    put("old/-rf", "1");
    make_dir("old/dir");
    make_dir("old/dir/dir");
    put("old/dir/dir/file", "1");
    ok(symlink(in_base("outside"), in_base("old/link")) == 0 &&
           symlink("/nowhere", in_base("old/dir/dangling")) == 0 &&
           mkfifo(in_base("old/api.sock"), 0600) == 0,
       "left-overs of all kinds");
    is_int(statedir_open(in_base("old"), &sd, &why), 0, "are cleared (%s)", why.text);
    ok(exists(in_base("old/lock")), "but the lock");
    ok(!exists(in_base("old/child_pid")) && !exists(in_base("old/dir")) && !exists(in_base("old/link")) &&
           !exists(in_base("old/-rf")) && !exists(in_base("old/line\nbreak")) &&
           !exists(in_base("old/api.sock")),
       "nothing is left of them");
    ok(exists(in_base("outside/precious")), "symlinks are not followed");
    statedir_remove(&sd);

    make_dir("flat");
    put("flat/child_pid", "1");
    put("flat/other", "1");
    is_int(statedir_open(in_base("flat"), &sd, &why), 0, "a directory without a lock, but flat");
    ok(!exists(in_base("flat/other")), "is cleared");
    statedir_remove(&sd);

    /* Deeper than is followed: an error, not a crash. */
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s", in_base("deep"));
    make_dir("deep");
    put("deep/lock", "");
    for (int i = 0; i < 40; i++) {
        strcat(path, "/d");
        if (mkdir(path, 0700) < 0)
            bail_out("cannot create %s", path);
    }
    is_int(statedir_open(in_base("deep"), &sd, &why), -ELOOP, "40 directories deep: refused");
    ok(strstr(why.text, "'d'"), "naming what is in the way: %s", why.text);
}

static void test_refusals(void)
{
    struct statedir sd = STATEDIR_NONE;
    struct reason why = {""};
    char saved_home[PATH_MAX];

    make_dir("home");
    put("home/letter", "1");
    const char *home = getenv("HOME");
    snprintf(saved_home, sizeof(saved_home), "%s", home ? home : "/");
    setenv("HOME", in_base("home"), 1);
    is_int(statedir_open(in_base("home"), &sd, &why), -EINVAL, "the home directory is refused");
    put("home/lock", "");
    is_int(statedir_open(in_base("home"), &sd, &why), -EINVAL, "also when there is a file 'lock' in it");
    setenv("HOME", saved_home, 1);
    ok(exists(in_base("home/letter")), "and untouched");

    make_dir("tree");
    make_dir("tree/photos");
    put("tree/note", "1");
    is_int(statedir_open(in_base("tree"), &sd, &why), -EINVAL,
           "a directory with directories and without a lock is refused");
    ok(strstr(why.text, "photos") && exists(in_base("tree/note")) && !exists(in_base("tree/lock")),
       "and untouched: %s", why.text);

    make_dir("open");
    chmod(in_base("open"), 01777);
    is_int(statedir_open(in_base("open"), &sd, &why), -EPERM, "where everybody may write: refused");
    is_int(statedir_open("/proc", &sd, &why) < 0, 1, "/proc is refused");
    is_int(statedir_open("/", &sd, &why) < 0, 1, "/ is refused");
    is_int(statedir_open("", &sd, &why), -EINVAL, "no name: refused");
    put("file", "1");
    ok(statedir_open(in_base("file"), &sd, &why) < 0 && why.text[0], "a file is refused: %s", why.text);
    ok(statedir_open(in_base("file/in/it"), &sd, &why) < 0 && why.text[0], "a place in a file: %s", why.text);

    make_dir("fifo");
    if (mkfifo(in_base("fifo/lock"), 0600) < 0)
        bail_out("mkfifo");
    ok(statedir_open(in_base("fifo"), &sd, &why) < 0 && strstr(why.text, "remove it"),
       "a lock that is no file: %s", why.text);
    make_dir("linked");
    put("target", "");
    if (symlink(in_base("target"), in_base("linked/lock")) < 0)
        bail_out("symlink");
    ok(statedir_open(in_base("linked"), &sd, &why) < 0 && strstr(why.text, "remove it"),
       "a lock that is a symlink: %s", why.text);
    is_int(sd.dir_fd, -1, "no result after all that");
}

static void test_paths(void)
{
    struct statedir sd = STATEDIR_NONE;
    struct reason why = {""};
    struct sockaddr_un sa;
    socklen_t len;
    char name[120];

    if (chdir(base) < 0)
        bail_out("chdir");
    is_int(statedir_open("relative/dir", &sd, &why), 0, "a relative path");
    is_str(sd.path, in_base("relative/dir"), "becomes absolute");
    statedir_remove(&sd);
    make_dir("real");
    if (symlink("real", in_base("alias")) < 0)
        bail_out("symlink");
    is_int(statedir_open(in_base("alias/"), &sd, &why), 0, "by a symlink, with a slash at the end");
    is_str(sd.path, in_base("real"), "is the real directory");
    statedir_remove(&sd);
    ok(!exists(in_base("real")), "and that is removed");

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    is_int(statedir_open(in_base(name), &sd, &why), 0, "a path longer than a socket's may be");
    is_int(statedir_sockaddr(&sd, "api.sock", &sa, &len), 0, "has an address all the same: %s", sa.sun_path);
    fd_auto int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fd_auto int c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    is_int(bind(s, (struct sockaddr *)&sa, len) == 0 && listen(s, 1) == 0 ? 0 : -errno, 0,
           "to which a socket is bound");
    char sock[PATH_MAX];
    statedir_join(&sd, "api.sock", sock);
    is_int(statedir_connect(c, sock), 0, "and which others reach by the long path");
    is_int(statedir_sockaddr(&sd, name, &sa, &len), -ENAMETOOLONG, "a name that is too long by itself");
    statedir_remove(&sd);
    is_int(statedir_connect(c, "/nowhere/api.sock"), -ENOENT, "connecting to nothing");
    is_int(statedir_connect(c, ""), -ENOENT, "or to no name");
}

static void test_default_place(void)
{
    struct statedir sd = STATEDIR_NONE, sd2 = STATEDIR_NONE;
    struct reason why = {""};

    setenv("TMPDIR", base, 1);
    is_int(statedir_open(NULL, &sd, &why), 0, "no path given");
    is_int(statedir_open(NULL, &sd2, &why), 0, "twice");
    ok(strncmp(sd.path, base, strlen(base)) == 0 && strcmp(sd.path, sd2.path) != 0,
       "two fresh directories under $TMPDIR");
    statedir_remove(&sd);
    ok(exists(sd2.path), "one gone, the other there");
    /* Files, the lock or the directory may vanish before. */
    char path[PATH_MAX];
    statedir_join(&sd2, "lock", path);
    unlink(path);
    rmdir(sd2.path);
    statedir_remove(&sd2);
    is_int(sd2.lock_fd, -1, "removing what is gone already");

    setenv("TMPDIR", "/nonexistent", 1);
    is_int(statedir_open(NULL, &sd, &why), 0, "a $TMPDIR that is not there");
    ok(sd.dir_fd >= 0 && strncmp(sd.path, "/nonexistent", 12) != 0, "is not used: %s", sd.path);
    statedir_remove(&sd);
    unsetenv("TMPDIR");
}

static void test_memory(void)
{
    struct statedir sd = STATEDIR_NONE;
    struct sockaddr_un sa;
    socklen_t len;
    char path[PATH_MAX];
    pid_t pid = 0;

    is_int(statedir_open_memory(&sd), 0, "a state directory in memory");
    ok(strncmp(sd.path, "/proc/", 6) == 0, "has a path: %s", sd.path);
    is_int(statedir_write_child_pid(&sd, 77), 0, "takes files");
    is_int(statedir_read_child_pid(sd.path, &pid), 0, "which are found by the path");
    is_int(pid, 77, "with their contents");
    fd_auto int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fd_auto int c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    is_int(statedir_sockaddr(&sd, "api.sock", &sa, &len), 0, "an address");
    is_int(bind(s, (struct sockaddr *)&sa, len) == 0 && listen(s, 1) == 0 ? 0 : -errno, 0, "a socket");
    statedir_join(&sd, "api.sock", path);
    is_int(statedir_connect(c, path), 0, "which can be reached");
    snprintf(path, sizeof(path), "%s", sd.path);
    statedir_remove(&sd);
    is_int(sd.dir_fd, -1, "removed");
    ok(!exists(path), "and gone");
}

int main(void)
{
    char template[] = "/tmp/rootlet-unit-XXXXXX", name[NAME_MAX + 1];

    if (!mkdtemp(template) || !realpath(template, base))
        bail_out("no temporary directory");
    test_life();
    test_second_instance();
    test_clearing();
    test_refusals();
    test_paths();
    test_default_place();
    test_memory();
    int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Deeper than that is cleared at once: from the inside, then. */
    is_int(dir_clear(fd, "", name), -ELOOP, "too deep to be cleared");
    is_str(name, "deep", "which is told");
    int deep = openat(fd, "deep/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d",
                      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    is_int(dir_clear(deep, "", name), 0, "the deep end");
    close(deep);
    deep = openat(fd, "deep/d/d/d/d/d/d/d/d/d/d/d/d/d/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    is_int(dir_clear(deep, "", name), 0, "the middle");
    close(deep);
    is_int(dir_clear(fd, "", name), 0, "the rest");
    close(fd);
    is_int(rmdir(base), 0, "nothing is left");
    return done_testing();
}
