/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Values that were read know their number in the order of the text, so one pass over the text
 * gives each its first and last byte. Writing walks the document as it is now: a value that was read copies its bytes;
 * a container writes its members one by one, each behind the blanks that stood before it; a new value is laid out
 * as its siblings are.
 */
#include "core/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/fd.h"
#include "core/json_text.h"
#include "core/strv.h"

struct like {
    const struct json_doc *doc;
    const char *text;
    size_t len;
    struct json_span *spans;
    char unit[17]; /* indentation of one level; empty: everything on one line */
    char colon[8]; /* between a new key and its value */
    bool tight;    /* no blank after it, nor after a comma */
    struct strbuf out;
};

/* The blanks before the byte @at. */
static size_t blanks_before(const struct like *w, size_t at)
{
    size_t start = at;

    while (start && json_text_blank(w->text[start - 1]))
        start--;
    return start;
}

/* How is the text laid out? As its first member or element is. */
static void find_style(struct like *w)
{
    const struct json_span *first = json_text_values(w->doc) > 1 ? &w->spans[1] : NULL;
    size_t start, n;

    memcpy(w->colon, ": ", sizeof(": "));
    memcpy(w->unit, "  ", sizeof("  "));
    if (!first)
        return;
    n = w->spans[2].start - first->end;
    if (json_type(json_root(w->doc)) == JSON_OBJECT && n < sizeof(w->colon)) {
        memcpy(w->colon, w->text + first->end, n);
        w->colon[n] = '\0';
    }
    w->tight = strcmp(w->colon, ":") == 0;
    start = blanks_before(w, first->start);
    n = 0;
    for (size_t i = start; i < first->start; i++)
        if (w->text[i] == '\n')
            n = first->start - i - 1;
    if (n >= sizeof(w->unit))
        n = 0;
    memcpy(w->unit, w->text + first->start - n, n);
    w->unit[n] = '\0';
}

/* A new line, indented. */
static void put_line(struct like *w, unsigned depth)
{
    strbuf_adds(&w->out, "\n");
    while (depth--)
        strbuf_adds(&w->out, w->unit);
}

static void put_key(struct like *w, const struct json_it *it)
{
    if (!it->key)
        return;
    strbuf_adds(&w->out, "\"");
    for (size_t i = 0; i < it->key_len; i++) {
        unsigned char c = (unsigned char)it->key[i];

        if (c < ' ')
            strbuf_addf(&w->out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            strbuf_addf(&w->out, "\\%c", c);
        else
            strbuf_add(&w->out, &c, 1);
    }
    strbuf_adds(&w->out, "\"");
    strbuf_adds(&w->out, w->colon);
}

static int put(struct like *w, const struct json *n, unsigned depth, bool lines);

/* A container that is new: each element on a line, if @lines. */
static int put_made(struct like *w, const struct json *n, unsigned depth, bool lines)
{
    bool object = json_type(n) == JSON_OBJECT;
    int r;

    strbuf_adds(&w->out, object ? "{" : "[");
    json_foreach (it, n) {
        if (it.index)
            strbuf_adds(&w->out, lines || w->tight ? "," : ", ");
        if (lines)
            put_line(w, depth + 1);
        put_key(w, &it);
        r = put(w, it.value, depth + 1, lines);
        if (r < 0)
            return r;
    }
    if (lines && json_count(n))
        put_line(w, depth);
    strbuf_adds(&w->out, object ? "}" : "]");
    return 0;
}

/* What stood before an element that was read, up to its value: blanks, and in an object the key (@index) and the colon. */
static void put_before(struct like *w, size_t index, bool object)
{
    size_t start = blanks_before(w, w->spans[index].start);

    strbuf_add(&w->out, w->text + start, w->spans[object ? index + 1 : index].start - start);
}

/* A comma, behind the blanks that stood before it in the text, if it is the one after the byte @end. */
static void put_comma(struct like *w, size_t end)
{
    size_t comma = end;

    while (end && comma < w->len && json_text_blank(w->text[comma]))
        comma++;
    if (end && comma < w->len && w->text[comma] == ',')
        strbuf_add(&w->out, w->text + end, comma - end);
    strbuf_adds(&w->out, ",");
}

/* A container that was read and had elements: where its first one began decides how a new one is laid out. */
static int put_read(struct like *w, const struct json *n, size_t index, unsigned depth)
{
    bool object = json_type(n) == JSON_OBJECT;
    size_t first = w->spans[index + 1].start, start = blanks_before(w, first);
    size_t close = w->spans[index].end - 1, before_close = blanks_before(w, close), end = 0;
    bool broken = memchr(w->text + start, '\n', first - start), lines = broken && *w->unit;
    int r;

    strbuf_adds(&w->out, object ? "{" : "[");
    json_foreach (it, n) {
        size_t child = json_text_index(w->doc, it.value);
        size_t known = object ? json_text_index(w->doc, it.cur_) : child; /* a key may outlive its value */

        if (it.index)
            put_comma(w, end);
        if (known != SIZE_MAX) {
            put_before(w, known, object);
        } else {
            if (it.index && !broken)
                strbuf_adds(&w->out, w->tight ? "" : " ");
            else
                strbuf_add(&w->out, w->text + start, first - start);
            put_key(w, &it);
        }
        end = child != SIZE_MAX ? w->spans[child].end : 0;
        r = put(w, it.value, depth + 1, lines);
        if (r < 0)
            return r;
    }
    if (json_count(n))
        strbuf_add(&w->out, w->text + before_close, close - before_close);
    strbuf_adds(&w->out, object ? "}" : "]");
    return 0;
}

/* Recursion is bounded by the depth of what was read and of what is built on top of it. */
static int put(struct like *w, const struct json *n, unsigned depth, bool lines)
{
    bool container = json_type(n) == JSON_OBJECT || json_type(n) == JSON_ARRAY;
    size_t index = json_text_index(w->doc, n);
    const struct json_span *s = index == SIZE_MAX ? NULL : &w->spans[index];
    free_auto char *text = NULL;
    int r;

    if (s && container && blanks_before(w, s->end - 1) > s->start + 1)
        return put_read(w, n, index, depth);
    if (container && json_count(n))
        return put_made(w, n, depth, lines);
    if (s) {
        strbuf_add(&w->out, w->text + s->start, s->end - s->start);
        return 0;
    }
    r = json_write(w->doc, n, JSON_COMPACT, &text, NULL);
    if (r == 0)
        strbuf_adds(&w->out, text);
    return r;
}

int json_write_like(const struct json_doc *doc, const char *text, size_t len, char **ret, size_t *ret_len)
{
    struct like w = {.doc = doc, .text = text, .len = len};
    size_t n = json_text_values(doc);
    int r;

    if (json_doc_error(doc))
        return json_doc_error(doc);
    if (len > UINT32_MAX || !n)
        return -EINVAL;
    w.spans = calloc(n + 2, sizeof(*w.spans)); /* find_style() may look two values on */
    if (!w.spans)
        return -ENOMEM;
    r = json_text_spans(text, len, w.spans, n);
    if (r == 0) {
        find_style(&w);
        strbuf_add(&w.out, text, w.spans[0].start);
        r = put(&w, json_root(doc), 0, *w.unit);
        strbuf_add(&w.out, text + w.spans[0].end, len - w.spans[0].end);
    }
    free(w.spans);
    if (r == 0)
        r = w.out.err;
    if (r < 0) {
        strbuf_done(&w.out);
        return r;
    }
    *ret = w.out.s;
    if (ret_len)
        *ret_len = w.out.len;
    return 0;
}
