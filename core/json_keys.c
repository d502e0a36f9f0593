/* SPDX-License-Identifier: Apache-2.0 */
/* The same key twice in an object: RFC 8259 leaves open which one counts, and readers differ. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/fd.h"
#include "core/json_text.h"

struct key {
    const char *s;
    size_t len, index; /* index: of the text's values */
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    int r = memcmp(x->s, y->s, x->len < y->len ? x->len : y->len);

    if (r)
        return r;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->index < y->index ? -1 : 1; /* so that of two equal ones the second in the text comes second */
}

/* The second of two equal keys of an object. 0, -ENOENT: all differ, or -ENOMEM. */
static int find_duplicate(const struct json_doc *doc, const struct json *object, struct key *ret)
{
    size_t n = json_count(object);
    struct key few[16], *keys = few;
    free_auto struct key *many = NULL;

    if (n < 2)
        return -ENOENT;
    if (n > array_size(few)) {
        many = calloc(n, sizeof(*many));
        if (!many)
            return -ENOMEM;
        keys = many;
    }
    json_foreach (it, object)
        keys[it.index] = (struct key){it.key, it.key_len, json_text_index(doc, it.cur_)};
    qsort(keys, n, sizeof(*keys), compare_keys);
    for (size_t i = 1; i < n; i++)
        if (keys[i].len == keys[i - 1].len && memcmp(keys[i].s, keys[i - 1].s, keys[i].len) == 0) {
            *ret = keys[i];
            return 0;
        }
    return -ENOENT;
}

static int refuse(const struct json_doc *doc, const struct key *twice, const struct json_path *path,
                  const char *text, size_t len, struct json_error *err)
{
    size_t n = json_text_values(doc);
    free_auto struct json_span *spans = calloc(n, sizeof(*spans));

    if (!spans)
        return -ENOMEM;
    if (json_text_spans(text, len, spans, n) < 0)
        return -EINVAL;
    json_text_refuse(err, text, len, spans[twice->index].start, "the same key a second time");
    if (err) {
        err->path = *path;
        json_path_key(&err->path, twice->s, twice->len);
    }
    return -EBADMSG;
}

struct check {
    const struct json_doc *doc;
    const char *text;
    size_t len;
    struct json_error *err;
};

/* Recursion is bounded by JSON_MAX_DEPTH. */
static int check(const struct check *c, const struct json *n, const struct json_path *path)
{
    struct key twice;
    int r = json_type(n) == JSON_OBJECT ? find_duplicate(c->doc, n, &twice) : -ENOENT;

    if (r != -ENOENT)
        return r < 0 ? r : refuse(c->doc, &twice, path, c->text, c->len, c->err);
    json_foreach (it, n) {
        struct json_path below;

        if (json_type(it.value) != JSON_OBJECT && json_type(it.value) != JSON_ARRAY)
            continue;
        below = *path;
        if (it.key)
            json_path_key(&below, it.key, it.key_len);
        else
            json_path_index(&below, it.index);
        r = check(c, it.value, &below);
        if (r < 0)
            return r;
    }
    return 0;
}

int json_check_keys(const struct json_doc *doc, const char *text, size_t len, struct json_error *err)
{
    const struct check c = {doc, text, len, err};

    return check(&c, json_root(doc), &(struct json_path)JSON_PATH_ROOT);
}
