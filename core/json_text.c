/* SPDX-License-Identifier: Apache-2.0 */
/* What can be said about a JSON text without a parser: its outline, and where in it a byte is. */
#include "core/json_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct level {
    bool object, have_key;
    size_t index;
    const char *key; /* as written, without quotes */
    size_t key_len;
};

struct outline {
    struct level levels[JSON_MAX_DEPTH + 1];
    unsigned depth;
    size_t values;
};

/* Walk over brackets and strings up to @stop, tolerating everything else. Returns the offset where a limit was passed, or @stop. */
static size_t outline_walk(struct outline *o, const char *s, size_t stop)
{
    bool want_key = false;

    for (size_t i = 0; i < stop; i++) {
        struct level *top = o->depth ? &o->levels[o->depth - 1] : NULL;

        switch (s[i]) {
        case '"': {
            size_t start = ++i;

            while (i < stop && s[i] != '"')
                i += s[i] == '\\' ? 2 : 1;
            if (want_key && top && i < stop) {
                top->key = s + start;
                top->key_len = i - start;
                top->have_key = true;
            }
            break;
        }
        case '{':
        case '[':
            if (o->depth == JSON_MAX_DEPTH)
                return i;
            o->levels[o->depth++] = (struct level){.object = s[i] == '{'};
            o->values++;
            want_key = s[i] == '{';
            break;
        case '}':
        case ']':
            if (o->depth)
                o->depth--;
            want_key = false;
            break;
        case ',':
            if (top) {
                top->index++;
                top->have_key = false;
                want_key = top->object;
            }
            o->values++;
            break;
        case ':':
            want_key = false;
            o->values++;
            break;
        default: break;
        }
        if (o->values > JSON_MAX_VALUES)
            return i;
    }
    return stop;
}

static void path_add(struct json_path *p, const char *s, size_t len)
{
    if (p->cut)
        return;
    if (p->len + len + sizeof("...") > sizeof(p->text)) {
        p->cut = true;
        s = "...";
        len = 3;
    }
    memcpy(p->text + p->len, s, len);
    p->len += len;
    p->text[p->len] = '\0';
}

static bool plain_key(const char *key, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!((key[i] >= 'a' && key[i] <= 'z') || (key[i] >= 'A' && key[i] <= 'Z') || key[i] == '_' ||
              (i && key[i] >= '0' && key[i] <= '9')))
            return false;
    return len > 0;
}

void json_path_key(struct json_path *p, const char *key, size_t key_len)
{
    if (plain_key(key, key_len)) {
        if (p->len > 1)
            path_add(p, ".", 1);
        path_add(p, key, key_len);
        return;
    }
    path_add(p, "[\"", 2);
    for (size_t i = 0; i < key_len && !p->cut; i++)
        path_add(p, key[i] >= ' ' && key[i] < 0x7f && key[i] != '"' ? key + i : "?", 1);
    path_add(p, "\"]", 2);
}

void json_path_index(struct json_path *p, size_t index)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "[%zu]", index);

    path_add(p, text, (size_t)n);
}

int json_text_refuse(struct json_error *err, const char *text, size_t len, size_t offset, const char *fmt,
                     ...)
{
    va_list ap;

    if (!err)
        return -EBADMSG;
    if (offset > len)
        offset = len;
    *err = (struct json_error){.offset = offset, .line = 1, .column = 1, .path = JSON_PATH_ROOT};
    for (size_t i = 0; i < offset; i++) {
        err->column++;
        if (text[i] == '\n') {
            err->line++;
            err->column = 1;
        }
    }
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return -EBADMSG;
}

static void outline_path(struct json_error *err, const struct outline *o)
{
    for (unsigned i = 0; i < o->depth; i++) {
        const struct level *l = &o->levels[i];

        if (!l->object)
            json_path_index(&err->path, l->index);
        else if (l->have_key)
            json_path_key(&err->path, l->key, l->key_len);
    }
}

void json_text_add_path(struct json_error *err, const char *text)
{
    struct outline o = {0};

    if (!err)
        return;
    outline_walk(&o, text, err->offset);
    outline_path(err, &o);
}

int json_text_check(const char *text, size_t len, struct json_error *err)
{
    struct outline o = {0};
    size_t at = outline_walk(&o, text, len);

    if (at == len)
        return 0;
    if (o.values > JSON_MAX_VALUES)
        json_text_refuse(err, text, len, at, "more than %d values", JSON_MAX_VALUES);
    else
        json_text_refuse(err, text, len, at, "more than %d levels deep", JSON_MAX_DEPTH);
    if (err)
        outline_path(err, &o);
    return -EBADMSG;
}

bool json_text_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int json_text_spans(const char *text, size_t len, struct json_span *ret, size_t max)
{
    size_t open[JSON_MAX_DEPTH], depth = 0, n = 0, i = 0;

    while (i < len) {
        size_t start = i;
        char c = text[i];

        if (json_text_blank(c) || c == ',' || c == ':') {
            i++;
            continue;
        }
        if (c == ']' || c == '}') {
            if (!depth)
                return -EINVAL;
            ret[open[--depth]].end = (uint32_t)++i;
            continue;
        }
        if (n == max)
            return -EINVAL;
        if (c == '[' || c == '{') {
            if (depth == JSON_MAX_DEPTH)
                return -EINVAL;
            open[depth++] = n;
            i++;
        } else if (c == '"') {
            for (i++; i < len && text[i] != '"'; i++)
                i += text[i] == '\\';
            i++;
        } else {
            while (i < len && !json_text_blank(text[i]) && !strchr(",]}", text[i]))
                i++;
        }
        ret[n++] = (struct json_span){(uint32_t)start, (uint32_t)i};
    }
    return n == max && !depth ? 0 : -EINVAL;
}
