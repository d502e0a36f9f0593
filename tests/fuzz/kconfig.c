/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's configuration: any bytes, as a gzip file and as its text. */
#include "core/kconfig.c"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(struct kconfig *k)
{
    static const char *const options[] = {"CONFIG_TUN", "CONFIG_VETH", "C", ""};
    for (size_t i = 0; i < array_size(options); i++)
        if (kconfig_get(k, options[i]) == KCONFIG_UNKNOWN)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kconfig plain kconfig_auto = {.text = malloc(size + 1), .len = size};
    struct kconfig packed kconfig_auto = {.text = NULL};
    if (!plain.text)
        return 0;
    memcpy(plain.text, data, size);
    plain.text[size] = '\0';
    look(&plain);
    if (kconfig_unpack(data, size, KCONFIG_MAX, &packed.text, &packed.len) < 0)
        return 0;
    if (packed.len > KCONFIG_MAX || packed.text[packed.len])
        abort();
    look(&packed);
    return 0;
}
