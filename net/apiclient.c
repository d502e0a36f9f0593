/* SPDX-License-Identifier: Apache-2.0 */
#include "net/apiclient.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fd.h"
#include "core/strv.h"
#include "net/httpc.h"
#include "net/portjson.h"

enum { TIMEOUT_MS = 30000, STILL_THERE_MS = 5000, EVENT_MAX = 64 * 1024 };

/* ---- requests ---- */

/* The error text of a reply: {"message": ...}, or what is there. */
static int refused(int status, const char *body, size_t len, struct reason *why)
{
    struct json_doc *doc json_auto = NULL;
    const char *text = NULL;
    if (json_read(body, len, HTTPC_REPLY_MAX, &doc, NULL) < 0 ||
        json_get_str(json_root(doc), "message", &text) < 0)
        return reason_set(why, -EREMOTEIO, "the server answered with status %d", status);
    return reason_set(why, -EREMOTEIO, "%s", text);
}

static int malformed(const char *what, struct reason *why)
{
    return reason_set(why, -EBADMSG, "the server's answer is malformed (%s)", what);
}

/* One request that must be answered with @want; @ret may be NULL. */
static int request(const char *socket, const char *method, const char *path, const char *body, int want,
                   struct httpc_reply *ret, struct reason *why)
{
    struct httpc_reply reply;
    log_debug("%s %s %s", method, path, body ? body : "");
    int r = httpc_request(socket, method, path, body, TIMEOUT_MS, &reply, why);
    if (r < 0)
        return r;
    log_debug("%d %s", reply.status, reply.body);
    r = reply.status == want ? 0 : refused(reply.status, reply.body, reply.len, why);
    if (r == 0 && ret)
        *ret = reply;
    else
        free(reply.body);
    return r;
}

/* GET a path and read its JSON. @server: the Server header; may be NULL. */
static int get_json(const char *socket, const char *path, struct json_doc **ret, char server[64],
                    struct reason *why)
{
    struct httpc_reply reply;
    struct json_error err;
    int r = request(socket, "GET", path, NULL, 200, &reply, why);
    if (r < 0)
        return r;
    r = json_read(reply.body, reply.len, HTTPC_REPLY_MAX, ret, &err);
    if (server)
        memcpy(server, reply.server, sizeof(reply.server));
    free(reply.body);
    return r < 0 ? malformed(err.text, why) : 0;
}

int apiclient_info(const char *socket, struct json_doc **ret, struct reason *why)
{
    struct json_doc *doc json_auto = NULL;
    int r = get_json(socket, "/v1/info", &doc, NULL, why);
    if (r < 0)
        return r;
    if (json_type(json_root(doc)) != JSON_OBJECT)
        return malformed("no object", why);
    *ret = steal_ptr(&doc);
    return 0;
}

int apiclient_ports(const char *socket, struct json_doc **ret, const struct json **ret_list,
                    struct reason *why)
{
    struct json_doc *doc json_auto = NULL;
    int r = get_json(socket, "/v1/ports", &doc, NULL, why);
    if (r < 0)
        return r;
    const struct json *root = json_root(doc);
    if (json_type(root) != JSON_ARRAY && json_type(root) != JSON_NULL)
        return malformed("no list of ports", why);
    *ret_list = json_type(root) == JSON_ARRAY ? root : NULL;
    *ret = steal_ptr(&doc);
    return 0;
}

/* ---- adding and removing ---- */

