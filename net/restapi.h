/* SPDX-License-Identifier: Apache-2.0 */
/* What the REST API answers, without the HTTP around it (net/rest.c). The interface itself: net/rest.openapi.yaml. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "net/port.h"
#include "net/rest.h"

struct rest_answer {
    int status; /* HTTP status code */
    char *body; /* malloc()ed; NULL: empty */
    size_t len;
    const char *allow; /* for 405: the value of the Allow header; else NULL */
    bool events; /* the body is the beginning of net/restevents.h's text, which goes on with each change */
};

/**
 * restapi_handle - answer one request
 * @ports: NULL: there is no port driver
 * @path: without query
 * @body: @len bytes, untrusted
 * @ret: always filled in; the caller frees .body
 *
 * Blocks as port_add() and port_remove() do.
 */
void restapi_handle(const struct rest_info *info, struct port_table *ports, const char *method,
                    const char *path, const void *body, size_t len, struct rest_answer *ret);
/* restapi_error - an answer with {"message": @text} */
void restapi_error(struct rest_answer *ret, int status, const char *text);
