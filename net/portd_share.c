/* SPDX-License-Identifier: Apache-2.0 */
#include "net/portd_share.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "core/fd.h"

int portd_board_new(struct portd_board **ret)
{
    void *m = mmap(NULL, sizeof(**ret), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return -errno;
    *ret = m;
    return 0;
}

static uint32_t load_of(const struct portd_share *s, unsigned i)
{
    return atomic_load_explicit(&s->board->load[i], memory_order_relaxed) +
           atomic_load_explicit(&s->board->coming[i], memory_order_relaxed);
}

int portd_share_other(const struct portd_share *s)
{
    uint32_t own = load_of(s, s->self), least = own;
    int found = -1;
    for (unsigned i = 0; i < s->n; i++) {
        uint32_t load = load_of(s, i);
        if (load < least) {
            least = load;
            found = (int)i;
        }
    }
    return own > least + least / 4 ? found : -1;
}

void portd_share_load(const struct portd_share *s, size_t load)
{
    atomic_store_explicit(&s->board->load[s->self], (uint32_t)load, memory_order_relaxed);
}

union one_fd {
    struct cmsghdr align;
    char buf[CMSG_SPACE(sizeof(int))];
};

int portd_share_send(const struct portd_share *s, int to, int fd, const void *about, size_t len)
{
    union one_fd control;
    memset(&control, 0, sizeof(control));
    struct iovec iov = {(void *)(uintptr_t)about, len};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    /* Before, so that it is never taken away first. */
    atomic_fetch_add_explicit(&s->board->coming[to], 1, memory_order_relaxed);
    if (sendmsg(s->out[to], &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    int r = -errno;
    atomic_fetch_sub_explicit(&s->board->coming[to], 1, memory_order_relaxed);
    return r;
}

int portd_share_recv(const struct portd_share *s, void *about, size_t len)
{
    union one_fd control;
    struct iovec iov = {about, len};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)};
    ssize_t n = recvmsg(s->in, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    atomic_fetch_sub_explicit(&s->board->coming[s->self], 1, memory_order_relaxed);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof(int)))
        return msg.msg_flags & MSG_CTRUNC ? -EMFILE : -EBADMSG;
    int fd;
    memcpy(&fd, CMSG_DATA(c), sizeof(int));
    if ((size_t)n != len || msg.msg_flags & MSG_TRUNC) {
        fd_close(&fd);
        return -EBADMSG;
    }
    return fd;
}
