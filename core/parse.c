/* SPDX-License-Identifier: Apache-2.0 */
#include "core/parse.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

int parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (!*s)
        return -EINVAL;
    bool over = false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return -EINVAL;
        over =
            over || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (unsigned)(*s - '0'), &v);
    }
    if (over || v < min || v > max)
        return -ERANGE;
    *ret = v;
    return 0;
}

int parse_u16(const char *s, uint16_t *ret)
{
    uint64_t v;
    int r = parse_uint(s, 0, UINT16_MAX, &v);
    if (r == 0)
        *ret = (uint16_t)v;
    return r;
}

int parse_u32(const char *s, uint32_t *ret)
{
    uint64_t v;
    int r = parse_uint(s, 0, UINT32_MAX, &v);
    if (r == 0)
        *ret = (uint32_t)v;
    return r;
}

int parse_pid(const char *s, pid_t *ret)
{
    uint64_t v;
    int r = parse_uint(s, 1, INT_MAX, &v);
    if (r == 0)
        *ret = (pid_t)v;
    return r;
}

int parse_bool(const char *s, bool *ret)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
    for (unsigned i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
        if (!strcmp(s, yes[i])) {
            *ret = true;
            return 0;
        }
        if (!strcmp(s, no[i])) {
            *ret = false;
            return 0;
        }
    }
    return -EINVAL;
}
