/* SPDX-License-Identifier: Apache-2.0 */
/* Watchers of the ports' events, without HTTP: what each reads, and who is dropped. */
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/fd.h"
#include "net/rest_watchers.h"

static int resumed;

static void resume(void *arg, void *connection)
{
    ++*(int *)connection;
    ++*(int *)arg;
}

struct end {
    int ours, theirs; /* of the connection */
    int resumed;
    struct watcher *w;
};

static void begin(struct watchers *set, struct end *e)
{
    int sv[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
        bail_out("no socket pair");
    *e = (struct end){.ours = sv[0], .theirs = sv[1]};
    is_int(watcher_new(set, &e->resumed, e->ours, strdup("first\n"), 6, &e->w), 0, "somebody watches");
}

static void end(struct end *e)
{
    watcher_free(e->w);
    fd_close(&e->ours);
    fd_close(&e->theirs);
}

/* All that there is, in pieces. The last return of watcher_read(). */
static ptrdiff_t drain(struct watcher *w, size_t *ret_len)
{
    char buf[1000];
    ptrdiff_t n;
    *ret_len = 0;
    while ((n = watcher_read(w, buf, sizeof(buf))) > 0)
        *ret_len += (size_t)n;
    return n;
}

static bool is_shut(int fd)
{
    char c;
    return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void test_news(struct loop *l)
{
    struct watchers set;
    struct end a, b;
    struct port_entry e = {.id = 7, .spec = {.proto = PORT_TCP, .parent_port = 80, .child_port = 80}};
    char buf[200] = "";
    size_t n;
    watchers_init(&set, l, resume, &resumed);
    watchers_tell(&set, PORT_ADDED, &e, NULL);
    ok(set.log.data == NULL, "what nobody watches is not kept");
    begin(&set, &a);
    is_int(watcher_read(a.w, buf, 3), 3, "the beginning, in pieces");
    is_int(watcher_read(a.w, buf + 3, 100), 3, "of any size");
    is_str(buf, "first\n", "it is what was given");
    is_int(watcher_read(a.w, buf, 100), 0, "then nothing");
    is_int(a.resumed, 0, "so it is suspended");
    watchers_tell(&set, PORT_ADDED, &e, NULL);
    is_int(a.resumed, 1, "until something happens");
    begin(&set, &b);
    watchers_tell(&set, PORT_FAILED, &e, "because");
    is_int(a.resumed, 1, "it is resumed once");
    is_int(b.resumed, 0, "one that was not suspended is not");
    memset(buf, 0, sizeof(buf));
    watcher_read(b.w, buf, 6);
    n = (size_t)watcher_read(b.w, buf, sizeof(buf) - 1);
    ok(strstr(buf, "\"event\":\"failed\",\"port\":{\"id\":7,") && strstr(buf, "\"message\":\"because\"}\n"),
       "the later one hears what happened since it came (%zu bytes)", n);
    is_int(drain(b.w, &n), 0, "that was all");
    is_int(drain(a.w, &n), 0, "the other one hears all");
    ok(n > 250 && n < 400, "which are two lines (%zu bytes)", n);
    ok(set.log.data == NULL, "and nothing is kept");
    watchers_end(&set);
    ok(drain(a.w, &n) == -ENODATA && drain(b.w, &n) == -ENODATA, "the end is told to all");
    end(&a);
    end(&b);
    is_int(set.n, 0, "they are gone");
    is_int(resumed, a.resumed + b.resumed, "nobody else was resumed");
    watchers_done(&set);
}

static void test_slow(struct loop *l)
{
    struct watchers set;
    struct end slow, fast;
    struct port_entry e = {.id = 1, .spec = {.proto = PORT_UDP, .parent_port = 1, .child_port = 1}};
    size_t n, told = 0, heard = 0;
    watchers_init(&set, l, resume, &resumed);
    begin(&set, &slow);
    begin(&set, &fast);
    drain(fast.w, &n);
    while (!is_shut(slow.theirs) && told < 100000) {
        watchers_tell(&set, PORT_ADDED, &e, NULL);
        told++;
        drain(fast.w, &n);
        heard += n > 0;
    }
    ok(told > 10000 && told < 100000, "one that never reads is disconnected after so many events: %zu", told);
    is_int((long long)heard, (long long)told, "one that reads hears them all");
    ok(!is_shut(fast.theirs), "and stays");
    is_int(drain(slow.w, &n), -ENOBUFS, "whatever the slow one reads then");
    is_int(drain(fast.w, &n), 0, "the other one goes on");
    ok(set.log.data == NULL, "and nothing is kept for those that are lost");
    end(&slow);
    end(&fast);
    watchers_done(&set);
}

static void test_hang_up(struct loop *l)
{
    struct watchers set;
    struct end a, b;
    size_t n;
    watchers_init(&set, l, resume, &resumed);
    begin(&set, &a);
    begin(&set, &b);
    drain(a.w, &n);
    drain(b.w, &n);
    shutdown(a.theirs, SHUT_WR);
    fd_close(&b.theirs);
    loop_dispatch(l, 0);
    is_int(b.resumed, 1, "one that hangs up is resumed");
    is_int(drain(b.w, &n), -ECONNRESET, "for its end");
    is_int(a.resumed, 0, "one that closes its sending side only stays");
    loop_dispatch(l, 0);
    is_int(b.resumed, 1, "this happens once");
    end(&a);
    end(&b);
    watchers_done(&set);
}

static void test_limit(struct loop *l)
{
    struct watchers set;
    struct end e[WATCHERS_MAX];
    struct watcher *one_more;
    watchers_init(&set, l, resume, &resumed);
    for (size_t i = 0; i < array_size(e); i++)
        begin(&set, &e[i]);
    char *first = strdup("first\n");
    is_int(watcher_new(&set, NULL, e[0].ours, first, 6, &one_more), -EUSERS, "one more than may be");
    free(first);
    for (size_t i = 0; i < array_size(e); i++)
        end(&e[i]);
    watchers_done(&set);
}

int main(void)
{
    struct loop *l;
    if (loop_new(&l) < 0)
        bail_out("cannot prepare");
    test_news(l);
    test_slow(l);
    test_hang_up(l);
    test_limit(l);
    loop_free(l);
    return done_testing();
}
