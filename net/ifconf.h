/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's side of a link; the rest of its interface is in net/link.h (link_lo_up, link_configure). */
#pragma once

/* ifconf_last_group - upper end of ping_group_range for a user namespace whose gid_map reads @map; the lower end is 0. */
unsigned long ifconf_last_group(const char *map);
