/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link: the frame-carrying end of an interface inside a network namespace, as one file descriptor that may be
 * handed to a process of another namespace.  tap when /dev/net/tun can be opened, else a veth pair inside the
 * namespace with a packet socket on the peer end.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "core/log.h"
#include "net/addrplan.h"

enum link_kind { LINK_AUTO, LINK_TAP, LINK_PACKET };
extern const char *const link_kind_names[]; /* NULL-terminated */

struct link {
    enum link_kind kind; /* TAP or PACKET once created */
    int fd;              /* non-blocking, CLOEXEC, one frame (no header) a read/write; owned; -1 = none */
    char ifname[16];
    unsigned ifindex;
    uint32_t mtu;
};

/**
 * link_create - make (or, for a persistent tap of that name, take over) interface @ifname in the CALLER's netns
 * @want: LINK_AUTO tries tap, then packet
 * @tun_fd: an open /dev/net/tun to use, or -1 to open it here
 * @mac: 6 bytes or NULL for a random one
 * @ret: filled on success; the interface is down and has no address yet; its MTU is set on both ends
 * @why: what failed and how to fix it
 *
 * Needs CAP_NET_ADMIN in the user namespace that owns the netns (CAP_NET_RAW too for packet). Does not block.
 */
int link_create(enum link_kind want, const char *ifname, uint32_t mtu, const uint8_t *mac, int tun_fd,
                struct link *ret, struct reason *why);

/**
 * link_keep - let the interface live as long as its network namespace, and not only as long as its descriptor
 * For a namespace that ends with the descriptor's owner: closing the last descriptor of a tap waits some 20 ms for the
 * interface's end (RCU, drivers/net/tun.c), while a namespace is taken down by the kernel when nobody waits for it.
 */
void link_keep(const struct link *l);

/* link_lo_up - bring lo up in the caller's netns. */
int link_lo_up(void);

/* link_congestion_control - TCP of the caller's netns does not pace from now on: cubic or reno, as far as that is allowed. */
void link_congestion_control(void);

/**
 * link_configure - up, addresses and default routes of @plan on the link, by rtnetlink, in the caller's netns; lo up;
 * ping_group_range and tcp_rmem of the namespace set (best effort, /proc/sys must be writable), tcp_congestion_control to cubic or reno
 */
int link_configure(const struct link *l, const struct addrplan *plan, struct reason *why);
