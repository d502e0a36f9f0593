/* SPDX-License-Identifier: Apache-2.0 */
#include "net/pollset.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tap.h"

enum { MANY = 40 };
static int near[MANY], far[MANY];
static struct sockset s;
static struct pollset p;

/* A turn with the first @n sockets, which want @events; the number of places it took in the poll set. */
static size_t turn(int n, short events)
{
    p.n = 0;
    pollset_add(&p, -1, 0); /* the owner's own */
    sockset_begin(&s);
    for (int i = 0; i < n; i++)
        if (sockset_want(&s, near[i], events) < 0)
            bail_out("no memory");
    sockset_fill(&s, &p);
    if (poll(p.fds, (nfds_t)p.n, 0) < 0)
        bail_out("poll");
    sockset_polled(&s, &p);
    return p.n - 1;
}

static int ready(short event)
{
    int n = 0;
    for (int i = 0; i < MANY; i++)
        n += (sockset_ready(&s, near[i]) & event) != 0;
    return n;
}

static void pair(int i)
{
    int sv[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
        bail_out("socketpair");
    near[i] = sv[0];
    far[i] = sv[1];
}

static void test_turns(void)
{
    is_int((int)turn(0, POLLIN), 0, "nothing is wanted");
    is_int((int)turn(3, POLLIN | POLLOUT), 3, "a few have places of their own");
    is_int(ready(POLLOUT), 3, "and are ready");
    is_int(ready(POLLIN), 0, "but not with data");
    is_int((int)turn(MANY, POLLOUT), 1, "many have one");
    is_int(ready(POLLOUT), MANY, "and are all ready");
    is_int((int)turn(MANY, POLLIN), 1, "another wish");
    is_int(ready(POLLIN | POLLOUT), 0, "that does not come true");
    if (write(far[5], "x", 1) != 1 || write(far[30], "x", 1) != 1)
        bail_out("write");
    turn(MANY, POLLIN);
    is_int(ready(POLLIN), 2, "two have data");
    ok(sockset_ready(&s, near[5]) == POLLIN && sockset_ready(&s, near[30]) == POLLIN, "those two");
    turn(20, POLLIN);
    is_int(ready(POLLIN), 1, "one of them is not wanted");
    is_int(poll(&(struct pollfd){.fd = s.epfd, .events = POLLIN}, 1, 0), 1, "the other one wakes");
    turn(20, POLLOUT);
    is_int(poll(&(struct pollfd){.fd = s.epfd, .events = POLLIN}, 1, 0), 1,
           "so do those that can be written");
    turn(20, 0);
    is_int(ready(POLLIN | POLLOUT), 0, "without a wish nothing is ready");
    turn(20, 0);
    is_int(poll(&(struct pollfd){.fd = s.epfd, .events = POLLIN}, 1, 0), 0, "and nothing wakes");
    is_int((int)turn(20, POLLIN), 1, "a wish again");
    is_int(ready(POLLIN), 1, "comes true");
}

static void test_reuse(void)
{
    turn(MANY, POLLIN);
    int old = near[7];
    uint8_t *tag = sockset_tag(&s, old);
    ok(tag && *tag == 0, "a tag is 0 at first");
    *tag = 9;
    is_int(*sockset_tag(&s, old), 9, "stays what it is");
    sockset_forget(&s, old);
    close(old);
    close(far[7]);
    is_int(sockset_ready(&s, old), 0, "one that is closed has no events");
    pair(7);
    if (near[7] != old) {
        dup2(near[7], old);
        close(near[7]);
        near[7] = old;
    }
    is_int(*sockset_tag(&s, old), 0, "the next one of that number has no tag");
    if (write(far[7], "x", 1) != 1)
        bail_out("write");
    is_int((int)turn(MANY, POLLIN), 1, "and is taken up");
    ok(sockset_ready(&s, old) & POLLIN, "with its own events");
    close(far[8]);
    turn(MANY, POLLIN);
    ok(sockset_ready(&s, near[8]) & POLLHUP, "an end is told");
    is_int(sockset_ready(&s, -1), 0, "no descriptor");
    is_int(sockset_ready(&s, 1000000), 0, "one that nobody knows");
    ok(!sockset_tag(&s, -1), "none has no tag");
    s.turn = UINT32_MAX;
    turn(MANY, POLLIN);
    is_int(sockset_ready(&s, old), POLLIN, "the count of turns comes round");
    is_int(sockset_ready(&s, 1), 0, "and who was never wanted is not");
}

int main(void)
{
    for (int i = 0; i < MANY; i++)
        pair(i);
    is_int(sockset_init(&s), 0, "a set");
    test_turns();
    test_reuse();
    sockset_done(&s);
    pollset_done(&p);
    return done_testing();
}
