/* SPDX-License-Identifier: Apache-2.0 */
/* Several workers instead of one portd: the process between them and the supervisor. */
#pragma once
#include "net/portd_worker.h"

/**
 * portd_manage - start the workers, start anew those that die, tell all what the supervisor says, until EOF or SYNC_STOP
 * @first: what is the same for all; @first->config->workers says how many. As portd_work() otherwise.
 */
int portd_manage(const struct portd_worker *first, int sync_fd);
