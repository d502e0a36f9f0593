/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP/1.1 client (RFC 9112) over a unix socket, for the API's command line: one request, one reply, or one that goes on. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/log.h"
#include "core/strv.h"

enum { HTTPC_REPLY_MAX = 16 * 1024 * 1024 };

struct httpc_reply {
    int status;      /* 200... */
    char server[64]; /* the Server header, "" when there is none */
    char *body;      /* NUL-terminated (it may hold NULs before that) */
    size_t len;
};

/**
 * httpc_request - connect to @socket_path, send, wait for the whole reply
 * @body: JSON, or NULL for none
 * @timeout_ms: for everything together
 * @ret: the caller frees .body
 *
 * Blocks. Return: 0, whatever the status is; -errno of socket(2), connect(2); -ETIMEDOUT; -EBADMSG: no HTTP reply; -EFBIG. @why says more.
 */
int httpc_request(const char *socket_path, const char *method, const char *path, const char *body,
                  int timeout_ms, struct httpc_reply *ret, struct reason *why);

/**
 * httpc_parse - take a reply apart: headers, Content-Length or chunks or neither; 1xx replies before it are skipped
 * @closed: the peer has closed: nothing more will come
 * Return: 1: complete, *ret filled; 0: more is needed; -EBADMSG; -ENOMEM; -EFBIG.
 */
int httpc_parse(const char *data, size_t len, bool closed, struct httpc_reply *ret);

/* A reply whose body goes on for as long as the server likes. */
struct httpc_stream;

/**
 * httpc_open - GET @path, wait for the head of the reply
 * @timeout_ms: for that
 * @ret: for httpc_close()
 * Blocks. Errors: httpc_request().
 */
int httpc_open(const char *socket_path, const char *path, int timeout_ms, struct httpc_stream **ret,
               struct reason *why);
void httpc_close(struct httpc_stream *s); /* NULL is fine */

int httpc_stream_status(const struct httpc_stream *s); /* 200... */
int httpc_stream_fd(const struct httpc_stream *s);     /* to poll(2), for POLLIN; see httpc_read() */

/**
 * httpc_read - what has come of the body, appended to @body
 * To be called once before the first poll(2): it may have come with the head.
 * Return: 1: the body is complete; 0: it goes on; -ECONNRESET: the connection ended in the middle; -EBADMSG, -EFBIG, -ENOMEM, -errno.
 * @body is to be looked at in any case. Does not block.
 */
int httpc_read(struct httpc_stream *s, struct strbuf *body);
