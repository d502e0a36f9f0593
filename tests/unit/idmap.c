/* SPDX-License-Identifier: Apache-2.0 */
#include "core/idmap.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/tap.h"

static struct idmap map_of(const char *text)
{
    struct idmap m = {.n = 0};
    if (idmap_parse(text, &m) < 0)
        bail_out("the test's own map is wrong: %s", text);
    return m;
}

static const char *show(const struct idmap *m)
{
    static char buf[IDMAP_TEXT_MAX + 1];
    return idmap_format(m, buf) < 0 ? "(too long)" : buf;
}

static void test_parse(void)
{
    struct idmap m = {.n = 0};
    is_int(idmap_parse("         0       1000          1\n         1     100000      65536\n", &m), 0,
           "as the kernel prints it");
    is_str(show(&m), "0 1000 1\n1 100000 65536\n", "both extents");
    is_int(idmap_parse("", &m), 0, "an empty map");
    is_int(m.n, 0, "has no extent");
    is_int(idmap_parse("0 0 4294967295\n", &m), 0, "the initial namespace's");
    is_int(idmap_total(&m), 4294967295, "all ids");
    is_int(idmap_parse("0 5 1", &m), 0, "no newline");

    static const char *const bad[] = {
        "0",        "0 1",     "0 1 x\n",        "a 1 1\n",        "0 1 1 1\n", "0 1 -1\n", "0\n1 1\n",
        "0 1 1\n2", "0,1,1\n", "4294967296 0 1", "0 0 4294967296", "+0 1 1",    "0 1 0x1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct idmap before = m;
        is_int(idmap_parse(bad[i], &m), -EINVAL, "malformed %zu", i);
        is_mem(&m, &before, sizeof(m), "and the result is untouched");
    }
    is_int(idmap_parse("0 0 0\n", &m), -EINVAL, "an extent of nothing");
    is_int(idmap_parse("4294967295 0 1\n", &m), -EINVAL, "the id that is none, inside");
    is_int(idmap_parse("1 0 4294967295\n", &m), -EINVAL, "wrapping around inside");
    is_int(idmap_parse("0 1 4294967295\n", &m), -EINVAL, "wrapping around outside");
    is_int(idmap_parse("0 4294967294 1\n", &m), 0, "the last id");
    is_int(idmap_parse("0 0 10\n5 100 10\n", &m), -EEXIST, "overlapping inside");
    is_int(idmap_parse("0 0 10\n10 9 10\n", &m), -EEXIST, "overlapping outside");
    is_int(idmap_parse("0 0 10\n10 10 10\n", &m), 0, "touching is fine");
    is_int(m.n, 2, "and stays two");
    is_int(idmap_parse("0 4294967295 10\n10 4294967295 5\n20 1 1\n", &m), 0,
           "what the reader's namespace does not have");
    is_str(show(&m), "20 1 1\n", "is left out");
}

static void test_limits(void)
{
    struct idmap m = {.n = 0};
    int r = 0;
    for (uint32_t i = 0; i < 340; i++)
        r |= idmap_add(&m, 2 * i, 2 * i, 1);
    is_int(r, 0, "340 extents");
    is_int(idmap_check(&m), 0, "of 12 bytes or less fit");
    is_int(idmap_add(&m, 5000, 5000, 1), -E2BIG, "the 341st does not");
    is_int(m.n, 340, "and nothing changed");

    char buf[IDMAP_TEXT_MAX + 1];
    m.n = 0;
    for (uint32_t i = 0; i < 200; i++)
        r |= idmap_add(&m, 1000000000u + i * 2, 2000000000u + i * 2, 1);
    is_int(r, 0, "200 extents of 24 bytes can be had");
    is_int(idmap_format(&m, buf), -E2BIG, "but not in one write of less than a page");
    is_int(idmap_check(&m), -E2BIG, "and the check says so");
    m.n = 170;
    is_int(idmap_format(&m, buf), 170 * 24, "170 of them fit");
    is_int(strlen(buf), 170 * 24, "the text is as long as it says");
    is_int(idmap_check(&m), 0, "and are fine");
    m.n = 0;
    is_int(idmap_check(&m), -EINVAL, "an empty map is none");
    m.n = 2;
    m.e[0] = m.e[1] = (struct idmap_extent){0, 0, 1};
    is_int(idmap_check(&m), -EEXIST, "a map put together by hand is checked");
}

