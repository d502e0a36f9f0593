/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/event_log.h"

static void reads(struct event_log *l, uint64_t *pos, const char *want)
{
    char buf[64] = "";
    ptrdiff_t n = event_log_read(l, pos, buf, sizeof(buf) - 1);
    is_int(n, (long long)strlen(want), "%td bytes are read", n);
    is_str(buf, want, "which are the right ones");
}

static void test_readers(void)
{
    struct event_log l;
    char buf[2];
    event_log_init(&l, 16);
    uint64_t a = event_log_end(&l), b;
    reads(&l, &a, "");
    is_int(event_log_add(&l, "one\n", 4), 0, "add");
    b = event_log_end(&l);
    is_int(event_log_add(&l, "two\n", 4), 0, "add");
    is_int(event_log_read(&l, &a, buf, 2), 2, "in pieces");
    reads(&l, &a, "e\ntwo\n");
    reads(&l, &a, "");
    reads(&l, &b, "two\n");
    event_log_trim(&l, a < b ? a : b);
    ok(l.data == NULL && l.len == 0, "what all have read takes no memory");
    reads(&l, &a, "");
    is_int(event_log_add(&l, "three\n", 6), 0, "add");
    reads(&l, &b, "three\n");
    event_log_trim(&l, a);
    reads(&l, &a, "three\n");
    event_log_done(&l);
}

static void test_bound(void)
{
    struct event_log l;
    char buf[64];
    event_log_init(&l, 16);
    uint64_t slow = event_log_end(&l), fast = slow;
    is_int(event_log_add(&l, "12345678", 8), 0, "half of the bound");
    reads(&l, &fast, "12345678");
    is_int(event_log_add(&l, "abcdefgh", 8), 0, "all of it");
    reads(&l, &fast, "abcdefgh");
    event_log_trim(&l, slow);
    is_int((long long)l.len, 16, "is kept for the slow reader");
    is_int(event_log_add(&l, "X", 1), 0, "a byte more");
    is_int(event_log_read(&l, &slow, buf, sizeof(buf)), -ENOBUFS, "the slow reader has lost its place");
    reads(&l, &fast, "X");
    is_int((long long)l.len, 16, "no more than the bound is kept");
    is_int(event_log_add(&l, "a text over the bound", 21), -EFBIG, "a text that is too long");
    is_int(event_log_read(&l, &fast, buf, sizeof(buf)), -ENOBUFS, "is a gap for everybody");
    fast = event_log_end(&l);
    is_int(event_log_add(&l, "go on", 5), 0, "it goes on");
    reads(&l, &fast, "go on");
    event_log_done(&l);
}

/* Many texts, readers at random paces: each sees the very bytes that were added after its beginning, or its loss. */
static void test_many(void)
{
    struct event_log l;
    event_log_init(&l, 500);
    enum { READERS = 5, TEXTS = 20000 };
    uint64_t pos[READERS];
    unsigned char next[READERS], last = 0;
    unsigned lost = 0, wrong = 0;
    for (int i = 0; i < READERS; i++) {
        pos[i] = event_log_end(&l);
        next[i] = 1;
    }
    srandom(7);
    for (int k = 0; k < TEXTS; k++) {
        char text[90];
        size_t n = (size_t)(random() % (long)sizeof(text)) + 1;
        for (size_t i = 0; i < n; i++)
            text[i] = (char)++last;
        event_log_add(&l, text, n);
        int i = (int)(random() % READERS);
        char buf[400];
        ptrdiff_t got = event_log_read(&l, &pos[i], buf, (size_t)(random() % (long)sizeof(buf)) + 1);
        if (got < 0) {
            lost++;
            pos[i] = event_log_end(&l);
            next[i] = (unsigned char)(last + 1);
        }
        for (ptrdiff_t j = 0; j < got; j++)
            wrong += (unsigned char)buf[j] != next[i]++;
        uint64_t least = pos[0];
        for (int r = 1; r < READERS; r++)
            least = pos[r] < least ? pos[r] : least;
        event_log_trim(&l, least);
        wrong += l.len > 500 || l.cap > 4096;
    }
    is_int(wrong, 0, "every byte in its place, whatever the pace");
    ok(lost > 0, "the slow ones are told of their loss (%u)", lost);
    event_log_done(&l);
}

int main(void)
{
    test_readers();
    test_bound();
    test_many();
    return done_testing();
}
