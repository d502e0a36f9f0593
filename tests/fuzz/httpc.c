/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of an HTTP server: bounded, and the same whether they come in one piece or are looked at early. */
#include "net/httpc.c"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct httpc_reply whole, open;
    int closed = httpc_parse((const char *)data, size, true, &whole);
    int more = httpc_parse((const char *)data, size, false, &open);
    assert(closed != 0); /* nothing more will come: there is an answer */
    if (more == 1) {     /* complete without the end of the connection, so complete with it */
        assert(closed == 1 && whole.status == open.status && whole.len == open.len);
        assert(memcmp(whole.body, open.body, open.len + 1) == 0);
        assert(open.status >= 200 && open.status <= 599 && open.len <= size);
        free(open.body);
    }
    if (closed == 1)
        free(whole.body);
    return 0;
}
