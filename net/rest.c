/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd in "external event loop" mode: it has an epoll instance of its own, whose descriptor is a watch of our
 * loop; MHD_run() deals with whatever is ready and never waits. Its next deadline becomes our timer.
 *
 * It is started by the first client and not before, so that the start of a container does not pay for it. Limits:
 * connections, memory a connection, seconds of silence, seconds a request, bytes of a body, bytes of all bodies, watchers.
 * A slow client holds a slot and nothing else, and that only while nobody else wants it.
 *
 *     request begins:  remember it (struct request); a Content-Length that is too large is answered with 413 at once
 *     body arrives:    collect, at most REST_BODY_MAX; beyond that throw away, and hang up at DISCARD_MAX
 *     request is in:   restapi_handle(), answer
 *
 * A watcher of events does not stand in line with the other clients (net/rest_clients.h). Its answer has no end: the library's
 * reader callback takes it from net/rest_watchers.h, and while there is nothing the connection is suspended.
 *
 * A connection is ended by shutdown(2), which the library notices; there is no call of its own for that.
 */
#include "net/rest.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/parse.h"
#include "net/rest_clients.h"
#include "net/rest_watchers.h"
#include "net/restapi.h"

enum {
    CLIENTS_MAX = 128, /* at most an eighth of the limit of open files */
    SILENCE_S = 5,
    CLIENT_MEMORY = 16 * 1024,
    DISCARD_MAX = 1024 * 1024,
    BODIES_MAX = 8 * 1024 * 1024,
    ANSWERS_MAX = 32 * 1024 * 1024, /* of all clients; the last one may go over it */
    CHUNK = 4096,                   /* asked for at a time */
    FAREWELLS = 64,                 /* how often the library may write to those who watch at the end */
};

struct rest {
    struct loop *l;
    struct watch listener; /* ours until the first client, libmicrohttpd's then */
    struct watch epoll;    /* libmicrohttpd's epoll descriptor; borrowed */
    struct timer timer;
    struct MHD_Daemon *daemon; /* NULL: not started */
    unsigned clients_max;
    struct clients clients; /* crowded: clients_max are connected, and the listener rests */
    struct watchers watchers;
    bool resumed;           /* the timer is set for that */
    size_t bodies, answers; /* bytes of all requests' bodies, and of the answers that are not sent yet */
    struct rest_info info;
    struct port_table *ports;
};

/* A request whose body is coming in. */
struct request {
    struct rest *r;
    char *data;
    size_t len, cap, dropped;
    size_t answer; /* length of it */
    int refused;   /* status to answer with; 0: none yet */
};

/* ---- clients ---- */

/* The library's, as its union says: its own pointer to ours. */
static struct client *client_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct rest *r = arg;
    struct client *k = *context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        *context = NULL;
        if (k)
            clients_leave(&r->clients, k);
        free(k);
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    k = info ? calloc(1, sizeof(*k)) : NULL; /* NULL: its requests are refused */
    if (!k)
        return;
    k->fd = info->connect_fd;
    clients_stand_last(&r->clients, k);
    *context = k;
}

/* ---- answers ---- */

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

static enum MHD_Result refuse(struct MHD_Connection *c, int status)
{
    struct rest_answer a;
    restapi_error(&a, status,
                  status == 413 ? "the body is too large" : "too many requests at once: try again later");
    return send_answer(c, &a);
}

/* ---- watchers ---- */

/* The library looks at it when it runs next, which is in the loop's next turn: not at once, it may be running. */
static void resume(void *arg, void *connection)
{
    struct rest *r = arg;
    MHD_resume_connection(connection);
    r->resumed = true;
    loop_timer_set(r->l, &r->timer, 0);
}

static ssize_t read_events(void *w, uint64_t at, char *buf, size_t size)
{
    (void)at;
    ptrdiff_t n = watcher_read(w, buf, size);
    if (n == 0)
        MHD_suspend_connection(watcher_connection(w));
    return n == -ENODATA ? MHD_CONTENT_READER_END_OF_STREAM : n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static enum MHD_Result send_events(struct rest *r, struct MHD_Connection *c, struct rest_answer *a)
{
    struct client *k = client_of(c);
    struct watcher *w;
    int err = watcher_new(&r->watchers, c, k->fd, a->body, a->len, &w);
    if (err < 0) {
        free(a->body);
        restapi_error(a, err == -EUSERS ? 503 : 500,
                      err == -EUSERS ? "too many watchers" : "cannot watch the events");
        return send_answer(c, a);
    }
    struct MHD_Response *resp =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, CHUNK, read_events, w, watcher_free);
    if (!resp) {
        watcher_free(w);
        return MHD_NO;
    }
    MHD_add_response_header(resp, "Server", "rootlet");
    MHD_add_response_header(resp, "Content-Type", "application/x-ndjson");
    enum MHD_Result ok = MHD_queue_response(c, 200, resp);
    MHD_destroy_response(resp);
    clients_leave(&r->clients, k);
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT,
                              0u); /* what is too slow, the log's bound says */
    return ok;
}

/* ---- requests ---- */

static enum MHD_Result begin(struct rest *r, struct MHD_Connection *c, struct request **ret)
{
    const char *text = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
    uint64_t announced = 0;
    if (text && (parse_uint(text, 0, UINT64_MAX, &announced) < 0 || announced > REST_BODY_MAX))
        return refuse(c, 413);
    struct request *u = calloc(1, sizeof(*u));
    if (!u)
        return MHD_NO;
    u->r = r;
    *ret = u;
    return MHD_YES;
}

