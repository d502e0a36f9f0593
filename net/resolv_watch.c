/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * /etc/resolv.conf may be a file that is written in place (and bind-mounted from elsewhere), one that is replaced by rename, or
 * the first of several symbolic links.  So the file itself is watched, and the folder of each link on the way.  After an
 * event the way may be another: all watches are made anew, on a new inotify descriptor (which has no old events), and only
 * then the text is read: a change after that makes a new event.
 */
#include "net/resolv_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/strv.h"
#include "net/resolv.h"

enum { MAX_LINKS = 16 };

struct resolv_watch {
    struct loop *loop;
    struct watch w;
    int sock;
    char *text; /* as last seen; NULL: there was none yet */
};

/* Watch the folder of @path, or, when that is not there, the nearest one above it: something has to appear in it. */
static void watch_folder(int in, const char *path)
{
    char dir[PATH_MAX];
    if (str_format(dir, sizeof(dir), "%s", path) < 0)
        return;
    for (char *slash; (slash = strrchr(dir, '/'));) {
        slash[slash == dir] = '\0'; /* the root keeps its slash */
        if (inotify_add_watch(in, dir, IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR) >= 0 ||
            slash == dir)
            return;
    }
}

/* Where the link @path leads, as a path; false when it is no link. */
static bool follow(char path[PATH_MAX])
{
    char target[PATH_MAX], next[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0)
        return false;
    target[n] = '\0';
    int dir = target[0] == '/' ? 0 : (int)(strrchr(path, '/') - path) + 1;
    if (str_format(next, sizeof(next), "%.*s%s", dir, path, target) < 0)
        return false;
    memcpy(path, next, strlen(next) + 1);
    return true;
}

static int add_watches(void)
{
    char path[PATH_MAX] = "/etc/resolv.conf";
    fd_auto int in = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (in < 0)
        return -errno;
    for (int i = 0; i < MAX_LINKS; i++) {
        watch_folder(in, path);
        if (!follow(path))
            break;
    }
    inotify_add_watch(in, path,
                      IN_CLOSE_WRITE); /* a mount point's folder hears nothing of the file mounted on it */
    return steal_fd(&in);
}

void resolv_watch_send(struct resolv_watch *rw)
{
    const char *text = rw->text ? rw->text : "#\n"; /* an empty message would be an end */
    struct iovec v = {(void *)(uintptr_t)text, strlen(text)};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } control = {.buf = {0}};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &rw->w.fd, sizeof(int));
    if (sendmsg(rw->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_debug("resolv: nobody takes the new resolv.conf: %s", strerror(errno));
}

/* The text as it is; between two files (none, or an empty one) what is known stays good. */
static void read_text(struct resolv_watch *rw)
{
    free_auto char *text = NULL;
    size_t len;
    if (file_read(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX_SIZE, &text, &len) < 0 || !*text)
        return;
    free(rw->text);
    rw->text = steal_ptr(&text);
}

static void changed(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct resolv_watch *rw = container_of(w, struct resolv_watch, w);
    int in = add_watches();
    if (in < 0)
        return; /* out of descriptors: the old one is still readable, so this comes again */
    loop_del(l, w);
    close(w->fd);
    w->fd = in;
    if (loop_add(l, w) < 0)
        log_debug("resolv: changes of resolv.conf are not followed any more");
    read_text(rw);
    resolv_watch_send(rw);
}

int resolv_watch_new(struct loop *l, int sock, struct resolv_watch **ret)
{
    struct resolv_watch *rw = calloc(1, sizeof(*rw));
    if (!rw)
        return -ENOMEM;
    *rw = (struct resolv_watch){.loop = l, .sock = sock};
    rw->w = (struct watch){.fd = add_watches(), .events = EPOLLIN, .fn = changed, .what = "resolv.conf"};
    int r = rw->w.fd < 0 ? rw->w.fd : loop_add(l, &rw->w);
    if (r < 0) {
        fd_close(&rw->w.fd);
        free(rw);
        return r;
    }
    read_text(rw);
    resolv_watch_send(rw);
    *ret = rw;
    return 0;
}

void resolv_watch_free(struct resolv_watch *rw)
{
    if (!rw)
        return;
    loop_del(rw->loop, &rw->w);
    fd_close_later(&rw->w.fd);
    free(rw->text);
    free(rw);
}

ssize_t resolv_watch_recv(int sock, char *buf, size_t size, int *inotify)
{
    struct iovec v = {buf, size - 1};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)};
    ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    if (n == 0)
        return -ECONNRESET;
    buf[n] = '\0';
    fd_close(inotify);
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(inotify, CMSG_DATA(c), sizeof(int));
    return n;
}
