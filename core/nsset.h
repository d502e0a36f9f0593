/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of namespaces, opened first and joined then, in the order that the caller's privileges want.
 * Facts: setns(2), namespaces(7), user_namespaces(7).
 *
 * Everything is opened before anything is joined: after the mount namespace, paths mean other files.
 *
 * Who is privileged outside (root, say) can join the others from there, and enters the user namespace last, since it may be one in which
 * the rights over the others are gone. Who is not gets the rights over the others by entering the user namespace first. Which of the two
 * it is differs from namespace to namespace, and only the kernel knows: each but the user namespace is tried, then the
 * user namespace is joined, then what was refused before is tried again.
 */
#pragma once
#include <stdbool.h>

#include "core/log.h"
#include "core/ns.h"

enum nsset_want {
    NSSET_ASKED,        /* joined even if it is the own one */
    NSSET_IF_DIFFERENT, /* part of "all": nothing to do if the kernel does not have it, or it is the own one */
};

enum { NSSET_MAX = 8 };

/* By the index of ns_kinds[]. */
struct nsset {
    struct nsset_entry {
        int fd;    /* -1: not in the set */
        bool same; /* it is the own one (already, before anything is joined) */
        enum nsset_want want;
    } ns[NSSET_MAX];
};

/* nsset_init - an empty set */
void nsset_init(struct nsset *s);
void nsset_done(struct nsset *s);

/* nsset_index - where in the set the namespace with this CLONE_NEW* flag is */
int nsset_index(int flag);

static inline bool nsset_has(const struct nsset *s, int flag)
{
    return s->ns[nsset_index(flag)].fd >= 0;
}

/**
 * nsset_add - put a namespace, open as @fd, into the set, instead of what was there
 * @fd: the set's from then on, also on failure
 * An own user namespace that is wanted NSSET_IF_DIFFERENT is left out: joining it again is not possible (setns(2)).
 */
void nsset_add(struct nsset *s, int flag, int fd, enum nsset_want want);

/**
 * nsset_join - join them all
 *
 * This process becomes non-dumpable, so that nobody inside can look into it (the fake root there has CAP_SYS_PTRACE over all who join):
 * its memory and descriptors are from outside. It has to stay so until it executes another program, which makes it dumpable again, but only
 * after the kernel has closed the close-on-exec descriptors (fs/exec.c, begin_new_exec()). Each change of uids sets the flag anew
 * (/proc/sys/fs/suid_dumpable): nsset_hide() after it.
 *
 * Return: 0; -errno and the text in @why. The process is in some of them, then: end it.
 */
int nsset_join(struct nsset *s, struct reason *why);

/* nsset_hide - make this process non-dumpable. 0 or -errno. */
int nsset_hide(void);
