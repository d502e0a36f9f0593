/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id maps of a new user namespace, and the ladder by which one is chosen and written.
 * Facts: user_namespaces(7), newuidmap(1), kernel/user_namespace.c.
 *
 *     parent                                         child
 *     idmap_plan()
 *     clone with CLONE_NEWUSER ────────────────────▶ waits
 *     idmap_apply(plan, child)
 *     tell the child ──────────────────────────────▶ idmap_become_root()
 *
 * Rungs, best first; the plan takes the first that is possible and remembers why those above were not:
 *   direct     CAP_SETUID and CAP_SETGID here, and subids: the multi-range map is written by this process
 *   newuidmap  newuidmap(1) and newgidmap(1) write it
 *   derived    privileged but without subids: the identity of this process's own map
 *   single     one's own id alone
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/log.h"
#include "core/subid.h"

enum {
    IDMAP_MAX_EXTENTS = 340, /* UID_GID_MAP_MAX_EXTENTS, Linux 4.15 */
    IDMAP_TEXT_MAX = 4095,   /* a map is one write(2) of less than a page (the smallest page there is) */
};

/* Ids @inner .. @inner + @count - 1 of the namespace are @outer .. of its parent. */
struct idmap_extent {
    uint32_t inner, outer, count;
};

struct idmap {
    struct idmap_extent e[IDMAP_MAX_EXTENTS];
    size_t n;
};

/**
 * idmap_add - append an extent
 * Return: 0; -EINVAL: empty or reaching beyond the last id (UINT32_MAX is no id); -EEXIST: overlaps an extent that is
 * there already, inside or outside; -E2BIG: no place. Extents are never joined: the parent's borders between them count.
 */
int idmap_add(struct idmap *m, uint64_t inner, uint64_t outer, uint64_t count);

/* idmap_parse - the text of /proc/PID/uid_map (anything may be in it). 0, -EINVAL (malformed), or as idmap_add(). @ret untouched on failure. */
int idmap_parse(const char *text, struct idmap *ret);

/* idmap_format - the text to be written in one write(2). Its length, or -E2BIG when it is too long for the kernel. @buf: IDMAP_TEXT_MAX + 1 bytes. */
int idmap_format(const struct idmap *m, char *buf);

/* idmap_check - would the kernel take this map? 0 or -errno as idmap_add(), -E2BIG also for the text's length. */
int idmap_check(const struct idmap *m);

/* idmap_to_outer / idmap_to_inner - translate one id. 0, or -ENOENT: unmapped. */
int idmap_to_outer(const struct idmap *m, uint32_t inner, uint32_t *ret);
int idmap_to_inner(const struct idmap *m, uint32_t outer, uint32_t *ret);
uint64_t idmap_total(const struct idmap *m); /* how many ids are mapped */

/* idmap_read - parse /proc/@pid/uid_map or gid_map (pid 0: self). 0 or -errno. */
int idmap_read(pid_t pid, enum subid_kind kind, struct idmap *ret);

/**
 * idmap_from_subids - lay ranges out as `0 @self 1`, then each range from 1 on
 * @parent: the map of this process's namespace; ids that are not mapped there are left out, and a range over several
 *          extents is split, since the kernel wants each new extent inside one of the parent's
 * @ret_dropped: how many ids were left out (unmapped in the parent, or no room in the map); may be NULL
 */
int idmap_from_subids(uint32_t self, const struct subid_list *l, const struct idmap *parent,
                      struct idmap *ret, uint64_t *ret_dropped);

/* idmap_derive - the identity of @parent's inner ids, with inner 0 being @self (whose own number, and 0 outside, are left out then) */
int idmap_derive(uint32_t self, const struct idmap *parent, struct idmap *ret);

/* idmap_is_within - is each extent's outside within one extent's inside of @parent, as the kernel wants it? */
bool idmap_is_within(const struct idmap *m, const struct idmap *parent);

enum idmap_method {
    IDMAP_AUTO, /* the ladder */
    IDMAP_DIRECT,
    IDMAP_NEWUIDMAP,
    IDMAP_DERIVED, /* never asked for by name: part of direct */
    IDMAP_SINGLE,
    IDMAP_CUSTOM, /* C:H:N */
};
const char *idmap_method_name(enum idmap_method m); /* "direct"... */

