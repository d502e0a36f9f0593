/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user-mode TCP/IP stack: libslirp behind a small interface.  Only net/slirp.c includes <libslirp.h>.
 *
 * Frames of the guest go in by stack_input(); frames for the guest come out by the send() of the configuration. Each turn of the
 * owner's loop: stack_fill() adds the sockets to the poll set, poll(2), stack_polled() handles what happened.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <netinet/in.h>
#include <sys/types.h>

#include "core/loop.h"
#include "net/addrplan.h"
#include "net/ip.h"
#include "net/pollset.h"

struct stack;

struct stack_config {
    const struct addrplan *plan; /* borrowed during stack_new() */
    bool disable_host_loopback;
    bool disable_dns;
    const struct in_addr *outbound; /* source address of what goes out, or NULL */
    const struct in6_addr *outbound6;
    struct loop *loop;                                      /* for timers; outlives the stack */
    void (*send)(const void *frame, size_t len, void *arg); /* must not block; may drop */
    void *arg;
};

/* What the guest can have at a time, less where the limit of open files is lower; beyond it new ones fail, and those that are there go on. */
enum {
    STACK_MAX_TCP = 16384,
    STACK_MAX_UDP = 16384,
    STACK_MAX_ICMP = 1024,      /* echo requests without an answer yet */
    STACK_MAX_HALF_OPEN = 4096, /* connections that nobody has answered yet; the oldest give way */
};

/* stack_new - 0, -EINVAL (the MTU is outside 68..65521), -ENOMEM. */
int stack_new(const struct stack_config *c, struct stack **ret);
void stack_free(struct stack *s);

/* stack_input - one Ethernet frame from the guest; anything may be in it. */
void stack_input(struct stack *s, const void *frame, size_t len);
/* stack_input_known - one of something that is there already: the stack opens no socket for it. */
void stack_input_known(struct stack *s, const void *frame, size_t len);
/* stack_opened - the TCP socket that the last stack_input() opened towards the host's network, the stack's own; -1: none. */
int stack_opened(const struct stack *s);
/* stack_sockets - how many it wanted polled in this turn: what a turn costs grows with it. */
size_t stack_sockets(const struct stack *s);

/* stack_fill - add the stack's sockets; lower *@timeout_ms (-1: for ever) to when it next wants a turn. */
void stack_fill(struct stack *s, struct pollset *p, int *timeout_ms);
/* stack_polled - after poll(2), whether or not something is ready: @failed, when it returned an error. Timers run here, too. */
void stack_polled(struct stack *s, const struct pollset *p, bool failed);

/**
 * stack_add_hostfwd - listen on @host and forward to @guest (both of one family)
 * Return: 0 or -errno of socket(2), bind(2), listen(2).
 */
int stack_add_hostfwd(struct stack *s, bool udp, const union sockaddr_ip *host,
                      const union sockaddr_ip *guest);
int stack_remove_hostfwd(struct stack *s, bool udp, const union sockaddr_ip *host); /* -ENOENT */

const char *stack_version(void); /* "4.8.0" */
unsigned stack_config_version_max(void);
