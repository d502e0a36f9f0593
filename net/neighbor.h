/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is where on the link, told to the TCP/IP stack by the frames that come from there.
 *
 * libslirp knows 16 neighbours of a family, never forgets a wrong address, and keeps packets for one that it does not know
 * for a second, all in one list that is walked for each packet.  So one forged ARP reply cuts a guest off until the guest
 * speaks ARP again by itself, and answers to forged addresses fill memory and time.  A packet's own frame says where
 * its answer has to go: the stack is told before it sees the packet, in its own terms (ARP, RFC 826; NDP, RFC 4861), and
 * once more after ARP or NDP of the guest, which may have said otherwise.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the stack was told last, for each family. All zero at first. */
struct neighbor {
    struct {
        bool valid;
        uint8_t mac[6], ip[16];
    } last[2];
};

enum { NEIGHBOR_FRAME = 14 + 40 + 32 };

/**
 * neighbor_learn - a frame of the guest is about to go to the stack
 * @buf: filled with what the stack has to be told before
 * Return: the length of that, or 0: nothing to tell.
 */
size_t neighbor_learn(struct neighbor *n, const void *frame, size_t len, unsigned char buf[NEIGHBOR_FRAME]);
/* neighbor_speaks - is it ARP or NDP? */
bool neighbor_speaks(const void *frame, size_t len);
/* neighbor_insist - the same, for a frame that the stack has just seen. */
size_t neighbor_insist(const struct neighbor *n, const void *frame, size_t len,
                       unsigned char buf[NEIGHBOR_FRAME]);
