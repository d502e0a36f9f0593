/* SPDX-License-Identifier: Apache-2.0 */
/* Port specs and entries as the JSON of RootlessKit's API, for its server (net/restapi.c) and its client (ctl). */
#pragma once
#include "core/json.h"
#include "core/log.h"
#include "net/port.h"

/**
 * portspec_from_json - {"proto","parentIP","parentPort","childIP","childPort"}
 * Absent or empty addresses mean the default, an absent parentPort is 0 (pick a free one); unknown members are ignored.
 * The result has gone through portspec_check(). -EINVAL (-EPROTONOSUPPORT: sctp) with the reason in @why.
 */
int portspec_from_json(const struct json *n, struct portspec *ret, struct reason *why);
/* portspec_to_json - empty addresses are left out, as the peer does. */
struct json *portspec_to_json(struct json_doc *doc, const struct portspec *s);

/* port_entry_from_json - {"id":N,"spec":{...}} as the server prints it; a peer's spec is taken as it is. -EINVAL. */
int port_entry_from_json(const struct json *n, struct port_entry *ret, struct reason *why);
struct json *port_entry_to_json(struct json_doc *doc, const struct port_entry *e);
