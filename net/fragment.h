/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 fragments of the guest, put together before the TCP/IP stack sees them.  The stack would keep any number of them,
 * and look through them all for each new one; here a guest has FRAGMENT_DATAGRAMS unfinished datagrams at a time, and a
 * new one takes the place of the oldest.  Facts: RFC 791, RFC 815.
 */
#pragma once
#include <stddef.h>

enum { FRAGMENT_DATAGRAMS = 16, FRAGMENT_TIMEOUT_S = 30 };

struct fragments;

/* fragments_new - memory for a datagram (64 KiB) is taken when its first fragment comes. 0 or -ENOMEM. */
int fragments_new(struct fragments **ret);
void fragments_free(struct fragments *f);

/**
 * fragments_add - one more
 * @frame: an Ethernet frame with a well-formed IPv4 header (frame_check() said FRAME_FRAGMENT)
 * @ret_frame: set to the whole datagram as one frame when this was the last piece: valid until the next call, may be written to
 * Return: the length of that frame, or 0. Pieces that overlap each other spoil their datagram.
 */
size_t fragments_add(struct fragments *f, const void *frame, size_t len, unsigned char **ret_frame);
