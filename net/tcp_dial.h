/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to a published port's server: to one of its targets after the other, from the client's address where that can be. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/port_targets.h"
#include "net/transparent.h"

/*
 * How long an answer to a client's address is waited for. A lost SYN is sent again after 1 and 3 s (RFC 6298), and a new bridge
 * needs 2 s for IPv6 (RFC 4862).
 */
#define TCP_DIAL_SILENCE_NS (3500 * 1000000ull)

/* A target from which nothing comes back to clients' addresses, but to local ones: not tried for a while. */
struct tcp_mute {
    union sockaddr_ip addr;
    uint64_t until; /* ns */
};

struct tcp_dialler {
    bool keep_source;
    bool warned;
    struct transparent can;                    /* if keep_source */
    void (*warn)(const char *text, void *arg); /* if keep_source; called at most once */
    void *warn_arg;
    struct tcp_mute mute[8];
    unsigned next_mute;
};

/* One client's. */
struct tcp_attempt {
    union sockaddr_ip client; /* IPv4 as such */
    struct port_targets targets;
    unsigned at;      /* the target being tried */
    bool keep_source; /* false after it failed for this client */
    uint64_t until;   /* ns; dialled from the client's address: when tcp_dial_silent() is due; 0: it is not */
    bool gave_up;     /* since then dialled from a local one */
};

void tcp_attempt_init(struct tcp_attempt *ret, const struct tcp_dialler *d,
                      const struct port_targets *targets, const union sockaddr_ip *client);
/**
 * tcp_dial - dial the present target and those after it, until one answers or is under way
 * @ret_fd: set on success and with -EINPROGRESS (the outcome is told by EPOLLOUT and SO_ERROR); the caller's
 * Return: 0, -EINPROGRESS, or -errno of the last one; -EMFILE and -ENFILE at once. Does not block.
 */
int tcp_dial(struct tcp_dialler *d, struct tcp_attempt *a, int *ret_fd);
/* tcp_dial_failed - the outcome was @err (an errno); tcp_dial_silent - there was none: tcp_dial() again, for what is next. */
void tcp_dial_failed(struct tcp_dialler *d, struct tcp_attempt *a, int err);
void tcp_dial_silent(struct tcp_dialler *d, struct tcp_attempt *a);
/* tcp_dial_answered - the outcome was a connection. */
void tcp_dial_answered(struct tcp_dialler *d, const struct tcp_attempt *a);
/* tcp_keep_alive - find out when the peer has vanished; of a listener it is inherited by what is accepted. */
void tcp_keep_alive(int fd);