static void forget_body(struct request *u)
{
    u->r->bodies -= u->cap;
    free(u->data);
    u->data = NULL;
    u->len = u->cap = 0;
}

static enum MHD_Result collect(struct request *u, const char *data, size_t *len)
{
    size_t n = *len;
    *len = 0; /* all taken */
    if (!u->refused && n > REST_BODY_MAX - u->len)
        u->refused = 413;
    size_t cap = u->len + n < REST_BODY_MAX / 2 ? (u->len + n) * 2 : REST_BODY_MAX;
    if (!u->refused && u->cap < u->len + n && cap - u->cap > BODIES_MAX - u->r->bodies)
        u->refused = 503;
    if (u->refused) {
        forget_body(u);
        u->dropped += n;
        return u->dropped > DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    if (u->cap < u->len + n) {
        char *p = realloc(u->data, cap);
        if (!p)
            return MHD_NO;
        u->r->bodies += cap - u->cap;
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
    struct request *u = *request;
    if (!u)
        return client_of(c) ? begin(r, c, (struct request **)request) : MHD_NO;
    if (*len)
        return collect(u, data, len);
    if (u->refused || r->answers >= ANSWERS_MAX)
        return refuse(c, u->refused ? u->refused : 503);
    struct rest_answer a;
    log_debug("api: %s %s (%zu bytes)", method, url, u->len);
    restapi_handle(&r->info, r->ports, method, url, u->data ? u->data : "", u->len, &a);
    forget_body(u);
    u->answer = a.body ? a.len : 0;
    r->answers += u->answer;
    return a.events ? send_events(r, c, &a) : send_answer(c, &a);
}

static void on_done(void *arg, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode code)
{
    struct rest *r = arg;
    struct request *u = steal_ptr(request);
    struct client *k = client_of(c);
    if (u) {
        forget_body(u);
        r->answers -= u->answer;
    }
    free(u);
    if (k && k->in_line && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        clients_stand_last(&r->clients, k);
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
    return info && info->num_connections >= r->clients_max;
}

static void run(struct rest *r)
{
    MHD_UNSIGNED_LONG_LONG ms;
    bool was_full;
    r->resumed = false;
    /*
     * At its limit the library takes the listener out of its epoll set, and puts it back at the BEGINNING of a run, not
     * when the clients have left at the end of one: without one more run it would wait for an event that cannot come.
     */
    do {
        was_full = r->clients.crowded;
        MHD_run(r->daemon);
        r->clients.crowded = is_full(r);
    } while (was_full && !r->clients.crowded);
    if (r->resumed)
        loop_timer_set(r->l, &r->timer, 0);
    else if (MHD_get_timeout(r->daemon, &ms) == MHD_YES)
        loop_timer_set(r->l, &r->timer, (uint64_t)(ms < SILENCE_S * 1000 ? ms : SILENCE_S * 1000) * 1000000u);
    else
        loop_timer_del(r->l, &r->timer);
    clients_end_overdue(&r->clients);
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

/*
 * A client that cannot be accepted for want of a descriptor stays in the backlog, which stays readable: the library would try again
 * and again. The ports leave enough of them (net/port_listen.c).
 */
static unsigned clients_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 8 >= CLIENTS_MAX)
        return CLIENTS_MAX;
    return limit.rlim_cur / 8 ? (unsigned)(limit.rlim_cur / 8) : 1;
}

static int start(struct rest *r)
{
    r->clients_max = clients_max();
    r->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, r, MHD_OPTION_LISTEN_SOCKET,
        r->listener.fd, MHD_OPTION_CONNECTION_LIMIT, r->clients_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)SILENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_MEMORY,
        MHD_OPTION_NOTIFY_COMPLETED, on_done, r, MHD_OPTION_NOTIFY_CONNECTION, on_connection, r,
        MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!r->daemon)
        return -ENOMEM;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(r->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return -ENOSYS;
    r->epoll = (struct watch){.fd = info->epoll_fd, .events = EPOLLIN, .fn = on_epoll, .what = "api"};
    return loop_add(r->l, &r->epoll);
}

/* Watchers are to see an end and no cut, if they read: nobody is waited for. */
static void say_farewell(struct rest *r)
{
    watchers_end(&r->watchers);
    for (int i = 0; r->watchers.first && i < FAREWELLS; i++)
        MHD_run(r->daemon);
}

static void stop(struct rest *r)
{
    if (r->daemon)
        say_farewell(r);
    loop_timer_del(r->l, &r->timer);
    clients_done(&r->clients);
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
    clients_init(&r->clients, l);
    watchers_init(&r->watchers, l, resume, r);
    r->listener =
        (struct watch){.fd = listen_fd, .events = EPOLLIN, .fn = on_first_client, .what = "api listener"};
    int err = fd_set_nonblock(listen_fd, true);
    if (err == 0)
        err = loop_add(l, &r->listener);
    if (err < 0) {
        free(r);
        return err;
    }
    if (ports)
        port_table_on_change(ports, watchers_tell, &r->watchers);
    *ret = r;
    return 0;
}

void rest_free(struct rest *r)
{
    if (!r)
        return;
    if (r->ports)
        port_table_on_change(r->ports, NULL, NULL);
    loop_del(r->l, &r->listener);
    stop(r);
    watchers_done(&r->watchers);
    free(r);
}
