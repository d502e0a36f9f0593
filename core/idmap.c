/* SPDX-License-Identifier: Apache-2.0 */
#include "core/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/parse.h"
#include "core/strv.h"

enum { PROC_MAP_MAX = 64 << 10 };

static bool overlap(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
    return a <= b ? b - a < a_count : a - b < b_count;
}

/* UINT32_MAX is no id (it means "leave as is" to chown(2)): the last one is one less. */
static bool valid_range(uint64_t first, uint64_t count)
{
    return count > 0 && first < UINT32_MAX && count <= UINT32_MAX - first;
}

int idmap_add(struct idmap *m, uint64_t inner, uint64_t outer, uint64_t count)
{
    if (!valid_range(inner, count) || !valid_range(outer, count))
        return -EINVAL;
    struct idmap_extent x = {(uint32_t)inner, (uint32_t)outer, (uint32_t)count};
    for (size_t i = 0; i < m->n; i++) {
        const struct idmap_extent *e = &m->e[i];
        if (overlap(e->inner, e->count, x.inner, x.count) || overlap(e->outer, e->count, x.outer, x.count))
            return -EEXIST;
    }
    if (m->n >= IDMAP_MAX_EXTENTS)
        return -E2BIG;
    m->e[m->n++] = x;
    return 0;
}

static size_t digits(uint32_t v)
{
    size_t n = 1;
    for (; v >= 10; v /= 10)
        n++;
    return n;
}

static size_t text_len(const struct idmap *m)
{
    size_t len = 0;
    for (size_t i = 0; i < m->n; i++)
        len += digits(m->e[i].inner) + digits(m->e[i].outer) + digits(m->e[i].count) + 3;
    return len;
}

int idmap_format(const struct idmap *m, char *buf)
{
    size_t len = 0;
    if (text_len(m) > IDMAP_TEXT_MAX)
        return -E2BIG;
    buf[0] = '\0';
    for (size_t i = 0; i < m->n; i++) {
        const struct idmap_extent *e = &m->e[i];
        len +=
            (size_t)snprintf(buf + len, IDMAP_TEXT_MAX + 1 - len, "%u %u %u\n", e->inner, e->outer, e->count);
    }
    return (int)len;
}

int idmap_check(const struct idmap *m)
{
    struct idmap again = {.n = 0};
    if (m->n == 0 || m->n > IDMAP_MAX_EXTENTS)
        return m->n ? -E2BIG : -EINVAL;
    for (size_t i = 0; i < m->n; i++) {
        int r = idmap_add(&again, m->e[i].inner, m->e[i].outer, m->e[i].count);
        if (r < 0)
            return r;
    }
    return text_len(m) > IDMAP_TEXT_MAX ? -E2BIG : 0;
}

/* Cut a number and the separators around it off the front of *@p. */
static int take_number(const char **p, const char *stop, uint32_t *ret)
{
    char buf[16];
    const char *s = *p + strspn(*p, " \t");
    size_t n = strcspn(s, stop);
    if (n == 0 || n >= sizeof(buf))
        return -EINVAL;
    memcpy(buf, s, n);
    buf[n] = '\0';
    *p = s + n;
    return parse_u32(buf, ret) < 0 ? -EINVAL : 0;
}

int idmap_parse(const char *text, struct idmap *ret)
{
    struct idmap m = {.n = 0};
    const char *p = text;

    for (p += strspn(p, " \t\n"); *p; p += strspn(p, " \t\n")) {
        uint32_t v[3];
        for (size_t i = 0; i < 3; i++)
            if (take_number(&p, " \t\n", &v[i]) < 0)
                return -EINVAL;
        p += strspn(p, " \t");
        if (*p && *p != '\n')
            return -EINVAL;
        /* An outer id that the reader's namespace does not have is shown as UINT32_MAX: not mapped as far as we can see. */
        if (v[1] == UINT32_MAX && valid_range(v[0], v[2]))
            continue;
        int r = idmap_add(&m, v[0], v[1], v[2]);
        if (r < 0)
            return r;
    }
    *ret = m;
    return 0;
}

int idmap_to_outer(const struct idmap *m, uint32_t inner, uint32_t *ret)
{
    for (size_t i = 0; i < m->n; i++)
        if (inner >= m->e[i].inner && inner - m->e[i].inner < m->e[i].count) {
            *ret = m->e[i].outer + (inner - m->e[i].inner);
            return 0;
        }
    return -ENOENT;
}

int idmap_to_inner(const struct idmap *m, uint32_t outer, uint32_t *ret)
{
    for (size_t i = 0; i < m->n; i++)
        if (outer >= m->e[i].outer && outer - m->e[i].outer < m->e[i].count) {
            *ret = m->e[i].inner + (outer - m->e[i].outer);
            return 0;
        }
    return -ENOENT;
}

uint64_t idmap_total(const struct idmap *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->n; i++)
        sum += m->e[i].count;
    return sum;
}

bool idmap_is_within(const struct idmap *m, const struct idmap *parent)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct idmap_extent *e = &m->e[i];
        bool inside = false;
        for (size_t k = 0; k < parent->n && !inside; k++) {
            const struct idmap_extent *p = &parent->e[k];
            inside = e->outer >= p->inner && (uint64_t)e->outer + e->count <= (uint64_t)p->inner + p->count;
        }
        if (!inside)
            return false;
    }
    return true;
}

