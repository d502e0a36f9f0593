/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      caller (stays where it is)                  helper
 *      clone ────────────────────────────────────▶ join user and net namespace
 *                                                  make the interface, configure it
 *                                                  what the fast path needs in there
 *      ◀── SYNC_NET, kind, fds ── or SYNC_FAILED, errno, text
 */
#include "net/nslink.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/ns.h"
#include "core/proc.h"
#include "core/sync.h"

/* With the fds: the link, what the fast path has. */
struct made {
    int32_t kind;
    struct fast_message fast;
};

struct failure {
    int32_t error;
    struct reason why;
};
_Static_assert(sizeof(struct failure) <= SYNC_MAX_PAYLOAD, "fits in a message");

static int join(const struct nslink *n, struct reason *why)
{
    int r = n->userns >= 0 ? ns_join(n->userns, CLONE_NEWUSER) : 0;
    if (r < 0)
        return reason_set(why, r, "cannot join the user namespace of '%s': %s%s", n->target, strerror(-r),
                          r == -EPERM ? " (run this as the user who made it, or as root)" : "");
    r = ns_join(n->netns, CLONE_NEWNET);
    if (r < 0)
        return reason_set(
            why, r, "cannot join the network namespace of '%s': %s%s", n->target, strerror(-r),
            r == -EPERM ? " (run this as the user who made it, or name its user namespace with --userns-path)"
            : r == -EINVAL ? " (it is no network namespace)"
                           : "");
    return 0;
}

static int make_fast_path(const struct nslink *n, const struct link *l, struct fast_set *ret,
                          struct reason *why)
{
    struct reason k = {""};
    if (n->tcp == TCP_SLIRP)
        return 0;
    int r = fast_set_create(n->plan, l->ifname, l->ifindex, ret, &k);
    if (r < 0 && n->tcp == TCP_FAST)
        return reason_set(why, r, "--tcp=fast: %s", k.text);
    if (r < 0)
        log_debug("no TCP fast path, connections go by libslirp: %s", k.text);
    return 0;
}

static int helper(const struct nslink *n, int sync)
{
    struct link l = {.fd = -1};
    struct failure f = {.error = 0};
    struct fast_set fast = FAST_SET_NONE;
    int r = join(n, &f.why);
    if (r == 0)
        r = link_create(n->kind, n->ifname, n->plan->mtu, n->mac, -1, &l, &f.why);
    if (r == 0 && n->configure)
        r = link_configure(&l, n->plan, &f.why);
    if (r == 0)
        r = make_fast_path(n, &l, &fast, &f.why);
    if (r < 0) {
        f.error = r;
        sync_send(sync, SYNC_FAILED, &f, sizeof(f), NULL, 0);
        return 1;
    }
    const struct made m = {.kind = (int32_t)l.kind, .fast = fast_set_pack(&fast)};
    int fds[1 + FAST_FDS] = {l.fd};
    memcpy(fds + 1, fast.fd, m.fast.n_fds * sizeof(*fds));
    return sync_send(sync, SYNC_NET, &m, sizeof(m), fds, 1 + m.fast.n_fds) < 0;
}

static int receive(int sync, enum link_kind *ret_kind, int *ret_fd, struct fast_set *ret_fast,
                   struct reason *why)
{
    struct sync_in in sync_in_auto = {.nfds = 0};
    struct made m;
    int r = sync_recv(sync, &in, SYNC_TIMEOUT_MS);
    if (r < 0)
        return reason_set(why, r, "the process that makes the interface %s",
                          r == -ETIMEDOUT ? "takes too long" : "ended without a word");
    if (in.msg == SYNC_FAILED && in.len == sizeof(struct failure)) {
        struct failure f;
        memcpy(&f, in.payload, sizeof(f));
        f.why.text[sizeof(f.why.text) - 1] = '\0';
        return reason_set(why, f.error < 0 ? f.error : -EPROTO, "%s", f.why.text);
    }
    if (in.len == sizeof(m))
        memcpy(&m, in.payload, sizeof(m));
    if (in.msg != SYNC_NET || in.len != sizeof(m) || in.nfds < 1 ||
        fast_set_unpack(&m.fast, in.fds + 1, in.nfds - 1, ret_fast) < 0)
        return reason_set(why, -EPROTO, "the process that makes the interface sent '%s'", sync_name(in.msg));
    *ret_kind = (enum link_kind)m.kind;
    *ret_fd = steal_fd(&in.fds[0]);
    return 0;
}

int nslink_create(const struct nslink *n, enum link_kind *ret_kind, int *ret_fd, struct fast_set *ret_fast,
                  struct reason *why)
{
    int sv[2], pidfd = -1;
    int r = sync_pair(sv);
    if (r < 0)
        return reason_set(why, r, "cannot make a socket pair: %s", strerror(-r));
    fd_auto int ours = sv[0];
    fd_auto int theirs = sv[1];
    pid_t pid = proc_clone(0, &pidfd);
    if (pid < 0)
        return reason_set(why, pid, "cannot start a process: %s", strerror(-pid));
    if (pid == 0) {
        /* Somebody may wait for the end of one of the caller's fds: no copy of it may live here. */
        const int keep[] = {theirs, n->userns, n->netns};
        fd_close_all_but(3, keep, array_size(keep));
        _exit(helper(n, theirs));
    }
    fd_auto int child = pidfd;
    fd_close(&theirs);
    r = receive(ours, ret_kind, ret_fd, ret_fast, why);
    if (r < 0)
        pidfd_signal(child, SIGKILL);
    pidfd_wait(child, -1, NULL); /* it has nothing left to do but to exit */
    return r;
}
