/* SPDX-License-Identifier: Apache-2.0 */
/* subuid files and getsubids output: whatever is read, ranges are valid, disjoint, and survive merging. */
#include <stdint.h>
#include <stdlib.h>

#include "core/subid.c" // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct subid_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->r[i].count == 0 || l->r[i].first >= UINT32_MAX || l->r[i].count > UINT32_MAX - l->r[i].first)
            abort();
        for (size_t k = 0; k < i; k++) {
            uint64_t a = l->r[i].first, b = l->r[k].first;
            if (a < b + l->r[k].count && b < a + l->r[i].count)
                abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct subid_list l = {0};
    const char *text = (const char *)data;

    if (size > 1 << 14)
        return 0;
    (void)subid_parse(text, size, size % 2 ? "alice" : NULL, 1000, &l);
    check(&l);
    (void)subid_parse_getsubids(text, size, &l);
    check(&l);
    uint64_t total = subid_list_total(&l);
    if (l.n > 0) {
        uint32_t id = l.r[l.n / 2].first + l.r[l.n / 2].count / 2;
        if (subid_list_remove(&l, id) == 0 && subid_list_total(&l) != total - 1)
            abort();
        check(&l);
        total = subid_list_total(&l);
    }
    subid_list_merge(&l);
    check(&l);
    if (subid_list_total(&l) != total)
        abort();
    subid_list_done(&l);
    return 0;
}