int idmap_read(pid_t pid, enum subid_kind kind, struct idmap *ret)
{
    free_auto char *text = NULL;
    const char *name = kind == SUBID_UID ? "uid_map" : "gid_map";
    char path[64];
    size_t len;

    int r = pid ? str_format(path, sizeof(path), "/proc/%d/%s", (int)pid, name)
                : str_format(path, sizeof(path), "/proc/self/%s", name);
    if (r < 0)
        return r;
    r = file_read(AT_FDCWD, path, PROC_MAP_MAX, &text, &len);
    if (r < 0)
        return r;
    return strlen(text) == len ? idmap_parse(text, ret) : -EINVAL;
}

/* idmap_add() that also keeps the text within one write: nothing is added when it would not fit. */
static int add_if_room(struct idmap *m, uint64_t inner, uint64_t outer, uint64_t count)
{
    int r = idmap_add(m, inner, outer, count);
    if (r == 0 && text_len(m) > IDMAP_TEXT_MAX) {
        m->n--;
        r = -E2BIG;
    }
    return r;
}

/*
 * The parent's extent that holds id @pos, or the nearest one above it.
 * *ret_from, *ret_to: the part of it from @pos on (inclusive, exclusive). False: nothing is mapped from @pos on.
 */
static bool parent_part(const struct idmap *parent, uint64_t pos, uint64_t *ret_from, uint64_t *ret_to)
{
    bool found = false;
    for (size_t i = 0; i < parent->n; i++) {
        uint64_t from = parent->e[i].inner, to = from + parent->e[i].count;
        if (to <= pos)
            continue;
        if (from < pos)
            from = pos;
        if (!found || from < *ret_from) {
            *ret_from = from;
            *ret_to = to;
            found = true;
        }
    }
    return found;
}

/* One pass of idmap_from_subids(), @l being without @self. */
static int lay_out(uint32_t self, const struct subid_list *l, const struct idmap *parent, struct idmap *m,
                   uint64_t *dropped)
{
    uint64_t next = 1;
    bool full = false;

    m->n = 0;
    *dropped = 0;
    int r = idmap_add(m, 0, self, 1);
    for (size_t i = 0; i < l->n && r == 0; i++) {
        uint64_t pos = l->r[i].first, end = pos + l->r[i].count;
        while (pos < end) {
            uint64_t from = 0, to = 0;
            if (full || !parent_part(parent, pos, &from, &to) || from >= end) {
                *dropped += end - pos;
                break;
            }
            if (to > end)
                to = end;
            *dropped += from - pos;
            r = add_if_room(m, next, from, to - from);
            if (r == -E2BIG) {
                full = true;
                r = 0;
                pos = from;
                continue;
            }
            if (r < 0)
                return r;
            next += to - from;
            pos = to;
        }
    }
    return r;
}

static int copy_without(const struct subid_list *l, uint32_t id, struct subid_list *ret)
{
    for (size_t i = 0; i < l->n; i++) {
        int r = subid_list_add(ret, l->r[i].first, l->r[i].count);
        if (r < 0)
            return r;
    }
    return subid_list_remove(ret, id);
}

int idmap_from_subids(uint32_t self, const struct subid_list *l, const struct idmap *parent,
                      struct idmap *ret, uint64_t *ret_dropped)
{
    subid_auto struct subid_list own = {0};
    struct idmap m, merged;
    uint64_t dropped, merged_dropped;

    int r = copy_without(l, self, &own);
    if (r == 0)
        r = lay_out(self, &own, parent, &m, &dropped);
    if (r < 0)
        return r;
    if (dropped > 0) {
        /* Perhaps there was no room: fewer, longer extents are worth more than the order then. */
        subid_list_merge(&own);
        r = lay_out(self, &own, parent, &merged, &merged_dropped);
        if (r == 0 && merged_dropped < dropped) {
            m = merged;
            dropped = merged_dropped;
        }
    }
    *ret = m;
    if (ret_dropped)
        *ret_dropped = dropped;
    return 0;
}

int idmap_derive(uint32_t self, const struct idmap *parent, struct idmap *ret)
{
    struct idmap m = {.n = 0};
    uint32_t outer;
    int r = 0;

    if (idmap_to_outer(parent, self, &outer) < 0)
        return -ENOENT;
    if (self != 0)
        r = idmap_add(&m, 0, self, 1);
    for (size_t i = 0; i < parent->n && r == 0; i++) {
        uint64_t pos = parent->e[i].inner, end = pos + parent->e[i].count;
        if (self != 0 && pos == 0)
            pos = 1;
        if (self != 0 && pos <= self && self < end) {
            if (pos < self)
                r = add_if_room(&m, pos, pos, self - pos);
            pos = (uint64_t)self + 1;
        }
        if (r == 0 && pos < end)
            r = add_if_room(&m, pos, pos, end - pos);
    }
    if (r < 0 && r != -E2BIG) /* no room: what fits is good enough, 0 may come late only for uid 0 itself */
        return r;
    if (idmap_to_outer(&m, 0, &outer) < 0)
        return -E2BIG;
    *ret = m;
    return 0;
}