static void test_translate(void)
{
    struct idmap m = map_of("0 1000 1\n1 100000 65536\n");
    uint32_t id = 7;
    is_int(idmap_to_outer(&m, 0, &id), 0, "inner 0");
    is_int(id, 1000, "is 1000");
    is_int(idmap_to_outer(&m, 65536, &id), 0, "the last");
    is_int(id, 165535, "is the last");
    is_int(idmap_to_outer(&m, 65537, &id), -ENOENT, "one more is unmapped");
    is_int(id, 165535, "and the result untouched");
    is_int(idmap_to_inner(&m, 100000, &id), 0, "outer 100000");
    is_int(id, 1, "is 1");
    is_int(idmap_to_inner(&m, 999, &id), -ENOENT, "outer 999 is unmapped");
    is_int(idmap_to_outer(&m, UINT32_MAX, &id), -ENOENT, "the id that is none");
    is_int(idmap_total(&m), 65537, "total");
}

static void lays_out(uint32_t self, const char *ranges, const char *parent, const char *want,
                     uint64_t want_dropped, const char *what)
{
    struct subid_list l = {0};
    struct idmap p = map_of(parent), m = {.n = 0};
    uint64_t dropped = 12345;
    is_int(subid_parse(ranges, strlen(ranges), "a", 9, &l), 0, "%s: ranges", what);
    is_int(idmap_from_subids(self, &l, &p, &m, &dropped), 0, "%s: no error", what);
    is_str(show(&m), want, "%s", what);
    is_int(dropped, want_dropped, "%s: ids left out", what);
    subid_list_done(&l);
}

static void test_layout(void)
{
    static const char all[] = "0 0 4294967295\n";
    lays_out(1000, "a:100000:65536", all, "0 1000 1\n1 100000 65536\n", 0, "one range");
    lays_out(1000, "a:200000:10\na:100000:5", all, "0 1000 1\n1 200000 10\n11 100000 5\n", 0,
             "two ranges, in their order");
    lays_out(1000, "", all, "0 1000 1\n", 0, "no range");
    lays_out(1000, "a:1001:10", all, "0 1000 1\n1 1001 10\n", 0, "one's own id is never joined with a range");
    lays_out(1000, "a:995:10", all, "0 1000 1\n1 995 5\n6 1001 4\n", 0, "one's own id within a range");
    lays_out(1000, "a:1000:1", all, "0 1000 1\n", 0, "a range of one's own id alone");
    lays_out(0, "a:0:10", all, "0 0 1\n1 1 9\n", 0, "root's own id within a range");
    lays_out(0, "a:100000:65536", "0 100000 65536\n", "0 0 1\n", 65536, "not mapped in the parent");
    lays_out(0, "a:60000:10000", "0 100000 65536\n", "0 0 1\n1 60000 5536\n", 4464,
             "half mapped in the parent");
    lays_out(0, "a:50:100", "0 1000 100\n100 5000 100\n", "0 0 1\n1 50 50\n51 100 50\n", 0,
             "over a border of the parent: split");
    lays_out(0, "a:50:100", "100 5000 100\n0 1000 60\n", "0 0 1\n1 50 10\n11 100 50\n", 40,
             "over a hole of the parent");
}

