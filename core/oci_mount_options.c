/* SPDX-License-Identifier: Apache-2.0 */
/* M1: ids in mount options. M2: what binds and id-mapped mounts cannot do. M3: flags that are locked. */
#include "core/oci_rules.h"

#include <string.h>
#include <sys/statvfs.h>

#include "core/parse.h"

/* Options may be joined with commas. Calls @fn for each; stops and returns true where that does. */
static bool each_option(const struct json *mount, bool (*fn)(const char *s, size_t len, const void *arg),
                        const void *arg)
{
    json_foreach (it, oci_get(mount, "options")) {
        const char *s = json_str(it.value);

        while (s && *s) {
            size_t n = strcspn(s, ",");

            if (fn(s, n, arg))
                return true;
            s += n;
            s += *s == ',';
        }
    }
    return false;
}

static bool option_is(const char *s, size_t len, const void *name)
{
    return strlen(name) == len && memcmp(s, name, len) == 0;
}

bool oci_has_option(const struct json *mount, const char *name)
{
    return each_option(mount, option_is, name);
}

bool oci_is_bind(const struct json *mount)
{
    const char *type = "";

    json_get_str(mount, "type", &type);
    return strcmp(type, "bind") == 0 || oci_has_option(mount, "bind") || oci_has_option(mount, "rbind");
}

struct filter {
    struct oci *c;
    bool bind, drop_atime, drop_atime_below;
};

static bool is_atime(const char *s, size_t len, const void *unused)
{
    static const char *const names[] = {"noatime", "nodiratime", "relatime", "strictatime"};

    (void)unused;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (option_is(s, len, names[i]))
            return true;
    return false;
}

/* "uid=5", with 5 not mapped? On binds the id does not matter. */
static bool is_bad_id(const struct filter *f, const char *s, size_t len)
{
    const struct idmap *map = *s == 'u' ? &f->c->uids : &f->c->gids;
    char number[16];
    uint32_t id, ignored;

    if (len < 5 || (memcmp(s, "uid=", 4) != 0 && memcmp(s, "gid=", 4) != 0))
        return false;
    if (f->bind)
        return true;
    if (!f->c->maps_known || len - 4 >= sizeof(number))
        return false;
    memcpy(number, s + 4, len - 4);
    number[len - 4] = '\0';
    return parse_u32(number, &id) == 0 && idmap_to_outer(map, id, &ignored) < 0;
}

/* M1 or M2 for an option that has to go, NULL for one that stays. */
static const char *refuse_option(const struct filter *f, const char *s, size_t len, const char **ret_why)
{
    if (is_bad_id(f, s, len)) {
        *ret_why = f->bind ? "a bind has no owner to set"
                           : "that id is not mapped in the container's user namespace";
        return "M1";
    }
    if (f->bind && option_is(s, len, "defaults")) {
        *ret_why = "on a bind it asks to clear flags that are locked";
        return "M2";
    }
    if ((f->drop_atime && is_atime(s, len, NULL)) ||
        (f->drop_atime_below && *s == 'r' && is_atime(s + 1, len - 1, NULL))) {
        *ret_why =
            "the source is mounted otherwise, and in a new user namespace no mount's atime mode may be "
            "changed; without, it stays";
        return "M3";
    }
    return NULL;
}

/* What is left of one string of options; *ret_rule is set when something went. */
static void filter_options(const struct filter *f, const char *s, struct strbuf *left, const char **ret_rule,
                           const char **ret_why)
{
    while (*s) {
        size_t n = strcspn(s, ",");
        const char *rule = refuse_option(f, s, n, ret_why);

        if (rule)
            *ret_rule = rule;
        else
            strbuf_addf(left, "%s%.*s", left->len ? "," : "", (int)n, s);
        s += n;
        s += *s == ',';
    }
}

/*
 * How the file system notes accesses is locked for every mount that a less privileged mount namespace inherits, whatever it is
 * (lock_mnt_tree() in fs/namespace.c). A remount that names no mode keeps the old one, any other mode is refused. crun then
 * tries again without.
 */
