/* SPDX-License-Identifier: Apache-2.0 */
#include "core/nsset.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/fd.h"

void nsset_init(struct nsset *s)
{
    *s = (struct nsset){0};
    for (int i = 0; i < NSSET_MAX; i++)
        s->ns[i].fd = -1;
}

void nsset_done(struct nsset *s)
{
    for (int i = 0; i < NSSET_MAX; i++)
        fd_close(&s->ns[i].fd);
}

int nsset_index(int flag)
{
    for (int i = 0; ns_kinds[i].name; i++)
        if (ns_kinds[i].flag == flag) {
            assert(i < NSSET_MAX);
            return i;
        }
    assert(!"no such kind of namespace");
    return 0;
}

void nsset_add(struct nsset *s, int flag, int fd, enum nsset_want want)
{
    struct nsset_entry *e = &s->ns[nsset_index(flag)];
    /* Now and not when it has failed: by then /proc may be another one, in which we are not to be found. */
    fd_auto int own = ns_open(0, ns_kinds[nsset_index(flag)].name);
    bool same = own >= 0 && ns_same(own, fd) == 1;

    fd_close(&e->fd);
    *e = (struct nsset_entry){.fd = fd, .same = same, .want = want};
    if (same && flag == CLONE_NEWUSER && want == NSSET_IF_DIFFERENT)
        fd_close(&e->fd);
}

static int explain_user(int fd, bool same, int r, struct reason *why)
{
    uid_t owner;
    if (r == -EINVAL && same)
        return reason_set(why, r,
                          "cannot join the user namespace: this process is in it already (leave out --user)");
    if (r == -EINVAL)
        return reason_set(why, r, "cannot join the user namespace: that is none");
    if (r == -EPERM && ns_owner_uid(fd, &owner) == 0 && owner != geteuid())
        return reason_set(
            why, r,
            "cannot join the user namespace: %s (it belongs to uid %u: run this as that user, or as root)",
            strerror(-r), (unsigned)owner);
    if (r == -EPERM)
        return reason_set(why, r,
                          "cannot join the user namespace: %s (this process has no CAP_SYS_ADMIN over it: "
                          "run this further outside)",
                          strerror(-r));
    return reason_set(why, r, "cannot join the user namespace: %s", strerror(-r));
}

static int explain(const struct nsset *s, int i, int r, struct reason *why)
{
    const struct ns_kind *k = &ns_kinds[i];
    if (k->flag == CLONE_NEWUSER)
        return explain_user(s->ns[i].fd, s->ns[i].same, r, why);
    if (r == -EINVAL && k->flag == CLONE_NEWPID)
        return reason_set(
            why, r,
            "cannot join the pid namespace: that is none, or not one below the own one (pid_namespaces(7))");
    if (r == -EINVAL)
        return reason_set(why, r, "cannot join the %s namespace: that is none", k->name);
    if (r == -EPERM)
        return reason_set(
            why, r,
            "cannot join the %s namespace: %s (it takes CAP_SYS_ADMIN in the user namespace that it belongs "
            "to: join that too, with --user, or run this as root)",
            k->name, strerror(-r));
    return reason_set(why, r, "cannot join the %s namespace: %s", k->name, strerror(-r));
}

static int join_one(struct nsset *s, int i)
{
    if (s->ns[i].fd < 0)
        return 0;
    if (setns(s->ns[i].fd, ns_kinds[i].flag) < 0)
        return -errno;
    fd_close(&s->ns[i].fd);
    return 0;
}

int nsset_join(struct nsset *s, struct reason *why)
{
    int r = nsset_hide();
    if (r < 0)
        return reason_set(why, r, "cannot hide from who is in there: %s", strerror(-r));
    int user = nsset_index(CLONE_NEWUSER);
    for (int i = 0; ns_kinds[i].name; i++)
        if (i != user)
            (void)join_one(s, i);
    r = join_one(s, user);
    if (r < 0)
        return explain(s, user, r, why);
    r = nsset_hide(); /* the new capabilities may have set the flag anew, like a change of uids */
    if (r < 0)
        return reason_set(why, r, "cannot hide from who is in there: %s", strerror(-r));
    for (int i = 0; ns_kinds[i].name; i++) {
        r = join_one(s, i);
        if (r < 0 && !s->ns[i].same)
            return explain(s, i, r, why);
    }
    nsset_done(s);
    return 0;
}

int nsset_hide(void)
{
    return prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;
}
