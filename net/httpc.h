/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP/1.1 client (RFC 9112) over a unix socket: one request, one reply, for the API's command line. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "core/log.h"

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
