/* SPDX-License-Identifier: Apache-2.0 */
/* The inbound engine: accepts on listeners of the host's netns, dials in the child's netns, relays. A process of its own. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { PORTD_UDP_IDLE_S = 90 };
enum { PORTD_WORKERS_MAX = 8 };

struct portd_config {
    int sync_fd;   /* commands (SYNC_PORT_ADD/DEL) and EOF = end */
    int userns_fd; /* the child's; joined first, closed then; -1: stay */
    int netns_fd;  /* the child's; joined, closed then; -1: stay */
    bool source_ip_transparent;
    unsigned
        workers; /* 1: this process does everything; more, at most PORTD_WORKERS_MAX: see net/portd_manager.h */
    uint32_t udp_idle_s; /* a UDP flow ends after so many seconds of silence; at least 1 */
    bool keep_tables;    /* the namespace ends with us: nothing in it has to go when this process does */
    bool sandbox, seccomp;
};

/* portd_config_init - all fds -1, sandbox, seccomp and source_ip_transparent on, one worker, 90 s for UDP. */
void portd_config_init(struct portd_config *c);

/**
 * portd_workers_parse - a number of workers, or "auto": one for every two processors that this process may use
 * (sched_getaffinity(2)), as the clients and servers need the others; never more than PORTD_WORKERS_MAX
 * Return: 0 or -EINVAL
 */
int portd_workers_parse(const char *text, unsigned *ret);

/**
 * portd_serve - join, sandbox, send SYNC_UP, serve until EOF. As netd_serve(): in a forked, single-purpose process.
 * A start that fails is told to the supervisor by SYNC_FAILED; a lack that one can live with by SYNC_WARN.
 * Return: exit status (0: the supervisor is gone or said stop). Logs its own errors.
 */
int portd_serve(const struct portd_config *c);
