/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *name = "rootlet";
static bool debug;
static int copy = -1;

void log_set_name(const char *n)
{
    name = n;
}

const char *log_name(void)
{
    return name;
}

void log_set_debug(bool on)
{
    debug = on;
}

bool log_debug_on(void)
{
    return debug;
}

void log_copy_to(int fd)
{
    copy = fd;
}

int log_copy_fd(void)
{
    return copy;
}

void log_copy_end(void)
{
    if (copy >= 0)
        close(copy);
    copy = -1;
}

/* The errors whose text does not say what to do, and whose cause is the same wherever they come from. */
static const char *remedy(int err)
{
    switch (err) {
    case EMFILE: return " (raise the limit of open files: ulimit -n)";
    case EAGAIN: return " (raise the limit of processes, or end some: ulimit -u)";
    default: return "";
    }
}

/* One line, one write: processes of one instance share stderr. */
__attribute__((format(printf, 3, 0))) static void emit(const char *kind, int err, const char *fmt, va_list ap)
{
    char line[2048];
    int saved = errno;
    int at = snprintf(line, sizeof(line), "%s: %s", name, kind);
    if (at < 0 || at > 512)
        at = 0;
    size_t len = (size_t)at;
    int n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
    if (n > 0)
        len += (size_t)n;
    if (err && len < sizeof(line)) {
        n = snprintf(line + len, sizeof(line) - len, ": %s%s", strerror(err), remedy(err));
        if (n > 0)
            len += (size_t)n;
    }
    if (len > sizeof(line) - 2)
        len = sizeof(line) - 2;
    line[len++] = '\n';
    /* Nobody is left to tell when stderr itself fails. */
    ssize_t ignored = write(STDERR_FILENO, line, len);
    if (copy >= 0)
        ignored = write(copy, line, len);
    (void)ignored;
    errno = saved;
}

#define EMIT(kind, err)           \
    do {                          \
        va_list ap;               \
        va_start(ap, fmt);        \
        emit(kind, err, fmt, ap); \
        va_end(ap);               \
    } while (0)

void log_error(const char *fmt, ...)
{
    EMIT("", 0);
}

void log_warn(const char *fmt, ...)
{
    EMIT("warning: ", 0);
}

void log_info(const char *fmt, ...)
{
    EMIT("", 0);
}

void log_debug(const char *fmt, ...)
{
    if (debug)
        EMIT("debug: ", 0);
}

int log_errno(int r, const char *fmt, ...)
{
    int err = r < 0 ? -r : r;
    EMIT("", err);
    return -err;
}

void die(const char *fmt, ...)
{
    EMIT("", 0);
    exit(EXIT_FAILURE);
}

int reason_set(struct reason *why, int r, const char *fmt, ...)
{
    if (why) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(why->text, sizeof(why->text), fmt, ap);
        va_end(ap);
        size_t len = strlen(why->text);
        if (r == -EMFILE && !strstr(why->text, "ulimit"))
            (void)snprintf(why->text + len, sizeof(why->text) - len, "%s", remedy(EMFILE));
        log_debug("%s", why->text);
    }
    return r;
}
