/* SPDX-License-Identifier: Apache-2.0 */
#include "core/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/socket.h>

#include "tests/unit/tap.h"

static int count_messages(const struct nlmsghdr *h, const unsigned char *payload, size_t len, void *arg)
{
    (void)payload;
    (void)len;
    *(int *)arg += h->nlmsg_type;
    return 0;
}

static int refuse(const struct nlmsghdr *h, const unsigned char *payload, size_t len, void *arg)
{
    (void)h;
    (void)payload;
    (void)len;
    (void)arg;
    return -EXDEV;
}

static void test_builder(void)
{
    struct nl_buf b;
    const uint32_t fixed = 0x01020304;
    nl_init(&b);
    nl_begin(&b, 16, 0, &fixed, sizeof(fixed));
    nl_put_str(&b, 3, "tap0");
    size_t nest = nl_nest(&b, 18);
    nl_put_u8(&b, 1, 7);
    nl_put_u32(&b, 2, 0xdeadbeef);
    nl_nest_end(&b, nest);
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)b.u.data;
    is_int(b.err, 0, "a message is built");
    is_int(h->nlmsg_len, 16 + 4 + 12 + 4 + 8 + 8, "its length counts the padding");
    is_int(h->nlmsg_flags, NLM_F_REQUEST, "it is a request");

    struct nl_attrs as = {b.u.data + 20, b.len - 20};
    struct nl_attr a;
    char name[16];
    is_int(nl_attr_next(&as, &a), 1, "the first attribute");
    ok(a.type == 3 && nl_attr_str(&a, name, sizeof(name)) == 0 && !strcmp(name, "tap0"), "is the string");
    ok(nl_attr_str(&a, name, 4) == -EBADMSG, "which does not fit in 4 bytes");
    is_int(nl_attr_next(&as, &a), 1, "the second");
    is_int(a.type, 18, "is the nest, its flag taken off");
    struct nl_attrs in = {a.data, a.len};
    uint32_t v = 0;
    ok(nl_attr_next(&in, &a) == 1 && a.len == 1 && a.data[0] == 7, "with a byte");
    ok(nl_attr_u32(&a, &v) == -EBADMSG && v == 0, "which is no 32-bit number");
    ok(nl_attr_next(&in, &a) == 1 && nl_attr_u32(&a, &v) == 0 && v == 0xdeadbeef, "and a number");
    ok(nl_attr_next(&in, &a) == 0 && nl_attr_next(&as, &a) == 0, "and nothing else");

    nl_begin(&b, 17, 0, NULL, 0);
    nl_put_u16(&b, 1, 1);
    is_int(h->nlmsg_len, 52, "a second message leaves the first one alone");
    is_int(b.len, 52 + 16 + 8, "and stands behind it");
}

static void test_overflow(void)
{
    struct nl_buf b;
    static const unsigned char big[NL_BUF_SIZE];
    nl_init(&b);
    nl_begin(&b, 16, 0, NULL, 0);
    nl_put(&b, 1, big, NL_BUF_SIZE - 16 - 4);
    is_int(b.err, 0, "an attribute that just fits");
    nl_put_u8(&b, 2, 1);
    is_int(b.err, -EMSGSIZE, "and one more that does not");
    is_int(b.len, NL_BUF_SIZE, "is not there");
    is_int(nl_talk(-1, &b, NULL, NULL, NULL), -EMSGSIZE, "and nothing is sent");
    nl_init(&b);
    nl_begin(&b, 16, 0, NULL, 0);
    nl_put(&b, 1, big, 65532);
    is_int(b.err, -EMSGSIZE, "an attribute's length has 16 bits");
}

/* A message into @p; returns its padded length. */
static size_t message(unsigned char *p, uint16_t type, uint16_t flags, uint32_t seq, const void *payload,
                      size_t len)
{
    const struct nlmsghdr h = {
        .nlmsg_len = (uint32_t)(sizeof(h) + len), .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = seq};
    memcpy(p, &h, sizeof(h));
    if (len)
        memcpy(p + sizeof(h), payload, len);
    return sizeof(h) + ((len + 3) & ~(size_t)3);
}

