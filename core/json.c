/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. yyjson parses into a compact read-only tree, which is then copied into yyjson's mutable form, the
 * only one this interface shows, and freed. Numbers are kept as text (NUMBER_AS_RAW) all the way. Before yyjson sees the
 * text, json_text_check() bounds depth and number of values, and with that memory; afterwards json_check_keys() looks for
 * what yyjson allows. What needs no yyjson is in json_value.c.
 */
#include "core/json.h"
#include "core/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "core/fd.h"

struct json_doc {
    yyjson_mut_doc *mut;
    int err;              /* first error of building, negative errno */
    yyjson_mut_val *read; /* the values that were read: one block, in the order of the text */
    size_t nread;
};

/* A node is yyjson's own value under another name; nothing looks into a struct json. */
static yyjson_mut_val *val(const struct json *n)
{
    return (yyjson_mut_val *)(uintptr_t)n;
}

static struct json *node(yyjson_mut_val *v)
{
    return (struct json *)(void *)v;
}

/* ---- reading ---- */

/* Parse @copy, which is changed by that. */
static int parse(char *copy, const char *text, size_t len, yyjson_doc **ret, struct json_error *err)
{
    yyjson_read_err e = {0};
    yyjson_doc *doc = yyjson_read_opts(copy, len, YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW, NULL, &e);

    if (!doc && e.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return -ENOMEM;
    if (!doc) {
        json_text_refuse(err, text, len, e.pos, "%s", len ? e.msg : "no JSON in an empty text");
        json_text_add_path(err, text);
        return -EBADMSG;
    }
    *ret = doc;
    return 0;
}

/* The root of @parsed as a document of its own. */
static int to_document(yyjson_doc *parsed, struct json_doc **ret)
{
    struct json_doc *doc json_auto = NULL;
    int r = json_doc_new(&doc);

    if (r < 0)
        return r;
    doc->read = yyjson_val_mut_copy(doc->mut, yyjson_doc_get_root(parsed));
    if (!doc->read)
        return -ENOMEM;
    doc->nread = yyjson_doc_get_val_count(parsed);
    yyjson_mut_doc_set_root(doc->mut, doc->read);
    *ret = steal_ptr(&doc);
    return 0;
}

int json_read(const void *text, size_t len, size_t max, struct json_doc **ret, struct json_error *err)
{
    struct json_doc *doc json_auto = NULL;
    yyjson_doc *parsed;
    char *copy;
    int r;

    if (len > max) {
        json_text_refuse(err, text, max, max, "larger than %zu bytes", max);
        return -EFBIG;
    }
    r = json_text_check(text, len, err);
    if (r < 0)
        return r;
    r = -ENOMEM;
    copy = malloc(len + YYJSON_PADDING_SIZE);
    if (copy) {
        memcpy(copy, text, len);
        memset(copy + len, 0, YYJSON_PADDING_SIZE);
        r = parse(copy, text, len, &parsed, err);
    }
    if (r == 0) {
        r = to_document(parsed, &doc);
        yyjson_doc_free(parsed);
    }
    free(copy);
    if (r == 0)
        r = json_check_keys(doc, text, len, err);
    if (r == 0)
        *ret = steal_ptr(&doc);
    if (r == -ENOMEM)
        json_text_refuse(err, text, len, 0, "out of memory");
    return r;
}

int json_doc_new(struct json_doc **ret)
{
    struct json_doc *doc = calloc(1, sizeof(*doc));

    if (!doc)
        return -ENOMEM;
    doc->mut = yyjson_mut_doc_new(NULL);
    if (!doc->mut) {
        free(doc);
        return -ENOMEM;
    }
    *ret = doc;
    return 0;
}

void json_doc_free(struct json_doc *doc)
{
    if (doc)
        yyjson_mut_doc_free(doc->mut);
    free(doc);
}

void json_doc_cleanup(struct json_doc **doc)
{
    json_doc_free(*doc);
}

struct json *json_root(const struct json_doc *doc)
{
    return node(yyjson_mut_doc_get_root(doc->mut));
}

int json_doc_error(const struct json_doc *doc)
{
    return doc->err;
}

size_t json_text_index(const struct json_doc *doc, const struct json *n)
{
    uintptr_t off = (uintptr_t)n - (uintptr_t)doc->read;

    return doc->read && (uintptr_t)n >= (uintptr_t)doc->read && off / sizeof(yyjson_mut_val) < doc->nread
               ? off / sizeof(yyjson_mut_val)
               : SIZE_MAX;
}

size_t json_text_values(const struct json_doc *doc)
{
    return doc->nread;
}

/* ---- looking ---- */

enum json_type json_type(const struct json *n)
{
    switch (yyjson_mut_get_type(val(n))) {
    case YYJSON_TYPE_NULL: return JSON_NULL;
    case YYJSON_TYPE_BOOL: return JSON_BOOL;
    case YYJSON_TYPE_RAW:
    case YYJSON_TYPE_NUM: return JSON_NUMBER;
    case YYJSON_TYPE_STR: return JSON_STRING;
    case YYJSON_TYPE_ARR: return JSON_ARRAY;
    case YYJSON_TYPE_OBJ: return JSON_OBJECT;
    default: return JSON_NONE;
    }
}

struct json *json_get(const struct json *n, const char *key)
{
    return node(yyjson_mut_obj_get(val(n), key));
}

struct json *json_at(const struct json *n, size_t index)
{
    return node(yyjson_mut_arr_get(val(n), index));
}

size_t json_count(const struct json *n)
{
    return yyjson_mut_is_ctn(val(n)) ? yyjson_mut_get_len(val(n)) : 0;
}

const char *json_strn(const struct json *n, size_t *ret_len)
{
    const char *s = yyjson_mut_get_str(val(n));

    if (s)
        *ret_len = yyjson_mut_get_len(val(n));
    return s;
}

const char *json_number_text(const struct json *n)
{
    return yyjson_mut_get_raw(val(n));
}

int json_bool(const struct json *n, bool *ret)
{
    if (!n)
        return -ENOENT;
    if (!yyjson_mut_is_bool(val(n)))
        return -EINVAL;
    *ret = yyjson_mut_get_bool(val(n));
    return 0;
}

/* ---- iteration: yyjson's two kinds of iterator have the same fields ---- */

struct json_it json_it(const struct json *n)
{
    struct json_it it = {.index = SIZE_MAX, .in_ = node(val(n))};

    if (yyjson_mut_is_obj(val(n))) {
        yyjson_mut_obj_iter o = yyjson_mut_obj_iter_with(val(n));
        it.max_ = o.max;
        it.cur_ = node(o.cur);
    } else {
        yyjson_mut_arr_iter a = yyjson_mut_arr_iter_with(val(n));
        it.max_ = a.max;
        it.cur_ = node(a.cur);
    }
    return it;
}

bool json_it_next(struct json_it *it)
{
    if (yyjson_mut_is_obj(val(it->in_))) {
        yyjson_mut_obj_iter o = {it->idx_, it->max_, val(it->cur_), val(it->prev_), val(it->in_)};
        yyjson_mut_val *key = yyjson_mut_obj_iter_next(&o);

        if (!key)
            return false;
        it->idx_ = o.idx;
        it->cur_ = node(o.cur);
        it->prev_ = node(o.pre);
        it->key = yyjson_mut_get_str(key);
        it->key_len = yyjson_mut_get_len(key);
        it->value = node(yyjson_mut_obj_iter_get_val(key));
    } else {
        yyjson_mut_arr_iter a = {it->idx_, it->max_, val(it->cur_), val(it->prev_), val(it->in_)};
        yyjson_mut_val *v = yyjson_mut_arr_iter_next(&a);

        if (!v)
            return false;
        it->idx_ = a.idx;
        it->cur_ = node(a.cur);
        it->prev_ = node(a.pre);
        it->value = node(v);
    }
    it->index++;
    return true;
}

void json_it_remove(struct json_it *it)
{
    if (yyjson_mut_is_obj(val(it->in_))) {
        yyjson_mut_obj_iter o = {it->idx_, it->max_, val(it->cur_), val(it->prev_), val(it->in_)};
        yyjson_mut_obj_iter_remove(&o);
    } else {
        yyjson_mut_arr_iter a = {it->idx_, it->max_, val(it->cur_), val(it->prev_), val(it->in_)};
        yyjson_mut_arr_iter_remove(&a);
    }
    it->idx_--;
    it->max_--;
    it->cur_ = it->prev_; /* yyjson 0.10's array iterator would go one too far from here */
}

void json_it_replace(struct json_it *it, struct json *with)
{
    yyjson_mut_val *old = val(it->value), *new = val(with), *prev = val(it->prev_);

    if (!with)
        return;
    new->next = old->next == old ? new : old->next;
    if (yyjson_mut_is_obj(val(it->in_))) {
        val(it->cur_)->next = new;
    } else { /* by hand: yyjson_mut_arr_replace() would walk to the place */
        if (prev != old)
            prev->next = new;
        if (it->idx_ == it->max_)
            val(it->in_)->uni.ptr = new;
        it->cur_ = with;
    }
    it->value = with;
}

/* ---- building ---- */

static void fail(struct json_doc *doc, int r)
{
    if (!doc->err)
        doc->err = r;
}

/* A fresh value, or NULL with the failure noted. */
static struct json *made(struct json_doc *doc, yyjson_mut_val *v)
{
    if (!v)
        fail(doc, -ENOMEM);
    return node(v);
}

struct json *json_new_object(struct json_doc *doc)
{
    return made(doc, yyjson_mut_obj(doc->mut));
}

struct json *json_new_array(struct json_doc *doc)
{
    return made(doc, yyjson_mut_arr(doc->mut));
}

struct json *json_new_strn(struct json_doc *doc, const char *s, size_t len)
{
    return made(doc, yyjson_mut_strncpy(doc->mut, s, len));
}

struct json *json_new_bool(struct json_doc *doc, bool v)
{
    return made(doc, yyjson_mut_bool(doc->mut, v));
}

struct json *json_new_null(struct json_doc *doc)
{
    return made(doc, yyjson_mut_null(doc->mut));
}

struct json *json_new_raw(struct json_doc *doc, const char *text)
{
    return made(doc, yyjson_mut_rawcpy(doc->mut, text));
}

struct json *json_copy(struct json_doc *doc, const struct json *n)
{
    return made(doc, yyjson_mut_val_mut_copy(doc->mut, val(n)));
}

void json_append(struct json_doc *doc, struct json *array, struct json *n)
{
    if (!yyjson_mut_arr_append(val(array), val(n)))
        fail(doc, -EINVAL);
}

void json_insert(struct json_doc *doc, struct json *array, size_t index, struct json *n)
{
    size_t count = json_count(array);

    if (!yyjson_mut_arr_insert(val(array), val(n), index < count ? index : count))
        fail(doc, -EINVAL);
}

void json_add(struct json_doc *doc, struct json *object, const char *key, struct json *n)
{
    yyjson_mut_val *k = yyjson_mut_strcpy(doc->mut, key);

    if (!k)
        fail(doc, -ENOMEM);
    else if (!yyjson_mut_obj_add(val(object), k, val(n)))
        fail(doc, -EINVAL);
}

void json_set(struct json_doc *doc, struct json *object, const char *key, struct json *n)
{
    json_foreach (it, object) {
        if (it.key && strlen(key) == it.key_len && memcmp(it.key, key, it.key_len) == 0) {
            if (!n)
                fail(doc, -EINVAL);
            json_it_replace(&it, n);
            return;
        }
    }
    json_add(doc, object, key, n);
}

struct json *json_remove(struct json *object, const char *key)
{
    return node(yyjson_mut_obj_remove_key(val(object), key));
}

/* ---- writing ---- */

int json_write(const struct json_doc *doc, const struct json *n, enum json_style style, char **ret,
               size_t *ret_len)
{
    yyjson_write_flag flags =
        style == JSON_INDENT ? YYJSON_WRITE_PRETTY_TWO_SPACES | YYJSON_WRITE_NEWLINE_AT_END : 0;
    yyjson_write_err e = {0};
    size_t len;
    char *text;

    if (doc->err)
        return doc->err;
    text = yyjson_mut_val_write_opts(val(n), flags, NULL, &len, &e);
    if (!text && e.code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION)
        return -ENOMEM;
    if (!text)
        return e.code == YYJSON_WRITE_ERROR_INVALID_STRING ? -EILSEQ : -EINVAL;
    *ret = text;
    if (ret_len)
        *ret_len = len;
    return 0;
}
