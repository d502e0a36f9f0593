/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one function a rung fills the plan or says why it cannot.  descend() tries them from a given
 * rung on and keeps each refusal, so that the one line for the user can name the cause that matters.  Facts about this process
 * are collected once (struct facts); files are read when the first rung that needs them is tried.
 *
 * What the kernel allows (kernel/user_namespace.c, new_idmap_permitted and map_write):
 *   - anything, to a writer with CAP_SETUID (CAP_SETGID) in the parent namespace;
 *   - without it, one extent of one id, the writer's own effective one, by the owner of the namespace; for gids only
 *     after setgroups was denied;
 *   - outer uid 0 only to a writer with CAP_SETFCAP in the parent namespace (Linux 5.12);
 *   - each map once, in one write, each extent inside one extent of the parent.
 *
 * With file capabilities on the executable, this process may do what the user who started it may not: then only the user's own
 * ranges out of the administrator's files are mapped, as newuidmap(1) would.
 */
#include "core/idmap.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/newuidmap.h"
#include "core/ns.h"
#include "core/proc.h"
#include "core/strv.h"

#ifndef CAP_SETFCAP
#define CAP_SETFCAP 31
#endif

/* What is known of this process, and, once asked for, of its user's ranges. */
struct facts {
    uint32_t euid, egid;
    bool setuid, setgid, setfcap; /* capabilities in effect */
    bool borrowed; /* they come from the executable (AT_SECURE): whoever started it does not have them */
    struct idmap uid_parent, gid_parent;
    bool looked_up;
    int subids_error; /* 0: both lists are there */
    struct reason subids_why;
    struct subid_list subuids, subgids;
    const char *fix; /* static text: what the user could do about the last refusal */
};

static void facts_done(struct facts *f)
{
    subid_list_done(&f->subuids);
    subid_list_done(&f->subgids);
}
#define facts_auto __attribute__((cleanup(facts_done)))

static int collect(struct facts *f, struct reason *why)
{
    uint64_t caps;
    f->euid = (uint32_t)geteuid();
    f->egid = (uint32_t)getegid();
    int r = proc_caps_effective(&caps);
    if (r < 0)
        return reason_set(why, r, "cannot read the capabilities of this process: %s", strerror(-r));
    f->setuid = caps >> CAP_SETUID & 1;
    f->setgid = caps >> CAP_SETGID & 1;
    f->setfcap = caps >> CAP_SETFCAP & 1;
    f->borrowed = getauxval(AT_SECURE) != 0;
    r = idmap_read(0, SUBID_UID, &f->uid_parent);
    if (r == 0)
        r = idmap_read(0, SUBID_GID, &f->gid_parent);
    if (r < 0)
        return reason_set(why, r, "cannot read /proc/self/uid_map: %s (is /proc mounted?)", strerror(-r));
    return 0;
}

/* The kernel compares numbers of the parent namespace here. */
static bool maps_outer_root(const struct idmap *m)
{
    uint32_t inner;
    return idmap_to_inner(m, 0, &inner) == 0;
}

/* ---------------------------------------------------------------- subordinate ids */

static int look_up(struct facts *f, const struct idmap_plan *p)
{
    if (f->looked_up)
        return f->subids_error;
    f->looked_up = true;
    const char *user = p->user[strspn(p->user, "0123456789")] ? p->user : NULL; /* digits: the uid, no name */
    int r = subid_lookup(p->source, SUBID_UID, user, f->euid, &f->subuids, &f->subids_why);
    if (r == 0)
        r = subid_lookup(p->source, SUBID_GID, user, f->euid, &f->subgids, &f->subids_why);
    /* Without CAP_SETFCAP the parent's uid 0 cannot be in the map; the rest of the ranges can. */
    if (r == 0 && !f->setfcap && f->euid != 0)
        r = subid_list_remove(&f->subuids, 0);
    f->subids_error = r;
    return r;
}

