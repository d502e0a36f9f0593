/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that have UDP clients' own addresses, and the way back to them: routing rules and routes of this process's netns. */
#pragma once
#include "net/ip.h"
#include "net/transparent.h"

struct udp_source;

/**
 * udp_source_new - nothing is added to the namespace yet
 * @can: of transparent_setup(), copied
 * To be called before system calls are filtered. Return: 0, -ENOMEM, -errno of socket(2).
 */
int udp_source_new(const struct transparent *can, struct udp_source **ret);
void udp_source_free(struct udp_source *s); /* what is held must be released before; NULL is fine */
const struct transparent *udp_source_can(const struct udp_source *s);

/**
 * udp_source_open - a UDP socket that is connected to @to from the client's address @client
 * @way: of transparent_way(), not TRANSPARENT_NO
 * The client's port is kept too where that takes none away from a server. What answers from @to's port to @client is
 * delivered in this netns until udp_source_release() with the same addresses and way.
 * Return: the descriptor; -EEXIST: the client is served from another address of this netns now (use a local address for this
 * one); -EMFILE and -ENFILE; other -errno: not possible, and @why says so. Waits for nobody but the kernel (rtnetlink(7)).
 */
int udp_source_open(struct udp_source *s, const union sockaddr_ip *client, const union sockaddr_ip *to,
                    enum transparent_way way, struct reason *why);
void udp_source_release(struct udp_source *s, const union sockaddr_ip *client, const union sockaddr_ip *to,
                        enum transparent_way way);
