/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the service manager (sd_notify(3), systemd.exec(5)). */
#pragma once

/**
 * notify_manager - send @text, for example "READY=1", to $NOTIFY_SOCKET
 * Return: 0, also when there is no such variable; -errno. Does not block.
 */
int notify_manager(const char *text);