static int lay_out_subids(struct facts *f, struct idmap_plan *p, struct reason *why)
{
    uint64_t dropped_uids, dropped_gids;

    int r = look_up(f, p);
    if (r < 0) {
        f->fix =
            p->source == SUBID_DYNAMIC ? "use --subid-source=static for /etc/subuid and /etc/subgid" : NULL;
        return reason_set(why, r, "%s", f->subids_why.text);
    }
    r = idmap_from_subids(f->euid, &f->subuids, &f->uid_parent, &p->uids, &dropped_uids);
    if (r == 0)
        r = idmap_from_subids(f->egid, &f->subgids, &f->gid_parent, &p->gids, &dropped_gids);
    if (r < 0)
        return reason_set(why, r, "cannot lay out the subordinate ids of '%s': %s", p->user, strerror(-r));
    for (int kind = SUBID_UID; kind <= SUBID_GID; kind++)
        if ((kind == SUBID_UID ? &p->uids : &p->gids)->n < 2) {
            f->fix = "give it ranges that are mapped here, or start it outside";
            return reason_set(why, -ENODATA, "the ranges of '%s' in %s are not mapped in this user namespace",
                              p->user, subid_path((enum subid_kind)kind));
        }
    p->dropped = dropped_uids + dropped_gids;
    return 0;
}

/* ---------------------------------------------------------------- rungs */

static int refuse_without_setfcap(struct facts *f, struct reason *why)
{
    f->fix = "add CAP_SETFCAP, or run as another user";
    return reason_set(why, -EPERM, "uid 0 cannot be mapped without CAP_SETFCAP");
}

static int need_both_caps(struct facts *f, struct reason *why)
{
    if (f->setuid && f->setgid)
        return 0;
    f->fix = "run as root";
    return reason_set(why, -EPERM, "no %s",
                      f->setuid   ? "CAP_SETGID"
                      : f->setgid ? "CAP_SETUID"
                                  : "CAP_SETUID and CAP_SETGID");
}

static int rung_direct(struct facts *f, struct idmap_plan *p, struct reason *why)
{
    int r = need_both_caps(f, why);
    if (r == 0)
        r = lay_out_subids(f, p, why);
    if (r == 0 && maps_outer_root(&p->uids) && !f->setfcap)
        r = refuse_without_setfcap(f, why);
    return r;
}

static int rung_newuidmap(struct facts *f, struct idmap_plan *p, struct reason *why)
{
    int r = newuidmap_usable(&f->fix, why);
    if (r == 0)
        r = lay_out_subids(f, p, why);
    /* A helper started by uid 0 gets its capabilities back, as far as the bounding set goes. */
    if (r == 0 && maps_outer_root(&p->uids) && prctl(PR_CAPBSET_READ, CAP_SETFCAP, 0, 0, 0) != 1)
        r = refuse_without_setfcap(f, why);
    p->by_helper = r == 0;
    return r;
}

static int rung_derived(struct facts *f, struct idmap_plan *p, struct reason *why)
{
    int r = need_both_caps(f, why);
    if (r < 0)
        return r;
    if (f->borrowed) {
        f->fix = NULL;
        return reason_set(why, -EPERM, "the capabilities are the executable's, not the user's");
    }
    if (f->euid == 0 && !f->setfcap)
        return refuse_without_setfcap(f, why);
    r = idmap_derive(f->euid, &f->uid_parent, &p->uids);
    if (r == 0)
        r = idmap_derive(f->egid, &f->gid_parent, &p->gids);
    if (r < 0) {
        f->fix = NULL;
        return reason_set(why, r, "own ids %u:%u are not in this process's own id map", f->euid, f->egid);
    }
    return 0;
}

static int rung_single(struct facts *f, struct idmap_plan *p, struct reason *why)
{
    if (f->euid == 0 && !f->setfcap)
        return refuse_without_setfcap(f, why);
    p->uids.n = p->gids.n = 0;
    int r = idmap_add(&p->uids, 0, f->euid, 1);
    if (r == 0)
        r = idmap_add(&p->gids, 0, f->egid, 1);
    if (r < 0)
        return reason_set(why, r, "own ids %u:%u cannot be mapped", f->euid, f->egid);
    p->deny_setgroups = true; /* a must without CAP_SETGID; of no use with a single gid */
    return 0;
}

typedef int rung_fn(struct facts *f, struct idmap_plan *p, struct reason *why);

static rung_fn *const rungs[] = {rung_direct, rung_newuidmap, rung_derived, rung_single};
_Static_assert(array_size(rungs) == IDMAP_RUNGS, "a function for each rung");

