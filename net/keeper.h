/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper of a netd that runs on its own: a small process on the host's side of netd's sandbox.  It does the two things that
 * need the host's files: it tells netd when resolv.conf changes, and it removes the API socket at the end, however netd ended.
 *
 *      netd                                   keeper
 *      ◀──────── text of resolv.conf ──────── at once, and each time it changes (net/resolv_watch.h)
 *      EOF (the end, or shut down) ─────────▶ unlink the API socket, exit
 *      ◀───────────────────────────── EOF ───
 */
#pragma once

/**
 * keeper_start - fork it
 * @socket_path: the API socket to remove, or NULL. It is not removed when by then something else is in its place.
 * @ret_fd: netd's end: goes into struct netd_config; the caller's
 *
 * It holds no other descriptor than standard error, and has no privileges.
 */
int keeper_start(const char *socket_path, int *ret_fd);

/* keeper_stop - tell it that netd is over and wait until it has cleaned up; a few seconds at most. Closes @fd. */
void keeper_stop(int fd);
