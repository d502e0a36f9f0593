/* SPDX-License-Identifier: Apache-2.0 */
#include "net/event_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 4096 };

void event_log_init(struct event_log *l, size_t max)
{
    *l = (struct event_log){.max = max};
}

void event_log_done(struct event_log *l)
{
    free(l->data);
    event_log_init(l, l->max);
}

uint64_t event_log_end(const struct event_log *l)
{
    return l->start + l->len;
}

static void forget(struct event_log *l, size_t n)
{
    l->first += n;
    l->len -= n;
    l->start += n;
    if (l->len > 0)
        return;
    free(l->data); /* most of the time there is nothing to keep */
    l->data = NULL;
    l->first = l->cap = 0;
}

/* Room for @n more bytes behind what is kept, which may move to the front. */
static int make_room(struct event_log *l, size_t n)
{
    if (l->cap - l->first - l->len >= n)
        return 0;
    if (l->first > 0) {
        memmove(l->data, l->data + l->first, l->len);
        l->first = 0;
    }
    size_t want = l->len + n, cap = l->cap ? l->cap : FIRST_CAP;
    while (cap < want)
        cap *= 2;
    if (cap == l->cap)
        return 0;
    char *p = realloc(l->data, cap);
    if (!p)
        return -ENOMEM;
    l->data = p;
    l->cap = cap;
    return 0;
}

void event_log_lose(struct event_log *l)
{
    forget(l, l->len);
    l->start++; /* as if a byte had been there */
}

int event_log_add(struct event_log *l, const char *text, size_t len)
{
    if (len > l->max) {
        event_log_lose(l);
        return -EFBIG;
    }
    if (l->len > l->max - len)
        forget(l, l->len - (l->max - len));
    int r = make_room(l, len);
    if (r < 0) {
        event_log_lose(l);
        return r;
    }
    memcpy(l->data + l->first + l->len, text, len);
    l->len += len;
    return 0;
}

bool event_log_has(const struct event_log *l, uint64_t pos)
{
    return pos >= l->start && pos <= event_log_end(l);
}

ptrdiff_t event_log_read(const struct event_log *l, uint64_t *pos, char *buf, size_t size)
{
    if (!event_log_has(l, *pos))
        return -ENOBUFS;
    size_t at = (size_t)(*pos - l->start), n = l->len - at;
    if (n > size)
        n = size;
    if (n > 0)
        memcpy(buf, l->data + l->first + at, n);
    *pos += n;
    return (ptrdiff_t)n;
}

void event_log_trim(struct event_log *l, uint64_t pos)
{
    if (pos > l->start)
        forget(l, pos >= event_log_end(l) ? l->len : (size_t)(pos - l->start));
}
