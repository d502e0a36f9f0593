/* SPDX-License-Identifier: Apache-2.0 */
#include "core/netlink.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"

enum { DATAGRAMS_MAX = 1 << 16 }; /* of one answer, and of what others send meanwhile */

/* NLA_ALIGN is an int macro; sizes here are size_t. */
static size_t align4(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

void nl_init(struct nl_buf *b)
{
    b->len = b->msg = 0;
    b->err = 0;
}

/* Room for @n bytes, zeroed and padded to 4; NULL once the buffer has overflowed. */
static void *grow(struct nl_buf *b, size_t n)
{
    size_t padded = align4(n);
    if (b->err || padded < n || padded > sizeof(b->u.data) - b->len) {
        b->err = -EMSGSIZE;
        return NULL;
    }
    void *p = b->u.data + b->len;
    memset(p, 0, padded);
    b->len += padded;
    return p;
}

static struct nlmsghdr *header(struct nl_buf *b)
{
    return (struct nlmsghdr *)(void *)(b->u.data + b->msg);
}

/* The length field of the message follows every addition; padding counts, as the kernel's own messages have it. */
static void finish(struct nl_buf *b)
{
    if (!b->err)
        header(b)->nlmsg_len = (uint32_t)(b->len - b->msg);
}

void nl_begin(struct nl_buf *b, uint16_t type, uint16_t flags, const void *fixed, size_t len)
{
    size_t start = b->len;
    struct nlmsghdr *h = grow(b, sizeof(*h));
    if (!h)
        return;
    b->msg = start;
    h->nlmsg_type = type;
    h->nlmsg_flags = flags | NLM_F_REQUEST;
    void *p = grow(b, len);
    if (p && len)
        memcpy(p, fixed, len);
    finish(b);
}

void nl_put(struct nl_buf *b, uint16_t type, const void *data, size_t len)
{
    if (len > UINT16_MAX - NLA_HDRLEN) {
        b->err = -EMSGSIZE;
        return;
    }
    unsigned char *p = grow(b, NLA_HDRLEN + len);
    if (!p)
        return;
    const struct nlattr a = {.nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type};
    memcpy(p, &a, sizeof(a));
    if (len)
        memcpy(p + NLA_HDRLEN, data, len);
    finish(b);
}

void nl_put_u8(struct nl_buf *b, uint16_t type, uint8_t v)
{
    nl_put(b, type, &v, sizeof(v));
}

void nl_put_u16(struct nl_buf *b, uint16_t type, uint16_t v)
{
    nl_put(b, type, &v, sizeof(v));
}

void nl_put_u32(struct nl_buf *b, uint16_t type, uint32_t v)
{
    nl_put(b, type, &v, sizeof(v));
}

void nl_put_str(struct nl_buf *b, uint16_t type, const char *s)
{
    nl_put(b, type, s, strlen(s) + 1);
}

void nl_put_raw(struct nl_buf *b, const void *data, size_t len)
{
    void *p = grow(b, len);
    if (!p)
        return;
    memcpy(p, data, len);
    finish(b);
}

size_t nl_nest(struct nl_buf *b, uint16_t type)
{
    size_t at = b->len;
    nl_put(b, type | NLA_F_NESTED, NULL, 0);
    return at;
}

void nl_nest_end(struct nl_buf *b, size_t nest)
{
    if (b->err)
        return;
    struct nlattr a;
    memcpy(&a, b->u.data + nest, sizeof(a));
    static_assert(NL_BUF_SIZE <= UINT16_MAX, "a nested attribute's length always fits");
    a.nla_len = (uint16_t)(b->len - nest);
    memcpy(b->u.data + nest, &a, sizeof(a));
}

int nl_attr_next(struct nl_attrs *as, struct nl_attr *ret)
{
    struct nlattr a;
    if (as->left == 0)
        return 0;
    if (as->left < sizeof(a))
        return -EBADMSG;
    memcpy(&a, as->at, sizeof(a));
    if (a.nla_len < NLA_HDRLEN || a.nla_len > as->left)
        return -EBADMSG;
    ret->type = a.nla_type & NLA_TYPE_MASK;
    ret->data = as->at + NLA_HDRLEN;
    ret->len = a.nla_len - (size_t)NLA_HDRLEN;
    size_t step = align4(a.nla_len);
    if (step > as->left)
        step = as->left; /* the last one may come without its padding */
    as->at += step;
    as->left -= step;
    return 1;
}

int nl_attr_u32(const struct nl_attr *a, uint32_t *ret)
{
    if (a->len != sizeof(*ret))
        return -EBADMSG;
    memcpy(ret, a->data, sizeof(*ret));
    return 0;
}

int nl_attr_str(const struct nl_attr *a, char *buf, size_t size)
{
    size_t n = a->len;
    if (n && a->data[n - 1] == '\0')
        n--;
    if (n >= size || memchr(a->data, '\0', n))
        return -EBADMSG;
    memcpy(buf, a->data, n);
    buf[n] = '\0';
    return 0;
}

/* The kernel's own words for an error (NETLINK_EXT_ACK): an attribute behind the copy of the request's header. */
static void ext_ack(const struct nlmsghdr *h, const unsigned char *payload, size_t len, struct reason *why)
{
    if (!why || !(h->nlmsg_flags & NLM_F_ACK_TLVS))
        return;
    size_t skip = sizeof(struct nlmsgerr);
    if (!(h->nlmsg_flags & NLM_F_CAPPED)) { /* then the request's payload is repeated too */
        struct nlmsgerr e;
        memcpy(&e, payload, sizeof(e));
        if (e.msg.nlmsg_len < sizeof(e.msg))
            return;
        skip += align4(e.msg.nlmsg_len) - sizeof(e.msg);
    }
    if (skip > len)
        return;
    struct nl_attrs as = {payload + skip, len - skip};
    struct nl_attr a;
    while (nl_attr_next(&as, &a) == 1) {
        char text[sizeof(why->text)];
        if (a.type == NLMSGERR_ATTR_MSG && nl_attr_str(&a, text, sizeof(text)) == 0)
            reason_set(why, 0, "%s", text);
    }
}

static int parse_error(const struct nlmsghdr *h, const unsigned char *payload, size_t len, struct reason *why)
{
    struct nlmsgerr e;
    if (len < sizeof(e))
        return -EBADMSG;
    memcpy(&e, payload, sizeof(e));
    if (e.error == 0)
        return 1;
    ext_ack(h, payload, len, why);
    return e.error < 0 && e.error > -4096 ? e.error : -EBADMSG;
}

int nl_parse(const void *data, size_t len, uint32_t seq, nl_msg_fn *fn, void *arg, struct reason *why)
{
    const unsigned char *at = data;
    while (len) {
        struct nlmsghdr h;
        if (len < sizeof(h))
            return -EBADMSG;
        memcpy(&h, at, sizeof(h));
        if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
            return -EBADMSG;
        const unsigned char *payload = at + sizeof(h);
        size_t plen = h.nlmsg_len - sizeof(h);
        int r = 0;
        if (h.nlmsg_seq != seq)
            r = 0;
        else if (h.nlmsg_type == NLMSG_ERROR)
            r = parse_error(&h, payload, plen, why);
        else if (h.nlmsg_type == NLMSG_DONE)
            r = 1;
        else if (h.nlmsg_type >= NLMSG_MIN_TYPE && fn)
            r = fn(&h, payload, plen, arg);
        if (r)
            return r;
        size_t step = align4(h.nlmsg_len);
        if (step > len)
            step = len;
        at += step;
        len -= step;
    }
    return 0;
}

int nl_open(int protocol)
{
    fd_auto int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return -errno;
    /* Errors with words, and without a copy of the whole request: best effort, old kernels (< 4.12) lack them. */
    const int one = 1;
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
    struct sockaddr_nl a = {.nl_family = AF_NETLINK};
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        return -errno;
    return steal_fd(&fd);
}

/*
 * One datagram, which has to come from the kernel itself (nl_pid 0). Who has CAP_NET_ADMIN over the socket's namespace may
 * write to it as well, faster than it can be read: the caller has to count what is none.
 */
static ssize_t receive(int fd, void *buf, size_t size, int flags)
{
    struct sockaddr_nl from = {0};
    struct iovec v = {buf, size};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &v, .msg_iovlen = 1};
    ssize_t n;
    do
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | flags);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (n == 0 || (m.msg_flags & MSG_TRUNC))
        return -EBADMSG;
    return m.msg_namelen == sizeof(from) && from.nl_pid == 0 ? n : -ENOMSG;
}

