/* SPDX-License-Identifier: Apache-2.0 */
/* What of the interface needs no yyjson: values as C knows them, and members that are looked for or made in one go. */
#include "core/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- looking ---- */

const char *json_type_name(const struct json *n)
{
    static const char *const names[] = {
        [JSON_NONE] = "missing",  [JSON_NULL] = "null",   [JSON_BOOL] = "boolean",  [JSON_NUMBER] = "number",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array", [JSON_OBJECT] = "object",
    };
    return names[json_type(n)];
}

const char *json_str(const struct json *n)
{
    size_t len;
    const char *s = json_strn(n, &len);

    return s && strlen(s) == len ? s : NULL;
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

/* ---- building ---- */

struct json *json_new_str(struct json_doc *doc, const char *s)
{
    return json_new_strn(doc, s, strlen(s));
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