/* What the user asked for. All zero is the default. */
struct idmap_request {
    enum idmap_method method; /* AUTO, DIRECT, NEWUIDMAP, SINGLE or CUSTOM */
    enum subid_source source;
    struct idmap
        custom; /* IDMAP_CUSTOM: for uids and gids alike, where one's own uid stands for one's own gid */
};

/**
 * idmap_request_parse - the value of --map=auto|direct|newuidmap|single|C:H:N[,C:H:N...]
 * Sets method and custom of @ret only; untouched on failure. Return: 0 or -EINVAL with the text in @why.
 */
int idmap_request_parse(const char *text, struct idmap_request *ret, struct reason *why);

enum idmap_rung_state { RUNG_NOT_TRIED, RUNG_REFUSED, RUNG_POSSIBLE };
enum { IDMAP_RUNGS = 4 }; /* direct, newuidmap, derived, single: IDMAP_DIRECT is rung 0 */

struct idmap_plan {
    enum idmap_method
        method;     /* the rung in force: IDMAP_DIRECT ... IDMAP_CUSTOM; idmap_apply() may move it down */
    bool by_helper; /* newuidmap and newgidmap write the maps, not this process */
    bool deny_setgroups;
    struct idmap uids, gids;
    uint32_t euid,
        egid; /* of this process, in its own namespace: ROOTLESSKIT_PARENT_EUID, ROOTLESSKIT_PARENT_EGID */
    bool may_fall;            /* method was auto: idmap_apply() may try the rungs below */
    enum subid_source source; /* as asked for */
    char user[256];           /* login name, or the uid in digits */
    struct {
        enum idmap_rung_state state;
        struct reason why; /* RUNG_REFUSED: "newuidmap is not installed" */
    } rung[IDMAP_RUNGS];
    uint64_t dropped; /* subids left out, see idmap_from_subids() */
    /*
     * One line for the user, without the program's name; empty when there is nothing to say. Final after idmap_apply().
     * "newuidmap is not installed (single-id map used instead; install uidmap, or run as root with CAP_SETUID)"
     */
    struct reason warning;
};

/**
 * idmap_plan - choose the map, in the parent, before the clone
 *
 * Reads /proc/self, /etc/passwd, /etc/subuid, /etc/subgid; may run getsubids(1) (bounded, see subid_lookup()).
 * Makes this process dumpable (PR_SET_DUMPABLE): a child of a program with file capabilities would otherwise have a
 * /proc/PID/uid_map that belongs to root (proc(5)).
 *
 * Return: 0; -EPERM and others: no rung that was asked for is possible, @why says why and what to do; @ret->rung
 * holds each refusal then, too.
 */
int idmap_plan(const struct idmap_request *req, struct idmap_plan *ret, struct reason *why);

/**
 * idmap_plan_lower - give up the rung in force, which was refused when it was written, for the next one that is possible
 * @r, @refusal: the refusal
 * Return: 0; -ENOENT: there is none, or none but this was asked for; -errno: none is possible.
 */
int idmap_plan_lower(struct idmap_plan *plan, int r, const struct reason *refusal);

/**
 * idmap_apply - write the maps of @child, which is in its new user namespace already
 *
 * Must be called from the parent user namespace, by the same user. Blocks while newuidmap runs (at most 10 s each).
 * When newuidmap refuses and the method was auto, the rungs below are tried as long as nothing was written, and the
 * plan is changed to what is in force.
 *
 * Return: 0 or -errno with the text in @why.
 */
int idmap_apply(struct idmap_plan *plan, pid_t child, struct reason *why);

/**
 * idmap_become_root - in the child, when the maps are written: be uid and gid 0 of the namespace
 *
 * No system call when that is so already, as with every map but custom ones. When 0 is not mapped, the process stays
 * who it is (custom maps like 1000:1000:1) and 0 is returned; -EPERM: neither 0 nor the own id is mapped.
 * A change of uid clears PR_SET_PDEATHSIG and the dumpable flag: set them afterwards.
 */
int idmap_become_root(void);
