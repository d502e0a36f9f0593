/* SPDX-License-Identifier: Apache-2.0 */
/*
 * M3: flags of mounts that are locked. A mount that a less privileged mount namespace inherits keeps its flags (ro, nosuid,
 * nodev, noexec) and its atime mode, whatever that is (mount_namespaces(7); lock_mnt_tree() in fs/namespace.c): a remount
 * has to repeat them, and none can be taken away. For a user namespace that is still to be made every mount of ours will be
 * such a one; inside, the kernel knows which is (facts->locked_flags).
 */
#include "core/oci_rules.h"

#include <string.h>
#include <sys/statvfs.h>

static const struct flag {
    unsigned flag;
    const char *set, *clear, *set_below, *clear_below; /* options; the last two are for the whole tree */
} flag_table[] = {
    {ST_RDONLY, "ro", "rw", "rro", "rrw"},
    {ST_NOSUID, "nosuid", "suid", "rnosuid", "rsuid"},
    {ST_NODEV, "nodev", "dev", "rnodev", "rdev"},
    {ST_NOEXEC, "noexec", "exec", "rnoexec", "rexec"},
};
enum { N_FLAGS = sizeof(flag_table) / sizeof(flag_table[0]) };

static bool is_atime(const char *s, size_t len, const void *unused)
{
    static const char *const names[] = {"noatime", "nodiratime", "relatime", "strictatime"};

    (void)unused;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (oci_option_is(s, len, names[i]))
            return true;
    return false;
}

/* Does the option set a flag of the mount, so that the runtime has to remount the bind? */
static bool sets_flag(const char *s, size_t len, const void *unused)
{
    static const char *const names[] = {"ro", "nosuid", "nodev", "noexec", "sync", "dirsync", "nosymfollow"};

    if (is_atime(s, len, unused))
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (oci_option_is(s, len, names[i]))
            return true;
    return false;
}

static bool clears(const struct flag *f, const char *s, size_t len)
{
    return oci_option_is(s, len, f->clear) || oci_option_is(s, len, f->clear_below);
}

/* Is it about a flag, alone or below, so that it has to be known what is locked? */
static bool matters(const char *s, size_t len, const void *unused)
{
    if (sets_flag(s, len, unused) || (*s == 'r' && is_atime(s + 1, len - 1, unused)))
        return true;
    for (size_t i = 0; i < N_FLAGS; i++)
        if (clears(&flag_table[i], s, len))
            return true;
    return false;
}

/*
 * How the file system notes accesses is locked for every mount that a less privileged mount namespace inherits, whatever it is
 * (lock_mnt_tree() in fs/namespace.c). A remount that names no mode keeps the old one, any other mode is refused. crun then
 * tries again without.
 */
static bool changes_atime(const struct oci *c, const struct json *mount, unsigned flags)
{
    unsigned want = oci_has_option(mount, "noatime") ? ST_NOATIME : ST_RELATIME;

    if (c->opts->runtime == OCI_CRUN || !oci_each_option(mount, is_atime, NULL))
        return false;
    if (oci_has_option(mount, "strictatime")) /* as do_mount() has it: it overrides both */
        want = 0;
    if (oci_has_option(mount, "nodiratime"))
        want |= ST_NODIRATIME;
    return flags != want;
}

/* The same for a whole tree, by mount_setattr(2), which keeps what it is not told. Neither runtime tries again. */
static bool changes_atime_below(const struct json *mount, unsigned flags)
{
    unsigned want = flags;

    if (oci_has_option(mount, "rnoatime"))
        want = (want & ST_NODIRATIME) | ST_NOATIME;
    else if (oci_has_option(mount, "rstrictatime"))
        want &= ST_NODIRATIME;
    else if (oci_has_option(mount, "rrelatime"))
        want = (want & ST_NODIRATIME) | ST_RELATIME;
    if (oci_has_option(mount, "rnodiratime"))
        want |= ST_NODIRATIME;
    return flags != want;
}