/* One POST: a single spec as an object, several as an array. */
static int post_specs(const char *socket, const struct portspec *specs, size_t n, struct json_doc **ret,
                      struct reason *why)
{
    struct json_doc *doc json_auto = NULL;
    free_auto char *body = NULL;
    int r = json_doc_new(&doc);
    if (r < 0)
        return reason_set(why, r, "cannot make the request: %s", strerror(-r));
    struct json *list = json_new_array(doc);
    for (size_t i = 0; n > 1 && i < n; i++)
        json_append(doc, list, portspec_to_json(doc, &specs[i]));
    r = json_write(doc, n > 1 ? list : portspec_to_json(doc, &specs[0]), JSON_COMPACT, &body, NULL);
    if (r < 0)
        return reason_set(why, r, "cannot make the request: %s", strerror(-r));
    struct httpc_reply reply;
    struct json_error err;
    r = request(socket, "POST", "/v1/ports", body, 201, &reply, why);
    if (r < 0)
        return r;
    r = json_read(reply.body, reply.len, HTTPC_REPLY_MAX, ret, &err);
    free(reply.body);
    return r < 0 ? malformed(err.text, why) : 0;
}

int apiclient_remove(const char *socket, uint32_t id, struct reason *why)
{
    char path[48];
    snprintf(path, sizeof(path), "/v1/ports/%u", id);
    return request(socket, "DELETE", path, NULL, 200, NULL, why);
}

static int add_one(const char *socket, const struct portspec *spec, apiclient_added_fn *fn, void *arg,
                   uint32_t *ret_id, struct reason *why)
{
    struct json_doc *doc json_auto = NULL;
    struct port_entry e;
    struct reason inner = {.text = ""};
    int r = post_specs(socket, spec, 1, &doc, why);
    if (r < 0)
        return r;
    if (port_entry_from_json(json_root(doc), &e, &inner) < 0)
        return malformed(inner.text, why);
    *ret_id = e.id;
    return fn(arg, doc, json_root(doc), spec);
}

/* A server that knows no batches: one by one; a failure takes back what was done. */
static int add_each(const char *socket, const struct portspec *specs, size_t n, apiclient_added_fn *fn,
                    void *arg, struct reason *why)
{
    free_auto uint32_t *ids = calloc(n, sizeof(*ids));
    size_t done = 0, left = 0;
    int r = ids ? 0 : reason_set(why, -ENOMEM, "out of memory");
    while (r == 0 && done < n) {
        ids[done] = 0;
        r = add_one(socket, &specs[done], fn, arg, &ids[done], why);
        if (r == 0 || ids[done]) /* also what was published and could not be printed */
            done++;
    }
    for (size_t i = done; r < 0 && i > 0; i--)
        if (apiclient_remove(socket, ids[i - 1], NULL) < 0)
            left++;
    if (r == 0 || done == 0 || !why)
        return r;
    struct reason first = *why;
    return left ? reason_set(why, r, "%.300s (%zu ports that were published before it are left)", first.text,
                             left)
                : reason_set(why, r, "%.300s (what was published before it is removed again)", first.text);
}

static int add_batch(const char *socket, const struct portspec *specs, size_t n, apiclient_added_fn *fn,
                     void *arg, struct reason *why)
{
    struct json_doc *doc json_auto = NULL;
    int r = post_specs(socket, specs, n, &doc, why);
    if (r < 0)
        return r;
    if (json_count(json_root(doc)) != n)
        return malformed("another number of ports than was asked for", why);
    json_foreach (it, json_root(doc)) {
        struct port_entry e;
        struct reason inner = {.text = ""};
        if (port_entry_from_json(it.value, &e, &inner) < 0)
            return malformed(inner.text, why);
        r = fn(arg, doc, it.value, &specs[it.index]);
        if (r < 0)
            return r;
    }
    return 0;
}

int apiclient_add(const char *socket, const struct portspec *specs, size_t n, apiclient_added_fn *fn,
                  void *arg, struct reason *why)
{
    char server[64] = "";
    if (n > 1) {
        struct json_doc *doc json_auto = NULL;
        int r = get_json(socket, "/v1/info", &doc, server, why);
        if (r < 0)
            return r;
    }
    return strcmp(server, "rootlet") == 0 ? add_batch(socket, specs, n, fn, arg, why)
                                          : add_each(socket, specs, n, fn, arg, why);
}

