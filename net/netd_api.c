/* SPDX-License-Identifier: Apache-2.0 */
#include "net/netd_api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/json.h"
#include "core/log.h"
#include "net/ip.h"

struct forward {
    unsigned id;
    bool udp;
    union sockaddr_ip host, guest;
};

struct client {
    struct watch w;
    struct timer deadline;
    struct netd_api *api;
    struct client *prev, *next;
    char in[NETD_API_MAX_REQUEST];
    size_t in_len;
    char *out; /* NULL while the request is still coming in */
    size_t out_len, out_at;
};

struct netd_api {
    struct loop *loop;
    struct stack *stack;
    const struct addrplan *plan;
    struct watch listener;
    struct timer retry; /* accept(2) failed for want of fds or memory: the listener rests */
    struct client *clients;
    unsigned n_clients;
    struct forward *forwards;
    size_t n_forwards, cap_forwards;
    unsigned last_id;
};

/* ---- requests */

static int bad(struct reason *why, const char *text)
{
    return reason_set(why, -EINVAL, "bad request: %s", text);
}

static void add_forward_json(struct json_doc *d, struct json *o, const struct forward *f)
{
    char addr[INET6_ADDRSTRLEN];
    const union sockaddr_ip *ends[] = {&f->host, &f->guest};
    static const char *const keys[][2] = {{"host_addr", "host_port"}, {"guest_addr", "guest_port"}};
    json_add_uint(d, o, "id", f->id);
    json_add_str(d, o, "proto", f->udp ? "udp" : "tcp");
    for (size_t i = 0; i < array_size(ends); i++) {
        const union sockaddr_ip *a = ends[i];
        const void *in =
            a->sa.sa_family == AF_INET6 ? (const void *)&a->in6.sin6_addr : (const void *)&a->in.sin_addr;
        json_add_str(d, o, keys[i][0], inet_ntop(a->sa.sa_family, in, addr, sizeof(addr)));
        json_add_uint(d, o, keys[i][1], ip_port(a));
    }
}

/* An address argument; missing or empty: @otherwise. */
static int get_addr(const struct json *args, const char *key, uint16_t port,
                    const union sockaddr_ip *otherwise, union sockaddr_ip *ret)
{
    const char *text;
    int r = json_get_str(args, key, &text);
    if (r == -ENOENT || (r == 0 && !*text)) {
        *ret = *otherwise;
        ip_set_port(ret, port);
        return 0;
    }
    return r < 0 ? r : ip_parse(text, port, ret);
}

static int parse_forward(const struct netd_api *a, const struct json *args, struct forward *ret,
                         struct reason *why)
{
    struct forward f = {0};
    const char *proto;
    uint64_t host_port, guest_port;
    if (json_get_str(args, "proto", &proto) < 0 || (strcmp(proto, "tcp") && strcmp(proto, "udp")))
        return bad(why, "add_hostfwd: bad arguments.proto");
    f.udp = !strcmp(proto, "udp");
    if (json_get_uint(args, "host_port", 1, 65535, &host_port) < 0)
        return bad(why, "add_hostfwd: bad arguments.host_port");
    if (json_get_uint(args, "guest_port", 1, 65535, &guest_port) < 0)
        return bad(why, "add_hostfwd: bad arguments.guest_port");
    union sockaddr_ip any = {.in = {.sin_family = AF_INET}};
    if (get_addr(args, "host_addr", (uint16_t)host_port, &any, &f.host) < 0)
        return bad(why, "add_hostfwd: bad arguments.host_addr");
    union sockaddr_ip guest = {.in = {.sin_family = AF_INET, .sin_addr = a->plan->guest}};
    if (f.host.sa.sa_family == AF_INET6)
        guest = (union sockaddr_ip){.in6 = {.sin6_family = AF_INET6, .sin6_addr = a->plan->guest6}};
    if (get_addr(args, "guest_addr", (uint16_t)guest_port, &guest, &f.guest) < 0)
        return bad(why, "add_hostfwd: bad arguments.guest_addr");
    if (f.host.sa.sa_family != f.guest.sa.sa_family)
        return bad(why, "add_hostfwd: host_addr and guest_addr are not of one family");
    if (f.host.sa.sa_family == AF_INET6 && !a->plan->ipv6)
        return bad(why, "add_hostfwd: IPv6 is not enabled (start with --enable-ipv6)");
    *ret = f;
    return 0;
}