static size_t rung_of(enum idmap_method m)
{
    return (size_t)m - IDMAP_DIRECT;
}

/* What to do about a refusal; the fix for missing ranges is the same for both kinds, and names the user. */
static void suggest(const struct facts *f, const struct idmap_plan *p, struct reason *ret)
{
    if (f->fix)
        (void)snprintf(ret->text, sizeof(ret->text), "%s", f->fix);
    else
        (void)snprintf(ret->text, sizeof(ret->text),
                       "add '%.64s:100000:65536' to /etc/subuid and /etc/subgid", p->user);
}

/* The one line for the user about a plan that is not the first choice. */
static void warn_about(const struct facts *f, struct idmap_plan *p, const struct reason *cause,
                       const struct reason *fix)
{
    struct reason *w = &p->warning;

    w->text[0] = '\0';
    if (p->method == IDMAP_SINGLE)
        (void)snprintf(w->text, sizeof(w->text),
                       "%.240s (single-id map used instead; %.160s): no other user or group exists inside, "
                       "chown and setgroups fail",
                       cause->text, fix->text);
    else if (p->dropped > 0 && (p->method == IDMAP_DIRECT || p->method == IDMAP_NEWUIDMAP) &&
             ns_is_initial_user())
        (void)snprintf(w->text, sizeof(w->text),
                       "%llu subordinate ids of '%.64s' are left out: the ranges in /etc/subuid and "
                       "/etc/subgid are too many for one id map",
                       (unsigned long long)p->dropped, p->user);
    else if (p->method == IDMAP_DERIVED && f->euid == 0 && ns_is_initial_user())
        (void)snprintf(
            w->text, sizeof(w->text),
            "%.240s (the machine's own ids used instead; %.160s): root inside owns what root owns outside",
            cause->text, fix->text);
}

enum {
    TRY_DIRECT = 1 << 0,
    TRY_NEWUIDMAP = 1 << 1,
    TRY_DERIVED = 1 << 2,
    TRY_SINGLE = 1 << 3,
    TRY_ALL = (1 << IDMAP_RUNGS) - 1,
};

/* Try the rungs of @mask, best first. The plan is complete when this returns 0. */
static int descend(struct facts *f, struct idmap_plan *p, unsigned mask, struct reason *why)
{
    /* Why a worse rung has to do: what stopped newuidmap, or with privileges what stopped the direct way. */
    struct reason cause = {""}, fix = {""};
    bool privileged = f->setuid && f->setgid;
    int r = -EPERM;

    for (size_t i = 0; i < IDMAP_RUNGS; i++) {
        if (!(mask >> i & 1))
            continue;
        p->method = (enum idmap_method)(IDMAP_DIRECT + i);
        p->by_helper = p->deny_setgroups = false;
        p->dropped = 0;
        f->fix = NULL;
        r = rungs[i](f, p, &p->rung[i].why);
        p->rung[i].state = r == 0 ? RUNG_POSSIBLE : RUNG_REFUSED;
        if (r == 0) {
            log_debug("id map: %s", idmap_method_name(p->method));
            warn_about(f, p, &cause, &fix);
            return 0;
        }
        log_debug("id map: not %s: %s", idmap_method_name(p->method), p->rung[i].why.text);
        if (f->looked_up && f->subids_error < 0 &&
            p->source == SUBID_DYNAMIC) /* asked for by name: nothing else will do */
            return reason_set(why, r, "%.300s (%.160s)", f->subids_why.text, f->fix ? f->fix : "");
        if (i == rung_of(privileged ? IDMAP_DIRECT : IDMAP_NEWUIDMAP) || !cause.text[0] ||
            i == IDMAP_RUNGS - 1) {
            cause = p->rung[i].why;
            suggest(f, p, &fix);
        }
    }
    return reason_set(why, r, "%.300s (%.160s)", cause.text, fix.text);
}

/* ---------------------------------------------------------------- C:H:N */

