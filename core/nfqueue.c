/* SPDX-License-Identifier: Apache-2.0 */
#include "core/nfqueue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include "core/fd.h"
#include "core/netlink.h"

enum { RCVBUF = 4 << 20, DRAIN_MAX = 1 << 16, BIND_TRIES = 5 };

static void begin(struct nl_buf *b, uint8_t type, uint16_t number)
{
    const struct nfgenmsg g = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(number)};
    nl_init(b);
    nl_begin(b, (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type), 0, &g, sizeof(g));
}

int nfq_open(void)
{
    const int one = 1, size = RCVBUF;
    fd_auto int fd = nl_open(NETLINK_NETFILTER);
    if (fd < 0)
        return fd;
    /* A packet whose message does not fit is dropped, as in any full queue: there is nothing to be told about. */
    if (setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof(one)) < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)); /* cut to net.core.rmem_max */
    return steal_fd(&fd);
}

/* Throw away what has been sent to the socket and not been read, so that an acknowledgement finds room. */
static void drain(int nl)
{
    unsigned char byte;
    for (int i = 0; i < DRAIN_MAX; i++) {
        ssize_t n = nl_recv(nl, &byte, sizeof(byte));
        if (n < 0 && n != -EBADMSG && n != -ENOMSG) /* cut short, of course */
            return;
    }
}

static void command(struct nl_buf *b, uint16_t number, uint8_t cmd)
{
    const struct nfqnl_msg_config_cmd c = {.command = cmd};
    begin(b, NFQNL_MSG_CONFIG, number);
    nl_put(b, NFQA_CFG_CMD, &c, sizeof(c));
}

static int bind_once(int nl, uint16_t number, uint32_t copy, uint32_t max, struct reason *why)
{
    const struct nfqnl_msg_config_params p = {.copy_range = htonl(copy), .copy_mode = NFQNL_COPY_PACKET};
    struct nl_buf b;
    command(&b, number, NFQNL_CFG_CMD_UNBIND);
    nl_send(nl, &b); /* there may be none */
    drain(nl);
    command(&b, number, NFQNL_CFG_CMD_BIND);
    nl_put(&b, NFQA_CFG_PARAMS, &p, sizeof(p));
    nl_put_u32(&b, NFQA_CFG_QUEUE_MAXLEN, htonl(max));
    return nl_talk(nl, &b, NULL, NULL, why);
}

int nfq_bind(int nl, uint16_t number, uint32_t copy, uint32_t max, struct reason *why)
{
    /* Under a flood the acknowledgement itself may find no room: a receiver's time limit, and once more. */
    const struct timeval limit = {.tv_usec = 200000}, none = {0};
    int r = -EAGAIN;
    setsockopt(nl, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    for (int i = 0; i < BIND_TRIES && r == -EAGAIN; i++)
        r = bind_once(nl, number, copy, max, why);
    setsockopt(nl, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
    /* Somebody else's queue: EPERM for the attempt to unbind it is not what counts, but that for the bind is the same. */
    return r;
}

static void take_attr(const struct nl_attr *a, struct nfq_packet *p, bool *head)
{
    struct nfqnl_msg_packet_hdr h;
    uint32_t v;
    switch (a->type) {
    case NFQA_PACKET_HDR:
        if (a->len != sizeof(h))
            return;
        memcpy(&h, a->data, sizeof(h));
        p->id = ntohl(h.packet_id);
        p->hook = (enum nf_hook)h.hook;
        *head = true;
        break;
    case NFQA_MARK:
        if (nl_attr_u32(a, &v) == 0)
            p->mark = ntohl(v);
        break;
    case NFQA_CAP_LEN: p->cut = true; break;
    case NFQA_PAYLOAD:
        p->data = a->data;
        p->len = a->len;
        break;
    default: break;
    }
}

struct receiver {
    nfq_packet_fn *fn;
    void *arg;
};

static int take_message(const struct nlmsghdr *h, const unsigned char *payload, size_t len, void *arg)
{
    const struct receiver *r = arg;
    struct nfq_packet p = {.id = 0};
    struct nl_attr a;
    bool head = false;
    int more;
    if (h->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) || len < sizeof(struct nfgenmsg))
        return 0;
    struct nl_attrs as = {payload + sizeof(struct nfgenmsg), len - sizeof(struct nfgenmsg)};
    while ((more = nl_attr_next(&as, &a)) == 1)
        take_attr(&a, &p, &head);
    if (more == 0 && head)
        r->fn(&p, r->arg);
    return 0;
}

void nfq_parse(const void *data, size_t len, nfq_packet_fn *fn, void *arg)
{
    struct receiver r = {fn, arg};
    nl_parse(data, len, 0, take_message, &r, NULL);
}

int nfq_receive(int nl, void *buf, size_t size, nfq_packet_fn *fn, void *arg)
{
    ssize_t n = nl_recv(nl, buf, size);
    if (n == -EBADMSG || n == -ENOMSG)
        return 0;
    if (n < 0)
        return (int)n;
    nfq_parse(buf, (size_t)n, fn, arg);
    return 0;
}

int nfq_verdict(int nl, uint16_t number, uint32_t id, enum nf_verdict verdict, uint32_t mark)
{
    const struct nfqnl_msg_verdict_hdr h = {.verdict = htonl((uint32_t)verdict), .id = htonl(id)};
    struct nl_buf b;
    begin(&b, NFQNL_MSG_VERDICT, number);
    nl_put(&b, NFQA_VERDICT_HDR, &h, sizeof(h));
    if (mark)
        nl_put_u32(&b, NFQA_MARK, htonl(mark));
    return nl_send(nl, &b);
}
