/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slirp4netns' JSON API on a unix socket: one request a connection, one reply.
 *
 *     {"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"0.0.0.0","host_port":8080,"guest_addr":"10.0.2.100","guest_port":80}}
 *     {"execute":"list_hostfwd"}    {"execute":"remove_hostfwd","arguments":{"id":1}}
 *
 * Clients are read and written without blocking, with a limit on number, size and time.
 */
#pragma once
#include <stddef.h>

#include "core/loop.h"
#include "net/addrplan.h"
#include "net/slirp.h"

enum {
    NETD_API_MAX_REQUEST = 4095,
    NETD_API_MAX_CLIENTS = 32,
    NETD_API_MAX_FORWARDS = 4096,
    NETD_API_TIMEOUT_MS = 10000
};

struct netd_api;

/* netd_api_new - serve on @listen_fd (borrowed, listening, AF_UNIX). @stack and @plan are borrowed for the life of the API. */
int netd_api_new(struct loop *l, int listen_fd, struct stack *stack, const struct addrplan *plan,
                 struct netd_api **ret);
void netd_api_free(struct netd_api *a);

/* netd_api_answer - the reply to one request text; malloc()ed. 0 or -ENOMEM: bad requests are answered, too. */
int netd_api_answer(struct netd_api *a, const char *request, size_t len, char **ret, size_t *ret_len);