/* All messages of one buffer share a number: answers to an earlier, failed exchange carry another. */
static void number(struct nl_buf *b, uint32_t seq)
{
    for (size_t at = 0; at < b->len;) {
        struct nlmsghdr *h = (struct nlmsghdr *)(void *)(b->u.data + at);
        h->nlmsg_seq = seq;
        at += align4(h->nlmsg_len);
    }
}

static int send_all(int fd, const struct nl_buf *b, int flags)
{
    const struct sockaddr_nl to = {.nl_family = AF_NETLINK};
    ssize_t sent;
    do
        sent = sendto(fd, b->u.data, b->len, flags, (const struct sockaddr *)&to, sizeof(to));
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

void nl_flags(struct nl_buf *b, uint16_t flags)
{
    if (!b->err && b->len)
        header(b)->nlmsg_flags |= flags;
}

int nl_send(int fd, struct nl_buf *b)
{
    if (b->err)
        return b->err;
    number(b, UINT32_MAX); /* the kernel's own messages have 0, those of nl_talk() count up */
    return send_all(fd, b, MSG_DONTWAIT);
}

ssize_t nl_recv(int fd, void *buf, size_t size)
{
    return receive(fd, buf, size, MSG_DONTWAIT);
}

int nl_talk(int fd, struct nl_buf *b, nl_msg_fn *fn, void *arg, struct reason *why)
{
    if (b->err)
        return b->err;
    if (b->len == 0)
        return -EINVAL;
    struct nlmsghdr *last = header(b);
    if ((last->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
        last->nlmsg_flags |= NLM_F_ACK;
    static uint32_t counter;
    uint32_t seq = ++counter;
    number(b, seq);
    int err = send_all(fd, b, 0);
    if (err < 0)
        return err;

    unsigned char
        buf[32768]; /* what the kernel's dumps are cut to (NLMSG_GOODSIZE at most, 32 KiB since 4.9) */
    for (int i = 0; i < DATAGRAMS_MAX; i++) {
        ssize_t n = receive(fd, buf, sizeof(buf), 0);
        if (n == -ENOMSG)
            continue;
        if (n < 0)
            return (int)n;
        int r = nl_parse(buf, (size_t)n, seq, fn, arg, why);
        if (r)
            return r == 1 ? 0 : r;
    }
    return -EAGAIN;
}
