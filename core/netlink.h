/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink: a small message builder, a bounds-checked reader, and request/answer over a socket.
 * Facts: netlink(7), Documentation/userspace-api/netlink/intro.rst.  The requests themselves: core/rtnl.h.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/netlink.h>

#include "core/log.h"

enum { NL_BUF_SIZE = 8192 };

/*
 * One or more messages under construction. An attribute that does not fit sets .err (-EMSGSIZE), which sticks and
 * comes out of nl_talk(): a builder needs no check in between.
 */
struct nl_buf {
    union {
        unsigned char data[NL_BUF_SIZE];
        struct nlmsghdr align;
    } u;
    size_t len; /* bytes in use, all messages */
    size_t msg; /* offset of the message that is being built */
    int err;
};

void nl_init(struct nl_buf *b);

/**
 * nl_begin - start a message (the one before it, if any, is complete)
 * @flags: NLM_F_*; NLM_F_REQUEST is added
 * @fixed: the family's fixed header (struct ifinfomsg...), @len bytes
 */
void nl_begin(struct nl_buf *b, uint16_t type, uint16_t flags, const void *fixed, size_t len);

void nl_put(struct nl_buf *b, uint16_t type, const void *data, size_t len);
void nl_put_u8(struct nl_buf *b, uint16_t type, uint8_t v);
void nl_put_u16(struct nl_buf *b, uint16_t type, uint16_t v);
void nl_put_u32(struct nl_buf *b, uint16_t type, uint32_t v);
void nl_put_str(struct nl_buf *b, uint16_t type, const char *s); /* with its NUL */
/* nl_put_raw - bytes that are no attribute (a header in front of nested ones), padded to 4. */
void nl_put_raw(struct nl_buf *b, const void *data, size_t len);
/* nl_nest ... nl_nest_end - an attribute whose payload is what is put in between. */
size_t nl_nest(struct nl_buf *b, uint16_t type);
void nl_nest_end(struct nl_buf *b, size_t nest);

/* One attribute of a received message; data is not aligned: copy it out. */
struct nl_attr {
    uint16_t type; /* without NLA_F_* */
    size_t len;
    const unsigned char *data;
};
/* What is left to read of a row of attributes. */
struct nl_attrs {
    const unsigned char *at;
    size_t left;
};
/* nl_attr_next - 1: *ret is the next attribute; 0: the end; -EBADMSG: a length that points outside. */
int nl_attr_next(struct nl_attrs *as, struct nl_attr *ret);
/* The value of an attribute of exactly this size; -EBADMSG otherwise. */
int nl_attr_u32(const struct nl_attr *a, uint32_t *ret);
/* nl_attr_str - copy a string attribute (NUL-terminated or not) into @buf; -EBADMSG when it does not fit or holds a NUL. */
int nl_attr_str(const struct nl_attr *a, char *buf, size_t size);

/* Called for each data message of an answer: @payload is what follows the nlmsghdr. A non-zero return ends the reading and is handed on. */
typedef int nl_msg_fn(const struct nlmsghdr *h, const unsigned char *payload, size_t len, void *arg);

/**
 * nl_parse - read one datagram
 * @seq: messages of another request are skipped
 * @fn: may be NULL; gets data messages
 * @why: text of the kernel's extended acknowledgement, when there is one; may be NULL
 *
 * Return: 1 when the answer is complete (an acknowledgement or the end of a dump), 0 when more is to come, the error that
 * the kernel reports (-errno), -EBADMSG for something that is no netlink, or what @fn returned.
 */
int nl_parse(const void *data, size_t len, uint32_t seq, nl_msg_fn *fn, void *arg, struct reason *why);

/* nl_flags - add NLM_F_* to the message that is being built. */
void nl_flags(struct nl_buf *b, uint16_t flags);

/**
 * nl_send - send what is in @b and wait for nothing; errors come as messages, which nl_parse() with @seq 0 passes over
 * Return: 0, the builder's error, or -errno of sendto(2). Does not block.
 */
int nl_send(int fd, struct nl_buf *b);

/*
 * nl_recv - one datagram, if there is one: its length, or -EAGAIN (none), -EBADMSG (cut short), -ENOMSG (of another process,
 * not of the kernel), -errno of recvmsg(2). A caller that reads on after one of the middle two has to count them.
 */
ssize_t nl_recv(int fd, void *buf, size_t size);

/* nl_open - a socket for NETLINK_ROUTE or another protocol, in the caller's netns. CLOEXEC fd or -errno. */
int nl_open(int protocol);

/**
 * nl_talk - send what is in @b and read the answers until the last message is acknowledged
 * Adds NLM_F_ACK to the last message (not to a dump, which ends by itself). Blocks for the kernel only, which answers at once.
 * Return: 0, the builder's error, the kernel's (-errno), what @fn returned, or -EAGAIN when the answer did not come for all
 * the messages of others.
 */
int nl_talk(int fd, struct nl_buf *b, nl_msg_fn *fn, void *arg, struct reason *why);