/* Nobody knows what is locked: then somebody else has to look. */
static void warn_unknown(struct oci *c, const struct json *mount, size_t index, const struct oci_locks *l)
{
    if (l->atime || l->atime_below)
        oci_warning(
            c, "M3", OCI_PATH(".mounts[%zu].options", index),
            "the source is mounted with another atime mode, which may be locked (runc: 'operation not "
            "permitted'): remove noatime, nodiratime, relatime and strictatime");
    for (size_t i = 0; i < N_FLAGS; i++)
        if ((l->set & flag_table[i].flag) &&
            (oci_has_option(mount, flag_table[i].clear) || oci_has_option(mount, flag_table[i].clear_below)))
            oci_warning(
                c, "M3", OCI_PATH(".mounts[%zu].options", index),
                "'%s' is asked for, but the source is mounted with '%s', which may be locked (runtime: "
                "'operation not permitted')",
                flag_table[i].clear, flag_table[i].set);
}

struct oci_locks oci_find_locks(struct oci *c, const struct json *mount, size_t index)
{
    struct oci_locks l = {.known = true};
    const char *source = "";
    unsigned there, locked = ~0U;

    json_get_str(mount, "source", &source);
    if (!c->facts->mount_flags || *source != '/' || !oci_is_bind(mount) ||
        !oci_each_option(mount, matters, NULL))
        return l;
    there = c->facts->mount_flags(source);
    if (there == OCI_FLAGS_UNKNOWN)
        return l;
    if (c->mode == OCI_INSIDE) {
        locked = c->here && c->facts->locked_flags ? c->facts->locked_flags(source) : OCI_FLAGS_UNKNOWN;
        l.known = locked != OCI_FLAGS_UNKNOWN; /* else as if all were, but nothing is removed for that */
    }
    l.set = there & locked & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC);
    there &= ST_NOATIME | ST_NODIRATIME | ST_RELATIME;
    l.atime = (locked & ST_RELATIME) && changes_atime(c, mount, there);
    l.atime_below = (locked & ST_RELATIME) && changes_atime_below(mount, there);
    if (!l.known)
        warn_unknown(c, mount, index, &l);
    else
        for (size_t i = 0; i < N_FLAGS; i++)
            if ((l.set & flag_table[i].flag) && oci_has_option(mount, flag_table[i].clear))
                oci_warning(
                    c, "M3", OCI_PATH(".mounts[%zu].options", index),
                    "'%s' is asked for, but '%.200s' is mounted with '%s', which is locked, and stays so",
                    flag_table[i].clear, source, flag_table[i].set);
    return l;
}

const char *oci_refuse_locked(const struct oci_locks *l, const char *s, size_t len)
{
    if (!l->known)
        return NULL;
    for (size_t i = 0; i < N_FLAGS; i++)
        if ((l->set & flag_table[i].flag) && clears(&flag_table[i], s, len))
            return "the source is mounted otherwise, and in a new user namespace that cannot be taken away";
    if ((l->atime && is_atime(s, len, NULL)) ||
        (l->atime_below && *s == 'r' && is_atime(s + 1, len - 1, NULL)))
        return "the source is mounted otherwise, and in a new user namespace no mount's atime mode may be "
               "changed; without, it stays";
    return NULL;
}

/* crun repeats them by itself, and so does runc from 1.2 on. */
void oci_repeat_locked(struct oci *c, struct json *mount, size_t index, const struct oci_locks *l)
{
    struct json *list = oci_get(mount, "options"), *option;

    if (!l->set || !oci_each_option(mount, sets_flag, NULL))
        return;
    for (size_t i = 0; i < N_FLAGS; i++) {
        const struct flag *f = &flag_table[i];

        if (!(l->set & f->flag) || oci_has_option(mount, f->set) || oci_has_option(mount, f->set_below) ||
            oci_has_option(mount, f->clear))
            continue;
        option = json_new_str(c->doc, f->set);
        oci_changed(c, "M3", OCI_PATH(".mounts[%zu].options[%zu]", index, json_count(list)), NULL, option,
                    "the source is mounted so, and a flag that is locked has to be repeated");
        json_append(c->doc, list, option);
    }
}
