/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop.h"
#include "core/fd.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

struct end {
    struct watch w;
    struct end *other;
};

/* Whichever of two ready watches comes first removes and frees the other: its event of the same batch must not arrive. */
static int calls;
static struct end *survivor;
static void remove_other(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct end *e = container_of(w, struct end, w);
    calls++;
    survivor = e;
    if (e->other) {
        loop_del(l, &e->other->w);
        close(e->other->w.fd);
        free(e->other);
        e->other = NULL;
    }
    loop_quit(l, 5);
}

static struct end *ready_end(struct loop *l)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) < 0 || write(p[1], "x", 1) != 1)
        bail_out("pipe");
    close(p[1]);
    struct end *e = calloc(1, sizeof(*e));
    e->w = (struct watch){.fd = p[0], .events = EPOLLIN, .fn = remove_other, .what = "end"};
    if (loop_add(l, &e->w) < 0)
        bail_out("loop_add");
    return e;
}

static void test_removal(void)
{
    struct loop *l = NULL;
    is_int(loop_new(&l), 0, "a loop");
    struct end *a = ready_end(l), *b = ready_end(l);
    a->other = b;
    b->other = a;
    is_int(loop_run(l), 5, "the code of loop_quit");
    is_int(calls, 1, "one call: the removed watch got none");
    loop_del(l, &survivor->w);
    close(survivor->w.fd);
    free(survivor);
    loop_free(l);
}

static char order[16];
static void note(struct loop *l, struct timer *t)
{
    strcat(order, t->what);
    if (!strcmp(t->what, "c"))
        loop_quit(l, 0);
}

static void test_timers(void)
{
    struct loop *l = NULL;
    loop_new(&l);
    struct timer a = {.fn = note, .what = "a"}, b = {.fn = note, .what = "b"}, c = {.fn = note, .what = "c"},
                 d = {.fn = note, .what = "d"};
    loop_timer_set(l, &c, 3000000);
    loop_timer_set(l, &d, 1500000);
    loop_timer_set(l, &a, 9000000);
    loop_timer_set(l, &b, 2000000);
    loop_timer_set(l, &a, 1000000);
    loop_timer_del(l, &d);
    ok(loop_timeout(l) >= 0 && loop_timeout(l) <= 1, "milliseconds to the first deadline");
    loop_run(l);
    is_str(order, "abc", "in the order of their deadlines; one moved, one deleted");
    is_int(loop_timeout(l), -1, "none left");
    loop_timer_set(l, &a, UINT64_MAX);
    ok(loop_timeout(l) > 0, "for ever does not overflow");
    loop_timer_del(l, &a);
    loop_free(l);
}

static int got_signal;
static void on_signal(struct loop *l, struct watch *w, uint32_t events)
{
    (void)w;
    (void)events;
    got_signal++;
    loop_quit(l, 0);
}

static void test_signals(void)
{
    struct loop *l = NULL;
    loop_new(&l);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    struct watch w = {.fn = on_signal, .what = "signals"};
    is_int(loop_signals(l, &w, &set), 0, "signals as events");
    ok(fcntl(w.fd, F_GETFD) & FD_CLOEXEC, "CLOEXEC");
    kill(getpid(), SIGUSR1);
    loop_run(l);
    is_int(got_signal, 1, "the signal came through the loop");
    close(w.fd);
    loop_free(l);
}

int main(void)
{
    test_removal();
    test_timers();
    test_signals();
    loop_free(NULL);
    return done_testing();
}
