/* SPDX-License-Identifier: Apache-2.0 */
#include "core/subid.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/parse.h"

void subid_list_done(struct subid_list *l)
{
    if (!l)
        return;
    free(l->r);
    *l = (struct subid_list){0};
}

static int append(struct subid_list *l, uint32_t first, uint32_t count)
{
    struct subid_range *last = l->n ? &l->r[l->n - 1] : NULL;

    if (last && (uint64_t)last->first + last->count == first) {
        last->count += count;
        return 0;
    }
    if (l->n >= SUBID_MAX_RANGES)
        return -E2BIG;
    if ((l->n & (l->n - 1)) == 0) { /* full whenever n is a power of two (or 0) */
        struct subid_range *r = reallocarray(l->r, l->n ? l->n * 2 : 1, sizeof(*r));
        if (!r)
            return -ENOMEM;
        l->r = r;
    }
    l->r[l->n++] = (struct subid_range){first, count};
    return 0;
}

int subid_list_add(struct subid_list *l, uint64_t first, uint64_t count)
{
    if (count == 0 || first >= UINT32_MAX || count > UINT32_MAX - first)
        return -EINVAL;

    uint64_t end = first + count; /* one past the last id */
    while (first < end) {
        uint64_t stop = end; /* where the part that is not held yet ends */
        bool held = false;
        for (size_t i = 0; i < l->n && !held; i++) {
            uint64_t f = l->r[i].first, e = f + l->r[i].count;
            if (f <= first && first < e) {
                first = e;
                held = true;
            } else if (f > first && f < stop) {
                stop = f;
            }
        }
        if (held)
            continue;
        int r = append(l, (uint32_t)first, (uint32_t)(stop - first));
        if (r < 0)
            return r;
        first = stop;
    }
    return 0;
}

int subid_list_remove(struct subid_list *l, uint32_t id)
{
    for (size_t i = 0; i < l->n; i++) {
        struct subid_range *r = &l->r[i];
        if (id < r->first || id - r->first >= r->count)
            continue;

        /* Rebuild from here on: the range becomes none, one or two. */
        subid_auto struct subid_list out = {0};
        int rc = 0;
        for (size_t k = 0; k < l->n && rc == 0; k++) {
            struct subid_range x = l->r[k];
            if (k != i) {
                rc = append(&out, x.first, x.count);
                continue;
            }
            uint32_t before = id - x.first, after = x.count - before - 1;
            if (before > 0)
                rc = append(&out, x.first, before);
            if (after > 0 && rc == 0)
                rc = append(&out, id + 1, after);
        }
        if (rc < 0)
            return rc;
        struct subid_list old = *l;
        *l = out;
        out = old;
        return 0;
    }
    return 0;
}

static int by_first(const void *a, const void *b)
{
    const struct subid_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

void subid_list_merge(struct subid_list *l)
{
    if (l->n < 2)
        return;
    qsort(l->r, l->n, sizeof(*l->r), by_first);
    size_t out = 0;
    for (size_t i = 1; i < l->n; i++) {
        if ((uint64_t)l->r[out].first + l->r[out].count == l->r[i].first)
            l->r[out].count += l->r[i].count;
        else
            l->r[++out] = l->r[i];
    }
    l->n = out + 1;
}

uint64_t subid_list_total(const struct subid_list *l)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->n; i++)
        sum += l->r[i].count;
    return sum;
}

/* A piece of a line; not NUL-terminated. */
struct span {
    const char *s;
    size_t len;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span f)
{
    while (f.len > 0 && is_blank(f.s[0]))
        f.s++, f.len--;
    while (f.len > 0 && is_blank(f.s[f.len - 1]))
        f.len--;
    return f;
}

static bool span_is(struct span f, const char *s)
{
    return f.len == strlen(s) && memcmp(f.s, s, f.len) == 0;
}

static int span_u64(struct span f, uint64_t *ret)
{
    char buf[24];
    if (f.len == 0 || f.len >= sizeof(buf))
        return -EINVAL;
    memcpy(buf, f.s, f.len);
    buf[f.len] = '\0';
    /* A NUL inside the text would end the number early. */
    return strlen(buf) == f.len ? parse_uint(buf, 0, UINT64_MAX, ret) : -EINVAL;
}

/* Cut the next piece, up to @sep, off the front of @rest. False when nothing is left. */
static bool next_piece(struct span *rest, char sep, struct span *ret)
{
    if (!rest->s)
        return false;
    const char *end = rest->len > 0 ? memchr(rest->s, sep, rest->len) : NULL;
    if (!end) {
        *ret = *rest;
        rest->s = NULL;
        return true;
    }
    *ret = (struct span){rest->s, (size_t)(end - rest->s)};
    rest->len -= ret->len + 1;
    rest->s = end + 1;
    return true;
}

/* Cut the next blank-separated word off the front of @rest. */
static struct span next_word(struct span *rest)
{
    *rest = trim(*rest);
    struct span w = {rest->s, 0};
    while (w.len < rest->len && !is_blank(rest->s[w.len]))
        w.len++;
    rest->s += w.len;
    rest->len -= w.len;
    return w;
}

static int add_from_line(struct subid_list *l, struct span first, struct span count, size_t line_no)
{
    uint64_t f, c;
    int r = span_u64(trim(first), &f);
    if (r == 0)
        r = span_u64(trim(count), &c);
    if (r == 0)
        r = subid_list_add(l, f, c);
    if (r == -ENOMEM || r == -E2BIG)
        return r;
    if (r < 0)
        log_debug("subordinate ids: line %zu passed over: not a valid range", line_no);
    return 0;
}

static bool is_owner(struct span owner, const char *user, uint32_t uid)
{
    uint64_t number;
    if (user && span_is(owner, user))
        return true;
    return span_u64(owner, &number) == 0 && number == uid;
}

int subid_parse(const char *text, size_t len, const char *user, uint32_t uid, struct subid_list *l)
{
    struct span rest = {text, len}, line;

    for (size_t no = 1; next_piece(&rest, '\n', &line); no++) {
        struct span owner, first, count;
        line = trim(line);
        if (line.len == 0 || line.s[0] == '#')
            continue;
        if (!next_piece(&line, ':', &owner) || !next_piece(&line, ':', &first) ||
            !next_piece(&line, ':', &count) || line.s) {
            log_debug("subordinate ids: line %zu passed over: not OWNER:FIRST:COUNT", no);
            continue;
        }
        if (!is_owner(trim(owner), user, uid))
            continue;
        int r = add_from_line(l, first, count, no);
        if (r < 0)
            return r;
    }
    return 0;
}

int subid_parse_getsubids(const char *text, size_t len, struct subid_list *l)
{
    struct span rest = {text, len}, line;

    for (size_t no = 1; next_piece(&rest, '\n', &line); no++) {
        struct span index = next_word(&line);
        if (index.len == 0)
            continue;
        struct span owner = next_word(&line), first = next_word(&line), count = next_word(&line);
        if (owner.len == 0 || index.s[index.len - 1] != ':' || trim(line).len != 0) {
            log_debug("getsubids: line %zu passed over: not INDEX: OWNER FIRST COUNT", no);
            continue;
        }
        int r = add_from_line(l, first, count, no);
        if (r < 0)
            return r;
    }
    return 0;
}
