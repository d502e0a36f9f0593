/* SPDX-License-Identifier: Apache-2.0 */
#include "net/rest_watchers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/fd.h"
#include "core/log.h"
#include "net/restevents.h"

enum { LOG_MAX = 4 * 1024 * 1024 }; /* what a table of the largest size says when all of it changes */

struct watcher {
    struct watchers *set;
    struct watcher *prev, *next;
    void *connection;
    struct watch hang_up;
    char *first; /* NULL: it is said */
    size_t first_len, first_at;
    uint64_t pos; /* in the log */
    bool suspended;
    int end; /* -errno: there will be nothing more */
};

void watchers_init(struct watchers *set, struct loop *l, void (*resume)(void *arg, void *connection),
                   void *arg)
{
    *set = (struct watchers){.l = l, .resume = resume, .arg = arg};
    event_log_init(&set->log, LOG_MAX);
}

void watchers_done(struct watchers *set)
{
    event_log_done(&set->log);
}

/* It has something to read, or its end. */
static void wake(struct watcher *w)
{
    if (!w->suspended)
        return;
    w->suspended = false;
    w->set->resume(w->set->arg, w->connection);
}

static void drop(struct watcher *w, int why)
{
    w->end = why;
    loop_del(w->set->l, &w->hang_up);
    shutdown(w->hang_up.fd, SHUT_RDWR); /* for it may be in the middle of sending, and never read again */
    wake(w);
}

static void on_hang_up(struct loop *l, struct watch *hang_up, uint32_t events)
{
    (void)l;
    (void)events;
    drop(container_of(hang_up, struct watcher, hang_up), -ECONNRESET);
}

/* What all have read may go. */
static void trim(struct watchers *set)
{
    uint64_t least = event_log_end(&set->log);
    for (const struct watcher *w = set->first; w; w = w->next)
        if (w->end == 0 && w->pos < least)
            least = w->pos;
    event_log_trim(&set->log, least);
}

/* Whoever has lost its place is let go at once, or it would keep its slot until it reads, which may be never. */
static void drop_slow(struct watchers *set)
{
    for (struct watcher *w = set->first; w; w = w->next)
        if (w->end == 0 && !event_log_has(&set->log, w->pos)) {
            log_debug("api: a watcher is too slow");
            drop(w, -ENOBUFS);
        }
}

void watchers_tell(void *arg, enum port_event event, const struct port_entry *entry, const char *text)
{
    struct watchers *set = arg;
    free_auto char *line = NULL;
    size_t len;
    if (!set->first)
        return;
    if (restevents_line(event, entry, text, &line, &len) < 0)
        event_log_lose(&set->log);
    else
        event_log_add(&set->log, line, len);
    drop_slow(set);
    for (struct watcher *w = set->first; w; w = w->next)
        wake(w);
}

void watchers_end(struct watchers *set)
{
    set->ending = true;
    for (struct watcher *w = set->first; w; w = w->next)
        wake(w);
}

int watcher_new(struct watchers *set, void *connection, int fd, char *first, size_t first_len,
                struct watcher **ret)
{
    if (set->n >= WATCHERS_MAX)
        return -EUSERS;
    struct watcher *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    *w = (struct watcher){.set = set, .connection = connection, .first_len = first_len};
    w->pos = event_log_end(&set->log);
    w->hang_up = (struct watch){
        .fd = fd, .fn = on_hang_up, .what = "api watcher"}; /* no events: EPOLLHUP and EPOLLERR */
    int r = loop_add(set->l, &w->hang_up);
    if (r < 0) {
        free(w);
        return r;
    }
    w->first = first;
    w->next = set->first;
    if (w->next)
        w->next->prev = w;
    set->first = w;
    set->n++;
    *ret = w;
    return 0;
}

void watcher_free(void *arg)
{
    struct watcher *w = arg;
    loop_del(w->set->l, &w->hang_up);
    *(w->prev ? &w->prev->next : &w->set->first) = w->next;
    if (w->next)
        w->next->prev = w->prev;
    w->set->n--;
    trim(w->set);
    free(w->first);
    free(w);
}

void *watcher_connection(const struct watcher *w)
{
    return w->connection;
}

static size_t read_first(struct watcher *w, char *buf, size_t size)
{
    size_t left = w->first_len - w->first_at, n = left < size ? left : size;
    memcpy(buf, w->first + w->first_at, n);
    w->first_at += n;
    if (n == left)
        free(steal_ptr(&w->first));
    return n;
}

ptrdiff_t watcher_read(struct watcher *w, char *buf, size_t size)
{
    if (w->end < 0)
        return w->end;
    if (w->first)
        return (ptrdiff_t)read_first(w, buf, size);
    ptrdiff_t n = event_log_read(&w->set->log, &w->pos, buf, size);
    if (n > 0)
        trim(w->set);
    if (n == 0 && w->set->ending)
        return -ENODATA;
    w->suspended = n == 0;
    return n;
}
