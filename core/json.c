/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. yyjson parses into a compact read-only tree that points into a private copy of the text, so
 * every string's place is known while keys are checked for duplicates. That tree is then copied into yyjson's mutable
 * form, the only one this interface shows, and the first is freed. Numbers are kept as text (NUMBER_AS_RAW) all the
 * way. Before yyjson sees the text, json_text_check() bounds depth and number of values, and with that memory.
 */
#include "core/json.h"
#include "core/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

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

static int compare_keys(const void *a, const void *b)
{
    yyjson_val *ka = *(yyjson_val *const *)a, *kb = *(yyjson_val *const *)b;
    size_t la = yyjson_get_len(ka), lb = yyjson_get_len(kb);
    int r = memcmp(yyjson_get_str(ka), yyjson_get_str(kb), la < lb ? la : lb);

    if (r)
        return r;
    if (la != lb)
        return la < lb ? -1 : 1;
    return ka < kb ? -1 : ka > kb; /* so that of two equal ones the second in the text comes second */
}

/* The second of two equal keys of an object, or NULL. -ENOMEM in @ret_r. */
static yyjson_val *find_duplicate(yyjson_val *object, int *ret_r)
{
    size_t n = yyjson_obj_size(object), idx, max;
    yyjson_val *key, *value, *found = NULL, *few[16], **keys = few;

    *ret_r = 0;
    if (n < 2)
        return NULL;
    if (n > sizeof(few) / sizeof(few[0])) {
        keys = calloc(n, sizeof(yyjson_val *));
        if (!keys) {
            *ret_r = -ENOMEM;
            return NULL;
        }
    }
    yyjson_obj_foreach(object, idx, max, key, value) keys[idx] = key;
    (void)value;
    qsort(keys, n, sizeof(yyjson_val *), compare_keys);
    for (size_t i = 1; i < n && !found; i++)
        if (yyjson_equals_strn(keys[i - 1], yyjson_get_str(keys[i]), yyjson_get_len(keys[i])))
            found = keys[i];
    if (keys != few)
        free((void *)keys);
    return found;
}

/* Recursion is bounded by JSON_MAX_DEPTH. @copy: yyjson's copy of the text, into which strings point. */
static int check_keys(yyjson_val *v, const struct json_path *path, const char *copy, const char *text,
                      size_t len, struct json_error *err)
{
    size_t idx, max;
    yyjson_val *key, *elem, *twice;
    struct json_path below;
    int r = 0;

    if (!yyjson_is_ctn(v))
        return 0;
    twice = yyjson_is_obj(v) ? find_duplicate(v, &r) : NULL;
    if (r < 0)
        return r;
    if (twice) {
        json_text_refuse(err, text, len, (size_t)(yyjson_get_str(twice) - copy) - 1,
                         "the same key a second time");
        if (err) {
            err->path = *path;
            json_path_key(&err->path, yyjson_get_str(twice), yyjson_get_len(twice));
        }
        return -EBADMSG;
    }
    yyjson_obj_foreach(v, idx, max, key, elem)
    {
        if (!yyjson_is_ctn(elem))
            continue;
        below = *path;
        json_path_key(&below, yyjson_get_str(key), yyjson_get_len(key));
        if ((r = check_keys(elem, &below, copy, text, len, err)))
            return r;
    }
    yyjson_arr_foreach(v, idx, max, elem)
    {
        if (!yyjson_is_ctn(elem))
            continue;
        below = *path;
        json_path_index(&below, idx);
        if ((r = check_keys(elem, &below, copy, text, len, err)))
            return r;
    }
    return 0;
}