static void test_parser(void)
{
    unsigned char buf[512] = {0};
    struct nlmsgerr e = {.error = 0, .msg = {.nlmsg_len = sizeof(struct nlmsghdr)}};
    int sum = 0;
    size_t n = message(buf, 100, 0, 5, "abc", 3);
    n += message(buf + n, 1000, 0, 4, NULL, 0);
    n += message(buf + n, 1, 0, 5, NULL, 0);
    is_int(nl_parse(buf, n, 5, count_messages, &sum, NULL), 0, "data: more is to come");
    is_int(sum, 100, "another request's answer and a no-op are passed over");
    is_int(nl_parse(buf, n, 5, refuse, NULL, NULL), -EXDEV, "the reader may end it");
    n += message(buf + n, NLMSG_DONE, 0, 5, NULL, 0);
    is_int(nl_parse(buf, n, 5, NULL, NULL, NULL), 1, "the end of a dump");
    n = message(buf, NLMSG_ERROR, 0, 5, &e, sizeof(e));
    is_int(nl_parse(buf, n, 5, NULL, NULL, NULL), 1, "an acknowledgement");
    e.error = -ENODEV;
    n = message(buf, NLMSG_ERROR, 0, 5, &e, sizeof(e));
    is_int(nl_parse(buf, n, 5, NULL, NULL, NULL), -ENODEV, "an error");
    e.error = 5;
    n = message(buf, NLMSG_ERROR, 0, 5, &e, sizeof(e));
    is_int(nl_parse(buf, n, 5, NULL, NULL, NULL), -EBADMSG, "a positive error is none");
    is_int(nl_parse(buf, n - 1, 5, NULL, NULL, NULL), -EBADMSG, "a message longer than what came");
    is_int(nl_parse(buf, 10, 5, NULL, NULL, NULL), -EBADMSG, "half a header");
    n = message(buf, NLMSG_ERROR, 0, 5, &e, 4);
    is_int(nl_parse(buf, n, 5, NULL, NULL, NULL), -EBADMSG, "half an error");
}

static void test_ext_ack(void)
{
    unsigned char buf[512] = {0};
    struct {
        struct nlmsgerr e;
        struct nlattr a;
        char text[8];
    } m = {{.error = -EINVAL, .msg = {.nlmsg_len = 100}},
           {.nla_len = 4 + 8, .nla_type = NLMSGERR_ATTR_MSG},
           "too bad"};
    struct reason why = {""};
    size_t n = message(buf, NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, 5, &m, sizeof(m));
    is_int(nl_parse(buf, n, 5, NULL, NULL, &why), -EINVAL, "an error with words");
    is_str(why.text, "too bad", "which are handed on");
    why.text[0] = '\0';
    n = message(buf, NLMSG_ERROR, NLM_F_ACK_TLVS, 5, &m, sizeof(m));
    is_int(nl_parse(buf, n, 5, NULL, NULL, &why), -EINVAL, "words that would be behind the end");
    is_str(why.text, "", "are not looked for");
}

/* Any process that may can write to a netlink socket: each such message is told apart, and counted by the reader. */
static void test_sender(void)
{
    unsigned char buf[64];
    struct sockaddr_nl to;
    socklen_t len = sizeof(to);
    int ours = nl_open(NETLINK_USERSOCK), other = nl_open(NETLINK_USERSOCK);
    ok(ours >= 0 && other >= 0, "two sockets");
    is_int(getsockname(ours, (struct sockaddr *)&to, &len), 0, "the address of one");
    is_int(nl_recv(ours, buf, sizeof(buf)), -EAGAIN, "nothing to receive");
    for (int i = 0; i < 2; i++)
        is_int(sendto(other, "hello", 5, 0, (struct sockaddr *)&to, len), 5, "the other one writes to it");
    is_int(nl_recv(ours, buf, sizeof(buf)), -ENOMSG, "a message of somebody else");
    is_int(nl_recv(ours, buf, sizeof(buf)), -ENOMSG, "and another one: no call reads more than one");
    is_int(nl_recv(ours, buf, sizeof(buf)), -EAGAIN, "no more");
    close(ours);
    close(other);
}

int main(void)
{
    test_sender();
    test_builder();
    test_overflow();
    test_parser();
    test_ext_ack();
    return done_testing();
}
