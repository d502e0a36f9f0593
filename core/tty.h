/* SPDX-License-Identifier: Apache-2.0 */
/* The controlling terminal (tty(4), credentials(7)) and whose turn on it it is. Nothing here blocks. */
#pragma once
#include <stdbool.h>

/**
 * tty_open - the controlling terminal of this session: /dev/tty, or where that is missing the standard stream that is on it
 * Return: a CLOEXEC fd, the caller's; -ENXIO: this session has none.
 */
int tty_open(void);

/* tty_present - has this session a controlling terminal? */
bool tty_present(void);

/* tty_in_foreground - is this process's group the terminal's foreground group? False without a terminal. */
bool tty_in_foreground(void);

/**
 * tty_take_back - make this process's group the foreground group, if the one that is it has no member any more
 * Whoever holds the terminal is never robbed of it. SIGTTOU must be blocked: the caller is in the background (tcsetpgrp(3)).
 * Return: true if it was taken.
 */
bool tty_take_back(void);
