/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the guest on their way through all of it: the checks, fragments, neighbours, libslirp.  The input is a row of
 * frames, each with its length before it (2 bytes); what the stack sends is read through the checks for the way back.
 * Its sockets must reach nobody: the process lives in a network namespace of its own, without any interface that is up.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/loop.h"
#include "net/fragment.h"
#include "net/frame.h"
#include "net/ra.h"
#include "net/slirp.c" // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct addrplan plan;

static void sent(const void *frame, size_t len, void *arg)
{
    static unsigned char copy[FRAME_MAX];
    struct frame_tcp t;
    (void)arg;
    if (len + RA_MORE > sizeof(copy))
        abort();
    memcpy(copy, frame, len);
    frame_parse_tcp(copy, len, &t);
    if (ra_is(copy, len))
        ra_complete(&plan, true, copy, len);
}

static void alone(void)
{
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
        perror("no network namespace for the fuzz target");
        exit(1);
    }
    signal(SIGPIPE, SIG_IGN);
    addrplan_for(NET_SLIRP4NETNS, &plan);
    plan.mtu = 1500;
    plan.ipv6 = true;
}

static void one_frame(struct stack *s, struct fragments *fr, unsigned char *f, size_t len)
{
    struct frame_udp u;
    enum frame_verdict v = frame_check(&plan, true, f, len, &u);
    if (v == FRAME_FRAGMENT) {
        len = fragments_add(fr, f, len, &f);
        v = len ? frame_check(&plan, true, f, len, &u) : FRAME_DROP;
        if (v == FRAME_FRAGMENT)
            abort();
    }
    if (v == FRAME_PASS)
        stack_input(s, f, len);
}

static void one_turn(struct stack *s, struct pollset *p)
{
    int timeout = 0;
    p->n = 0;
    stack_fill(s, p, &timeout);
    int n = poll(p->fds, (nfds_t)p->n, 0);
    stack_polled(s, p, n < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char frame[FRAME_MAX];
    struct loop *loop = NULL;
    struct stack *s = NULL;
    struct fragments *fr = NULL;
    struct pollset p = {NULL, 0, 0};
    if (!plan.mtu)
        alone();
    const struct stack_config c = {.plan = &plan, .send = sent};
    struct stack_config sc = c;
    if (loop_new(&loop) < 0)
        abort();
    sc.loop = loop;
    if (stack_new(&sc, &s) < 0 || fragments_new(&fr) < 0)
        abort();
    for (size_t at = 0; at + 2 <= size;) {
        size_t len = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        len = len < size - at ? len : size - at;
        memcpy(frame, data + at, len);
        one_frame(s, fr, frame, len);
        one_turn(s, &p);
        at += len;
    }
    one_turn(s, &p);
    stack_free(s);
    fragments_free(fr);
    pollset_done(&p);
    loop_free(loop);
    return 0;
}
