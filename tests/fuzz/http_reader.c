/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of an HTTP server, as they come: the first byte says in which pieces. The pieces must not matter, and nothing is kept but a line. */
#include "net/http_reader.c"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096 };

/* To the end, in pieces of a size that changes with each. What it returned, and the body. */
static int read_all(const char *text, size_t len, unsigned step, struct http_reader *r, struct strbuf *body)
{
    int got = 0;
    unsigned n = step;
    http_reader_init(r, BODY_MAX);
    while (got == 0) {
        size_t piece = n < len ? n : len;
        got = http_reader_feed(r, text, piece, piece == len, body);
        assert(r->line.len <= HTTP_LINES_MAX && r->body <= BODY_MAX && r->body == body->len);
        text += piece;
        len -= piece;
        n = n * 5 % 11 + 1;
    }
    return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_reader whole, pieces;
    struct strbuf a = {0}, b = {0};
    if (size < 1)
        return 0;
    const char *text = (const char *)data + 1;
    int one = read_all(text, size - 1, UINT32_MAX, &whole, &a);
    int many = read_all(text, size - 1, data[0] % 23 + 1, &pieces, &b);
    assert(one == many && whole.state == pieces.state && whole.status == pieces.status);
    assert(strcmp(whole.server, pieces.server) == 0);
    if (one == 1) {
        assert(whole.state == HTTP_COMPLETE && whole.status >= 200 && whole.status <= 599);
        assert(a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0));
    }
    strbuf_done(&a);
    strbuf_done(&b);
    http_reader_done(&whole);
    http_reader_done(&pieces);
    return 0;
}
