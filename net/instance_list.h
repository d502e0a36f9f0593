/* SPDX-License-Identifier: Apache-2.0 */
/* The list of running instances, for people and as JSON. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

/**
 * instance_list_print - find the running instances, ask each for its network and ports, and print them
 * @all: of all users (core/instances.h)
 * @json: one object a line; else an aligned table with a heading, in which control characters are escaped
 *
 * An instance that does not answer on its api.sock is listed all the same, marked so. Blocks for two seconds for each of
 * those, and for five seconds and little more for all of them together. Return: 0 or -errno; the caller looks after @out's errors.
 */
int instance_list_print(FILE *out, bool all, bool json);
