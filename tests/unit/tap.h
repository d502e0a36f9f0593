/*
 * tap.h - the whole test library of the unit tests: TAP version 13 on stdout, one process a file.
 *
 *     int main(void)
 *     {
 *         ok(subid_parse("x:1:2", &range) == 0, "a plain line");
 *         is_int(range.count, 2, "its count");
 *         return done_testing();
 *     }
 *
 * Each check evaluates its arguments once, prints one line, and returns whether it passed, so that a test may stop early:
 * `if (!ok(...)) return done_testing();`. A check that fails says where and what was seen, on lines that begin with '#'.
 * done_testing() prints the plan and gives the exit status: 0 when everything passed, and 1 otherwise or when nothing was checked.
 * A process that forks must leave the child with _exit(), so that the child reports through its status and not through a second plan.
 */
#ifndef TESTS_UNIT_TAP_H
#define TESTS_UNIT_TAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count;
static int tap_failures;

/* A comment line in the report. */
__attribute__((format(printf, 1, 2), unused)) static void diag(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fputs("# ", stdout);
    vprintf(format, ap);
    putchar('\n');
    fflush(stdout);
    va_end(ap);
}

/* The one printer of "ok" and "not ok": flushed at once, so that a crash later loses no line and a fork copies none. */
__attribute__((format(printf, 4, 0), unused)) static bool tap_line(bool passed, const char *file, int line,
                                                                   const char *format, va_list ap)
{
    tap_count++;
    tap_failures += passed ? 0 : 1;
    printf("%sok %d - ", passed ? "" : "not ", tap_count);
    vprintf(format, ap);
    putchar('\n');
    if (!passed)
        printf("#   at %s:%d\n", file, line);
    fflush(stdout);
    return passed;
}

__attribute__((format(printf, 5, 6), unused)) static bool tap_ok(bool passed, const char *file, int line,
                                                                 const char *text, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    tap_line(passed, file, line, format, ap);
    va_end(ap);
    if (!passed)
        diag("  not true: %s", text);
    return passed;
}

__attribute__((format(printf, 5, 6), unused)) static bool tap_is_int(intmax_t got, intmax_t want,
                                                                     const char *file, int line,
                                                                     const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    tap_line(got == want, file, line, format, ap);
    va_end(ap);
    if (got != want) {
        diag("  got:  %jd%s%s", got, got < 0 && got > -4096 ? ", as an error: " : "",
             got < 0 && got > -4096 ? strerror((int)-got) : "");
        diag("  want: %jd%s%s", want, want < 0 && want > -4096 ? ", as an error: " : "",
             want < 0 && want > -4096 ? strerror((int)-want) : "");
    }
    return got == want;
}

__attribute__((format(printf, 5, 6), unused)) static bool tap_is_str(const char *got, const char *want,
                                                                     const char *file, int line,
                                                                     const char *format, ...)
{
    bool same = got && want ? strcmp(got, want) == 0 : got == want;
    va_list ap;

    va_start(ap, format);
    tap_line(same, file, line, format, ap);
    va_end(ap);
    if (!same) {
        diag("  got:  %s%s%s", got ? "'" : "", got ? got : "NULL", got ? "'" : "");
        diag("  want: %s%s%s", want ? "'" : "", want ? want : "NULL", want ? "'" : "");
    }
    return same;
}

__attribute__((format(printf, 6, 7), unused)) static bool tap_is_mem(const void *got, const void *want,
                                                                     size_t size, const char *file, int line,
                                                                     const char *format, ...)
{
    bool same = got && want && memcmp(got, want, size) == 0;
    const unsigned char *a = got, *b = want;
    va_list ap;

    va_start(ap, format);
    tap_line(same, file, line, format, ap);
    va_end(ap);
    if (!same && a && b)
        for (size_t i = 0; i < size; i++)
            if (a[i] != b[i]) {
                diag("  first difference at byte %zu of %zu: got 0x%02x, want 0x%02x", i, size, a[i], b[i]);
                break;
            }
    return same;
}

/* The condition holds. */
#define ok(condition, ...) tap_ok((condition), __FILE__, __LINE__, #condition, __VA_ARGS__)
/* Two integers are equal; small negative ones are shown as errors too. */
#define is_int(got, want, ...) tap_is_int((intmax_t)(got), (intmax_t)(want), __FILE__, __LINE__, __VA_ARGS__)
/* Two strings are equal; NULL equals NULL alone. */
#define is_str(got, want, ...) tap_is_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)
/* Two pieces of memory of the same size are equal. */
#define is_mem(got, want, size, ...) tap_is_mem((got), (want), (size), __FILE__, __LINE__, __VA_ARGS__)

/* The test cannot go on: everything stops here. */
#define bail_out(...)         \
    do {                      \
        printf("Bail out! "); \
        printf(__VA_ARGS__);  \
        putchar('\n');        \
        fflush(stdout);       \
        exit(255);            \
    } while (0)

/* The plan, and the exit status of the test. */
__attribute__((unused)) static int done_testing(void)
{
    printf("1..%d\n", tap_count);
    if (tap_failures)
        diag("%d of %d failed", tap_failures, tap_count);
    if (tap_count == 0)
        diag("nothing was checked");
    fflush(stdout);
    return tap_failures || tap_count == 0 ? 1 : 0;
}

#endif