static int add_hostfwd(struct netd_api *a, const struct json *args, struct json_doc *d, struct json *reply,
                       struct reason *why)
{
    struct forward f;
    int r = parse_forward(a, args, &f, why);
    if (r < 0)
        return r;
    if (a->n_forwards == NETD_API_MAX_FORWARDS)
        return bad(why, "add_hostfwd: too many forwards");
    if (a->n_forwards == a->cap_forwards) {
        size_t cap = a->cap_forwards ? a->cap_forwards * 2 : 8;
        struct forward *n = reallocarray(a->forwards, cap, sizeof(*n));
        if (!n)
            return -ENOMEM;
        a->forwards = n;
        a->cap_forwards = cap;
    }
    r = stack_add_hostfwd(a->stack, f.udp, &f.host, &f.guest);
    if (r < 0) {
        char addr[64];
        return reason_set(why, r,
                          "bad request: add_hostfwd: slirp_add_hostfwd failed: cannot listen on %s/%s: %s%s",
                          ip_format(&f.host, addr, sizeof(addr)), f.udp ? "udp" : "tcp", strerror(-r),
                          r == -EACCES ? " (see sysctl net.ipv4.ip_unprivileged_port_start)" : "");
    }
    f.id = ++a->last_id;
    a->forwards[a->n_forwards++] = f;
    struct json *ret = json_new_object(d);
    json_add_uint(d, ret, "id", f.id);
    json_add(d, reply, "return", ret);
    return 0;
}

static int list_hostfwd(struct netd_api *a, struct json_doc *d, struct json *reply)
{
    struct json *entries = json_new_array(d), *ret = json_new_object(d);
    for (size_t i = 0; i < a->n_forwards; i++) {
        struct json *o = json_new_object(d);
        add_forward_json(d, o, &a->forwards[i]);
        json_append(d, entries, o);
    }
    /* The peer's manual has it under "return", its binary at the top: readers of either find it. */
    struct json *again = json_copy(d, entries);
    json_add(d, ret, "entries", entries);
    json_add(d, reply, "return", ret);
    json_add(d, reply, "entries", again);
    return 0;
}

static int remove_hostfwd(struct netd_api *a, const struct json *args, struct json_doc *d, struct json *reply,
                          struct reason *why)
{
    uint64_t id;
    if (json_get_uint(args, "id", 1, UINT32_MAX, &id) < 0)
        return bad(why, "remove_hostfwd: bad arguments.id");
    for (size_t i = 0; i < a->n_forwards; i++) {
        struct forward *f = &a->forwards[i];
        if (f->id != id)
            continue;
        if (stack_remove_hostfwd(a->stack, f->udp, &f->host) < 0)
            log_debug("api: forward %u was not listening any more", f->id);
        memmove(f, f + 1, (a->n_forwards - i - 1) * sizeof(*f));
        a->n_forwards--;
        json_add(d, reply, "return", json_new_object(d));
        return 0;
    }
    return bad(why, "remove_hostfwd: bad arguments.id: no such forward");
}

static int execute(struct netd_api *a, const char *request, size_t len, struct json_doc *d,
                   struct json *reply, struct reason *why)
{
    struct json_doc *doc json_auto = NULL;
    struct json_error err;
    const char *command;
    int r = json_read(request, len, NETD_API_MAX_REQUEST, &doc, &err);
    if (r == -EBADMSG || r == -EFBIG)
        return reason_set(why, r, "bad request: no JSON: %s", err.text);
    if (r < 0)
        return r;
    const struct json *root = json_root(doc);
    if (json_type(root) != JSON_OBJECT || json_get_str(root, "execute", &command) < 0)
        return bad(why, "no execute found");
    const struct json *args = json_get(root, "arguments");
    if (!strcmp(command, "add_hostfwd"))
        return add_hostfwd(a, args, d, reply, why);
    if (!strcmp(command, "list_hostfwd"))
        return list_hostfwd(a, d, reply);
    if (!strcmp(command, "remove_hostfwd"))
        return remove_hostfwd(a, args, d, reply, why);
    return bad(why, "unknown execute");
}

int netd_api_answer(struct netd_api *a, const char *request, size_t len, char **ret, size_t *ret_len)
{
    struct json_doc *d json_auto = NULL;
    struct reason why = {"internal error"};
    int r = json_doc_new(&d);
    if (r < 0)
        return r;
    struct json *reply = json_new_object(d);
    r = execute(a, request, len, d, reply, &why);
    if (r < 0) {
        struct json *e = json_new_object(d);
        json_add_str(d, e, "desc", why.text);
        reply = json_new_object(d);
        json_add(d, reply, "error", e);
    }
    return json_write(d, reply, JSON_COMPACT, ret, ret_len);
}

/* ---- clients */

static void client_free(struct client *c)
{
    struct netd_api *a = c->api;
    loop_del(a->loop, &c->w);
    loop_timer_del(a->loop, &c->deadline);
    if (c->prev)
        c->prev->next = c->next;
    else
        a->clients = c->next;
    if (c->next)
        c->next->prev = c->prev;
    a->n_clients--;
    close(c->w.fd);
    free(c->out);
    free(c);
}

