/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Lines are indexed, common ends cut off, and Myers' greedy algorithm ("An O(ND) Difference
 * Algorithm and Its Variations", 1986) finds the furthest point on each diagonal for 0, 1, 2... edits, remembering
 * each round, so that walking back marks the lines that are only on one side. Hunks are then groups of marks.
 */
#include "core/linediff.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EDITS = 1000, CONTEXT = 3 };

struct line {
    const char *s;
    size_t len; /* with its newline, if it has one */
};

struct side {
    struct line *lines;
    bool *only; /* the line is on this side alone */
    size_t n;
};

static int split(const char *s, size_t len, struct side *ret)
{
    size_t n = 0, at = 0;

    for (size_t i = 0; i < len; i++)
        n += s[i] == '\n';
    ret->lines = calloc(n + 1, sizeof(*ret->lines));
    ret->only = calloc(n + 1, sizeof(*ret->only));
    if (!ret->lines || !ret->only)
        return -ENOMEM;
    while (at < len) {
        const char *nl = memchr(s + at, '\n', len - at);
        size_t l = nl ? (size_t)(nl - s) + 1 - at : len - at;

        ret->lines[ret->n++] = (struct line){s + at, l};
        at += l;
    }
    return 0;
}

static bool same(const struct line *a, const struct line *b)
{
    return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

/* One round: @v[k + off] is the furthest x on diagonal k = x - y. */
static bool round_of(const struct line *a, int n, const struct line *b, int m, int *v, int off, int d)
{
    for (int k = -d; k <= d; k += 2) {
        bool down = k == -d || (k != d && v[off + k - 1] < v[off + k + 1]);
        int x = down ? v[off + k + 1] : v[off + k - 1] + 1;
        int y = x - k;

        while (x < n && y < m && same(&a[x], &b[y])) {
            x++;
            y++;
        }
        v[off + k] = x;
        if (x >= n && y >= m)
            return true;
    }
    return false;
}

/* From the end back to the start, marking each edit. @rounds[d]: v before round d, 2 * d + 1 entries around its middle. */
static void walk_back(int *const *rounds, int d, int n, int m, bool *only_a, bool *only_b)
{
    int x = n, y = m;

    for (; d > 0; d--) {
        const int *v = rounds[d] + d; /* v[k] for -d..d */
        int k = x - y;
        bool down = k == -d || (k != d && v[k - 1] < v[k + 1]);
        int from_k = down ? k + 1 : k - 1, from_x = v[from_k];

        x = from_x;
        y = from_x - from_k;
        if (down)
            only_b[y] = true;
        else
            only_a[x] = true;
    }
}

static void mark_all(bool *only_a, int n, bool *only_b, int m)
{
    for (int i = 0; i < n; i++)
        only_a[i] = true;
    for (int i = 0; i < m; i++)
        only_b[i] = true;
}

/* Mark the lines that differ between the two ranges. */
static int compare(const struct line *a, int n, const struct line *b, int m, bool *only_a, bool *only_b)
{
    int max = n + m < MAX_EDITS ? n + m : MAX_EDITS, r = 0, d;
    int *v = calloc(2 * (size_t)max + 3, sizeof(*v));
    int **rounds = calloc((size_t)max + 1, sizeof(*rounds));
    int off = max + 1;

    if (!v || !rounds)
        r = -ENOMEM;
    for (d = 0; r == 0 && d <= max; d++) {
        rounds[d] = malloc((size_t)(2 * d + 1) * sizeof(**rounds));
        if (!rounds[d]) {
            r = -ENOMEM;
            break;
        }
        memcpy(rounds[d], v + off - d, (size_t)(2 * d + 1) * sizeof(**rounds));
        if (round_of(a, n, b, m, v, off, d))
            break;
    }
    if (r == 0 && d <= max)
        walk_back(rounds, d, n, m, only_a, only_b);
    else if (r == 0)
        mark_all(only_a, n, only_b, m);
    for (d = 0; rounds && d <= max; d++)
        free(rounds[d]);
    free((void *)rounds);
    free(v);
    return r;
}

static void print_line(FILE *out, char mark, const struct line *l)
{
    fputc(mark, out);
    fwrite(l->s, 1, l->len, out);
    if (l->len && l->s[l->len - 1] != '\n')
        fputs("\n\\ No newline at end of file\n", out);
}

/* "3,4", as diff counts: an empty range is named by the line before it, and a count of 1 goes unsaid. */
static void print_range(FILE *out, char mark, size_t start, size_t end)
{
    size_t n = end - start;

    fprintf(out, " %c%zu", mark, n ? start + 1 : start);
    if (n != 1)
        fprintf(out, ",%zu", n);
}

/* The hunk whose first difference is at @i, @j (moved past it). */
static void print_hunk(FILE *out, const struct side *a, const struct side *b, size_t *i, size_t *j)
{
    size_t ctx = *i < CONTEXT ? *i : CONTEXT, a0, b0, x = *i, y = *j, a1, b1, equal = 0;

    ctx = *j < ctx ? *j : ctx;
    a0 = *i - ctx;
    b0 = *j - ctx;
    a1 = *i;
    b1 = *j;
    while ((x < a->n || y < b->n) && equal <= 2 * CONTEXT) {
        if (x < a->n && a->only[x]) {
            x++;
            equal = 0;
        } else if (y < b->n && b->only[y]) {
            y++;
            equal = 0;
        } else {
            x++;
            y++;
            equal++;
            continue;
        }
        a1 = x;
        b1 = y;
    }
    for (size_t c = 0; c < CONTEXT && a1 < a->n && b1 < b->n; c++) {
        a1++;
        b1++;
    }
    fputs("@@", out);
    print_range(out, '-', a0, a1);
    print_range(out, '+', b0, b1);
    fputs(" @@\n", out);
    for (x = a0, y = b0; x < a1 || y < b1;) {
        if (x < a1 && a->only[x]) {
            print_line(out, '-', &a->lines[x++]);
        } else if (y < b1 && b->only[y]) {
            print_line(out, '+', &b->lines[y++]);
        } else {
            print_line(out, ' ', &a->lines[x++]);
            y++;
        }
    }
    *i = a1;
    *j = b1;
}

static void print_hunks(FILE *out, const struct side *a, const struct side *b)
{
    size_t i = 0, j = 0;

    while (i < a->n || j < b->n) {
        if ((i < a->n && a->only[i]) || (j < b->n && b->only[j])) {
            print_hunk(out, a, b, &i, &j);
        } else {
            i++;
            j++;
        }
    }
}

int linediff_print(const char *a, size_t alen, const char *b, size_t blen, const char *name_a,
                   const char *name_b, FILE *out)
{
    struct side sa = {0}, sb = {0};
    size_t head = 0, tail = 0;
    int r = split(a, alen, &sa);

    if (r == 0)
        r = split(b, blen, &sb);
    if (r < 0)
        goto done;
    while (head < sa.n && head < sb.n && same(&sa.lines[head], &sb.lines[head]))
        head++;
    while (tail < sa.n - head && tail < sb.n - head &&
           same(&sa.lines[sa.n - 1 - tail], &sb.lines[sb.n - 1 - tail]))
        tail++;
    if (sa.n - head - tail == 0 && sb.n - head - tail == 0)
        goto done;
    if (sa.n > 1 << 29 || sb.n > 1 << 29) {
        r = -ENOMEM;
        goto done;
    }
    r = compare(sa.lines + head, (int)(sa.n - head - tail), sb.lines + head, (int)(sb.n - head - tail),
                sa.only + head, sb.only + head);
    if (r < 0)
        goto done;
    fprintf(out, "--- %s\n+++ %s\n", name_a, name_b);
    print_hunks(out, &sa, &sb);
    if (ferror(out))
        r = -EIO;
done:
    free(sa.lines);
    free(sa.only);
    free(sb.lines);
    free(sb.only);
    return r;
}
