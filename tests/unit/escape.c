/* SPDX-License-Identifier: Apache-2.0 */
#include "core/escape.h"

#include <string.h>

#include "tests/unit/tap.h"

static void is_escaped(const char *in, size_t len, enum escape what, const char *want, const char *name)
{
    struct strbuf b = {0};
    escape_add(&b, in, len, what);
    is_str(b.s ? b.s : "", want, "%s", name);
    strbuf_done(&b);
}

static void both(const char *in, const char *terminal, const char *json, const char *name)
{
    is_escaped(in, strlen(in), ESCAPE_TERMINAL, terminal, name);
    is_escaped(in, strlen(in), ESCAPE_INVALID, json, name);
}

int main(void)
{
    both("", "", "", "nothing");
    both("plain text", "plain text", "plain text", "ASCII");
    both("a\nb\x1b[31m\x7f", "a\\x0ab\\x1b[31m\\x7f", "a\nb\x1b[31m\x7f", "control characters");
    both("a\\b", "a\\x5cb", "a\\b", "the backslash, so that escapes can be told from text");
    both("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
         "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "two, three and four bytes");
    both("\xc2\x9b", "\\xc2\\x9b", "\xc2\x9b", "a control character of the upper half (CSI)");
    both("\xc2\xa0", "\xc2\xa0", "\xc2\xa0", "the one after them");
    /* NOLINTBEGIN(misc-misleading-bidirectional): that is what is tested */
    both("a\xe2\x80\xae"
         "b",
         "a\\xe2\\x80\\xaeb",
         "a\xe2\x80\xae"
         "b",
         "an override of the direction of text");
    both("\xd8\x9c\xe2\x81\xa6\xe2\x81\xa9\xe2\x80\x8f",
         "\\xd8\\x9c\\xe2\\x81\\xa6\\xe2\\x81\\xa9\\xe2\\x80\\x8f",
         "\xd8\x9c\xe2\x81\xa6\xe2\x81\xa9\xe2\x80\x8f", "marks and isolates");
    /* NOLINTEND(misc-misleading-bidirectional) */
    both("\xe2\x80\x8b\xef\xbb\xbf\xc2\xad\xf3\xa0\x80\xa0",
         "\\xe2\\x80\\x8b\\xef\\xbb\\xbf\\xc2\\xad\\xf3\\xa0\\x80\\xa0",
         "\xe2\x80\x8b\xef\xbb\xbf\xc2\xad\xf3\xa0\x80\xa0", "characters without width, a tag");
    both("\xe2\x80\xa8", "\\xe2\\x80\\xa8", "\xe2\x80\xa8", "the end of a line");
    both("\xe2\x80\x90\xd7\xa9\xd8\xa7", "\xe2\x80\x90\xd7\xa9\xd8\xa7", "\xe2\x80\x90\xd7\xa9\xd8\xa7",
         "letters that go from right to left, and a hyphen, are text");
    both("\xff\xfe", "\\xff\\xfe", "\\xff\\xfe", "bytes that never occur");
    both("\x80", "\\x80", "\\x80", "a byte without its beginning");
    both("\xc3", "\\xc3", "\\xc3", "a beginning at the end");
    both("\xc3x", "\\xc3x", "\\xc3x", "a beginning without the rest");
    both("\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf",
         "longer than needed");
    both("\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80", "a surrogate");
    both("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80", "over 10FFFF");
    is_escaped("a\0b", 3, ESCAPE_TERMINAL, "a\\x00b", "a NUL");
    is_int((long long)escape_width("\xc3\xa4\xe2\x82\xacx"), 3, "characters, not bytes");
    return done_testing();
}
