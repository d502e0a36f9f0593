/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarder against resolvers of our own on the loopback. */
#include "net/dns.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static const unsigned char query[] =
    "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x04test\x00\x00\x01\x00\x01";
enum { QUERY = sizeof(query) - 1 };

static unsigned char got[70000];
static size_t got_len;
static int n_got;

static void take(const void *frame, size_t len, void *arg)
{
    (void)arg;
    memcpy(got, frame, len);
    got_len = len;
    n_got++;
}

static void test_messages(void)
{
    unsigned char m[600];
    size_t q = 0;
    memcpy(m, query, QUERY);
    ok(dns_is_query(m, QUERY, &q) && q == QUERY, "a query");
    for (size_t n = 0; n < QUERY; n++)
        if (!ok(!dns_is_query(m, n, &q), "cut to %zu bytes it is none", n))
            break;
    m[2] |= 0x80;
    ok(!dns_is_query(m, QUERY, &q), "an answer is none");
    ok(dns_is_answer(m, QUERY, query, QUERY), "but answers it");
    m[13] ^= 1;
    ok(!dns_is_answer(m, QUERY, query, QUERY), "not with another question");
    m[13] ^= 1;
    m[0] ^= 1;
    ok(!dns_is_answer(m, QUERY, query, QUERY), "nor with another number");
    memcpy(m, query, QUERY);
    m[12] = 0xc0;
    ok(!dns_is_query(m, QUERY, &q), "a compressed question is none");
    memset(m + 12, 1, sizeof(m) - 12);
    ok(!dns_is_query(m, sizeof(m), &q), "nor a name without end");
}

/* A resolver: a bound UDP socket; its address into the list. */
static int resolver(struct resolv *r)
{
    union sockaddr_ip *a = &r->servers[r->n];
    socklen_t len = sizeof(a->in);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ip_parse("127.0.0.1", 0, a);
    if (bind(fd, &a->sa, sizeof(a->in)) < 0 || getsockname(fd, &a->sa, &len) < 0)
        exit(99);
    r->n++;
    return fd;
}

/* Answer what has come, with this code; returns whether something had. */
static bool answer(int fd, unsigned char rcode)
{
    unsigned char m[600];
    union sockaddr_ip from;
    socklen_t len = sizeof(from);
    ssize_t n = recvfrom(fd, m, sizeof(m), MSG_DONTWAIT, &from.sa, &len);
    if (n != QUERY)
        return false;
    m[2] |= 0x80;
    m[3] = rcode;
    return sendto(fd, m, (size_t)n, 0, &from.sa, len) == n;
}

static void ask(struct dns *d)
{
    struct frame_udp u = {.src_port = 40000, .dst_port = 53, .data = query, .len = QUERY};
    n_got = 0;
    dns_query(d, &u);
}

static int rcode(void)
{
    return got[14 + 28 + 3] & 15;
}

static void test_forwarder(void)
{
    struct loop *l;
    struct dns *d;
    struct resolv r = {.n = 0};
    if (!ok(loop_new(&l) == 0, "a loop"))
        return;
    const struct dns_config c = {.loop = l, .mtu = 1500, .send = take};
    if (!ok(dns_new(&c, &d) == 0, "a forwarder"))
        return;
    ask(d);
    is_int(n_got, 0, "without resolvers nothing happens");
    int a = resolver(&r), b = resolver(&r);
    dns_set_servers(d, &r);
    ask(d);
    ok(answer(a, 0), "the first resolver is asked");
    ok(!answer(b, 0), "the second one is not");
    loop_dispatch(l, 1000);
    is_int(n_got, 1, "the guest gets the answer");
    ok(got[14 + 28] == 0x12 && got[14 + 28 + 1] == 0x34, "with its own number");

    ask(d);
    answer(a, 2);
    loop_dispatch(l, 1000);
    is_int(n_got, 0, "SERVFAIL is not handed on");
    ok(answer(b, 0), "the second one is asked at once");
    loop_dispatch(l, 1000);
    ok(n_got == 1 && rcode() == 0, "and its answer counts");

    ask(d);
    answer(a, 5);
    loop_dispatch(l, 1000);
    answer(b, 2);
    loop_dispatch(l, 1000);
    ok(n_got == 1 && rcode() == 2, "when all refuse, the guest gets the last refusal");
    is_int(got_len, 14 + 28 + QUERY, "with its question");

    close(a);
    ask(d);
    while (n_got == 0 && !answer(b, 3))
        loop_dispatch(l, 1000);
    while (n_got == 0)
        loop_dispatch(l, 1000);
    is_int(rcode(), 3, "a port that is closed: the next one is asked");
    ask(d);
    ok(answer(b, 0), "and the first one is not asked first again");
    loop_dispatch(l, 1000);
    is_int(n_got, 1, "the answer comes");
    close(b);
    ask(d);
    while (n_got == 0)
        loop_dispatch(l, 1000);
    is_int(rcode(), 2, "nobody is there: the guest is told");

    /* More at a time than there is room for: the oldest give way, and no socket is left. */
    r.n = 0;
    a = resolver(&r);
    dns_set_servers(d, &r);
    for (int i = 0; i < DNS_MAX_QUERIES + 10; i++)
        ask(d);
    int count = 0;
    while (answer(a, 0))
        count++;
    ok(count > 0, "many queries");
    dns_free(d);
    close(a);
    int next = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    is_int(next, a, "leave no descriptor behind");
    close(next);
    loop_free(l);
}

int main(void)
{
    test_messages();
    test_forwarder();
    return done_testing();
}
