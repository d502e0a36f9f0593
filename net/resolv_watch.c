/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * /etc/resolv.conf may be a file that is written in place (and bind-mounted from elsewhere), one that is replaced by rename, or
 * the first of several symbolic links.  So the file itself is watched, and the folder of each link on the way.  After an
 * event the way may be another: all watches are made anew, on a new inotify descriptor (which has no old events), and only
 * then the text is read: a change after that makes a new event.
 *
 * A user has 128 inotify instances by default, all programs and containers together (user.max_inotify_instances), and the
 * kernel gives one back only some 15 ms after its end.  So none is made before the reader asks for the first time (a
 * container that looks up no name needs none), and while there is none to be had the text is compared once a second.
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

static const uint64_t compare_every_ns = 1000000000u;

struct resolv_watch {
    struct loop *loop;
    struct watch w;       /* inotify; fd -1: nobody has asked yet, or there is none to be had */
    struct watch sock;    /* the reader's wishes */
    struct timer compare; /* instead of inotify */
    resolv_watch_end_fn *on_end;
    void *arg;
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

static void send_state(struct resolv_watch *rw)
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
    if (rw->w.fd < 0) {
        m.msg_control = NULL;
        m.msg_controllen = 0;
    }
    if (sendmsg(rw->sock.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_debug("resolv: nobody takes the new resolv.conf: %s", strerror(errno));
}

/* The text as it is; between two files (none, or an empty one) what is known stays good. Is it another one now? */
static bool read_text(struct resolv_watch *rw)
{
    free_auto char *text = NULL;
    size_t len;
    if (file_read(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX_SIZE, &text, &len) < 0 || !*text)
        return false;
    bool other = !rw->text || strcmp(text, rw->text) != 0;
    free(rw->text);
    rw->text = steal_ptr(&text);
    return other;
}

static void changed(struct loop *l, struct watch *w, uint32_t events);

/* Watch from now on, or else compare now and then. Did that begin anew? */
static bool follow_changes(struct resolv_watch *rw)
{
    rw->w = (struct watch){.fd = add_watches(), .events = EPOLLIN, .fn = changed, .what = "resolv.conf"};
    if (rw->w.fd >= 0 && loop_add(rw->loop, &rw->w) == 0) {
        loop_timer_del(rw->loop, &rw->compare);
        return true;
    }
    fd_close(&rw->w.fd);
    loop_timer_set(rw->loop, &rw->compare, compare_every_ns);
    return false;
}

static void changed(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct resolv_watch *rw = container_of(w, struct resolv_watch, w);
    fd_auto int old = w->fd;
    loop_del(l, w);
    follow_changes(rw);
    read_text(rw);
    send_state(rw);
}

static void compare(struct loop *l, struct timer *t)
{
    (void)l;
    struct resolv_watch *rw = container_of(t, struct resolv_watch, compare);
    bool watched = follow_changes(rw);
    if (read_text(rw) || watched)
        send_state(rw);
}

static void asked(struct loop *l, struct watch *w, uint32_t events)
{
    struct resolv_watch *rw = container_of(w, struct resolv_watch, sock);
    char c;
    (void)events;
    ssize_t n = recv(w->fd, &c, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        loop_del(l, w);
        if (rw->on_end)
            rw->on_end(rw->arg);
        return;
    }
    if (rw->w.fd < 0)
        follow_changes(rw);
    read_text(rw);
    send_state(rw);
}

int resolv_watch_new(struct loop *l, int sock, resolv_watch_end_fn *on_end, void *arg,
                     struct resolv_watch **ret)
{
    struct resolv_watch *rw = calloc(1, sizeof(*rw));
    if (!rw)
        return -ENOMEM;
    *rw = (struct resolv_watch){
        .loop = l,
        .w = {.fd = -1},
        .sock = {.fd = sock, .events = EPOLLIN | EPOLLRDHUP, .fn = asked, .what = "reader of resolv.conf"},
        .compare = {.fn = compare, .what = "resolv.conf"},
        .on_end = on_end,
        .arg = arg,
    };
    int r = loop_add(l, &rw->sock);
    if (r < 0) {
        free(rw);
        return r;
    }
    *ret = rw;
    return 0;
}

void resolv_watch_free(struct resolv_watch *rw)
{
    if (!rw)
        return;
    loop_del(rw->loop, &rw->sock);
    loop_del(rw->loop, &rw->w);
    loop_timer_del(rw->loop, &rw->compare);
    fd_close_later(&rw->w.fd);
    free(rw->text);
    free(rw);
}

int resolv_watch_ask(int sock)
{
    return send(sock, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 ? 0 : -errno;
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