/* ---- watching ---- */

/* Take the whole lines out of @text. */
static int take_lines(struct strbuf *text, apiclient_event_fn *fn, void *arg, struct reason *why)
{
    size_t at = 0;
    int r = 0;
    while (r >= 0 && at < text->len) {
        struct json_doc *doc json_auto = NULL;
        struct json_error err;
        const char *nl = memchr(text->s + at, '\n', text->len - at);
        size_t n = nl ? (size_t)(nl - text->s) - at : text->len - at;
        if (n > EVENT_MAX)
            return malformed("an event is too long", why);
        if (!nl)
            break;
        if (json_read(text->s + at, n, EVENT_MAX, &doc, &err) < 0)
            return malformed(err.text, why);
        if (json_type(json_root(doc)) != JSON_OBJECT)
            return malformed("an event is no object", why);
        r = fn(arg, doc, json_root(doc));
        at += n + 1;
    }
    if (at > 0) {
        memmove(text->s, text->s + at, text->len - at);
        text->len -= at;
    }
    return r;
}

/* Wait for the stream, or the order to end. 1: that; 0: there is something to read; -errno. */
static int wait_for_news(const struct httpc_stream *s, int stop_fd, int reader_fd)
{
    struct pollfd p[] = {{.fd = httpc_stream_fd(s), .events = POLLIN},
                         {.fd = stop_fd, .events = POLLIN},
                         {.fd = reader_fd, .events = 0}}; /* POLLERR: a pipe without a reader */
    if (poll(p, array_size(p), -1) < 0)
        return errno == EINTR ? 0 : -errno;
    return p[1].revents || p[2].revents ? 1 : 0;
}

/* The connection has ended without the end of the text. */
static int explain_cut(const char *socket, struct reason *why)
{
    struct httpc_reply reply;
    if (httpc_request(socket, "GET", "/v1/info", NULL, STILL_THERE_MS, &reply, NULL) < 0)
        return reason_set(why, -ECONNRESET, "the instance has gone without an end (was it killed?)");
    free(reply.body);
    return reason_set(why, -ECONNRESET,
                      "the instance let go of this watcher, which did not read fast enough: events are lost");
}

/* The whole of a reply that is none to watch. */
static int read_refusal(struct httpc_stream *s, struct reason *why)
{
    struct strbuf body = {0};
    int status = httpc_stream_status(s), r;
    do
        r = httpc_read(s, &body);
    while (r == 0 && body.len < EVENT_MAX && wait_for_news(s, -1, -1) == 0);
    if (status == 404)
        r = reason_set(why, -EREMOTEIO, "the server knows no events (only rootlet's own does)");
    else
        r = refused(status, body.s ? body.s : "", body.len, why);
    strbuf_done(&body);
    return r;
}

int apiclient_watch(const char *socket, int stop_fd, int reader_fd, apiclient_event_fn *fn, void *arg,
                    struct reason *why)
{
    struct httpc_stream *s;
    struct strbuf text = {0};
    int r = httpc_open(socket, "/v1/events", TIMEOUT_MS, &s, why);
    if (r < 0)
        return r;
    int more = 0, told = 0;
    if (httpc_stream_status(s) != 200) {
        r = read_refusal(s, why);
        more = 1;
    }
    while (more == 0 && told == 0 && r >= 0) {
        more = httpc_read(s, &text);
        r = take_lines(&text, fn, arg, why);
        if (more == 0 && r >= 0)
            told = wait_for_news(s, stop_fd, reader_fd);
    }
    if (r >= 0 && more == -ECONNRESET)
        r = explain_cut(socket, why);
    else if (r >= 0 && (more < 0 || told < 0))
        r = reason_set(why, more < 0 ? more : told, "talking to '%s': %s", socket,
                       strerror(more < 0 ? -more : -told));
    strbuf_done(&text);
    httpc_close(s);
    return r < 0 ? r : 0;
}
