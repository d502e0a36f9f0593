/* SPDX-License-Identifier: Apache-2.0 */
/* Text of others (names of files, words of commands), made fit to be shown. */
#pragma once
#include "core/strv.h"

enum escape {
    ESCAPE_TERMINAL, /* control characters (C0, DEL, C1), invisible ones and those that turn the direction of text
                         (Unicode), the backslash, and what is not UTF-8 (RFC 3629) */
    ESCAPE_INVALID, /* only what is not UTF-8: for JSON, which has escapes of its own for the rest */
};

/* escape_add - append @len bytes of @s; each byte of what is to be escaped becomes \xNN. */
void escape_add(struct strbuf *b, const char *s, size_t len, enum escape what);

/* escape_width - characters in UTF-8 text; a rough measure for columns. */
size_t escape_width(const char *s);
