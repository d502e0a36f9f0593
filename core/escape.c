/* SPDX-License-Identifier: Apache-2.0 */
#include "core/escape.h"

#include <stdbool.h>
#include <stdint.h>

#include "core/fd.h"

/* Length of the well-formed UTF-8 sequence at @s (RFC 3629, section 4), or 0. */
static size_t sequence(const unsigned char *s, size_t left, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return n;
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/*
 * What shows nothing of its own, or makes other text show elsewhere: a name with it looks like another name. Unicode's
 * Default_Ignorable_Code_Point (DerivedCoreProperties.txt), Bidi_Control (UAX #9, all of it among the former), and what
 * ends lines or annotates them.
 */
static bool is_invisible(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},   {0x115f, 0x1160}, {0x17b4, 0x17b5},
        {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},
        {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3},
        {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
    };
    for (size_t i = 0; i < array_size(ranges); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

void escape_add(struct strbuf *b, const char *s, size_t len, enum escape what)
{
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = sequence((const unsigned char *)s + i, len - i, &c);
        bool hide = n == 0 || (what == ESCAPE_TERMINAL && (is_control(c) || is_invisible(c) || c == '\\'));
        n = n ? n : 1;
        if (!hide)
            strbuf_add(b, s + i, n);
        for (size_t k = 0; hide && k < n; k++)
            strbuf_addf(b, "\\x%02x", (unsigned char)s[i + k]);
        i += n;
    }
}

size_t escape_width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += (unsigned char)*s >> 6 != 2;
    return n;
}
