/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What GET /v1/events says: one JSON object a line,
 *
 *     {"time":"2026-01-31T12:00:00.000000Z","event":"add","port":{"id":1,"spec":{...}}}
 *
 *     present      a port that is published already                      these come first,
 *     watching     (no port) all of them were said, news follow          and this once
 *     add, remove  a port
 *     interrupted  (no port) the forwarder has ended; new clients wait
 *     failed       a port that the next forwarder did not take, with a "message"
 *     restored     (no port) the next forwarder has the ports
 */
#pragma once
#include <stddef.h>

#include "net/port.h"

/* restevents_first - the lines that a watcher begins with. @ret: malloc()ed, not NUL-terminated. 0 or -ENOMEM. */
int restevents_first(const struct port_table *t, char **ret, size_t *ret_len);

/* restevents_line - the line for a change of the table. As above. */
int restevents_line(enum port_event event, const struct port_entry *entry, const char *text, char **ret,
                    size_t *ret_len);
