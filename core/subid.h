/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subordinate ids: the ranges of uids and gids that the machine's administrator gave to a user.
 * Facts: subuid(5), subgid(5), getsubids(1).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "core/log.h"

/* @first .. @first + @count - 1; count > 0, and the last id is at most UINT32_MAX - 1 (UINT32_MAX is no id). */
struct subid_range {
    uint32_t first, count;
};

/* Ranges in the order in which they are laid out inside the namespace; no two of them share an id. */
struct subid_list {
    struct subid_range *r;
    size_t n;
};

enum { SUBID_MAX_RANGES = 1024, SUBID_FILE_MAX = 4 << 20 };

void subid_list_done(struct subid_list *l); /* NULL and an empty list are fine */
#define subid_auto __attribute__((cleanup(subid_list_done)))

/**
 * subid_list_add - append a range
 *
 * What an earlier range holds already is left out (overlaps are EINVAL for the kernel); a part that continues
 * the last range makes that one longer.  So the order of the file, and with it the meaning of ids stored on
 * disk by other rootless programs, is kept.
 *
 * Return: 0; -EINVAL: empty, or reaching beyond the last id; -E2BIG: over SUBID_MAX_RANGES; -ENOMEM.
 */
int subid_list_add(struct subid_list *l, uint64_t first, uint64_t count);

/* subid_list_remove - take one id out of whichever range holds it (one's own id has its own map entry). 0, -E2BIG or -ENOMEM. */
int subid_list_remove(struct subid_list *l, uint32_t id);

/* subid_list_merge - sort by first id and join everything that touches: the fewest ranges, at the price of the order. */
void subid_list_merge(struct subid_list *l);

/* subid_list_total - number of ids in all ranges */
uint64_t subid_list_total(const struct subid_list *l);

/**
 * subid_parse - collect a user's ranges from the text of a subuid(5) file
 * @text, @len: need not end with NUL; anything may be in it
 * @user: login name, or NULL when the user has none
 * @uid: lines may name the user by number as well
 * @l: ranges are added to it
 *
 * Lines of others, blanks and comments are passed over; malformed lines are, too, with a debug message.
 * Return: 0 (even when nothing was found), -E2BIG or -ENOMEM.
 */
int subid_parse(const char *text, size_t len, const char *user, uint32_t uid, struct subid_list *l);

/* subid_parse_getsubids - the same for the output of getsubids(1): lines "INDEX: OWNER FIRST COUNT". */
int subid_parse_getsubids(const char *text, size_t len, struct subid_list *l);

enum subid_kind { SUBID_UID, SUBID_GID };
enum subid_source { SUBID_AUTO, SUBID_DYNAMIC, SUBID_STATIC };
extern const char *const subid_source_names[]; /* "auto", "dynamic", "static", NULL: for OPT_ENUM */

/* subid_path - "/etc/subuid" or "/etc/subgid" */
const char *subid_path(enum subid_kind kind);

/**
 * subid_read - a user's ranges from /etc/subuid or /etc/subgid
 *
 * @ret is untouched on failure. Return: 0; -ENODATA: the file has no line for the user; -ENOENT and others:
 * the file cannot be read; @why has the text ("no ranges for 'alice' in /etc/subuid").
 */
int subid_read(enum subid_kind kind, const char *user, uint32_t uid, struct subid_list *ret,
               struct reason *why);

/**
 * subid_getsubids - a user's ranges from getsubids(1), which asks the name service
 *
 * The program is $GETSUBIDS, else getsubids in $PATH. Blocks for as long as it runs, at most 10 s.
 * Return: as subid_read(); -ENOENT: not installed.
 */
int subid_getsubids(enum subid_kind kind, const char *user, uint32_t uid, struct subid_list *ret,
                    struct reason *why);

/**
 * subid_lookup - a user's ranges from where @source says
 *
 * SUBID_AUTO: getsubids, then the file. The distribution's own getsubids is not started when it could only read
 * the same file (no "subid:" line in /etc/nsswitch.conf and $GETSUBIDS unset): that keeps start-up fast.
 */
int subid_lookup(enum subid_source source, enum subid_kind kind, const char *user, uint32_t uid,
                 struct subid_list *ret, struct reason *why);

/**
 * subid_user_name - the login name under which subordinate ids are looked up
 * @ret: buffer of @size bytes
 *
 * /etc/passwd, else $USER or $LOGNAME unless /etc/passwd gives that name to another uid (users of a directory
 * service are not in a static program's sight). Return: 0; -ENOENT: no name, the number has to do.
 */
int subid_user_name(uint32_t uid, char *ret, size_t size);
