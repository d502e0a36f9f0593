/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fd.h"
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* In a child, so that the test's own descriptors survive. */
static void test_close_all(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (int fd = 10; fd < 30; fd++)
            dup2(1, fd);
        int keep[] = {25, 12, 12, 1, 29, -1};
        if (fd_close_all_but(5, keep, array_size(keep)) < 0)
            _exit(100);
        for (int fd = 5; fd < 40; fd++)
            if (is_open(fd) != (fd == 12 || fd == 25 || fd == 29))
                _exit(fd);
        _exit(is_open(1) ? 0 : 101);
    }
    int status;
    waitpid(pid, &status, 0);
    is_int(status >> 8, 0, "all are closed but those to keep (else: which one is wrong)");
}

/* The other end of a pipe sees the last close, whoever does it. */
static void test_close_later(void)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0)
        bail_out("pipe");
    int fd = p[1];
    errno = 77;
    fd_close_later(&fd);
    is_int(errno, 77, "errno is kept");
    is_int(fd, -1, "the variable is empty");
    ok(!is_open(p[1]), "closed here");
    struct pollfd poll_end = {.fd = p[0]};
    is_int(poll(&poll_end, 1, 20000), 1, "and soon for good");
    ok(poll_end.revents & POLLHUP, "by its last close");
    fd_close_later(&fd);
    is_int(fd, -1, "no descriptor, nothing to do");
    close(p[0]);
}

int main(void)
{
    test_close_all();
    test_close_later();
    char dir[] = "/tmp/rootlet-fd.XXXXXX";
    if (!mkdtemp(dir))
        bail_out("mkdtemp");
    int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    umask(077);
    is_int(file_create(d, "a", "text", 4, 0644), 0, "a file is made");
    struct stat st;
    fstatat(d, "a", &st, 0);
    is_int(st.st_mode & 07777, 0644, "with its mode, whatever the umask");
    is_int(file_create(d, "a", "text", 4, 0644), -EEXIST, "not over another");
    symlinkat("nowhere", d, "link");
    is_int(file_create(d, "link", "text", 4, 0644), -EEXIST, "nor through a symlink");
    ok(faccessat(d, "nowhere", F_OK, 0) < 0, "whose target is not made");
    char *text = NULL;
    size_t len = 0;
    is_int(file_read(d, "a", 4, &text, &len), 0, "it is read");
    is_str(text, "text", "its content");
    is_int(len, 4, "its length");
    free(text);
    text = NULL;
    is_int(file_read(d, "a", 3, &text, &len), -EFBIG, "more than allowed");
    ok(text == NULL, "leaves the result alone");
    is_int(file_read(d, "none", 3, &text, &len), -ENOENT, "a file that is not there");
    is_int(file_write(d, "a", "TEXT"), 0, "it is written over");
    is_int(file_read(AT_FDCWD, "/proc/self/status", 1 << 20, &text, &len), 0,
           "a file of /proc, whose size is 0");
    ok(len > 100, "is read to its end");
    free(text);
    mkfifoat(d, "fifo", 0600);
    is_int(file_read(d, "fifo", 10, &text, &len), 0, "a FIFO without a writer does not block");
    is_int(len, 0, "and is empty");
    free(text);

    int fd = dup(1);
    {
        fd_auto int owned = fd;
        int stolen = steal_fd(&owned);
        is_int(stolen, fd, "stolen");
        is_int(owned, -1, "from its owner");
    }
    ok(is_open(fd), "so that it stays open");
    {
        fd_auto int owned = fd;
        ok(owned >= 0, "owned again");
    }
    ok(!is_open(fd), "and closed at the end of the scope");
    static const char *const names[] = {"a", "link", "fifo"};
    for (size_t i = 0; i < array_size(names); i++)
        unlinkat(d, names[i], 0);
    is_int(rmdir(dir), 0, "nothing else is left in the directory");
    close(d);
    return done_testing();
}