/* One's own uid in a custom map stands for one's own gid in the gid map. */
static int custom_gids(const struct facts *f, const struct idmap *uids, struct idmap *ret)
{
    struct idmap m = {.n = 0};
    for (size_t i = 0; i < uids->n; i++) {
        struct idmap_extent e = uids->e[i];
        int r = idmap_add(&m, e.inner, e.count == 1 && e.outer == f->euid ? f->egid : e.outer, e.count);
        if (r < 0)
            return r;
    }
    *ret = m;
    return 0;
}

static bool is_self(const struct idmap *m, uint32_t id)
{
    return m->n == 1 && m->e[0].count == 1 && m->e[0].outer == id;
}

static int plan_custom(struct facts *f, const struct idmap_request *req, struct idmap_plan *p,
                       struct reason *why)
{
    uint32_t id;

    p->method = IDMAP_CUSTOM;
    p->uids = req->custom;
    int r = custom_gids(f, &p->uids, &p->gids);
    if (r == 0)
        r = idmap_check(&p->gids);
    if (r < 0)
        return reason_set(why, r, "the id map given cannot be used for gids: %s", strerror(-r));
    if (idmap_to_inner(&p->uids, f->euid, &id) < 0 && idmap_to_outer(&p->uids, 0, &id) < 0)
        return reason_set(why, -EINVAL,
                          "the id map given has neither uid 0 inside nor your own uid %u outside", f->euid);
    if (maps_outer_root(&p->uids) && !f->setfcap)
        return reason_set(why, -EPERM, "the id map given has uid 0 outside, which needs CAP_SETFCAP");
    if (!idmap_is_within(&p->uids, &f->uid_parent) || !idmap_is_within(&p->gids, &f->gid_parent))
        return reason_set(why, -EINVAL,
                          "the id map given has ids outside that do not exist in this user namespace");
    if (f->setuid && f->setgid && !f->borrowed)
        return 0;
    if (is_self(&p->uids, f->euid) && is_self(&p->gids, f->egid)) {
        p->deny_setgroups = !f->setgid || f->borrowed;
        return 0;
    }
    p->by_helper = true;
    return newuidmap_usable(&f->fix, why);
}

/* ---------------------------------------------------------------- plan */

int idmap_plan(const struct idmap_request *req, struct idmap_plan *ret, struct reason *why)
{
    facts_auto struct facts f = {0};

    int r = collect(&f, why);
    if (r < 0)
        return r;
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        log_debug("prctl(PR_SET_DUMPABLE): %s", strerror(errno));

    memset(ret, 0, sizeof(*ret));
    ret->euid = f.euid;
    ret->egid = f.egid;
    ret->source = req->source;
    if (subid_user_name(f.euid, ret->user, sizeof(ret->user)) < 0)
        (void)str_format(ret->user, sizeof(ret->user), "%u", f.euid);

    switch (req->method) {
    case IDMAP_AUTO: ret->may_fall = true; return descend(&f, ret, TRY_ALL, why);
    case IDMAP_DIRECT: return descend(&f, ret, TRY_DIRECT | TRY_DERIVED, why);
    case IDMAP_NEWUIDMAP: return descend(&f, ret, TRY_NEWUIDMAP, why);
    case IDMAP_SINGLE:
        r = descend(&f, ret, TRY_SINGLE, why);
        ret->warning.text[0] = '\0'; /* it was asked for */
        return r;
    case IDMAP_CUSTOM: return plan_custom(&f, req, ret, why);
    case IDMAP_DERIVED: break;
    }
    return reason_set(why, -EINVAL, "no such way to map ids");
}

int idmap_plan_lower(struct idmap_plan *plan, int refused, const struct reason *refusal)
{
    facts_auto struct facts f = {0};
    struct reason fix;

    if (!plan->may_fall || plan->method == IDMAP_SINGLE)
        return -ENOENT;
    size_t at = rung_of(plan->method);
    plan->rung[at].state = RUNG_REFUSED;
    plan->rung[at].why = *refusal;
    int r = collect(&f, NULL);
    if (r == 0)
        r = descend(&f, plan, TRY_ALL & ~((2u << at) - 1), NULL);
    if (r < 0)
        return r;
    /* The cause the user should hear of is the refusal, not what the rungs in between say. */
    if (plan->warning.text[0]) {
        newuidmap_explain(refused, &fix);
        warn_about(&f, plan, refusal, &fix);
    }
    return 0;
}
