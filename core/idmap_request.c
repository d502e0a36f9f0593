/* SPDX-License-Identifier: Apache-2.0 */
/* The value of --map, and the names of the rungs. */
#include "core/idmap.h"

#include <errno.h>
#include <string.h>

#include "core/fd.h"
#include "core/parse.h"

static const char *const method_names[] = {"auto", "direct", "newuidmap", "derived", "single", "custom"};
_Static_assert(array_size(method_names) == IDMAP_CUSTOM + 1, "a name for each method");

const char *idmap_method_name(enum idmap_method m)
{
    return (size_t)m < array_size(method_names) ? method_names[m] : "?";
}

static int parse_extent(const char *word, size_t len, struct idmap *m, struct reason *why)
{
    char buf[40];
    uint32_t v[3];

    if (len >= sizeof(buf))
        return reason_set(why, -EINVAL, "'%.40s...' is not INSIDE:OUTSIDE:COUNT", word);
    memcpy(buf, word, len);
    buf[len] = '\0';
    char *field = buf;
    for (size_t i = 0; i < 3; i++) {
        char *end = field + strcspn(field, ":");
        bool last = *end == '\0';
        *end = '\0';
        if (last != (i == 2) || parse_u32(field, &v[i]) < 0)
            return reason_set(why, -EINVAL, "'%.*s' is not INSIDE:OUTSIDE:COUNT, three numbers", (int)len,
                              word);
        field = end + 1;
    }
    int r = idmap_add(m, v[0], v[1], v[2]);
    if (r == -EEXIST)
        return reason_set(why, -EINVAL, "%u:%u:%u overlaps another part of the id map", v[0], v[1], v[2]);
    if (r == -E2BIG)
        return reason_set(why, -EINVAL, "an id map has at most %d parts", IDMAP_MAX_EXTENTS);
    if (r < 0)
        return reason_set(why, -EINVAL, "%u:%u:%u is not a range of ids", v[0], v[1], v[2]);
    return 0;
}

int idmap_request_parse(const char *text, struct idmap_request *ret, struct reason *why)
{
    static const enum idmap_method by_name[] = {IDMAP_AUTO, IDMAP_DIRECT, IDMAP_NEWUIDMAP, IDMAP_SINGLE};
    struct idmap m = {.n = 0};

    for (size_t i = 0; i < array_size(by_name); i++)
        if (strcmp(text, idmap_method_name(by_name[i])) == 0) {
            ret->method = by_name[i];
            return 0;
        }
    if (*text < '0' || *text > '9')
        return reason_set(why, -EINVAL,
                          "'%.64s' is none of auto, direct, newuidmap, single, INSIDE:OUTSIDE:COUNT", text);
    for (const char *word = text;; word++) {
        size_t len = strcspn(word, ",");
        int r = parse_extent(word, len, &m, why);
        if (r < 0)
            return r;
        word += len;
        if (!*word)
            break;
    }
    if (idmap_check(&m) < 0)
        return reason_set(why, -EINVAL, "the id map is too long for the kernel");
    ret->method = IDMAP_CUSTOM;
    ret->custom = m;
    return 0;
}
