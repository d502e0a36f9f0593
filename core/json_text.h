/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of core/json that look at the text itself. For core/json*.c only. */
#pragma once
#include "core/json.h"

/* json_text_refuse - fill @err (may be NULL) for the byte @offset of @text, path still the root. Returns -EBADMSG. */
int json_text_refuse(struct json_error *err, const char *text, size_t len, size_t offset, const char *fmt,
                     ...) __attribute__((format(printf, 5, 6)));

/* json_text_add_path - complete @err's path from what is before its offset. The text may be any. */
void json_text_add_path(struct json_error *err, const char *text);

/* json_text_check - refuse (-EBADMSG) more than JSON_MAX_DEPTH levels or JSON_MAX_VALUES values. Linear, no memory. */
int json_text_check(const char *text, size_t len, struct json_error *err);

/*
 * json_text_index - which value of the text that was read @n is: 0 for the root, then in the order of the text, keys
 * counted too (so a member's key is one less than its value); SIZE_MAX for a node that was made.
 */
size_t json_text_index(const struct json_doc *doc, const struct json *n);
size_t json_text_values(const struct json_doc *doc); /* how many there are */

/* Where a value is in the text; texts are far below 4 GiB. */
struct json_span {
    uint32_t start, end;
};

/* json_text_spans - those of all @max values of a text that was read, in their order. 0, or -EINVAL: it is not that text. */
int json_text_spans(const char *text, size_t len, struct json_span *ret, size_t max);
bool json_text_blank(char c);

/* json_check_keys - refuse (-EBADMSG) the same key twice in an object of a document that was read from @text. */
int json_check_keys(const struct json_doc *doc, const char *text, size_t len, struct json_error *err);
