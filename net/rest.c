/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd in "external event loop" mode: it has an epoll instance of its own, whose descriptor is a watch of our
 * loop; MHD_run() deals with whatever is ready and never waits. Its next deadline becomes our timer.
 *
 * It is started by the first client and not before, so that the start of a container does not pay for it. Limits:
 * connections, memory a connection, seconds of silence, bytes of a body. A slow client holds a slot and nothing else.
 *
 *     request begins:  remember it (struct upload); a Content-Length that is too large is answered with 413 at once
 *     body arrives:    collect, at most REST_BODY_MAX; beyond that throw away, and hang up at DISCARD_MAX
 *     request is in:   restapi_handle(), answer
 */
#include "net/rest.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/parse.h"
#include "net/restapi.h"

enum { CLIENTS_MAX = 128, SILENCE_S = 5, CLIENT_MEMORY = 16 * 1024, DISCARD_MAX = 1024 * 1024 };

struct rest {
    struct loop *l;
    struct watch listener; /* ours until the first client, libmicrohttpd's then */
    struct watch epoll;    /* libmicrohttpd's epoll descriptor; borrowed */
    struct timer timer;
    struct MHD_Daemon *daemon; /* NULL: not started */
    bool full;                 /* CLIENTS_MAX are connected: the listener rests */
    struct rest_info info;
    struct port_table *ports;
};

/* A request whose body is coming in. */
struct upload {
    char *data;
    size_t len, cap, dropped;
};

static enum MHD_Result send_answer(struct MHD_Connection *c, struct rest_answer *a)
{
    struct MHD_Response *resp = MHD_create_response_from_buffer(
        a->body ? a->len : 0, a->body ? a->body : (void *)"", MHD_RESPMEM_MUST_COPY);
    free(steal_ptr(&a->body));
    if (!resp)
        return MHD_NO;
    MHD_add_response_header(resp, "Server", "rootlet");
    if (a->len)
        MHD_add_response_header(resp, "Content-Type", "application/json");
    if (a->allow)
        MHD_add_response_header(resp, "Allow", a->allow);
    enum MHD_Result ok = MHD_queue_response(c, (unsigned)a->status, resp);
    MHD_destroy_response(resp);
    return ok;
}

static enum MHD_Result send_too_large(struct MHD_Connection *c)
{
    struct rest_answer a;
    restapi_error(&a, 413, "the body is too large");
    return send_answer(c, &a);
}

static enum MHD_Result begin(struct MHD_Connection *c, struct upload **ret)
{
    const char *text = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
    uint64_t announced = 0;
    if (text && (parse_uint(text, 0, UINT64_MAX, &announced) < 0 || announced > REST_BODY_MAX))
        return send_too_large(c);
    *ret = calloc(1, sizeof(**ret));
    return *ret ? MHD_YES : MHD_NO;
}

static enum MHD_Result collect(struct upload *u, const char *data, size_t *len)
{
    size_t n = *len;
    *len = 0; /* all taken */
    if (u->dropped || n > REST_BODY_MAX - u->len) {
        u->dropped += n;
        return u->dropped > DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    if (u->cap < u->len + n) {
        size_t cap = u->len + n < REST_BODY_MAX / 2 ? (u->len + n) * 2 : REST_BODY_MAX;
        char *p = realloc(u->data, cap);
        if (!p)
            return MHD_NO;
        u->data = p;
        u->cap = cap;
    }
    memcpy(u->data + u->len, data, n);
    u->len += n;
    return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *len, void **request)
{
    (void)version;
    struct rest *r = arg;
    struct upload *u = *request;
    if (!u)
        return begin(c, (struct upload **)request);
    if (*len)
        return collect(u, data, len);
    if (u->dropped)
        return send_too_large(c);
    struct rest_answer a;
    log_debug("api: %s %s (%zu bytes)", method, url, u->len);
    restapi_handle(&r->info, r->ports, method, url, u->data ? u->data : "", u->len, &a);
    return send_answer(c, &a);
}

static void on_done(void *arg, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)c;
    (void)code;
    struct upload *u = steal_ptr(request);
    if (u)
        free(u->data);
    free(u);
}

/* A path with NULs or invalid escapes must not turn into another one: nothing of ours needs escapes. */
static size_t no_unescape(void *arg, struct MHD_Connection *c, char *s)
{
    (void)arg;
    (void)c;
    return strlen(s);
}

static bool is_full(struct rest *r)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(r->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info && info->num_connections >= CLIENTS_MAX;
}

static void run(struct rest *r)
{
    MHD_UNSIGNED_LONG_LONG ms;
    bool was_full;
    /*
     * At its limit the library takes the listener out of its epoll set, and puts it back at the BEGINNING of a run, not
     * when the clients have left at the end of one: without one more run it would wait for an event that cannot come.
     */
    do {
        was_full = r->full;
        MHD_run(r->daemon);
        r->full = is_full(r);
    } while (was_full && !r->full);
    if (MHD_get_timeout(r->daemon, &ms) == MHD_YES)
        loop_timer_set(r->l, &r->timer, (uint64_t)(ms < SILENCE_S * 1000 ? ms : SILENCE_S * 1000) * 1000000u);
    else
        loop_timer_del(r->l, &r->timer);
}

static void on_epoll(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    run(container_of(w, struct rest, epoll));
}

static void on_timer(struct loop *l, struct timer *t)
{
    (void)l;
    run(container_of(t, struct rest, timer));
}

static int start(struct rest *r)
{
    r->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, r, MHD_OPTION_LISTEN_SOCKET,
                                 r->listener.fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CLIENTS_MAX,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_S,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_MEMORY,
                                 MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_UNESCAPE_CALLBACK,
                                 no_unescape, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!r->daemon)
        return -ENOMEM;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(r->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return -ENOSYS;
    r->epoll = (struct watch){.fd = info->epoll_fd, .events = EPOLLIN, .fn = on_epoll, .what = "api"};
    return loop_add(r->l, &r->epoll);
}

static void stop(struct rest *r)
{
    loop_timer_del(r->l, &r->timer);
    loop_del(r->l, &r->epoll);
    if (r->daemon) {
        MHD_stop_daemon(r->daemon); /* closes the listener */
        r->daemon = NULL;
        r->listener.fd = -1;
    }
    fd_close(&r->listener.fd);
}

static void on_first_client(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct rest *r = container_of(w, struct rest, listener);
    loop_del(l, w);
    int err = start(r);
    if (err < 0) {
        log_debug("api: cannot start the HTTP server (%d)", err);
        stop(r);
        return;
    }
    run(r);
}

int rest_new(struct loop *l, int listen_fd, const struct rest_info *info, struct port_table *ports,
             struct rest **ret)
{
    struct rest *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->l = l;
    r->info = *info;
    r->ports = ports;
    r->timer = (struct timer){.fn = on_timer, .what = "api"};
    r->listener =
        (struct watch){.fd = listen_fd, .events = EPOLLIN, .fn = on_first_client, .what = "api listener"};
    int err = fd_set_nonblock(listen_fd, true);
    if (err == 0)
        err = loop_add(l, &r->listener);
    if (err < 0) {
        free(r);
        return err;
    }
    *ret = r;
    return 0;
}

void rest_free(struct rest *r)
{
    if (!r)
        return;
    loop_del(r->l, &r->listener);
    stop(r);
    free(r);
}
