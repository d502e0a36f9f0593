/* SPDX-License-Identifier: Apache-2.0 */
/* The file LICENSE, which is part of the executable: our licence, and the notices that the libraries' licences ask for. */
#pragma once
#include <stdio.h>

/**
 * licenses_print - write the text of LICENSE to @out and flush it; may block as @out does
 * Return: 0, or -errno of the write.
 */
int licenses_print(FILE *out);
