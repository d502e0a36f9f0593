/* SPDX-License-Identifier: Apache-2.0 */
#include "net/httpc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/loop.h"
#include "core/parse.h"
#include "core/statedir.h"
#include "core/strv.h"

/* ---- parsing: a reader that never leaves its bytes ---- */

struct span {
    const char *at;
    size_t left;
};

struct head {
    int status;
    bool chunked, have_length;
    uint64_t length;
    char server[64];
};

/* Next line without its CRLF (or LF). 1, or 0 when it has not arrived whole. */
static int take_line(struct span *s, struct span *ret)
{
    const char *nl = memchr(s->at, '\n', s->left);
    if (!nl)
        return 0;
    size_t n = (size_t)(nl - s->at);
    *ret = (struct span){s->at, n && s->at[n - 1] == '\r' ? n - 1 : n};
    s->at += n + 1;
    s->left -= n + 1;
    return 1;
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
static int parse_status(const struct span *l, int *ret)
{
    if (l->left < 12 || memcmp(l->at, "HTTP/1.", 7) != 0 || l->at[8] != ' ' ||
        (l->left > 12 && l->at[12] != ' '))
        return -EBADMSG;
    char digits[4] = {l->at[9], l->at[10], l->at[11], '\0'};
    uint64_t v;
    if (parse_uint(digits, 100, 599, &v) < 0)
        return -EBADMSG;
    *ret = (int)v;
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

static int parse_header(const struct span *l, struct head *h)
{
    struct span v;
    char text[24];
    if (is_header(l, "Content-Length", &v)) {
        uint64_t n;
        if (copy_text(&v, text, sizeof(text)) < 0 || parse_uint(text, 0, UINT64_MAX, &n) < 0 ||
            (h->have_length && h->length != n))
            return -EBADMSG;
        h->have_length = true;
        h->length = n;
    } else if (is_header(l, "Transfer-Encoding", &v)) {
        if (v.left != 7 || strncasecmp(v.at, "chunked", 7) != 0)
            return -EBADMSG;
        h->chunked = true;
    } else if (is_header(l, "Server", &v)) {
        if (copy_text(&v, h->server, sizeof(h->server)) < 0)
            h->server[0] = '\0';
    }
    return 0;
}

/* Status line and headers, up to the empty line. 1, 0: more is needed, -EBADMSG. */
static int take_head(struct span *s, struct head *ret)
{
    struct span l;
    struct head h = {.status = 0};
    if (!take_line(s, &l))
        return 0;
    if (parse_status(&l, &h.status) < 0)
        return -EBADMSG;
    for (;;) {
        if (!take_line(s, &l))
            return 0;
        if (l.left == 0)
            break;
        if (parse_header(&l, &h) < 0)
            return -EBADMSG;
    }
    *ret = h;
    return 1;
}

static int chunk_size(const struct span *l, size_t *ret)
{
    size_t n = 0, i = 0;
    for (; i < l->left && isxdigit((unsigned char)l->at[i]); i++) {
        int c = tolower((unsigned char)l->at[i]);
        n = n * 16 + (size_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        if (n > HTTPC_REPLY_MAX)
            return -EFBIG;
    }
    if (i == 0 || (i < l->left && l->at[i] != ';' && l->at[i] != ' ')) /* extensions are ignored */
        return -EBADMSG;
    *ret = n;
    return 0;
}

static int take_chunks(struct span *s, struct strbuf *body)
{
    for (;;) {
        struct span l;
        size_t n;
        if (!take_line(s, &l))
            return 0;
        int r = chunk_size(&l, &n);
        if (r < 0)
            return r;
        if (n == 0)
            break;
        if (s->left < n)
            return 0;
        strbuf_add(body, s->at, n);
        s->at += n;
        s->left -= n;
        if (!take_line(s, &l))
            return 0;
        if (l.left != 0)
            return -EBADMSG;
    }
    for (;;) { /* trailers */
        struct span l;
        if (!take_line(s, &l))
            return 0;
        if (l.left == 0)
            return body->err ? body->err : 1;
    }
}

static int take_body(struct span *s, const struct head *h, bool closed, struct strbuf *body)
{
    if (h->status == 204 || h->status == 304)
        return 1;
    if (h->chunked)
        return take_chunks(s, body);
    if (h->have_length && h->length > HTTPC_REPLY_MAX)
        return -EFBIG;
    if (h->have_length ? s->left < h->length : !closed)
        return 0;
    strbuf_add(body, s->at, h->have_length ? (size_t)h->length : s->left);
    return body->err ? body->err : 1;
}

int httpc_parse(const char *data, size_t len, bool closed, struct httpc_reply *ret)
{
    struct span s = {data, len};
    struct head h;
    int r;
    do
        r = take_head(&s, &h);
    while (r == 1 && h.status < 200);
    struct strbuf body = {0};
    if (r == 1)
        r = take_body(&s, &h, closed, &body);
    if (r == 1 && !body.s)
        strbuf_adds(&body, "");
    if (r == 1 && body.err)
        r = body.err;
    if (r != 1) {
        strbuf_done(&body);
        return r == 0 && closed ? -EBADMSG : r;
    }
    *ret = (struct httpc_reply){.status = h.status, .body = body.s, .len = body.len};
    memcpy(ret->server, h.server, sizeof(ret->server));
    return 1;
}

/* ---- talking ---- */

static int connect_unix(const char *path, int timeout_ms, int *ret)
{
    fd_auto int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* A listener that accepts nobody: connect(2) waits for a place in its queue for as long as a send would (unix(7)). */
    const struct timeval patience = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
        return -errno;
    int r = statedir_connect(fd, path);
    if (r < 0)
        return r == -EAGAIN ? -ETIMEDOUT : r;
    *ret = steal_fd(&fd);
    return 0;
}

static int wait_until(int fd, short events, uint64_t end)
{
    for (;;) {
        uint64_t now = now_ns();
        struct pollfd p = {.fd = fd, .events = events};
        if (now >= end)
            return -ETIMEDOUT;
        int n = poll(&p, 1, (int)((end - now) / 1000000u) + 1);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

static int send_all(int fd, const char *data, size_t len, uint64_t end)
{
    while (len > 0) {
        int r = wait_until(fd, POLLOUT, end);
        if (r < 0)
            return r;
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int receive(int fd, uint64_t end, struct httpc_reply *ret)
{
    struct strbuf in = {0};
    char buf[16384];
    int r;
    do {
        r = wait_until(fd, POLLIN, end);
        if (r < 0)
            break;
        ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0) {
            r = -errno;
            break;
        }
        strbuf_add(&in, buf, (size_t)n);
        r = in.err ? in.err : httpc_parse(in.s ? in.s : "", in.len, n == 0, ret);
        if (r == 0 && in.len > HTTPC_REPLY_MAX)
            r = -EFBIG;
    } while (r == 0);
    strbuf_done(&in);
    return r == 1 ? 0 : r;
}

static int exchange(int fd, const char *method, const char *path, const char *body, int timeout_ms,
                    struct httpc_reply *ret)
{
    struct strbuf out = {0};
    uint64_t end = now_ns() + (uint64_t)timeout_ms * 1000000u;
    strbuf_addf(&out,
                "%s %s HTTP/1.1\r\nHost: rootlesskit\r\nAccept: application/json\r\nConnection: close\r\n",
                method, path);
    if (body)
        strbuf_addf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    strbuf_adds(&out, "\r\n");
    strbuf_adds(&out, body ? body : "");
    int r = out.err ? out.err : send_all(fd, out.s, out.len, end);
    strbuf_done(&out);
    /* EPIPE: the server may have answered (413) and closed before it took all of the body. */
    return r == 0 || r == -EPIPE ? receive(fd, end, ret) : r;
}

int httpc_request(const char *socket_path, const char *method, const char *path, const char *body,
                  int timeout_ms, struct httpc_reply *ret, struct reason *why)
{
    fd_auto int fd = -1;
    int r = connect_unix(socket_path, timeout_ms, &fd);
    if (r == -ENOENT)
        return reason_set(why, r, "there is no socket '%s' (is the instance running?)", socket_path);
    if (r == -ECONNREFUSED)
        return reason_set(why, r, "nobody listens on '%s' (the instance has ended)", socket_path);
    if (r < 0 && r != -ETIMEDOUT)
        return reason_set(why, r, "cannot connect to '%s': %s", socket_path, strerror(-r));
    if (r == 0)
        r = exchange(fd, method, path, body, timeout_ms, ret);
    if (r == -ETIMEDOUT)
        return reason_set(why, r, "'%s' did not answer within %d seconds", socket_path, timeout_ms / 1000);
    if (r == -EBADMSG)
        return reason_set(why, r, "what listens on '%s' does not speak HTTP", socket_path);
    return r < 0 ? reason_set(why, r, "talking to '%s': %s", socket_path, strerror(-r)) : 0;
}
