/* SPDX-License-Identifier: Apache-2.0 */
#include "core/strv.h"
#include "tests/unit/tap.h"

int main(void)
{
    struct strv sv = {0};
    is_int(strv_add(&sv, "a"), 0, "first");
    is_int(strv_add(&sv, "b"), 0, "second");
    is_int(sv.n, 2, "two");
    is_str(sv.v[1], "b", "in order");
    ok(sv.v[2] == NULL, "NULL at the end");
    strv_done(&sv);
    is_int(sv.n, 0, "empty again");

    struct strbuf b = {0};
    for (int i = 0; i < 1000; i++)
        strbuf_addf(&b, "%d,", i);
    is_int(b.err, 0, "no error");
    is_int(b.len, strlen(b.s), "length and text agree");
    is_int(b.len, 10 * 2 + 90 * 3 + 900 * 4, "all of it");
    is_str(b.s + b.len - 4, "999,", "the end");
    strbuf_done(&b);

    is_int(str_distance("publish", "publish"), 0, "equal");
    is_int(str_distance("pubilsh", "publish"), 1, "neighbours swapped: one step");
    is_int(str_distance("", "abc"), 3, "from nothing");
    is_int(str_distance("kitten", "sitting"), 3, "the classic");
    char longer[100];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    ok(str_distance(longer, "x") >= 63, "too long is far away");

    char buf[4];
    is_int(str_format(buf, sizeof(buf), "%s", "abc"), 0, "fits");
    is_int(str_format(buf, sizeof(buf), "%s", "abcd"), -ENAMETOOLONG, "does not fit");
    return done_testing();
}
