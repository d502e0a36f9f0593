/* SPDX-License-Identifier: Apache-2.0 */
/* Strict parsers for short texts from outside: whole string or error, no locale, no blanks, no signs. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* parse_uint - decimal digits only, value in min..max. -EINVAL: not a number; -ERANGE: outside min..max. */
int parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
int parse_u16(const char *s, uint16_t *ret);
int parse_u32(const char *s, uint32_t *ret);
/* parse_pid - 1..INT_MAX */
int parse_pid(const char *s, pid_t *ret);
/* parse_bool - what Go's strconv.ParseBool takes: 1 t T TRUE true True and 0 f F FALSE false False */
int parse_bool(const char *s, bool *ret);
