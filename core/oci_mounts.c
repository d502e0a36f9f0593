/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S1, S2: /sys. P1: what shows a namespace that is not the container's own.
 *
 * The kernel mounts a fresh sysfs, proc or mqueue only for who has CAP_SYS_ADMIN over the user namespace that owns the
 * network, pid or ipc namespace (fs/sysfs/mount.c, fs/proc/root.c, ipc/mqueue.c). Where that is not so, the host's is
 * bound, recursively, because mounts below are locked together (mount_namespaces(7)).
 */
#include "core/oci_rules.h"

#include <string.h>

/* The last component of what is from @start to *end, which moves before it; its length, 0 for none. */
static size_t last_component(const char *start, const char **end)
{
    const char *e = *end, *s;

    while (e > start && e[-1] == '/')
        e--;
    for (s = e; s > start && s[-1] != '/';)
        s--;
    *end = s;
    return (size_t)(e - s);
}

/*
 * Is the path, cleaned component by component, @want ("/sys/fs/cgroup")? A relative one counts from "/", as in runtimes.
 * From the end, each ".." takes the next component away.
 */
static bool path_is(const char *path, const char *want)
{
    const char *p = path + strlen(path), *w = want + strlen(want);
    size_t up = 0, n;

    while ((n = last_component(path, &p))) {
        if (n == 1 && *p == '.')
            continue;
        if (n == 2 && memcmp(p, "..", 2) == 0)
            up++;
        else if (up)
            up--;
        else if (last_component(want, &w) != n || memcmp(p, w, n) != 0)
            return false;
    }
    return !last_component(want, &w);
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

/* Is it an rbind of the host's /sys, below which its cgroup tree can be written to? */
static bool has_hole(const struct json *mount, bool covered)
{
    const char *s = "";

    json_get_str(mount, "source", &s);
    return oci_has_option(mount, "rbind") && path_is(s, "/sys") && !oci_has_option(mount, "rro") && !covered;
}

/* One that somebody else made: it is theirs, but the hole in it is named. */
static void check_sys_bind(struct oci *c, const struct json *mount, size_t index, bool covered)
{
    if (has_hole(mount, covered))
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
    bool fresh = has_type(it->value, "sysfs");

    switch (c->opts->sys) {
    case OCI_SYS_KEEP: break;
    case OCI_SYS_REMOVE:
        if (!fresh)
            break;
        remove_mount(c, it, "S2", "asked for with --sys=remove");
        return false;
    case OCI_SYS_RBIND:
        if (fresh || has_hole(it->value, covered))
            bind_sys(c, it->value, it->index, covered, "asked for with --sys=rbind");
        break;
    default:
        if (fresh)
            fresh_sys(c, it->value, it->index, covered);
        else
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

void oci_rule_mounts(struct oci *c)
{
    struct json *mounts = oci_get(c->root, "mounts");
    size_t cgroup = last_cgroup(mounts);

    json_foreach (it, mounts) {
        struct json *mount = it.value;

        check_elsewhere(c, mount, it.index);
        if (at(mount, "/sys") ? sys_mount(c, &it, it.index < cgroup) : shared_mount(c, &it))
            oci_rule_mount_options(c, mount, it.index);
    }
}
