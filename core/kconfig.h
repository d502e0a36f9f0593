/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the running kernel was built: the text of its .config, from /proc/config.gz (CONFIG_IKCONFIG_PROC), or the file that
 * distributions install beside the kernel.  Good for explaining a refusal, never for predicting one: whether something
 * works is found out by trying it.
 */
#pragma once
#include <stddef.h>

enum {
    KCONFIG_MAX_PACKED = 1 << 20, /* a distribution's is about 60 KiB */
    KCONFIG_MAX = 8 << 20,        /* and 300 KiB unpacked */
};

enum kconfig_state {
    KCONFIG_UNKNOWN, /* no configuration can be read */
    KCONFIG_NO,      /* "is not set", or not mentioned: what it depends on is off */
    KCONFIG_MODULE,
    KCONFIG_BUILT_IN, /* "=y", or any value that is neither n nor m */
};

struct kconfig {
    char *text; /* NUL-terminated; NULL: unknown */
    size_t len;
    char path[160]; /* where it was found */
};
#define kconfig_auto __attribute__((cleanup(kconfig_done)))

/**
 * kconfig_unpack - the text inside a gzip file
 * @max: refuse (-EFBIG) a text with more bytes than this
 * @ret: malloc()ed, NUL-terminated; the caller frees it; untouched on failure
 *
 * Anything may be in @data. Return: 0; -EBADMSG: no gzip, damaged, or cut short; -ENOMEM. What follows the first member is ignored.
 */
int kconfig_unpack(const void *data, size_t len, size_t max, char **ret, size_t *ret_len);

/**
 * kconfig_load - read the running kernel's configuration
 * /proc/config.gz, /boot/config-RELEASE, /lib/modules/RELEASE/config; the first that can be read. Does not block.
 * Return: 0; -ENOENT: none is there; or the error of the last that is.
 */
int kconfig_load(struct kconfig *ret);
void kconfig_done(struct kconfig *k);

/* kconfig_get - @option with its prefix: "CONFIG_TUN". The last line that names it counts. */
enum kconfig_state kconfig_get(const struct kconfig *k, const char *option);
