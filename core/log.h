/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for the person at the terminal.
 *
 * Applets log, once, at the place where the error stops being handed upwards; core/ and net/ return
 * -errno and use log_debug() only.  Each message is one write(2) to stderr, so that lines of several
 * processes do not mix.  Nothing here blocks except that write.
 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>

/* Prefix of every message, for example "rootlet run"; kept by reference. */
void log_set_name(const char *name);
const char *log_name(void);
void log_set_debug(bool on);
bool log_debug_on(void);

/*
 * A second place for every message besides stderr, as long as somebody watches the start of what goes on in the background:
 * log_copy_to() takes the (close-on-exec) descriptor over, log_copy_end() closes it; -1: there is none.
 */
void log_copy_to(int fd);
int log_copy_fd(void);
void log_copy_end(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * log_errno - log "<text>: <strerror>" as an error and hand the error on
 * @r: a negative errno (a positive one is negated)
 *
 * Return: @r as a negative errno, so that `return log_errno(r, "cannot open '%s'", path)` reads well.
 */
int log_errno(int r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* For start-up code and forked set-up children only, never inside an event loop: log and exit(1). */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * A place for the reason of an error, for functions whose -errno alone would not tell the user what to
 * do.  The function fills it on failure; the applet logs it.  Always NUL-terminated.
 */
struct reason {
    char text[512];
};
/* reason_set - format into @why (which may be NULL); returns @r, for `return reason_set(why, -EPERM, ...)`. */
int reason_set(struct reason *why, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
