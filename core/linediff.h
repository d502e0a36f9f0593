/* SPDX-License-Identifier: Apache-2.0 */
/* The difference of two texts, line by line, in the unified format that patch(1) takes. */
#pragma once
#include <stddef.h>
#include <stdio.h>

/**
 * linediff_print - print a unified diff with three lines of context; nothing when the texts are equal
 * @name_a, @name_b: for the "---" and "+++" lines
 *
 * Shortest edit by Myers' algorithm; texts that differ in more than 1000 lines are shown with all that is between their
 * common ends replaced, which bounds time and memory (4 MiB and what the lines need).
 * Return: 0; -ENOMEM; -EIO.
 */
int linediff_print(const char *a, size_t alen, const char *b, size_t blen, const char *name_a,
                   const char *name_b, FILE *out);
