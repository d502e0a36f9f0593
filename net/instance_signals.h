/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor between the terminal, whoever sends it signals, and the command. */
#pragma once
#include <stdbool.h>

struct instance;

/* instance_watch_signals - from here on all signals come through the loop. 0 or -errno, which has been logged. */
int instance_watch_signals(struct instance *in);

/**
 * instance_command_stopped - the command was stopped by @sig: stop with it where a shell's job would
 * Returns after the supervisor was continued; at once where it has no reason to stop.
 */
void instance_command_stopped(struct instance *in, int sig);

/* instance_take_terminal - back from a foreground group of the command's that is no more, if it was our turn. True if it was taken. */
bool instance_take_terminal(const struct instance *in);