static bool changes_atime(const struct oci *c, const struct json *mount, unsigned flags)
{
    unsigned want = oci_has_option(mount, "noatime") ? ST_NOATIME : ST_RELATIME;

    if (c->opts->runtime == OCI_CRUN || !each_option(mount, is_atime, NULL))
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

static void find_atime(const struct oci *c, const struct json *mount, struct filter *f)
{
    const char *source = "";
    unsigned flags;

    json_get_str(mount, "source", &source);
    if (!c->facts->mount_flags || *source != '/' || !f->bind)
        return;
    flags = c->facts->mount_flags(source);
    if (flags == OCI_FLAGS_UNKNOWN)
        return;
    flags &= ST_NOATIME | ST_NODIRATIME | ST_RELATIME;
    f->drop_atime = changes_atime(c, mount, flags);
    f->drop_atime_below = changes_atime_below(mount, flags);
}

static void options(struct oci *c, struct json *mount, size_t index)
{
    struct filter f = {.c = c, .bind = oci_is_bind(mount)};

    find_atime(c, mount, &f);
    /* Inside there are mounts that were inherited and, not locked, our own; nothing tells which is which. */
    if (c->mode == OCI_INSIDE && (f.drop_atime || f.drop_atime_below)) {
        f.drop_atime = f.drop_atime_below = false;
        oci_warning(
            c, "M3", OCI_PATH(".mounts[%zu].options", index),
            "the source is mounted with another atime mode, which may be locked (runc: 'operation not "
            "permitted'): remove noatime, nodiratime, relatime and strictatime");
    }

    json_foreach (it, oci_get(mount, "options")) {
        const char *rule = NULL, *why = NULL, *s = json_str(it.value);
        struct strbuf left = {0};
        struct json *after = NULL;

        if (s)
            filter_options(&f, s, &left, &rule, &why);
        if (rule) {
            if (left.len)
                after = json_new_str(c->doc, left.s);
            oci_changed(c, rule, OCI_PATH(".mounts[%zu].options[%zu]", index, it.index),
                        oci_text(c, it.value), after, "%s", why);
            if (after)
                json_it_replace(&it, after);
            else
                json_it_remove(&it);
        }
        if (left.err)
            c->report->err = left.err;
        strbuf_done(&left);
    }
}

static void check_idmapped(struct oci *c, const struct json *mount, size_t index)
{
    if (c->mode != OCI_OUTSIDE)
        return;
    if (json_count(oci_get(mount, "uidMappings")) || json_count(oci_get(mount, "gidMappings")) ||
        oci_has_option(mount, "idmap") || oci_has_option(mount, "ridmap"))
        oci_error(
            c, "M2", OCI_PATH(".mounts[%zu]", index),
            "an id-mapped mount needs root of the file system's own user namespace: remove uidMappings, "
            "gidMappings and option idmap "
            "(runc: 'gidMappings/uidMappings is not supported when runc is being launched with EUID != 0')");
}

/* ---- M3 ---- */

static const struct locked {
    unsigned flag;
    const char *set, *clear, *set_below; /* options; the last one is for the whole tree */
} locked_flags[] = {
    {ST_RDONLY, "ro", "rw", "rro"},
    {ST_NOSUID, "nosuid", "suid", "rnosuid"},
    {ST_NODEV, "nodev", "dev", "rnodev"},
    {ST_NOEXEC, "noexec", "exec", "rnoexec"},
};

/* Does the option set a flag of the mount, so that the runtime has to remount the bind? */
static bool sets_flag(const char *s, size_t len, const void *unused)
{
    static const char *const names[] = {"ro", "nosuid", "nodev", "noexec", "sync", "dirsync", "nosymfollow"};

    if (is_atime(s, len, unused))
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (option_is(s, len, names[i]))
            return true;
    return false;
}

/*
 * The flags of an inherited mount are locked for a less privileged mount namespace (mount_namespaces(7)): a remount that
 * does not repeat them is refused. crun repeats them by itself; runc 1.1 does not.
 */
static void repeat_locked(struct oci *c, struct json *mount, size_t index)
{
    const char *source = "";
    struct json *list = oci_get(mount, "options"), *option;
    unsigned flags;

    json_get_str(mount, "source", &source);
    if (!c->facts->mount_flags || *source != '/' || !oci_is_bind(mount) ||
        !each_option(mount, sets_flag, NULL))
        return;
    flags = c->facts->mount_flags(source);
    if (flags == OCI_FLAGS_UNKNOWN)
        return;
    for (size_t i = 0; i < sizeof(locked_flags) / sizeof(locked_flags[0]); i++) {
        const struct locked *l = &locked_flags[i];

        if (!(flags & l->flag) || oci_has_option(mount, l->set) || oci_has_option(mount, l->set_below))
            continue;
        if (oci_has_option(mount, l->clear)) {
            oci_warning(c, "M3", OCI_PATH(".mounts[%zu].options", index),
                        "'%s' is asked for, but '%.200s' is mounted with '%s', which may be locked (runtime: "
                        "'operation not permitted')",
                        l->clear, source, l->set);
            continue;
        }
        option = json_new_str(c->doc, l->set);
        oci_changed(c, "M3", OCI_PATH(".mounts[%zu].options[%zu]", index, json_count(list)), NULL, option,
                    "'%.200s' is mounted so, and a flag that is locked has to be repeated", source);
        json_append(c->doc, list, option);
    }
}

void oci_rule_mount_options(struct oci *c, struct json *mount, size_t index)
{
    check_idmapped(c, mount, index);
    options(c, mount, index);
    repeat_locked(c, mount, index);
}
