/* SPDX-License-Identifier: Apache-2.0 */
#include "net/httpc.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/loop.h"
#include "core/statedir.h"
#include "net/http_reader.h"

/* A complete reply (*@r 1) becomes *ret; @body is used up in any case. */
static void take_reply(const struct http_reader *in, struct strbuf *body, int *r, struct httpc_reply *ret)
{
    if (*r == 1)
        strbuf_adds(body, ""); /* it may have none */
    if (*r == 1 && body->err)
        *r = body->err;
    if (*r != 1) {
        strbuf_done(body);
        return;
    }
    *ret = (struct httpc_reply){.status = in->status, .body = body->s, .len = body->len};
    memcpy(ret->server, in->server, sizeof(ret->server));
}

int httpc_parse(const char *data, size_t len, bool closed, struct httpc_reply *ret)
{
    struct http_reader in;
    struct strbuf body = {0};
    http_reader_init(&in, HTTPC_REPLY_MAX);
    int r = http_reader_feed(&in, data, len, closed, &body);
    take_reply(&in, &body, &r, ret);
    http_reader_done(&in);
    return r == -ECONNRESET ? -EBADMSG : r;
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

/* 0: nothing is there; 1: fed; -errno. *ret: what http_reader_feed() says. */
static int receive_some(int fd, struct http_reader *in, struct strbuf *body, int *ret)
{
    char buf[16384];
    ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    *ret = http_reader_feed(in, buf, (size_t)n, n == 0, body);
    return 1;
}

static int receive(int fd, uint64_t end, struct httpc_reply *ret)
{
    struct http_reader in;
    struct strbuf body = {0};
    int r, got = 0;
    http_reader_init(&in, HTTPC_REPLY_MAX);
    do {
        r = wait_until(fd, POLLIN, end);
        if (r == 0)
            r = receive_some(fd, &in, &body, &got);
    } while (r >= 0 && got == 0);
    if (r >= 0)
        r = got;
    take_reply(&in, &body, &r, ret);
    http_reader_done(&in);
    return r == 1 ? 0 : r == -ECONNRESET ? -EBADMSG : r;
}

static int send_request(int fd, const char *method, const char *path, const char *body, uint64_t end)
{
    struct strbuf out = {0};
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
    return r == -EPIPE ? 0 : r;
}

/* The connection, or why there is none. */
static int dial(const char *socket_path, int timeout_ms, int *ret, struct reason *why)
{
    int r = connect_unix(socket_path, timeout_ms, ret);
    if (r == -ENOENT)
        return reason_set(why, r, "there is no socket '%s' (is the instance running?)", socket_path);
    if (r == -ECONNREFUSED)
        return reason_set(why, r, "nobody listens on '%s' (the instance has ended)", socket_path);
    if (r < 0 && r != -ETIMEDOUT)
        return reason_set(why, r, "cannot connect to '%s': %s", socket_path, strerror(-r));
    return r;
}

/* Why there is no reply. */
static int explain(int r, const char *socket_path, int timeout_ms, struct reason *why)
{
    if (r == -ETIMEDOUT)
        return reason_set(why, r, "'%s' did not answer within %d seconds", socket_path, timeout_ms / 1000);
    if (r == -EBADMSG)
        return reason_set(why, r, "what listens on '%s' does not speak HTTP", socket_path);
    return reason_set(why, r, "talking to '%s': %s", socket_path, strerror(-r));
}

int httpc_request(const char *socket_path, const char *method, const char *path, const char *body,
                  int timeout_ms, struct httpc_reply *ret, struct reason *why)
{
    fd_auto int fd = -1;
    int r = dial(socket_path, timeout_ms, &fd, why);
    if (r < 0 && r != -ETIMEDOUT)
        return r;
    uint64_t end = now_ns() + (uint64_t)timeout_ms * 1000000u;
    if (r == 0)
        r = send_request(fd, method, path, body, end);
    if (r == 0)
        r = receive(fd, end, ret);
    return r < 0 ? explain(r, socket_path, timeout_ms, why) : 0;
}

/* ---- replies that go on ---- */

struct httpc_stream {
    int fd;
    struct http_reader in;
    struct strbuf early; /* of the body, what came with the head */
    int got;             /* as http_reader_feed(): 0: it goes on */
};

static int wait_for_head(struct httpc_stream *s, uint64_t end)
{
    int r = 0;
    while (r >= 0 && s->got == 0 && !http_reader_has_head(&s->in)) {
        r = wait_until(s->fd, POLLIN, end);
        if (r == 0)
            r = receive_some(s->fd, &s->in, &s->early, &s->got);
    }
    if (r < 0)
        return r;
    return http_reader_has_head(&s->in) ? 0 : -EBADMSG;
}

int httpc_open(const char *socket_path, const char *path, int timeout_ms, struct httpc_stream **ret,
               struct reason *why)
{
    struct httpc_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return reason_set(why, -ENOMEM, "out of memory");
    s->fd = -1;
    http_reader_init(&s->in, UINT64_MAX);
    int r = dial(socket_path, timeout_ms, &s->fd, why);
    bool told = r < 0 && r != -ETIMEDOUT;
    uint64_t end = now_ns() + (uint64_t)timeout_ms * 1000000u;
    if (r == 0)
        r = send_request(s->fd, "GET", path, NULL, end);
    if (r == 0)
        r = wait_for_head(s, end);
    if (r == 0) {
        *ret = s;
        return 0;
    }
    httpc_close(s);
    return told ? r : explain(r, socket_path, timeout_ms, why);
}

int httpc_stream_fd(const struct httpc_stream *s)
{
    return s->fd;
}

int httpc_stream_status(const struct httpc_stream *s)
{
    return s->in.status;
}

int httpc_read(struct httpc_stream *s, struct strbuf *body)
{
    if (s->early.len > 0) {
        strbuf_add(body, s->early.s, s->early.len);
        strbuf_done(&s->early);
    } else if (s->got == 0) {
        int r = receive_some(s->fd, &s->in, body, &s->got);
        if (r < 0)
            s->got = r;
    }
    return body->err ? body->err : s->got;
}

void httpc_close(struct httpc_stream *s)
{
    if (!s)
        return;
    fd_close(&s->fd);
    http_reader_done(&s->in);
    strbuf_done(&s->early);
    free(s);
}
