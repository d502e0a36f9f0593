/* SPDX-License-Identifier: Apache-2.0 */
/* The host's resolv.conf. */
#include "net/resolv.c" // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct resolv r;
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (resolv_parse(text, &r) == 0) {
        if (r.n < 1 || r.n > RESOLV_MAX_SERVERS || strlen(r.rest) > size + 1)
            abort();
        resolv_done(&r);
    }
    free(text);
    return 0;
}