static void test_layout_full(void)
{
    static const struct idmap all = {.e = {{0, 0, UINT32_MAX}}, .n = 1};
    struct subid_list l = {0};
    struct idmap m;
    uint64_t dropped;
    for (uint32_t i = 0; i < 400; i++)
        subid_list_add(&l, 100000 + 1000 * i, 500);
    is_int(idmap_from_subids(1000, &l, &all, &m, &dropped), 0, "400 ranges");
    is_int(idmap_check(&m), 0, "make a map that the kernel takes");
    is_int(idmap_total(&m) + dropped, 400 * 500 + 1, "and every id is in it or counted as left out");
    ok(dropped > 0 && m.n > 200, "it is as full as can be");
    subid_list_done(&l);

    for (uint32_t i = 0; i < 400; i++)
        subid_list_add(&l, 1000000 - 1000 * (i + 1), 1000);
    is_int(l.n, 400, "400 ranges that touch, from the last to the first");
    is_int(idmap_from_subids(1000, &l, &all, &m, &dropped), 0, "do not fit in that order");
    is_str(show(&m), "0 1000 1\n1 600000 400000\n", "so they are sorted and joined");
    is_int(dropped, 0, "and none is left out");
    subid_list_done(&l);
}

static void derives(uint32_t self, const char *parent, const char *want, const char *what)
{
    struct idmap p = map_of(parent), m = {.n = 0};
    is_int(idmap_derive(self, &p, &m), 0, "%s: no error", what);
    is_str(show(&m), want, "%s", what);
}

static void test_derive(void)
{
    derives(0, "0 100000 65536\n", "0 0 65536\n", "root: the identity");
    derives(0, "0 1000 1\n1 100000 65536\n", "0 0 1\n1 1 65536\n", "root: each extent for itself");
    derives(0, "0 0 4294967295\n", "0 0 4294967295\n", "root of the machine");
    derives(5, "0 100000 10\n", "0 5 1\n1 1 4\n6 6 4\n",
            "another id becomes 0; 0 and its own number are left out");
    derives(1, "0 7 1\n1 100 1\n", "0 1 1\n", "nothing but one's own");
    derives(9, "0 100000 10\n", "0 9 1\n1 1 8\n", "the last one");

    struct idmap p = map_of("0 100000 10\n"), m = p;
    is_int(idmap_derive(10, &p, &m), -ENOENT, "an own id that is not mapped");
    is_mem(&m, &p, sizeof(m), "changes nothing");
}

static void test_request(void)
{
    struct idmap_request q = {.source = SUBID_STATIC};
    struct reason why;
    is_int(idmap_request_parse("single", &q, &why), 0, "single");
    is_int(q.method, IDMAP_SINGLE, "is single");
    is_int(q.source, SUBID_STATIC, "the source is not touched");
    is_int(idmap_request_parse("auto", &q, &why) || q.method != IDMAP_AUTO, 0, "auto");
    is_int(idmap_request_parse("direct", &q, &why) || q.method != IDMAP_DIRECT, 0, "direct");
    is_int(idmap_request_parse("newuidmap", &q, &why) || q.method != IDMAP_NEWUIDMAP, 0, "newuidmap");
    is_int(idmap_request_parse("0:1000:1,1:100000:65536", &q, &why), 0, "two extents");
    is_int(q.method, IDMAP_CUSTOM, "are custom");
    is_str(show(&q.custom), "0 1000 1\n1 100000 65536\n", "as given");

    static const char *const bad[] = {"",
                                      "derived",
                                      "custom",
                                      "Auto",
                                      "0",
                                      "0:1",
                                      "0:1:",
                                      "0:1:1:1",
                                      ":0:1:1",
                                      "0::1",
                                      "0:1:1,",
                                      ",0:1:1",
                                      "0:1:1,,1:2:1",
                                      "0:1:1 ",
                                      "0: 1:1",
                                      "0:1:x",
                                      "0:1:0",
                                      "0:1:-1",
                                      "0:1:4294967295",
                                      "4294967296:0:1",
                                      "0:1:1,0:2:1",
                                      "0:1:1,1:1:1",
                                      "auto,0:1:1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct idmap_request before = q;
        why.text[0] = '\0';
        is_int(idmap_request_parse(bad[i], &q, &why), -EINVAL, "refused: '%s'", bad[i]);
        ok(why.text[0] != '\0', "with a reason");
        is_mem(&q, &before, sizeof(q), "and the result is untouched");
    }
}

int main(void)
{
    test_parse();
    test_limits();
    test_translate();
    test_layout();
    test_layout_full();
    test_derive();
    test_request();
    return done_testing();
}
