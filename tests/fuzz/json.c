/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/json on any bytes: what is read is written, read again and still the same; a text that was not changed is written
 * back byte for byte; what is refused has a place.
 */
#include "core/json.c"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every way of looking at every node. */
static size_t look(const struct json *n)
{
    size_t seen = 1, len;
    uint64_t u;
    int64_t i;
    bool b;

    assert(json_type_name(n));
    if (json_uint(n, 0, UINT64_MAX, &u) == 0)
        assert(json_is_integer(n));
    if (json_int(n, INT64_MIN, INT64_MAX, &i) == 0)
        assert(json_is_integer(n));
    json_bool(n, &b);
    if (json_str(n))
        assert(json_strn(n, &len) && strlen(json_str(n)) == len);
    json_foreach (it, n)
        seen += look(it.value);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_doc *doc json_auto = NULL, *again json_auto = NULL;
    struct json_error err = {.text = ""};
    char *text = NULL, *same = NULL, *indented = NULL;
    size_t len, same_len;

    if (json_read(data, size, 1 << 20, &doc, &err) < 0) {
        assert(*err.text && err.offset <= size && err.line && err.column && *err.path.text == '.');
        return 0;
    }
    assert(json_write_like(doc, (const char *)data, size, &same, &same_len) == 0);
    assert(same_len == size && memcmp(same, data, size) == 0);
    assert(json_write(doc, json_root(doc), JSON_COMPACT, &text, &len) == 0);
    assert(json_read(text, len, len, &again, &err) == 0);
    assert(look(json_root(again)) == look(json_root(doc)));
    free(same);
    assert(json_write(again, json_root(again), JSON_COMPACT, &same, &same_len) == 0);
    assert(same_len == len && memcmp(same, text, len) == 0);
    assert(json_write(doc, json_root(doc), JSON_INDENT, &indented, &len) == 0);
    free(text);
    free(same);
    free(indented);
    return 0;
}
