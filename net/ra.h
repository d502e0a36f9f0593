/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Router advertisements: the stack sends them with the prefix alone; the guest is told the MTU (RFC 4861, section 4.6.4) and the DNS
 * server (RFC 8106) as well.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "net/addrplan.h"

enum { RA_MORE = 8 + 24 /* bytes that are added at most */, RA_LIFETIME_S = 1800 };

/* ra_is - is this frame of the stack one? */
bool ra_is(const void *frame, size_t len);
/**
 * ra_complete - add the options that are missing
 * @frame: ra_is() said yes; has room for RA_MORE bytes more
 * @dns: the DNS server is to be named
 * Return: the frame's new length.
 */
size_t ra_complete(const struct addrplan *p, bool dns, void *frame, size_t len);
