/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-shakes between the processes of one instance: small messages, with file descriptors, over a
 * SOCK_SEQPACKET pair.  Either side's death is an EOF for the other; every wait has a deadline.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "core/log.h"

enum sync_msg {
    SYNC_FAILED = 1, /* the sender has logged why it ends; payload: int32 errno */
    SYNC_MAPPED,     /* supervisor -> child: id maps are written */
    SYNC_NET,        /* child -> supervisor: the network objects; fds as struct says */
    SYNC_READY,      /* child -> supervisor: mounts done, the command is next */
    SYNC_GO,         /* supervisor -> child: child_pid and api.sock exist */
    SYNC_STARTED,    /* child -> supervisor: the reaper's command has been executed */
    SYNC_STOPPED,  /* child -> supervisor: the command under the reaper was stopped; payload: int32 signal */
    SYNC_PORT_ADD, /* supervisor -> portd: struct portd_add + listener fd */
    SYNC_PORT_DEL, /* supervisor -> portd: uint32 id */
    SYNC_PORT_ACK, /* portd -> supervisor */
    SYNC_UP,       /* netd, portd -> supervisor: initialised, sandboxed, serving */
    SYNC_WARN,     /* netd, portd -> supervisor: payload: text for one warning */
    SYNC_STOP,     /* caller -> service: end in good order */
    SYNC_MSG_MAX
};
const char *sync_name(enum sync_msg m);

enum { SYNC_MAX_PAYLOAD = 4096, SYNC_MAX_FDS = 16, SYNC_TIMEOUT_MS = 20000 };

/* sync_pair - socketpair(2) AF_UNIX SOCK_SEQPACKET, both ends CLOEXEC, blocking. */
int sync_pair(int ret_sv[2]);

/* sync_send - one message. -EPIPE: the peer is gone (never SIGPIPE). @fds stay the caller's. */
int sync_send(int fd, enum sync_msg m, const void *payload, size_t len, const int *fds, size_t nfds);

struct sync_in {
    enum sync_msg msg;
    size_t len, nfds;
    unsigned char payload[SYNC_MAX_PAYLOAD];
    int fds[SYNC_MAX_FDS]; /* CLOEXEC; the receiver's; sync_in_done() closes those not stolen */
};
void sync_in_done(struct sync_in *in);
#define sync_in_auto __attribute__((cleanup(sync_in_done)))

/**
 * sync_recv - wait at most @timeout_ms (-1: for ever; 0: do not wait) for any message
 * Return: 0; -ECONNRESET: the peer closed (EOF); -ETIMEDOUT (-EAGAIN with timeout 0); -EBADMSG: truncated or malformed;
 * -EMFILE: there was no room for its descriptors.
 */
int sync_recv(int fd, struct sync_in *in, int timeout_ms);

/**
 * sync_expect - sync_recv() that insists on one kind of message
 * @peer: who should send it, for the text in @why ("child process")
 *
 * -EPROTO: another message came, @why names both; -ECANCELED: SYNC_FAILED came, the peer has logged the cause.
 */
int sync_expect(int fd, enum sync_msg want, struct sync_in *in, int timeout_ms, const char *peer,
                struct reason *why);
