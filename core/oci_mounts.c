/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S1, S2: /sys. P1: what shows a namespace that is not the container's own. M1, M2: mount options.
 *
 * The kernel mounts a fresh sysfs, proc or mqueue only for who has CAP_SYS_ADMIN over the user namespace that owns the
 * network, pid or ipc namespace (fs/sysfs/mount.c, fs/proc/root.c, ipc/mqueue.c). Where that is not so, the host's is
 * bound, recursively, because mounts below are locked together (mount_namespaces(7)).
 */
#include "core/oci_rules.h"

#include <string.h>

#include "core/parse.h"

/* Is the path, cleaned component by component, @want ("/sys/fs/cgroup")? A relative one counts from "/", as in runtimes. */
static bool path_is(const char *path, const char *want)
{
    char clean[64] = "";
    size_t len = 0;

    while (*path) {
        size_t n = strcspn(path, "/");

        if (n == 2 && memcmp(path, "..", 2) == 0) {
            while (len && clean[--len] != '/')
                ;
        } else if (n && !(n == 1 && *path == '.')) {
            if (len + 1 + n >= sizeof(clean))
                return false;
            clean[len++] = '/';
            memcpy(clean + len, path, n);
            len += n;
        }
        clean[len] = '\0';
        path += n;
        path += *path == '/';
    }
    return strcmp(clean, want) == 0;
}

static bool at(const struct json *mount, const char *want)
{
    const char *s;

    return json_get_str(mount, "destination", &s) == 0 && path_is(s, want);
}

static bool has_type(const struct json *mount, const char *want)
{
    const char *s = "";

    json_get_str(mount, "type", &s);
    return strcmp(s, want) == 0;
}

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

static bool is_bind(const struct json *mount)
{
    return has_type(mount, "bind") || each_option(mount, option_is, "bind") ||
           each_option(mount, option_is, "rbind");
}

/* Turn a mount into a bind of what the host has at @source, keeping its place and its other members. */
static void make_bind(struct oci *c, struct json *mount, size_t index, const char *rule, const char *source,
                      const char *const *options, const char *why)
{
    char *before = oci_text(c, mount);
    struct json *list = json_new_array(c->doc);

    for (; *options; options++)
        json_append_str(c->doc, list, *options);
    json_set(c->doc, mount, "type", json_new_str(c->doc, "none"));
    json_set(c->doc, mount, "source", json_new_str(c->doc, source));
    json_set(c->doc, mount, "options", list);
    oci_changed(c, rule, OCI_PATH(".mounts[%zu]", index), before, mount, "%s", why);
}

static void remove_mount(struct oci *c, struct json_it *it, const char *rule, const char *why)
{
    oci_changed(c, rule, OCI_PATH(".mounts[%zu]", it->index), oci_text(c, it->value), NULL, "%s", why);
    json_it_remove(it);
}

/* ---- /sys ---- */

/* Where the last cgroup mount on /sys/fs/cgroup is; what comes before it is covered there. 0: nowhere (or at the very beginning). */
static size_t last_cgroup(const struct json *mounts)
{
    size_t last = 0;

    json_foreach (it, mounts)
        if (at(it.value, "/sys/fs/cgroup") && (has_type(it.value, "cgroup") || has_type(it.value, "cgroup2")))
            last = it.index;
    return last;
}

static void bind_sys(struct oci *c, struct json *mount, size_t index, bool covered, const char *why)
{
    static const char *const over[] = {"rbind", "nosuid", "noexec", "nodev", "ro", NULL};
    static const char *const all[] = {"rbind", "rnosuid", "rnoexec", "rnodev", "rro", NULL};

    /* A plain "ro" stops at the mounts below: the host's cgroup tree would be writable, unless it is hidden (CVE-2023-25809). */
    make_bind(c, mount, index, "S2", "/sys", covered ? over : all, why);
}

/* An rbind of /sys that somebody else made: it is theirs, but the hole in it is named. */
static void check_sys_bind(struct oci *c, const struct json *mount, size_t index, bool covered)
{
    const char *s = "";

    json_get_str(mount, "source", &s);
    if (each_option(mount, option_is, "rbind") && path_is(s, "/sys") &&
        !each_option(mount, option_is, "rro") && !covered)
        oci_warning(c, "S2", OCI_PATH(".mounts[%zu]", index),
                    "the host's cgroup tree stays writable below this bind (CVE-2023-25809): use option rro, "
                    "or pass --sys=rbind");
}

/* --sys=auto and --sys=sysfs, for a sysfs. */
static void fresh_sys(struct oci *c, struct json *mount, size_t index, bool covered)
{
    int owned = oci_owned(c, "network", c->facts->net);
    bool asked = c->opts->sys == OCI_SYS_SYSFS;

    if (owned < 0 && !asked)
        oci_warning(c, "S1", OCI_PATH(".mounts[%zu]", index),
                    "sysfs is kept, but nobody here knows whose the network namespace is: pass --sys=rbind "
                    "if the runtime refuses it");
    else if (!owned && asked)
        oci_warning(c, "S1", OCI_PATH(".mounts[%zu]", index),
                    "sysfs is kept as asked for, but the container's user namespace does not own the network "
                    "namespace (runtime: 'operation "
                    "not permitted')");
    else if (!owned)
        bind_sys(c, mount, index, covered,
                 "the kernel mounts sysfs only for the owner of the network namespace");
}

