/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instance's API from the other side (net/rest.openapi.yaml), for the command line. Works with RootlessKit's own daemon as well:
 * what that one does not know (several specs in one request) is done step by step there, and undone when a step fails.
 *
 * All of it blocks, for at most 30 s a request, but for watching, which goes on.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "core/json.h"
#include "core/log.h"
#include "net/portspec.h"

/* apiclient_info - the object of GET /v1/info. 0 or -errno (-EREMOTEIO: the server refused); the reason is in @why. */
int apiclient_info(const char *socket, struct json_doc **ret, struct reason *why);

/* apiclient_ports - @ret_list: the array of GET /v1/ports, in @ret; NULL: none (RootlessKit says null). As above. */
int apiclient_ports(const char *socket, struct json_doc **ret, const struct json **ret_list,
                    struct reason *why);

/**
 * apiclient_add - publish all of @n specs, or none
 * @fn: called for each port that was published, with the server's object; its negative return ends it
 */
typedef int apiclient_added_fn(void *arg, const struct json_doc *doc, const struct json *port,
                               const struct portspec *asked);
int apiclient_add(const char *socket, const struct portspec *specs, size_t n, apiclient_added_fn *fn,
                  void *arg, struct reason *why);

int apiclient_remove(const char *socket, uint32_t id, struct reason *why);

/**
 * apiclient_watch - the events of GET /v1/events, each as the JSON object of a line
 * @stop_fd: readable: enough (-1: none)
 * @reader_fd: the end of a pipe that nobody reads any more: enough, too (-1: none)
 * @fn: called for each; its negative return ends the watching and is returned
 *
 * Return: 0: the instance has ended, or one of the fds said so; -errno, among them -ECONNRESET: the connection was cut, and
 * -EREMOTEIO: the server refused, or knows no events; the reason is in @why.
 */
typedef int apiclient_event_fn(void *arg, const struct json_doc *doc, const struct json *event);
int apiclient_watch(const char *socket, int stop_fd, int reader_fd, apiclient_event_fn *fn, void *arg,
                    struct reason *why);