/* Parse @copy (changed by that) and check the keys. */
static int parse(char *copy, const char *text, size_t len, yyjson_doc **ret, struct json_error *err)
{
    yyjson_read_err e = {0};
    yyjson_doc *doc = yyjson_read_opts(copy, len, YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW, NULL, &e);
    int r;

    if (!doc && e.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return -ENOMEM;
    if (!doc) {
        json_text_refuse(err, text, len, e.pos, "%s", len ? e.msg : "no JSON in an empty text");
        json_text_add_path(err, text);
        return -EBADMSG;
    }
    r = check_keys(yyjson_doc_get_root(doc), &(struct json_path)JSON_PATH_ROOT, copy, text, len, err);
    if (r < 0) {
        yyjson_doc_free(doc);
        return r;
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
    *ret = doc;
    doc = NULL;
    return 0;
}

int json_read(const void *text, size_t len, size_t max, struct json_doc **ret, struct json_error *err)
{
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
        r = to_document(parsed, ret);
        yyjson_doc_free(parsed);
    }
    free(copy);
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

const char *json_type_name(const struct json *n)
{
    static const char *const names[] = {
        [JSON_NONE] = "missing",  [JSON_NULL] = "null",   [JSON_BOOL] = "boolean",  [JSON_NUMBER] = "number",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array", [JSON_OBJECT] = "object",
    };
    return names[json_type(n)];
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

const char *json_str(const struct json *n)
{
    size_t len;
    const char *s = json_strn(n, &len);

    return s && strlen(s) == len ? s : NULL;
}

const char *json_number_text(const struct json *n)
{
    return yyjson_mut_get_raw(val(n));
}

bool json_is_integer(const struct json *n)
{
    const char *s = json_number_text(n);

    if (!s)
        return false;
    s += *s == '-';
    return s[strspn(s, "0123456789")] == '\0';
}

/* 0 and sign and magnitude; the grammar of @n is JSON's already. */
static int integer(const struct json *n, bool *ret_negative, uint64_t *ret)
{
    const char *s = json_number_text(n);
    uint64_t v = 0;

    if (!n)
        return -ENOENT;
    if (!json_is_integer(n))
        return -EINVAL;
    *ret_negative = *s == '-';
    for (s += *ret_negative; *s; s++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
            return -ERANGE;
    *ret = v;
    return 0;
}

int json_uint(const struct json *n, uint64_t min, uint64_t max, uint64_t *ret)
{
    bool negative;
    uint64_t v;
    int r = integer(n, &negative, &v);

    if (r < 0)
        return r;
    if (negative || v < min || v > max)
        return -ERANGE;
    *ret = v;
    return 0;
}

int json_int(const struct json *n, int64_t min, int64_t max, int64_t *ret)
{
    bool negative;
    uint64_t v;
    int64_t w;
    int r = integer(n, &negative, &v);

    if (r < 0)
        return r;
    if (v > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    w = negative ? (int64_t)(0 - v) : (int64_t)v;
    if (w < min || w > max)
        return -ERANGE;
    *ret = w;
    return 0;
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

int json_get_str(const struct json *n, const char *key, const char **ret)
{
    const struct json *m = json_get(n, key);
    const char *s = json_str(m);

    if (!s)
        return m ? -EINVAL : -ENOENT;
    *ret = s;
    return 0;
}

int json_get_uint(const struct json *n, const char *key, uint64_t min, uint64_t max, uint64_t *ret)
{
    return json_uint(json_get(n, key), min, max, ret);
}

int json_get_int(const struct json *n, const char *key, int64_t min, int64_t max, int64_t *ret)
{
    return json_int(json_get(n, key), min, max, ret);
}

int json_get_bool(const struct json *n, const char *key, bool *ret)
{
    return json_bool(json_get(n, key), ret);
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

struct json *json_new_str(struct json_doc *doc, const char *s)
{
    return json_new_strn(doc, s, strlen(s));
}

struct json *json_new_strn(struct json_doc *doc, const char *s, size_t len)
{
    return made(doc, yyjson_mut_strncpy(doc->mut, s, len));
}

/* Numbers are text in a document, whether they were read or made. */
struct json *json_new_uint(struct json_doc *doc, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    return json_new_raw(doc, text);
}

struct json *json_new_int(struct json_doc *doc, int64_t v)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)v);
    return json_new_raw(doc, text);
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

void json_add_str(struct json_doc *doc, struct json *object, const char *key, const char *s)
{
    json_add(doc, object, key, json_new_str(doc, s));
}

void json_add_uint(struct json_doc *doc, struct json *object, const char *key, uint64_t v)
{
    json_add(doc, object, key, json_new_uint(doc, v));
}

void json_add_int(struct json_doc *doc, struct json *object, const char *key, int64_t v)
{
    json_add(doc, object, key, json_new_int(doc, v));
}

void json_add_bool(struct json_doc *doc, struct json *object, const char *key, bool v)
{
    json_add(doc, object, key, json_new_bool(doc, v));
}

void json_add_null(struct json_doc *doc, struct json *object, const char *key)
{
    json_add(doc, object, key, json_new_null(doc));
}

void json_append_str(struct json_doc *doc, struct json *array, const char *s)
{
    json_append(doc, array, json_new_str(doc, s));
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
