/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_reader.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/parse.h"

struct span {
    const char *at;
    size_t left;
};

void http_reader_init(struct http_reader *r, uint64_t body_max)
{
    *r = (struct http_reader){.state = HTTP_STATUS, .body_max = body_max};
}

void http_reader_done(struct http_reader *r)
{
    strbuf_done(&r->line);
}

static int copy_text(const struct span *s, char *buf, size_t size)
{
    if (s->left >= size || memchr(s->at, '\0', s->left))
        return -EBADMSG;
    memcpy(buf, s->at, s->left);
    buf[s->left] = '\0';
    return 0;
}

/* "HTTP/1.1 200 OK" */
static int on_status(struct http_reader *r, const struct span *l)
{
    if (l->left < 12 || memcmp(l->at, "HTTP/1.", 7) != 0 || l->at[8] != ' ' ||
        (l->left > 12 && l->at[12] != ' '))
        return -EBADMSG;
    char digits[4] = {l->at[9], l->at[10], l->at[11], '\0'};
    uint64_t v;
    if (parse_uint(digits, 100, 599, &v) < 0)
        return -EBADMSG;
    r->status = (int)v;
    r->chunked = r->have_length = false;
    r->server[0] = '\0';
    r->state = HTTP_HEADERS;
    return 0;
}

static bool is_header(const struct span *l, const char *name, struct span *ret_value)
{
    size_t n = strlen(name);
    if (l->left <= n || l->at[n] != ':' || strncasecmp(l->at, name, n) != 0)
        return false;
    struct span v = {l->at + n + 1, l->left - n - 1};
    while (v.left && (*v.at == ' ' || *v.at == '\t'))
        v.at++, v.left--;
    while (v.left && (v.at[v.left - 1] == ' ' || v.at[v.left - 1] == '\t'))
        v.left--;
    *ret_value = v;
    return true;
}

/* After the empty line: what the body is. */
static int begin_body(struct http_reader *r)
{
    if (r->status < 200) {
        r->state = HTTP_STATUS;
    } else if (r->status == 204 || r->status == 304) {
        r->state = HTTP_COMPLETE;
    } else if (r->chunked) {
        r->state = HTTP_CHUNK_SIZE;
    } else if (r->have_length) {
        if (r->length > r->body_max)
            return -EFBIG;
        r->left = r->length;
        r->state = r->left ? HTTP_LENGTH : HTTP_COMPLETE;
    } else {
        r->state = HTTP_UNTIL_CLOSE;
    }
    return 0;
}

static int on_header(struct http_reader *r, const struct span *l)
{
    struct span v;
    char text[24];
    if (l->left == 0)
        return begin_body(r);
    if (is_header(l, "Content-Length", &v)) {
        uint64_t n;
        if (copy_text(&v, text, sizeof(text)) < 0 || parse_uint(text, 0, UINT64_MAX, &n) < 0 ||
            (r->have_length && r->length != n))
            return -EBADMSG;
        r->have_length = true;
        r->length = n;
    } else if (is_header(l, "Transfer-Encoding", &v)) {
        if (v.left != 7 || strncasecmp(v.at, "chunked", 7) != 0)
            return -EBADMSG;
        r->chunked = true;
    } else if (is_header(l, "Server", &v)) {
        if (copy_text(&v, r->server, sizeof(r->server)) < 0)
            r->server[0] = '\0';
    }
    return 0;
}

static int on_chunk_size(struct http_reader *r, const struct span *l)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < l->left && isxdigit((unsigned char)l->at[i]); i++) {
        int c = tolower((unsigned char)l->at[i]);
        n = n * 16 + (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        if (n > HTTP_CHUNK_MAX)
            return -EFBIG;
    }
    if (i == 0 || (i < l->left && l->at[i] != ';' && l->at[i] != ' ')) /* extensions are ignored */
        return -EBADMSG;
    if (n > r->body_max - r->body)
        return -EFBIG;
    r->left = n;
    r->state = n ? HTTP_CHUNK : HTTP_TRAILERS;
    return 0;
}

static int on_line(struct http_reader *r, const struct span *l)
{
    switch (r->state) {
    case HTTP_STATUS: return on_status(r, l);
    case HTTP_HEADERS: return on_header(r, l);
    case HTTP_CHUNK_SIZE: return on_chunk_size(r, l);
    case HTTP_CHUNK_END: r->state = HTTP_CHUNK_SIZE; return l->left == 0 ? 0 : -EBADMSG;
    default: /* trailers, which nobody wants */
        if (l->left == 0)
            r->state = HTTP_COMPLETE;
        return 0;
    }
}

/* Take a line, or the piece of one that there is. Its end is LF, or CR and LF. */
static int take_line(struct http_reader *r, struct span *s)
{
    const char *nl = memchr(s->at, '\n', s->left);
    size_t n = nl ? (size_t)(nl - s->at) + 1 : s->left;
    bool counted = r->state != HTTP_CHUNK_SIZE && r->state != HTTP_CHUNK_END;
    if (n > HTTP_LINES_MAX - r->line.len || (counted && n > HTTP_LINES_MAX - r->lines))
        return -EFBIG;
    r->lines += counted ? n : 0;
    strbuf_add(&r->line, s->at, n);
    s->at += n;
    s->left -= n;
    if (r->line.err || !nl)
        return r->line.err;
    struct span l = {r->line.s, r->line.len - 1};
    if (l.left && l.at[l.left - 1] == '\r')
        l.left--;
    int err = on_line(r, &l);
    r->line.len = 0;
    return err;
}

static int take_body(struct http_reader *r, struct span *s, struct strbuf *body)
{
    size_t n = r->state != HTTP_UNTIL_CLOSE && r->left < s->left ? (size_t)r->left : s->left;
    if (n > r->body_max - r->body)
        return -EFBIG;
    if (body)
        strbuf_add(body, s->at, n);
    s->at += n;
    s->left -= n;
    r->body += n;
    if (r->state == HTTP_UNTIL_CLOSE)
        return body ? body->err : 0;
    r->left -= n;
    if (r->left == 0)
        r->state = r->state == HTTP_CHUNK ? HTTP_CHUNK_END : HTTP_COMPLETE;
    return body ? body->err : 0;
}

int http_reader_feed(struct http_reader *r, const char *data, size_t len, bool closed, struct strbuf *body)
{
    struct span s = {data, len};
    int err = 0;
    while (err == 0 && s.left > 0 && r->state != HTTP_COMPLETE) {
        bool in_body = r->state == HTTP_LENGTH || r->state == HTTP_UNTIL_CLOSE || r->state == HTTP_CHUNK;
        err = in_body ? take_body(r, &s, body) : take_line(r, &s);
    }
    if (err < 0)
        return err;
    if (closed && r->state == HTTP_UNTIL_CLOSE)
        r->state = HTTP_COMPLETE;
    if (r->state == HTTP_COMPLETE)
        return 1;
    return closed ? -ECONNRESET : 0;
}