static void client_late(struct loop *l, struct timer *t)
{
    (void)l;
    log_debug("api: a client was too slow");
    client_free(container_of(t, struct client, deadline));
}

/* Write what goes; done or broken: the client is gone. */
static void client_write(struct client *c)
{
    while (c->out_at < c->out_len) {
        ssize_t n = send(c->w.fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && loop_mod(c->api->loop, &c->w, EPOLLOUT) == 0)
            return;
        if (n < 0)
            break;
        c->out_at += (size_t)n;
    }
    client_free(c);
}

/*
 * Is the request complete?  Clients end it by shutting down their writing side, but one that keeps it open must not
 * wait for its deadline: a text that parses is complete, too (an object says itself where it ends).
 */
static bool complete(const struct client *c)
{
    struct json_doc *doc json_auto = NULL;
    return json_read(c->in, c->in_len, sizeof(c->in), &doc, NULL) == 0;
}

static void client_answer(struct client *c)
{
    if (netd_api_answer(c->api, c->in, c->in_len, &c->out, &c->out_len) < 0)
        client_free(c);
    else
        client_write(c);
}

static void client_read(struct client *c)
{
    static const char too_long[] = "{\"error\":{\"desc\":\"bad request: too large message\"}}";
    for (;;) {
        char more[1];
        bool full = c->in_len == sizeof(c->in);
        ssize_t n = recv(c->w.fd, full ? more : c->in + c->in_len, full ? 1 : sizeof(c->in) - c->in_len,
                         MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (c->in_len && complete(c))
                client_answer(c);
            return;
        }
        if (n < 0)
            return client_free(c);
        if (n == 0)
            return client_answer(c);
        if (full) {
            c->out = strdup(too_long);
            c->out_len = sizeof(too_long) - 1;
            return c->out ? client_write(c) : client_free(c);
        }
        c->in_len += (size_t)n;
    }
}

static void client_event(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    struct client *c = container_of(w, struct client, w);
    if (c->out)
        client_write(c);
    else
        client_read(c);
}

static int client_new(struct netd_api *a, int fd)
{
    struct client *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->api = a;
    c->w = (struct watch){.fd = fd, .events = EPOLLIN, .fn = client_event, .what = "api client"};
    c->deadline = (struct timer){.fn = client_late, .what = "api client"};
    int r = loop_add(a->loop, &c->w);
    if (r < 0) {
        free(c);
        return r;
    }
    loop_timer_set(a->loop, &c->deadline, (uint64_t)NETD_API_TIMEOUT_MS * 1000000u);
    c->next = a->clients;
    if (c->next)
        c->next->prev = c;
    a->clients = c;
    a->n_clients++;
    return 0;
}

static void accept_event(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct netd_api *a = container_of(w, struct netd_api, listener);
    fd_auto int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            loop_del(l, w); /* level-triggered: it would come at once again */
            loop_timer_set(l, &a->retry, 200000000u);
        }
        return;
    }
    /* Too many: the oldest one has had its time (it is last in the list). */
    if (a->n_clients >= NETD_API_MAX_CLIENTS) {
        struct client *c = a->clients;
        while (c->next)
            c = c->next;
        client_free(c);
    }
    if (client_new(a, fd) == 0)
        steal_fd(&fd);
}

static void accept_again(struct loop *l, struct timer *t)
{
    struct netd_api *a = container_of(t, struct netd_api, retry);
    if (loop_add(l, &a->listener) < 0)
        loop_timer_set(l, t, 200000000u);
}

int netd_api_new(struct loop *l, int listen_fd, struct stack *stack, const struct addrplan *plan,
                 struct netd_api **ret)
{
    struct netd_api *a = calloc(1, sizeof(*a));
    if (!a)
        return -ENOMEM;
    a->loop = l;
    a->stack = stack;
    a->plan = plan;
    a->listener =
        (struct watch){.fd = listen_fd, .events = EPOLLIN, .fn = accept_event, .what = "api listener"};
    a->retry = (struct timer){.fn = accept_again, .what = "api listener"};
    int r = fd_set_nonblock(listen_fd, true);
    if (r == 0)
        r = loop_add(l, &a->listener);
    if (r < 0) {
        free(a);
        return r;
    }
    *ret = a;
    return 0;
}

void netd_api_free(struct netd_api *a)
{
    if (!a)
        return;
    while (a->clients)
        client_free(a->clients);
    loop_del(a->loop, &a->listener);
    loop_timer_del(a->loop, &a->retry);
    free(a->forwards);
    free(a);
}
