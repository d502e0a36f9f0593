/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sync.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/loop.h"

static const char *const names[] = {
    [SYNC_FAILED] = "failed",
    [SYNC_MAPPED] = "mapped",
    [SYNC_NET] = "net",
    [SYNC_READY] = "ready",
    [SYNC_GO] = "go",
    [SYNC_STARTED] = "started",
    [SYNC_STOPPED] = "stopped",
    [SYNC_PORT_ADD] = "port-add",
    [SYNC_PORT_DEL] = "port-del",
    [SYNC_PORT_ACK] = "port-ack",
    [SYNC_UP] = "up",
    [SYNC_WARN] = "warn",
    [SYNC_STOP] = "stop",
};
_Static_assert(array_size(names) == SYNC_MSG_MAX, "every message has a name");

const char *sync_name(enum sync_msg m)
{
    return m > 0 && m < SYNC_MSG_MAX ? names[m] : "unknown";
}

int sync_pair(int ret_sv[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_sv) < 0 ? -errno : 0;
}

int sync_send(int fd, enum sync_msg m, const void *payload, size_t len, const int *fds, size_t nfds)
{
    if (len > SYNC_MAX_PAYLOAD || nfds > SYNC_MAX_FDS)
        return -EMSGSIZE;
    uint32_t head = (uint32_t)m;
    struct iovec iov[2] = {{&head, sizeof(head)}, {(void *)(uintptr_t)payload, len}};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int) * SYNC_MAX_FDS)];
    } control;
    memset(&control, 0, sizeof(control));
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = len ? 2 : 1};
    if (nfds) {
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
    }
    ssize_t n;
    do
        n = sendmsg(fd, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ECONNRESET ? -EPIPE : -errno;
    return 0;
}

void sync_in_done(struct sync_in *in)
{
    for (size_t i = 0; i < in->nfds; i++)
        fd_close(&in->fds[i]);
    in->nfds = 0;
}

static int wait_readable(int fd, int timeout_ms)
{
    uint64_t end = timeout_ms < 0 ? 0 : now_ns() + (uint64_t)timeout_ms * 1000000u;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ms = -1;
        if (timeout_ms >= 0) {
            uint64_t now = now_ns();
            ms = now >= end ? 0 : (int)((end - now + 999999u) / 1000000u);
        }
        int n = poll(&p, 1, ms);
        if (n > 0)
            return 0;
        if (n == 0)
            return timeout_ms == 0 ? -EAGAIN : -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

/* Every received fd must end up owned, even those of a message that is refused. */
static void take_fds(struct msghdr *msg, struct sync_in *in)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (in->nfds < SYNC_MAX_FDS)
                in->fds[in->nfds++] = fd;
            else
                close(fd);
        }
    }
}

int sync_recv(int fd, struct sync_in *in, int timeout_ms)
{
    in->nfds = 0;
    in->len = 0;
    int r = wait_readable(fd, timeout_ms);
    if (r < 0)
        return r;
    uint32_t head = 0;
    struct iovec iov[2] = {{&head, sizeof(head)}, {in->payload, sizeof(in->payload)}};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int) * SYNC_MAX_FDS)];
    } control;
    struct msghdr msg = {
        .msg_iov = iov, .msg_iovlen = 2, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)};
    ssize_t n;
    do
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (n == 0)
        return -ECONNRESET;
    take_fds(&msg, in);
    if ((msg.msg_flags & MSG_CTRUNC) &&
        in->nfds < SYNC_MAX_FDS) { /* there is room, so it was our limit (net/core/scm.c) */
        sync_in_done(in);
        return -EMFILE;
    }
    if ((size_t)n < sizeof(head) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || head == 0 ||
        head >= SYNC_MSG_MAX) {
        sync_in_done(in);
        return -EBADMSG;
    }
    in->msg = (enum sync_msg)head;
    in->len = (size_t)n - sizeof(head);
    return 0;
}

int sync_expect(int fd, enum sync_msg want, struct sync_in *in, int timeout_ms, const char *peer,
                struct reason *why)
{
    int r = sync_recv(fd, in, timeout_ms);
    if (r == -ECONNRESET)
        return reason_set(why, r, "the %s ended before it sent '%s'", peer, sync_name(want));
    if (r == -ETIMEDOUT)
        return reason_set(why, r, "the %s did not send '%s' within %d seconds", peer, sync_name(want),
                          timeout_ms / 1000);
    if (r < 0)
        return reason_set(why, r, "waiting for '%s' from the %s failed (error %d)", sync_name(want), peer,
                          -r);
    if (in->msg == want)
        return 0;
    sync_in_done(in);
    if (in->msg == SYNC_FAILED)
        return reason_set(why, -ECANCELED, "the %s failed", peer);
    return reason_set(why, -EPROTO, "the %s sent '%s' where '%s' was due", peer, sync_name(in->msg),
                      sync_name(want));
}
