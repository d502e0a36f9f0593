/* SPDX-License-Identifier: Apache-2.0 */
/* What the API says, for people: tables and lists as the peer's client prints them. Errors of @out are the caller's to look after. */
#pragma once
#include <stdio.h>

#include "core/json.h"
#include "core/log.h"

/* apiprint_ports - a heading and a row a port of the array. -EBADMSG: what is no port; -ENOMEM. */
int apiprint_ports(FILE *out, const struct json *list, struct reason *why);
/* apiprint_info - the object of GET /v1/info. */
void apiprint_info(FILE *out, const struct json *info);
/* apiprint_indented - JSON, by four blanks a level. 0 or -errno. */
int apiprint_indented(FILE *out, const struct json_doc *doc, const struct json *n);
