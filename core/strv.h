/* SPDX-License-Identifier: Apache-2.0 */
/* NULL-terminated vectors of strings and bounded string building. */
#pragma once
#include <stdarg.h>
#include <stddef.h>

struct strv {
    char **v; /* NULL-terminated once n > 0, else NULL */
    size_t n;
};

/* strv_add - append a copy of @s. -ENOMEM on failure. */
int strv_add(struct strv *sv, const char *s);
void strv_done(struct strv *sv);

/* A growing buffer of text; .s is NUL-terminated once anything was added, .err is sticky (-ENOMEM). */
struct strbuf {
    char *s;
    size_t len, cap;
    int err;
};
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void strbuf_add(struct strbuf *b, const void *data, size_t len);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_done(struct strbuf *b);

/* str_distance - Damerau-Levenshtein (optimal string alignment) distance, for suggestions; texts over 63 bytes count as far away. */
unsigned str_distance(const char *a, const char *b);

/* str_format - snprintf that reports truncation: 0 or -ENAMETOOLONG. */
int str_format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
