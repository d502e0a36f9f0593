/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay between two loopback connections of this process: outer[0] ─ outer[1] ═relay═ inner[0] ─ inner[1].
 * The test plays both ends and turns the loop by hand, so nothing depends on time.
 */
#include "tests/unit/tap.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/loop.h"
#include "net/ip.h"
#include "net/relay.h"

enum { TURN_MS = 10000, CHUNK = 200 * 1000 };

struct fixture {
    struct loop *l;
    struct relay_engine *e;
    int a, b; /* the far ends */
    unsigned ended;
};

static void on_end(void *arg)
{
    unsigned *n = arg;
    (*n)++;
}

/* A connected pair of TCP sockets. */
static void tcp_pair(int ret[2])
{
    union sockaddr_ip sa;
    socklen_t len = sizeof(sa);
    fd_auto int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ip_parse("127.0.0.1", 0, &sa);
    if (l < 0 || bind(l, &sa.sa, ip_len(&sa)) < 0 || listen(l, 1) < 0 || getsockname(l, &sa.sa, &len) < 0 ||
        connect(ret[0], &sa.sa, len) < 0)
        bail_out("no TCP on loopback: %s", strerror(errno));
    ret[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    for (int i = 0; i < 2; i++)
        fd_set_nonblock(ret[i], true);
}

static void setup(struct fixture *f, bool splice)
{
    int outer[2], inner[2];
    memset(f, 0, sizeof(*f));
    tcp_pair(outer);
    tcp_pair(inner);
    if (loop_new(&f->l) < 0 || relay_engine_new(f->l, &f->e) < 0)
        bail_out("no loop");
    if (!splice)
        relay_no_splice(f->e);
    relay_on_end(f->e, on_end, &f->ended);
    is_int(relay_add(f->e, outer[1], inner[0]), 0, "relay_add");
    f->a = outer[0];
    f->b = inner[1];
}

static void teardown(struct fixture *f)
{
    relay_engine_free(f->e);
    loop_free(f->l);
    fd_close(&f->a);
    fd_close(&f->b);
}

static bool idle(const struct fixture *f)
{
    struct pollfd p = {.fd = loop_fd(f->l), .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

/* Let the relay work until it waits for somebody. */
static void settle(struct fixture *f)
{
    for (int i = 0; i < 100000 && !idle(f); i++)
        loop_dispatch(f->l, 0);
}

/* Wait until @fd has something to read, with the relay running meanwhile. */
static bool await(struct fixture *f, int fd)
{
    for (int i = 0; i < 1000; i++) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = loop_fd(f->l), .events = POLLIN}};
        if (poll(p, 2, TURN_MS) <= 0)
            return false;
        if (p[0].revents)
            return true;
        loop_dispatch(f->l, 0);
    }
    return false;
}

/* A stream that knows its bytes: what is sent and what must come are made from the position alone. */
static unsigned char byte_at(uint64_t pos, unsigned seed)
{
    uint64_t x = (pos / 8 + 1) * 0x9e3779b97f4a7c15ull + seed;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9ull;
    return (unsigned char)(x >> (pos % 8 * 8));
}

struct flow {
    int from, to;
    unsigned seed;
    uint64_t total, sent, got;
    bool shut, eof, broken;
};

