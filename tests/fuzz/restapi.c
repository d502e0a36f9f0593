/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of POST /v1/ports, up to where ports would be bound. What is taken survives being written and read again. */
#include "net/restapi.c"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spec(const struct portspec *s)
{
    struct json_doc *doc json_auto = NULL, *back json_auto = NULL;
    struct portspec again;
    char *text;
    size_t len;
    if (json_doc_new(&doc) < 0)
        return;
    assert(portspec_check(s, NULL) == 0);
    assert(json_write(doc, portspec_to_json(doc, s), JSON_COMPACT, &text, &len) == 0);
    assert(json_read(text, len, len, &back, NULL) == 0);
    assert(portspec_from_json(json_root(back), &again, NULL) == 0);
    assert(memcmp(s, &again, sizeof(again)) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_doc *doc json_auto = NULL;
    struct reason why = {.text = ""};
    if (json_read(data, size, REST_BODY_MAX, &doc, NULL) < 0)
        return 0;
    struct json *root = json_root(doc);
    size_t n = json_type(root) == JSON_ARRAY ? json_count(root) : 1;
    if (n == 0 || n > SPECS_MAX)
        return 0;
    struct portspec *specs = calloc(n, sizeof(*specs));
    if (specs && read_specs(root, specs, n, &why) == 0)
        for (size_t i = 0; i < n; i++)
            check_spec(&specs[i]);
    else
        assert(!specs || *why.text);
    free(specs);
    return 0;
}
