/* SPDX-License-Identifier: Apache-2.0 */
/* core/linediff: the hunks that diff -u would print. */
#include "core/linediff.h"

#include <errno.h>

#include "tap.h"

static void shows(const char *a, const char *b, const char *want, const char *what)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        bail_out("no memory");
    is_int(linediff_print(a, strlen(a), b, strlen(b), "a", "b", f), 0, "%s: printed", what);
    fclose(f);
    is_str(text, want, "%s: the text", what);
    free(text);
}

/* Far apart, and more different than the algorithm follows: still a diff, of everything. */
static void test_large(void)
{
    enum { LINES = 3000 };
    char *a = calloc(LINES, 8), *b = calloc(LINES, 8), *text = NULL, *s;
    size_t len = 0, minus = 0, plus = 0;
    FILE *f = open_memstream(&text, &len);

    if (!a || !b || !f)
        bail_out("no memory");
    for (int i = 0; i < LINES; i++) {
        sprintf(a + strlen(a), "a%d\n", i);
        sprintf(b + strlen(b), "b%d\n", i);
    }
    is_int(linediff_print(a, strlen(a), b, strlen(b), "a", "b", f), 0, "texts with nothing in common");
    fclose(f);
    for (s = text; s; s = strchr(s, '\n')) {
        s += *s == '\n';
        minus += strncmp(s, "-a", 2) == 0;
        plus += strncmp(s, "+b", 2) == 0;
        if (!*s)
            break;
    }
    is_int(minus, LINES, "every old line goes");
    is_int(plus, LINES, "every new line comes");
    free(a);
    free(b);
    free(text);
}

int main(void)
{
    shows("x\n", "x\n", "", "equal");
    shows("", "", "", "nothing");
    shows("", "x\n", "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n", "from nothing");
    shows("x\n", "", "--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n", "to nothing");
    shows("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
          "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n", "one line in the middle");
    shows("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
          "--- a\n+++ b\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n",
          "two that share their context");
    shows("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
          "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n",
          "two that do not");
    shows("x", "x\n", "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n",
          "a newline at the end");
    shows("a\nb\nc\n", "c\na\nb\n", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n+c\n a\n b\n-c\n", "a line that moves");
    test_large();
    return done_testing();
}
