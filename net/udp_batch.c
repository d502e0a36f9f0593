/* SPDX-License-Identifier: Apache-2.0 */
#include "net/udp_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/log.h"

enum { DATAGRAM_MAX = 65536 };

struct slot {
    union sockaddr_ip from;
    struct iovec iov;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control;
};

struct udp_batch {
    struct mmsghdr m[UDP_BATCH];
    struct slot slot[UDP_BATCH];
    unsigned char data[UDP_BATCH][DATAGRAM_MAX];
};

int udp_batch_new(struct udp_batch **ret)
{
    struct udp_batch *b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    *ret = b;
    return 0;
}

void udp_batch_free(struct udp_batch *b)
{
    free(b);
}

int udp_batch_recv(struct udp_batch *b, int fd)
{
    for (unsigned i = 0; i < UDP_BATCH; i++) {
        struct slot *s = &b->slot[i];
        memset(&s->from, 0, sizeof(s->from));
        s->iov = (struct iovec){b->data[i], DATAGRAM_MAX};
        b->m[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &s->from,
                                               .msg_namelen = sizeof(s->from),
                                               .msg_iov = &s->iov,
                                               .msg_iovlen = 1,
                                               .msg_control = &s->control,
                                               .msg_controllen = sizeof(s->control)}};
    }
    int n = recvmmsg(fd, b->m, UDP_BATCH, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
    return n < 0 ? -errno : n;
}

const union sockaddr_ip *udp_batch_from(const struct udp_batch *b, unsigned i)
{
    return &b->slot[i].from;
}

struct msghdr *udp_batch_msg(struct udp_batch *b, unsigned i)
{
    return &b->m[i].msg_hdr;
}

/* musl's sendmmsg(3) is a loop around sendmsg(2), since the kernel reads the padding of struct msghdr, too; here that is zero. */
static int send_many(int fd, struct mmsghdr *m, unsigned n)
{
    long r = syscall(SYS_sendmmsg, fd, m, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return r < 0 ? -errno : (int)r;
}

unsigned udp_batch_send(struct udp_batch *b, int fd, unsigned first, unsigned n,
                        const struct udp_batch_to *to, bool *ret_refused)
{
    for (unsigned i = first; i < first + n; i++) {
        b->slot[i].iov.iov_len = b->m[i].msg_len;
        b->m[i].msg_hdr = (struct msghdr){.msg_iov = &b->slot[i].iov, .msg_iovlen = 1};
        if (to) {
            b->m[i].msg_hdr.msg_name = (void *)(uintptr_t)to->addr;
            b->m[i].msg_hdr.msg_namelen = ip_len(to->addr);
            b->m[i].msg_hdr.msg_control = to->controllen ? to->control : NULL;
            b->m[i].msg_hdr.msg_controllen = to->controllen;
        }
    }
    unsigned done = 0;
    while (done < n) {
        /* It writes the lengths of what was sent, which are those of what was received: a second try is the same. */
        int r = send_many(fd, &b->m[first + done], n - done);
        *ret_refused = r == -ECONNREFUSED;
        if (*ret_refused)
            break;
        if (r < 0)
            log_debug("ports: a datagram of %zu bytes is dropped: %s", b->slot[first + done].iov.iov_len,
                      strerror(-r));
        done += r > 0 ? (unsigned)r : 1;
    }
    return done;
}
