/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/strv.h"

enum {
    GZIP_ONLY = 16 + MAX_WBITS, /* zlib.h, inflateInit2() */
    FIRST_SIZE = 64 << 10,
};

/* Room for more, never for more than one byte over @max: that byte tells too much from just enough. */
static int grow(char **buf, size_t *size, size_t max)
{
    size_t want = *size ? *size * 2 : FIRST_SIZE;
    if (want > max + 1)
        want = max + 1;
    char *p = realloc(*buf, want + 1);
    if (!p)
        return -ENOMEM;
    *buf = p;
    *size = want;
    return 0;
}

static int inflate_all(z_stream *z, size_t max, char **buf, size_t *ret_len)
{
    size_t size = 0, len = 0;
    for (;;) {
        if (len == size) {
            int r = grow(buf, &size, max);
            if (r < 0)
                return r;
        }
        z->next_out = (Bytef *)*buf + len;
        z->avail_out = (uInt)(size - len);
        int r = inflate(z, Z_NO_FLUSH);
        len = size - z->avail_out;
        if (len > max)
            return -EFBIG;
        if (r == Z_STREAM_END)
            break;
        if (r == Z_MEM_ERROR)
            return -ENOMEM;
        /* Z_BUF_ERROR: the input is over and the end was not seen. Room for output there always is. */
        if (r != Z_OK)
            return -EBADMSG;
    }
    (*buf)[len] = '\0';
    *ret_len = len;
    return 0;
}

int kconfig_unpack(const void *data, size_t len, size_t max, char **ret, size_t *ret_len)
{
    if (len > KCONFIG_MAX_PACKED || max > KCONFIG_MAX)
        return -EFBIG;
    z_stream z = {.next_in = (z_const Bytef *)data, .avail_in = (uInt)len};
    if (inflateInit2(&z, GZIP_ONLY) != Z_OK)
        return -ENOMEM;
    free_auto char *buf = NULL;
    int r = inflate_all(&z, max, &buf, ret_len);
    inflateEnd(&z);
    if (r == 0)
        *ret = steal_ptr(&buf);
    return r;
}

static int load_packed(const char *path, struct kconfig *k)
{
    free_auto char *data = NULL;
    size_t len;
    int r = file_read(AT_FDCWD, path, KCONFIG_MAX_PACKED, &data, &len);
    return r < 0 ? r : kconfig_unpack(data, len, KCONFIG_MAX, &k->text, &k->len);
}

static int load_plain(const char *path, struct kconfig *k)
{
    return file_read(AT_FDCWD, path, KCONFIG_MAX, &k->text, &k->len);
}

int kconfig_load(struct kconfig *ret)
{
    static const struct {
        const char *before, *after;
        int (*load)(const char *path, struct kconfig *k);
    } places[] = {{"/boot/config-", "", load_plain}, {"/lib/modules/", "/config", load_plain}};
    struct kconfig k = {.path = "/proc/config.gz"};
    struct utsname u;

    int r = load_packed(k.path, &k);
    for (size_t i = 0; r < 0 && i < array_size(places); i++) {
        log_debug("kernel configuration: cannot read '%s': %s", k.path, strerror(-r));
        /* The release becomes part of a path. */
        if (uname(&u) < 0 || strchr(u.release, '/'))
            return -ENOENT;
        if (str_format(k.path, sizeof(k.path), "%s%s%s", places[i].before, u.release, places[i].after) < 0)
            return -ENOENT;
        int missing = places[i].load(k.path, &k);
        if (missing != -ENOENT || r == -ENOENT)
            r = missing;
    }
    if (r == 0)
        *ret = k;
    return r;
}

void kconfig_done(struct kconfig *k)
{
    free(k->text);
    k->text = NULL;
    k->len = 0;
}

/* What the line "@name=..." or "# @name is not set" says; KCONFIG_UNKNOWN: it is about something else. */
static enum kconfig_state read_line(const char *line, size_t len, const char *name, size_t name_len)
{
    static const char not_set[] = " is not set";
    if (len > 2 && line[0] == '#' && line[1] == ' ') {
        line += 2;
        len -= 2;
        if (len == name_len + strlen(not_set) && !memcmp(line, name, name_len) &&
            !memcmp(line + name_len, not_set, strlen(not_set)))
            return KCONFIG_NO;
        return KCONFIG_UNKNOWN;
    }
    if (len < name_len + 2 || memcmp(line, name, name_len) || line[name_len] != '=')
        return KCONFIG_UNKNOWN;
    if (len == name_len + 2 && line[name_len + 1] == 'm')
        return KCONFIG_MODULE;
    if (len == name_len + 2 && line[name_len + 1] == 'n')
        return KCONFIG_NO;
    return KCONFIG_BUILT_IN;
}

enum kconfig_state kconfig_get(const struct kconfig *k, const char *option)
{
    if (!k->text)
        return KCONFIG_UNKNOWN;
    enum kconfig_state found = KCONFIG_NO;
    size_t name_len = strlen(option);
    for (size_t at = 0; at < k->len;) {
        const char *end = memchr(k->text + at, '\n', k->len - at);
        size_t len = end ? (size_t)(end - k->text) - at : k->len - at;
        enum kconfig_state s = read_line(k->text + at, len, option, name_len);
        if (s != KCONFIG_UNKNOWN)
            found = s;
        at += len + 1;
    }
    return found;
}
