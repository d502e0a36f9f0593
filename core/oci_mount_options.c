/* SPDX-License-Identifier: Apache-2.0 */
/* M1: ids in mount options. M2: what binds and id-mapped mounts cannot do. M3 is in oci_mount_flags.c. */
#include "core/oci_rules.h"

#include <string.h>

#include "core/parse.h"

bool oci_each_option(const struct json *mount, bool (*fn)(const char *s, size_t len, const void *arg),
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

bool oci_option_is(const char *s, size_t len, const void *name)
{
    return strlen(name) == len && memcmp(s, name, len) == 0;
}

bool oci_has_option(const struct json *mount, const char *name)
{
    return oci_each_option(mount, oci_option_is, name);
}

bool oci_is_bind(const struct json *mount)
{
    const char *type = "";

    json_get_str(mount, "type", &type);
    return strcmp(type, "bind") == 0 || oci_has_option(mount, "bind") || oci_has_option(mount, "rbind");
}

struct filter {
    struct oci *c;
    bool bind;
    struct oci_locks locks;
};

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
    if (f->bind && oci_option_is(s, len, "defaults")) {
        *ret_why = "on a bind it asks to clear flags that are locked";
        return "M2";
    }
    *ret_why = oci_refuse_locked(&f->locks, s, len);
    if (*ret_why)
        return "M3";
    return NULL;
}

/* What is left of one string of options; *ret_rule is set when something went. */
static void filter_options(const struct filter *f, const char *s, struct strbuf *left, const char **ret_rule,
                           const char **ret_why)
{
    while (*s) {
        size_t n = strcspn(s, ",");
        const char *why, *rule = refuse_option(f, s, n, &why);

        if (rule) {
            *ret_rule = rule;
            *ret_why = why;
        } else
            strbuf_addf(left, "%s%.*s", left->len ? "," : "", (int)n, s);
        s += n;
        s += *s == ',';
    }
}

static void options(struct oci *c, struct json *mount, size_t index)
{
    struct filter f = {.c = c, .bind = oci_is_bind(mount)};

    f.locks = oci_find_locks(c, mount, index);
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
    oci_repeat_locked(c, mount, index, &f.locks);
}

static void check_idmapped(struct oci *c, const struct json *mount, size_t index)
{
    if (!json_count(oci_get(mount, "uidMappings")) && !json_count(oci_get(mount, "gidMappings")) &&
        !oci_has_option(mount, "idmap") && !oci_has_option(mount, "ridmap"))
        return;
    if (c->mode == OCI_OUTSIDE)
        oci_error(
            c, "M2", OCI_PATH(".mounts[%zu]", index),
            "an id-mapped mount needs root of the file system's own user namespace: remove uidMappings, "
            "gidMappings and option idmap "
            "(runc: 'gidMappings/uidMappings is not supported when runc is being launched with EUID != 0')");
    else
        oci_warning(c, "M2", OCI_PATH(".mounts[%zu]", index),
                    "an id-mapped mount needs root of the file system's own user namespace: it works for "
                    "file systems "
                    "that were mounted in here (crun: 'mount_setattr: Operation not permitted' for others)");
}

void oci_rule_mount_options(struct oci *c, struct json *mount, size_t index)
{
    check_idmapped(c, mount, index);
    options(c, mount, index);
}
