/* SPDX-License-Identifier: Apache-2.0 */
#include "core/subid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

/* "FIRST+COUNT FIRST+COUNT" */
static const char *show(const struct subid_list *l)
{
    static char buf[4096];
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < l->n && at < sizeof(buf) - 32; i++)
        at += (size_t)snprintf(buf + at, sizeof(buf) - at, "%s%u+%u", i ? " " : "", l->r[i].first,
                               l->r[i].count);
    return buf;
}

static void parses(const char *text, const char *user, uint32_t uid, const char *want, const char *what)
{
    struct subid_list l = {0};
    is_int(subid_parse(text, strlen(text), user, uid, &l), 0, "%s: no error", what);
    is_str(show(&l), want, "%s", what);
    subid_list_done(&l);
}

static void test_lines(void)
{
    parses("alice:100000:65536\n", "alice", 1000, "100000+65536", "a plain line");
    parses("alice:100000:65536", "alice", 1000, "100000+65536", "no newline at the end");
    parses("", "alice", 1000, "", "an empty file");
    parses("\n\n\n", "alice", 1000, "", "empty lines");
    parses("bob:1:2\nalice:5:6\n", "alice", 1000, "5+6", "another user's line is passed over");
    parses("1000:7:8\n", "alice", 1000, "7+8", "a line by number");
    parses("1000:7:8\n", NULL, 1000, "7+8", "a line by number, for a user without a name");
    parses("alice:1:2\n", NULL, 1000, "", "a name is nobody's without one");
    parses("alic:1:2\nalicee:3:4\nALICE:5:6\n", "alice", 1000, "", "similar names do not match");
    parses("# alice:1:2\n #alice:3:4\n", "alice", 1000, "", "comments");
    parses("  alice : 10 : 20 \r\n", "alice", 1000, "10+20", "blanks and carriage returns around");
}

static void test_malformed(void)
{
    parses("alice\nalice:1\nalice:1:2:3\nalice::\n:1:2\nalice:50:5\n", "alice", 1000, "50+5",
           "wrong numbers of fields");
    parses("alice:x:5\nalice:5:x\nalice:-1:5\nalice:+1:5\nalice:0x10:5\nalice:1.0:5\nalice:1e3:5\n", "alice",
           1000, "", "what is no number");
    parses("alice:1:0\n", "alice", 1000, "", "a range of nothing");
    parses("alice:4294967295:1\n", "alice", 1000, "", "the id that is none");
    parses("alice:4294967290:6\n", "alice", 1000, "", "reaching beyond the last id");
    parses("alice:4294967290:5\n", "alice", 1000, "4294967290+5", "reaching the last id");
    parses("alice:1:4294967295\n", "alice", 1000, "", "a count that wraps around");
    parses("alice:4294967296:1\nalice:18446744073709551615:2\nalice:1:18446744073709551615\n", "alice", 1000,
           "", "numbers of 33 and 64 bits");
    parses("alice:99999999999999999999999999999999:1\n", "alice", 1000, "", "a number of 32 digits");

    struct subid_list l = {0};
    static const char nul[] = "alice:10\0:5\nalice\0:1:2\nalice:7:1\n";
    is_int(subid_parse(nul, sizeof(nul) - 1, "alice", 1000, &l), 0, "NULs in the file");
    is_str(show(&l), "7+1", "NULs make a line malformed");
    subid_list_done(&l);
    is_int(subid_parse(NULL, 0, "alice", 1000, &l), 0, "no text at all");
}

static void test_overlap(void)
{
    parses("a:100:10\na:110:10\n", "a", 1, "100+20", "touching ranges are one");
    parses("a:100:10\na:105:10\n", "a", 1, "100+15", "overlapping ranges are one");
    parses("a:100:10\na:100:10\n", "a", 1, "100+10", "a line twice");
    parses("a:100:100\na:110:10\n", "a", 1, "100+100", "a range in a range");
    parses("a:110:10\na:100:100\n", "a", 1, "110+10 100+10 120+80",
           "a range around a range: what is new comes after");
    parses("a:200:10\na:100:10\n", "a", 1, "200+10 100+10", "the order of the file is kept");
    parses("a:200:10\na:190:10\n", "a", 1, "200+10 190+10", "touching from below keeps the order");
}

static void test_merge(void)
{
    struct subid_list l = {0};
    subid_list_add(&l, 200, 10);
    subid_list_add(&l, 190, 10);
    subid_list_add(&l, 50, 1);
    subid_list_merge(&l);
    is_str(show(&l), "50+1 190+20", "merged: sorted and joined");
    is_int(subid_list_total(&l), 21, "total");
    is_int(subid_list_remove(&l, 195), 0, "take an id out of the middle");
    is_str(show(&l), "50+1 190+5 196+14", "the range is two");
    subid_list_remove(&l, 50);
    is_str(show(&l), "190+5 196+14", "a range of one is gone");
    subid_list_remove(&l, 190);
    subid_list_remove(&l, 209);
    is_str(show(&l), "191+4 196+13", "both ends");
    subid_list_remove(&l, 12345);
    is_str(show(&l), "191+4 196+13", "an id that no range holds");
    subid_list_done(&l);
    is_int(l.n, 0, "done");
    subid_list_done(&l);
    subid_list_done(NULL);
}

static void test_limits(void)
{
    struct subid_list l = {0};
    int r = 0;
    for (uint32_t i = 0; i < SUBID_MAX_RANGES; i++)
        r |= subid_list_add(&l, (uint64_t)i * 10, 5);
    is_int(r, 0, "%d ranges", SUBID_MAX_RANGES);
    is_int(l.n, SUBID_MAX_RANGES, "all there");
    is_int(subid_list_add(&l, 1000000, 5), -E2BIG, "one more is refused");
    is_int(subid_list_add(&l, 1, 3), 0, "what is held needs no place");
    is_int(subid_list_add(&l, UINT64_MAX, UINT64_MAX), -EINVAL, "64-bit numbers");
    is_int(subid_list_add(&l, UINT64_MAX, 2), -EINVAL, "a sum that wraps in 64 bits");
    subid_list_done(&l);
}

static void getsubids(const char *text, const char *want, const char *what)
{
    struct subid_list l = {0};
    is_int(subid_parse_getsubids(text, strlen(text), &l), 0, "getsubids, %s: no error", what);
    is_str(show(&l), want, "getsubids, %s", what);
    subid_list_done(&l);
}

static void test_getsubids(void)
{
    getsubids("0: alice 100000 65536\n", "100000+65536", "one range");
    getsubids("0: alice 100000 65536\n1: alice 300000 10\n", "100000+65536 300000+10", "two ranges");
    getsubids("0: 1000 5 6", "5+6", "by number");
    getsubids("", "", "nothing");
    getsubids("Error fetching ranges\n0: alice 1\n0 alice 1 2\n0: alice 1 2 3\n0: alice x 2\n: : : :\n", "",
              "malformed");
    getsubids("0:\talice\t7\t8\t\r\n", "7+8", "tabs");
}

int main(void)
{
    test_lines();
    test_malformed();
    test_overlap();
    test_merge();
    test_limits();
    test_getsubids();
    return done_testing();
}
