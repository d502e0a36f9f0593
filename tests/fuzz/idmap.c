/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is a value of --map, the rest the text of a uid_map: what is taken is valid and survives being written and read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/idmap.c" // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct idmap *m)
{
    static struct idmap again;
    char text[IDMAP_TEXT_MAX + 1];

    int len = idmap_format(m, text);
    if (len < 0)
        return;
    if (strlen(text) != (size_t)len || idmap_parse(text, &again) < 0 || again.n != m->n ||
        memcmp(again.e, m->e, m->n * sizeof(*m->e)) != 0)
        abort();
    if (m->n > 0 && idmap_check(m) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct idmap parent, m;
    struct idmap_request q = {.source = SUBID_AUTO};
    struct subid_list l = {0};
    char text[8192], *map;
    uint64_t dropped;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    map = strchr(text, '\n');
    if (map)
        *map++ = '\0';
    if (idmap_request_parse(text, &q, NULL) == 0 && q.method == IDMAP_CUSTOM)
        check(&q.custom);
    if (!map || idmap_parse(map, &parent) < 0 || parent.n == 0)
        return 0;
    check(&parent);
    uint32_t self = parent.e[parent.n / 2].inner;
    if (idmap_derive(self, &parent, &m) == 0) {
        check(&m);
        if (!idmap_is_within(
                &m,
                &parent)) /* as a parent's map: all that is laid out on it must be in one of its extents */
            abort();
    }
    for (size_t i = 0; i < q.custom.n; i++)
        (void)subid_list_add(&l, q.custom.e[i].outer, q.custom.e[i].count);
    if (idmap_from_subids(self, &l, &parent, &m, &dropped) == 0) {
        check(&m);
        if (!idmap_is_within(
                &m,
                &parent)) /* as a parent's map: all that is laid out on it must be in one of its extents */
            abort();
    }
    subid_list_done(&l);
    return 0;
}
