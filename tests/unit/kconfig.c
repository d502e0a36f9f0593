/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's configuration: unpacking what may be anything, and what its lines mean. */
#include "core/kconfig.h"

#include <unistd.h>

#include "tests/unit/tap.h"

/* "# CONFIG_TUN is not set", "CONFIG_VETH=m", "CONFIG_PACKET=y", by gzip -9 */
static const unsigned char small[62] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x53, 0x56, 0x70, 0xf6, 0xf7, 0x73,
    0xf3, 0x74, 0x8f, 0x0f, 0x09, 0xf5, 0x53, 0xc8, 0x2c, 0x56, 0xc8, 0xcb, 0x2f, 0x51, 0x28, 0x4e,
    0x2d, 0xe1, 0x82, 0x8a, 0x86, 0xb9, 0x86, 0x78, 0xd8, 0xe6, 0xc2, 0x78, 0x01, 0x8e, 0xce, 0xde,
    0xae, 0x21, 0xb6, 0x95, 0x5c, 0x00, 0xbe, 0x8e, 0xd4, 0x7a, 0x36, 0x00, 0x00, 0x00,
};

/* 200000 times "a": several times the first piece of room */
static const unsigned char large[230] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x31, 0x01, 0x00, 0x00, 0x00,
    0xc2, 0xa0, 0xac, 0xeb, 0x5f, 0xc2, 0x0c, 0xfe, 0x40, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xaf,
    0x01, 0x9b, 0x53, 0x69, 0xe0, 0x40, 0x0d, 0x03, 0x00,
};

static const char text[] = "# CONFIG_TUN is not set\nCONFIG_VETH=m\nCONFIG_PACKET=y\n";

static void test_unpack(void)
{
    char *got = NULL;
    size_t len = 0;

    is_int(kconfig_unpack(small, sizeof(small), KCONFIG_MAX, &got, &len), 0, "a small file is unpacked");
    is_int(len, sizeof(text) - 1, "its length");
    is_str(got, text, "its text, with a NUL at the end");
    free(got);

    got = NULL;
    is_int(kconfig_unpack(large, sizeof(large), KCONFIG_MAX, &got, &len), 0,
           "one that needs more room than the first piece");
    is_int(len, 200000, "its length");
    is_int(got ? strspn(got, "a") : 0, 200000, "its text");
    free(got);
}

static void test_bounds(void)
{
    char *got = NULL;
    size_t len = 0;

    is_int(kconfig_unpack(small, sizeof(small), sizeof(text) - 1, &got, &len), 0,
           "a text of exactly the limit is taken");
    free(got);
    got = NULL;
    is_int(kconfig_unpack(small, sizeof(small), sizeof(text) - 2, &got, &len), -EFBIG,
           "one more byte is too much");
    is_int(kconfig_unpack(large, sizeof(large), 65536, &got, &len), -EFBIG, "much more is, too");
    is_int(kconfig_unpack(small, sizeof(small), (size_t)KCONFIG_MAX + 1, &got, &len), -EFBIG,
           "there is a limit to the limit");
    is_int(kconfig_unpack(small, (size_t)KCONFIG_MAX_PACKED + 1, KCONFIG_MAX, &got, &len), -EFBIG,
           "and to the packed size");
    ok(got == NULL, "nothing is handed out on failure");
}

static void test_damage(void)
{
    int wrong = 0, taken = 0;
    char *got = NULL;
    size_t len = 0;

    for (size_t n = 0; n < sizeof(small); n++)
        wrong += kconfig_unpack(small, n, KCONFIG_MAX, &got, &len) != -EBADMSG;
    is_int(wrong, 0, "cut short anywhere, it is refused");

    for (size_t i = 10; i < sizeof(small); i++) {
        unsigned char bad[sizeof(small)];
        memcpy(bad, small, sizeof(bad));
        bad[i] ^= 0x10;
        int r = kconfig_unpack(bad, sizeof(bad), KCONFIG_MAX, &got, &len);
        if (r == 0)
            free(got);
        taken += r == 0;
        got = NULL;
    }
    is_int(taken, 0, "damaged anywhere behind its header, it is refused");
    is_int(kconfig_unpack(text, sizeof(text), KCONFIG_MAX, &got, &len), -EBADMSG, "plain text is no gzip");
}

static enum kconfig_state get(const char *lines, const char *option)
{
    struct kconfig k = {.text = strdup(lines), .len = strlen(lines)};
    enum kconfig_state s = kconfig_get(&k, option);
    kconfig_done(&k);
    return s;
}

static void test_get(void)
{
    const struct kconfig unknown = {.text = NULL};

    is_int(kconfig_get(&unknown, "CONFIG_TUN"), KCONFIG_UNKNOWN, "without a configuration nothing is known");
    is_int(get(text, "CONFIG_TUN"), KCONFIG_NO, "not set");
    is_int(get(text, "CONFIG_VETH"), KCONFIG_MODULE, "a module");
    is_int(get(text, "CONFIG_PACKET"), KCONFIG_BUILT_IN, "built in");
    is_int(get(text, "CONFIG_USER_NS"), KCONFIG_NO, "not mentioned");
    is_int(get("CONFIG_TUN=n\n", "CONFIG_TUN"), KCONFIG_NO, "=n");
    is_int(get("CONFIG_HZ=250\n", "CONFIG_HZ"), KCONFIG_BUILT_IN, "a number");
    is_int(get("CONFIG_MODULES_X=m\n", "CONFIG_MODULES_X"), KCONFIG_MODULE, "m");
    is_int(get("CONFIG_LOCALVERSION=\"m\"\n", "CONFIG_LOCALVERSION"), KCONFIG_BUILT_IN,
           "a string is not a module");
    is_int(get("CONFIG_TUN_X=y\nXCONFIG_TUN=y\n", "CONFIG_TUN"), KCONFIG_NO, "longer names are others");
    is_int(get("# CONFIG_TUN_X is not set\nCONFIG_TUN=y", "CONFIG_TUN"), KCONFIG_BUILT_IN,
           "the last line may lack its end");
    is_int(get("CONFIG_TUN=y\n# CONFIG_TUN is not set\n", "CONFIG_TUN"), KCONFIG_NO,
           "the last mention counts");
    is_int(get("CONFIG_TUN=y\n# CONFIG_TUN is not set today\n", "CONFIG_TUN"), KCONFIG_BUILT_IN,
           "a comment is none");
    is_int(get("CONFIG_TUN=\nCONFIG_TUN\n#\n# \n\n", "CONFIG_TUN"), KCONFIG_NO,
           "an empty value, and odd lines, say nothing");
}

static void test_load(void)
{
    struct kconfig k = {.text = NULL};
    int r = kconfig_load(&k);
    if (r == 0) {
        ok(strstr(k.text, "CONFIG_") && strlen(k.text) == k.len, "the running kernel's has options (%s)",
           k.path);
        is_int(access(k.path, R_OK), 0, "and comes from a file that is there");
    } else {
        ok(k.text == NULL, "nothing is handed out when none can be read");
        ok(access("/proc/config.gz", R_OK) < 0, "and then there is no /proc/config.gz");
    }
    kconfig_done(&k);
    ok(k.text == NULL, "it is given up");
    kconfig_done(&k);
}

int main(void)
{
    test_unpack();
    test_bounds();
    test_damage();
    test_get();
    test_load();
    return done_testing();
}
