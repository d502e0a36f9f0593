/* SPDX-License-Identifier: Apache-2.0 */
/* run --detach: an instance in the background, and the process that waits until its command has started. */
#pragma once
#include "net/instance.h"

struct instance;

/**
 * detach_run - start an instance in the background
 * @cfg: .starter is set here
 *
 * Forks. In the caller it blocks until the command has been executed (then the state directory is printed), or until the
 * start has failed and everything of it is gone, or a signal (INT, TERM, HUP, QUIT) has ended the start. In the new process it is
 * instance_run(). Return: the exit status of whichever process it returns in; 0 in the caller: the instance runs. Logs its own errors.
 */
int detach_run(struct instance_config *cfg);

/* The supervisor's side, called by net/instance.c. Nothing happens when the instance is not detached. */

/* detach_watch - listen to whoever waits for us: its end, or its wish to stop, ends the start. 0 or -errno, logged. */
int detach_watch(struct instance *in);

/**
 * detach_output - let stdout and stderr be STATE_DIR/log from now on
 * Messages go to the caller's stderr as well until detach_ready(). Return: 0 or -errno, logged.
 */
int detach_output(struct instance *in);

/* detach_ready - the command runs: let go of the caller's stderr and tell the caller. */
void detach_ready(struct instance *in);
