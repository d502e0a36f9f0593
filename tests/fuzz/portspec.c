/* SPDX-License-Identifier: Apache-2.0 */
/* Port specs: what is taken survives being written and read again. */
#include "net/portspec.c"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check_one(const struct portspec *s, void *arg)
{
    char text[PORTSPEC_TEXT_MAX];
    struct portspec again;
    unsigned *left = arg;
    memset(&again, 0, sizeof(again));
    assert(portspec_check(s, NULL) == 0);
    assert(portspec_format(s, text, sizeof(text)) == 0);
    assert(portspec_parse(text, &again, NULL) == 0);
    assert(memcmp(s, &again, sizeof(again)) == 0);
    return --*left == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct portspec s;
    struct reason why = {.text = ""};
    unsigned left = 20; /* of a range of thousands, the first will do */
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (portspec_parse(text, &s, &why) < 0)
        assert(*why.text);
    why.text[0] = '\0';
    if (portspec_parse_range(text, check_one, &left, &why) < 0)
        assert(*why.text);
    free(text);
    return 0;
}