static void flow_send(struct flow *f)
{
    static unsigned char buf[CHUNK];
    size_t n = 1 + (size_t)((f->sent * 2654435761u) % CHUNK);
    if (n > f->total - f->sent)
        n = (size_t)(f->total - f->sent);
    for (size_t i = 0; i < n; i++)
        buf[i] = byte_at(f->sent + i, f->seed);
    ssize_t w = n ? send(f->from, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (w > 0)
        f->sent += (uint64_t)w;
    if (f->sent == f->total && !f->shut) {
        shutdown(f->from, SHUT_WR);
        f->shut = true;
    }
}

static void flow_recv(struct flow *f)
{
    static unsigned char buf[CHUNK];
    ssize_t n = recv(f->to, buf, 1 + (size_t)(f->got * 40503u % CHUNK), MSG_DONTWAIT);
    if (n < 0)
        return;
    if (n == 0)
        f->eof = true;
    for (ssize_t i = 0; i < n; i++)
        f->broken = f->broken || buf[i] != byte_at(f->got + (uint64_t)i, f->seed);
    f->got += (uint64_t)n;
}

static void test_bytes(bool splice, const char *how)
{
    struct fixture f;
    setup(&f, splice);
    struct flow x = {.from = f.a, .to = f.b, .seed = 1, .total = (24u << 20) + 7};
    struct flow y = {.from = f.b, .to = f.a, .seed = 2, .total = (17u << 20) + 1};
    while (!(x.eof && y.eof)) {
        struct pollfd p[3] = {{.fd = f.a, .events = (short)(POLLIN | (x.shut ? 0 : POLLOUT))},
                              {.fd = f.b, .events = (short)(POLLIN | (y.shut ? 0 : POLLOUT))},
                              {.fd = loop_fd(f.l), .events = POLLIN}};
        if (poll(p, 3, TURN_MS) <= 0)
            break;
        flow_send(&x);
        flow_send(&y);
        if (p[2].revents)
            loop_dispatch(f.l, 0);
        flow_recv(&x);
        flow_recv(&y);
    }
    ok(x.eof && y.eof, "%s: both directions end", how);
    is_int(x.got, x.total, "%s: all bytes one way", how);
    is_int(y.got, y.total, "%s: all bytes the other way", how);
    ok(!x.broken && !y.broken, "%s: each as it was sent", how);
    settle(&f);
    is_int(relay_count(f.e), 0, "%s: the connection is gone", how);
    is_int(f.ended, 1, "%s: and said so once", how);
    teardown(&f);
}

static void test_half_close(void)
{
    struct fixture f;
    char buf[16];
    setup(&f, true);
    shutdown(f.a, SHUT_WR);
    ok(await(&f, f.b) && recv(f.b, buf, sizeof(buf), 0) == 0, "the end of one direction is passed on");
    is_int(relay_count(f.e), 1, "and the connection stays");
    is_int(send(f.b, "late", 4, MSG_NOSIGNAL), 4, "the other direction");
    ok(await(&f, f.a) && recv(f.a, buf, sizeof(buf), 0) == 4 && memcmp(buf, "late", 4) == 0, "still works");
    settle(&f);
    ok(idle(&f), "nothing spins on the closed direction");
    shutdown(f.b, SHUT_WR);
    ok(await(&f, f.a) && recv(f.a, buf, sizeof(buf), 0) == 0, "then it ends too");
    settle(&f);
    is_int(relay_count(f.e), 0, "and that was all");
    teardown(&f);
}

/* What is known to be there is not left for another turn of the loop. */
static void test_last_words(void)
{
    struct fixture f;
    char buf[16];
    setup(&f, true);
    is_int(send(f.a, "all", 3, MSG_NOSIGNAL), 3, "a message with the end behind it");
    shutdown(f.a, SHUT_WR);
    loop_dispatch(f.l, 0);
    is_int(recv(f.b, buf, sizeof(buf), MSG_DONTWAIT), 3,
           "both are passed on in one turn of the loop: the message");
    is_int(recv(f.b, buf, sizeof(buf), MSG_DONTWAIT), 0, "and the end");
    is_int(send(f.b, "so", 2, MSG_NOSIGNAL), 2, "and the same from the other side");
    shutdown(f.b, SHUT_WR);
    loop_dispatch(f.l, 0);
    is_int(recv(f.a, buf, sizeof(buf), MSG_DONTWAIT), 2, "a message");
    is_int(recv(f.a, buf, sizeof(buf), MSG_DONTWAIT), 0, "and an end, no reset");
    is_int(relay_count(f.e), 0, "that was all");
    teardown(&f);
}

static void reset(int *fd)
{
    tcp_reset(fd);
}

static void test_reset(bool from_a)
{
    struct fixture f;
    char buf[64] = "";
    setup(&f, true);
    int *here = from_a ? &f.a : &f.b, there = from_a ? f.b : f.a;
    is_int(send(*here, "last words", 10, MSG_NOSIGNAL), 10, "some bytes, and a reset");
    settle(&f);
    reset(here);
    ok(await(&f, there), "the other side hears of it");
    settle(&f);
    is_int(recv(there, buf, sizeof(buf), 0), 10, "the bytes before it arrive");
    int n = (int)recv(there, buf, sizeof(buf), 0);
    ok(n < 0 && errno == ECONNRESET, "and then it is a reset, no end of stream");
    is_int(relay_count(f.e), 0, "the connection is gone");
    teardown(&f);
}

/* Fill @fd until it takes no more and the relay waits. */
static uint64_t fill(struct fixture *f, int fd, unsigned seed)
{
    static unsigned char buf[CHUNK];
    uint64_t sent = 0;
    for (;;) {
        for (size_t i = 0; i < sizeof(buf); i++)
            buf[i] = byte_at(sent + i, seed);
        ssize_t n = send(fd, buf, sizeof(buf), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            sent += (uint64_t)n;
        settle(f);
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (n < 0 && poll(&p, 1, 0) == 0)
            return sent;
    }
}

static void test_blocked(bool splice, const char *how)
{
    struct fixture f;
    setup(&f, splice);
    uint64_t sent = fill(&f, f.a, 3);
    ok(sent > 0, "%s: a peer that does not read stops the sender (after %llu bytes)", how,
       (unsigned long long)sent);
    ok(idle(&f), "%s: and the loop waits meanwhile", how);
    struct flow y = {.from = f.b, .to = f.a, .seed = 4, .total = 5000};
    while (!y.shut)
        flow_send(&y);
    while (!y.eof && await(&f, f.a))
        flow_recv(&y);
    ok(y.got == 5000 && !y.broken, "%s: the other direction goes on and ends", how);
    settle(&f);
    ok(idle(&f), "%s: its end spins nowhere", how);
    shutdown(f.a, SHUT_WR);
    settle(&f);
    ok(idle(&f), "%s: nor does a socket that is closed both ways with bytes on hold", how);
    struct flow x = {.to = f.b, .seed = 3, .total = sent};
    while (!x.eof && await(&f, f.b))
        flow_recv(&x);
    is_int(x.got, sent, "%s: once it reads, everything comes", how);
    ok(!x.broken && x.eof, "%s: in order, with the end behind it", how);
    settle(&f);
    is_int(relay_count(f.e), 0, "%s: the connection is gone", how);
    teardown(&f);
}

static void test_reset_while_blocked(void)
{
    struct fixture f;
    setup(&f, true);
    fill(&f, f.a, 5);
    reset(&f.b);
    settle(&f);
    char c;
    ok(await(&f, f.a) && recv(f.a, &c, 1, 0) < 0 && errno == ECONNRESET,
       "a reset reaches a sender that waits");
    is_int(relay_count(f.e), 0, "the connection is gone");
    teardown(&f);
}

static void test_free_with_connections(void)
{
    struct fixture f;
    setup(&f, true);
    fill(&f, f.a, 6);
    relay_engine_free(f.e);
    f.e = NULL;
    is_int(f.ended, 0, "freeing the engine calls nobody back");
    char c;
    ok(recv(f.a, &c, 1, 0) < 0 && errno == ECONNRESET, "and resets what was up");
    teardown(&f);
}

int main(void)
{
    test_bytes(true, "splice");
    test_bytes(false, "copy");
    test_half_close();
    test_last_words();
    test_reset(true);
    test_reset(false);
    test_blocked(true, "splice");
    test_blocked(false, "copy");
    test_reset_while_blocked();
    test_free_with_connections();
    return done_testing();
}
