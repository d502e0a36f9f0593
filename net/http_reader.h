/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 reply (RFC 9112) taken apart as it comes in, in pieces of any size. 1xx replies before it are skipped.
 *
 *     head (lines) ──▶ length ─────────────────────────▶ complete
 *                  ├─▶ until the end of the connection ─▶
 *                  ├─▶ chunk size ─▶ chunk ─▶ chunk's end ─┐
 *                  │       ▲ └──────────────────────────── ┘
 *                  │       └─ (0) ─▶ trailers (lines) ───▶
 *                  └─▶ (204, 304) ───────────────────────▶
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/strv.h"

enum {
    HTTP_LINES_MAX = 64 * 1024, /* bytes of heads and trailers together */
    HTTP_CHUNK_MAX = 16 * 1024 * 1024,
};

enum http_state {
    HTTP_STATUS,      /* the first line is coming */
    HTTP_HEADERS,     /* up to the empty line */
    HTTP_LENGTH,      /* @left bytes of the body are to come */
    HTTP_UNTIL_CLOSE, /* all that comes is body */
    HTTP_CHUNK_SIZE,  /* a line */
    HTTP_CHUNK,       /* @left bytes of the chunk are to come */
    HTTP_CHUNK_END,   /* an empty line */
    HTTP_TRAILERS,    /* up to the empty line */
    HTTP_COMPLETE,
};

struct http_reader {
    enum http_state state;
    int status;      /* 200...; known from HTTP_LENGTH on */
    char server[64]; /* the Server header, "" when there is none */
    bool chunked, have_length;
    uint64_t length, left;
    uint64_t body, body_max;
    size_t lines;
    struct strbuf line; /* the beginning of one */
};

/* http_reader_init - @body_max: a longer body is -EFBIG; UINT64_MAX: it may be endless. */
void http_reader_init(struct http_reader *r, uint64_t body_max);
void http_reader_done(struct http_reader *r);

/**
 * http_reader_feed - the next bytes
 * @closed: the peer has closed: nothing more will come
 * @body: what they have of the body is appended; NULL: it is thrown away
 *
 * Return: 1: the reply is complete (what comes after it is ignored); 0: more is needed; -EBADMSG: no HTTP; -ECONNRESET: it ends in
 * the middle; -EFBIG; -ENOMEM. After an error there is nothing more to be had.
 */
int http_reader_feed(struct http_reader *r, const char *data, size_t len, bool closed, struct strbuf *body);

/* http_reader_has_head - are status and server known? */
static inline bool http_reader_has_head(const struct http_reader *r)
{
    return r->state > HTTP_HEADERS;
}