/* Returns false when the mount was removed. */
static bool sys_mount(struct oci *c, struct json_it *it, bool covered)
{
    bool fresh = has_type(it->value, "sysfs"), bound = is_bind(it->value);

    switch (c->opts->sys) {
    case OCI_SYS_KEEP: break;
    case OCI_SYS_REMOVE:
        if (!fresh)
            break;
        remove_mount(c, it, "S2", "asked for with --sys=remove");
        return false;
    case OCI_SYS_RBIND:
        if (fresh || (bound && !covered && !each_option(it->value, option_is, "rro")))
            bind_sys(c, it->value, it->index, covered, "asked for with --sys=rbind");
        break;
    default:
        if (fresh)
            fresh_sys(c, it->value, it->index, covered);
        else if (bound)
            check_sys_bind(c, it->value, it->index, covered);
        break;
    }
    return true;
}

/* ---- /proc, /dev/mqueue, /dev/shm ---- */

/* Returns false when the mount was removed. */
static bool shared_mount(struct oci *c, struct json_it *it)
{
    static const char *const tree[] = {"rbind", "nosuid", "noexec", "nodev", NULL};
    struct json *m = it->value;

    if (has_type(m, "proc") && at(m, "/proc")) {
        if (oci_owned(c, "pid", c->facts->pid) == 0)
            make_bind(c, m, it->index, "P1", "/proc", tree,
                      "the kernel mounts proc only for the owner of the pid namespace");
    } else if (has_type(m, "mqueue") && at(m, "/dev/mqueue")) {
        if (oci_owned(c, "ipc", c->facts->ipc) != 0)
            return true;
        if (c->facts->has_mqueue)
            make_bind(c, m, it->index, "P1", "/dev/mqueue", tree,
                      "the kernel mounts mqueue only for the owner of the ipc namespace");
        else {
            remove_mount(c, it, "P1",
                         "the kernel mounts mqueue only for the owner of the ipc namespace, and the host has "
                         "none to bind");
            return false;
        }
    } else if (has_type(m, "tmpfs") && at(m, "/dev/shm")) {
        if (oci_owned(c, "ipc", c->facts->ipc) == 0 && c->facts->has_shm)
            make_bind(c, m, it->index, "P1", "/dev/shm", tree,
                      "shared memory goes with the ipc namespace, which is the host's");
    }
    return true;
}

/* The same file systems at other places: what they are for is not known, only that the kernel will not have it. */
static void check_elsewhere(struct oci *c, const struct json *mount, size_t index)
{
    const struct {
        const char *type, *place, *namespace;
        enum oci_owner own;
    } table[] = {
        {"sysfs", "/sys", "network", c->facts->net},
        {"proc", "/proc", "pid", c->facts->pid},
        {"mqueue", "/dev/mqueue", "ipc", c->facts->ipc},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (has_type(mount, table[i].type) && !at(mount, table[i].place) &&
            oci_owned(c, table[i].namespace, table[i].own) == 0)
            oci_warning(c, "P1", OCI_PATH(".mounts[%zu]", index),
                        "the kernel mounts %s only for the owner of the %s namespace (runtime: 'operation "
                        "not permitted'): bind the host's, "
                        "or remove it",
                        table[i].type, table[i].namespace);
}

/* ---- options ---- */

struct filter {
    struct oci *c;
    bool bind;
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
    if (f->bind && option_is(s, len, "defaults")) {
        *ret_why = "on a bind it asks to clear flags that are locked";
        return "M2";
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

static void options(struct oci *c, struct json *mount, size_t index)
{
    struct filter f = {.c = c, .bind = is_bind(mount)};

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
        each_option(mount, option_is, "idmap") || each_option(mount, option_is, "ridmap"))
        oci_error(
            c, "M2", OCI_PATH(".mounts[%zu]", index),
            "an id-mapped mount needs root of the file system's own user namespace: remove uidMappings, "
            "gidMappings and option idmap "
            "(runc: 'gidMappings/uidMappings is not supported when runc is being launched with EUID != 0')");
}

void oci_rule_mounts(struct oci *c)
{
    struct json *mounts = oci_get(c->root, "mounts");
    size_t cgroup = last_cgroup(mounts);

    json_foreach (it, mounts) {
        struct json *mount = it.value;

        check_idmapped(c, mount, it.index);
        check_elsewhere(c, mount, it.index);
        if (at(mount, "/sys") ? sys_mount(c, &it, it.index < cgroup) : shared_mount(c, &it))
            options(c, mount, it.index);
    }
}
