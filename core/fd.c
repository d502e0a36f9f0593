/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/parse.h"

void fd_close(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    close(*fd); /* EINTR included, the descriptor is gone: close(2), Linux */
    errno = saved;
    *fd = -1;
}

/* Send @fd and @reader itself to @reader, so that, once they are closed here, it is held by nothing but its own queue. */
static int send_in_circle(int writer, int reader, int fd)
{
    const int fds[2] = {fd, reader};
    char byte = 0;
    struct iovec iov = {&byte, 1};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(fds))];
    } control;
    memset(&control, 0, sizeof(control));
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(c), fds, sizeof(fds));
    return sendmsg(writer, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

void fd_close_later(int *fd)
{
    int sv[2], saved = errno;
    if (*fd >= 0 && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv) == 0) {
        send_in_circle(sv[0], sv[1], *fd); /* refused: the close below is the last one */
        fd_close(fd);
        close(sv[1]);
        close(sv[0]); /* last: the release of a socket is what starts the collector */
    }
    fd_close(fd);
    errno = saved;
}

void fd_cleanup(int *fd)
{
    fd_close(fd);
}

void free_cleanup(void *ptr_to_ptr)
{
    void *p;
    memcpy(&p, ptr_to_ptr, sizeof(p));
    free(p);
}

int fd_set_cloexec(int fd, bool on)
{
    return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int fd_set_nonblock(int fd, bool on)
{
    int fl = fcntl(fd, F_GETFL);
    if (fl < 0)
        return -errno;
    int want = on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK;
    if (want == fl)
        return 0;
    return fcntl(fd, F_SETFL, want) < 0 ? -errno : 0;
}

static int compare_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static bool kept(int fd, const int *keep, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (keep[i] == fd)
            return true;
    return false;
}

/* Before Linux 5.9 (or under a seccomp filter that knows no close_range, or without memory): what is open stands in /proc. */
static int close_by_proc(int first, const int *keep, size_t n)
{
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return -errno;
    const struct dirent *e;
    while (errno = 0, (e = readdir(d))) {
        uint64_t v;
        if (parse_uint(e->d_name, 0, INT_MAX, &v) < 0)
            continue;
        int fd = (int)v;
        if (fd >= first && fd != dirfd(d) && !kept(fd, keep, n))
            close(fd);
    }
    int r = -errno;
    closedir(d);
    return r;
}

int fd_close_all_but(int first, const int *keep, size_t n)
{
    int sorted[64];
    if (n > array_size(sorted))
        return -EINVAL;
    if (n)
        memcpy(sorted, keep, n * sizeof(*keep));
    qsort(sorted, n, sizeof(*sorted), compare_int);
    int from = first;
    for (size_t i = 0; i <= n; i++) {
        unsigned to = i < n ? (unsigned)sorted[i] - 1 : UINT_MAX;
        if (i < n && sorted[i] < from)
            continue;
        if (i == n || sorted[i] > from)
            if (syscall(SYS_close_range, (unsigned)from, to, 0) < 0)
                return close_by_proc(first, keep, n);
        if (i < n)
            from = sorted[i] + 1;
    }
    return 0;
}

int fd_write_all(int fd, const void *buf, size_t len)
{
    const char *p = buf;
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

ssize_t fd_read_full(int fd, void *buf, size_t len)
{
    char *p = buf;
    size_t at = 0;
    while (at < len) {
        ssize_t n = read(fd, p + at, len - at);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (n == 0)
            break;
        at += (size_t)n;
    }
    return (ssize_t)at;
}

int file_read_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
    free_auto char *buf = NULL;
    size_t cap = 0, len = 0;
    for (;;) {
        if (cap - len < 2) {
            if (len > max)
                return -EFBIG;
            cap = cap ? cap * 2 : 4096;
            char *bigger = realloc(buf, cap);
            if (!bigger)
                return -ENOMEM;
            buf = bigger;
        }
        ssize_t n = read(fd, buf + len, cap - len - 1);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > max)
            return -EFBIG;
    }
    buf[len] = 0;
    *ret = steal_ptr(&buf);
    if (ret_len)
        *ret_len = len;
    return 0;
}

int file_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
    fd_auto int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    return file_read_fd(fd, max, ret, ret_len);
}

int file_write(int dirfd, const char *path, const char *text)
{
    fd_auto int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    size_t len = strlen(text);
    ssize_t n;
    do
        n = write(fd, text, len);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return (size_t)n == len ? 0 : -EIO;
}

int file_create(int dirfd, const char *path, const void *data, size_t len, mode_t mode)
{
    fd_auto int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = fd_write_all(fd, data, len);
    if (r == 0 && fchmod(fd, mode) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(dirfd, path, 0);
    return r;
}
