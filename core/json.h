/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: the one door to yyjson. A strict reader that keeps the order of keys and the text of numbers, and a writer.
 *
 * Ownership: a document owns all of its nodes and their strings; json_doc_free() is the only thing to free. A node
 * that was taken out of its tree stays valid (and may be put in elsewhere, once) until then.
 *
 *     struct json_doc *doc json_auto = NULL;
 *     r = json_read(text, len, 64 * 1024, &doc, &err);          r < 0: err says what and where
 *     r = json_get_uint(json_root(doc), "port", 1, 65535, &port);
 *
 *     struct json_doc *doc json_auto = NULL;
 *     r = json_doc_new(&doc);
 *     struct json *o = json_new_object(doc);
 *     json_add_str(doc, o, "proto", "tcp");
 *     json_add(doc, o, "list", json_new_array(doc));
 *     r = json_write(doc, o, JSON_COMPACT, &text, NULL);         the first error of all of the above
 *
 * Nothing here blocks, logs or reads files. Facts: RFC 8259.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_doc;
struct json; /* a node */

enum json_type {
    JSON_NONE, /* what a NULL node is: looking into a member that is not there is not an error */
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

enum {
    JSON_MAX_DEPTH = 128,      /* containers in containers */
    JSON_MAX_VALUES = 1 << 20, /* bounds the memory of a document (about 50 bytes a value) */
};

/*
 * The place of a node, as jq writes it: ".linux.namespaces[3]", ".annotations["a b"]"; "." is the root. Long ones end
 * in "...", with odd bytes as '?', so that a path can be shown to anybody.
 */
struct json_path {
    char text[256]; /* NUL-terminated */
    size_t len;
    bool cut;
};
#define JSON_PATH_ROOT        \
    {                         \
        .text = ".", .len = 1 \
    }
/* json_path_key, json_path_index - one step down. To go up again, keep a copy of the struct. */
void json_path_key(struct json_path *p, const char *key, size_t key_len);
void json_path_index(struct json_path *p, size_t index);

/* Where and why a text was refused. */
struct json_error {
    size_t offset;       /* bytes before the place */
    size_t line, column; /* from 1; columns in bytes */
    struct json_path path;
    char text[128]; /* "unexpected character", without the place */
};

/* ---- documents ---- */

/**
 * json_read - parse one JSON text
 * @max: refuse (-EFBIG) a text with more bytes than this
 * @ret: the document; the caller frees it. It does not refer to @text.
 * @err: filled on every failure; may be NULL
 *
 * Refused with -EBADMSG: everything that RFC 8259 does not allow (comments, trailing commas, a byte order mark, data after
 * the value), invalid UTF-8, lone surrogates, the same key twice in an object, more than JSON_MAX_DEPTH levels, more than
 * JSON_MAX_VALUES values.
 */
int json_read(const void *text, size_t len, size_t max, struct json_doc **ret, struct json_error *err);

/* json_doc_new - an empty document to build nodes in. 0 or -ENOMEM. */
int json_doc_new(struct json_doc **ret);
void json_doc_free(struct json_doc *doc);
void json_doc_cleanup(struct json_doc **doc);
#define json_auto __attribute__((cleanup(json_doc_cleanup)))

struct json *json_root(const struct json_doc *doc);
/* json_doc_error - the first error of building so far: 0 or -errno. */
int json_doc_error(const struct json_doc *doc);

/* ---- looking; @n may be NULL everywhere ---- */

enum json_type json_type(const struct json *n);
const char *json_type_name(const struct json *n); /* "object", "missing" for NULL */
/* json_is_integer - a number written as an integer: no '.', no exponent */
bool json_is_integer(const struct json *n);

/* json_get - member of an object; NULL when @n is no object or has no such member. O(members). */
struct json *json_get(const struct json *n, const char *key);
/* json_at - element of an array, or NULL. O(index): to look at all of them use json_foreach(). */
struct json *json_at(const struct json *n, size_t index);
size_t json_count(const struct json *n); /* elements or members; 0 for anything else */

/* json_str - the string, or NULL when @n is none or holds a NUL (which a C string would hide). */
const char *json_str(const struct json *n);
/* json_strn - the string with its length, NULs and all, or NULL when @n is none. */
const char *json_strn(const struct json *n, size_t *ret_len);
/* json_number_text - the number as it was written, or NULL. */
const char *json_number_text(const struct json *n);
/* -ENOENT: @n is NULL; -EINVAL: another type, or not written as an integer; -ERANGE: outside min..max. */
int json_uint(const struct json *n, uint64_t min, uint64_t max, uint64_t *ret);
int json_int(const struct json *n, int64_t min, int64_t max, int64_t *ret);
int json_bool(const struct json *n, bool *ret);

/* The same for a member of an object. json_get_str: -ENOENT, -EINVAL; the string belongs to the document. */
int json_get_str(const struct json *n, const char *key, const char **ret);
int json_get_uint(const struct json *n, const char *key, uint64_t min, uint64_t max, uint64_t *ret);
int json_get_int(const struct json *n, const char *key, int64_t min, int64_t max, int64_t *ret);
int json_get_bool(const struct json *n, const char *key, bool *ret);

/*
 * Iteration over an array or object (anything else has no elements):
 *
 *     json_foreach(it, node)
 *         use(it.key, it.value, it.index);
 *
 * The element under the iterator may be changed with json_it_remove() and json_it_replace(); no other change of the
 * container is allowed meanwhile.
 */
struct json_it {
    const char *key; /* of a member; NULL in an array */
    size_t key_len;  /* keys may hold NULs */
    struct json *value;
    size_t index;                    /* from 0; json_it_remove() does not renumber */
    size_t idx_, max_;               /* the rest is the iterator's own */
    struct json *cur_, *prev_, *in_; /* cur_: the key of a member */
};
struct json_it json_it(const struct json *n);
bool json_it_next(struct json_it *it);
#define json_foreach(it, n) for (struct json_it it = json_it(n); json_it_next(&it);)
void json_it_remove(struct json_it *it);
void json_it_replace(struct json_it *it, struct json *with);

/*
 * ---- building and changing ----
 *
 * Strings and keys are copied and must be UTF-8. Errors (no memory, invalid UTF-8, a NULL node handed on) stick to the
 * document and come out of json_write(); so a builder needs no check in between. A node goes into one place only.
 */
struct json *json_new_object(struct json_doc *doc);
struct json *json_new_array(struct json_doc *doc);
struct json *json_new_str(struct json_doc *doc, const char *s);
struct json *json_new_strn(struct json_doc *doc, const char *s, size_t len);
struct json *json_new_uint(struct json_doc *doc, uint64_t v);
struct json *json_new_int(struct json_doc *doc, int64_t v);
struct json *json_new_bool(struct json_doc *doc, bool v);
struct json *json_new_null(struct json_doc *doc);
/* json_new_raw - a piece of text that is valid JSON already (a number, say); written as it is, never checked. */
struct json *json_new_raw(struct json_doc *doc, const char *text);
/* json_copy - a deep copy of a node of any document. */
struct json *json_copy(struct json_doc *doc, const struct json *n);

/* json_append - at the end of an array; json_insert - before the element @index (at the end when there are fewer). */
void json_append(struct json_doc *doc, struct json *array, struct json *n);
void json_insert(struct json_doc *doc, struct json *array, size_t index, struct json *n);
/* json_add - at the end of an object, whose members the caller knows to be others; json_set - in place of a member with that key, if there is one. */
void json_add(struct json_doc *doc, struct json *object, const char *key, struct json *n);
void json_set(struct json_doc *doc, struct json *object, const char *key, struct json *n);
/* json_remove - the member that was there, or NULL. */
struct json *json_remove(struct json *object, const char *key);

void json_add_str(struct json_doc *doc, struct json *object, const char *key, const char *s);
void json_add_uint(struct json_doc *doc, struct json *object, const char *key, uint64_t v);
void json_add_int(struct json_doc *doc, struct json *object, const char *key, int64_t v);
void json_add_bool(struct json_doc *doc, struct json *object, const char *key, bool v);
void json_add_null(struct json_doc *doc, struct json *object, const char *key);
void json_append_str(struct json_doc *doc, struct json *array, const char *s);

/* ---- writing ---- */

enum json_style {
    JSON_COMPACT, /* one line, no blanks, no newline at the end */
    JSON_INDENT,  /* two spaces a level, newline at the end */
};

/**
 * json_write - write a node and what is below it
 * @ret: malloc()ed, NUL-terminated; the caller frees it
 * @ret_len: its length without the NUL; may be NULL
 *
 * Return: 0, or the first error of building: -ENOMEM, -EILSEQ (a string that is not UTF-8), -EINVAL (NULL node, wrong container).
 */
int json_write(const struct json_doc *doc, const struct json *n, enum json_style style, char **ret,
               size_t *ret_len);

/**
 * json_write_like - write a document that was read, changing its text only where the document was changed
 * @text: what json_read() got
 *
 * Blanks, line breaks and the spelling of strings and numbers stay for what was read; new values follow the indentation
 * of what is around them. A document that was not changed gives the bytes of @text. Return as json_write().
 */
int json_write_like(const struct json_doc *doc, const char *text, size_t len, char **ret, size_t *ret_len);
