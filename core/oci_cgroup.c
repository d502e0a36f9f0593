/* SPDX-License-Identifier: Apache-2.0 */
/* C1: limits that nobody may set. C2: cgroups that nobody may make. Facts: cgroups(7), cgroup-v2.rst "Delegation". */
#include "core/oci_rules.h"

#include <string.h>

static bool delegated(const struct oci *c, const char *controller, size_t len)
{
    for (size_t i = 0; i < c->facts->controllers.n; i++) {
        const char *s = c->facts->controllers.v[i];
        if (strlen(s) == len && memcmp(s, controller, len) == 0)
            return true;
    }
    return false;
}

/* Keys may hold NULs, so that a C string would compare only their beginning. */
static bool key_is(const struct json_it *it, const char *name)
{
    return strlen(name) == it->key_len && memcmp(it->key, name, it->key_len) == 0;
}

/* The cgroup2 controller behind a member of resources (cpu has two, see below); "" for none; NULL for one that is not known. */
static const char *controller_of(const struct json_it *member)
{
    static const struct {
        const char *member, *controller;
    } table[] = {
        {"devices", ""},  {"network", ""},   {"memory", "memory"},
        {"pids", "pids"}, {"blockIO", "io"}, {"hugepageLimits", "hugetlb"},
        {"rdma", "rdma"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (key_is(member, table[i].member))
            return table[i].controller;
    return NULL;
}

static void drop_member(struct oci *c, struct json_it *it, struct json_path path, const char *why)
{
    json_path_key(&path, it->key, it->key_len);
    oci_changed(c, "C1", path.text, oci_text(c, it->value), NULL, "%s", why);
    json_it_remove(it);
}

/* cpu has two controllers, and one part that cgroup2 does not have. */
static void filter_cpu(struct oci *c, struct json *cpu, const struct json_path *path)
{
    json_foreach (it, cpu) {
        bool set = key_is(&it, "cpus") || key_is(&it, "mems");

        if (key_is(&it, "realtimeRuntime") || key_is(&it, "realtimePeriod"))
            drop_member(c, &it, *path, "cgroup v2 has no real-time limits");
        else if (set && !delegated(c, "cpuset", 6))
            drop_member(c, &it, *path, "controller cpuset is not delegated to this cgroup");
        else if (!set && !delegated(c, "cpu", 3))
            drop_member(c, &it, *path, "controller cpu is not delegated to this cgroup");
    }
}

/* Keys are file names: "memory.high"; those of "cgroup." belong to no controller. */
static void filter_unified(struct oci *c, struct json *unified, const struct json_path *path)
{
    json_foreach (it, unified) {
        size_t n = strcspn(it.key, ".");

        if (!(n == 6 && memcmp(it.key, "cgroup", 6) == 0) && !delegated(c, it.key, n))
            drop_member(c, &it, *path, "its controller is not delegated to this cgroup");
    }
}

static void filter_resources(struct oci *c, struct json *resources)
{
    const struct json_path base = {.text = ".linux.resources", .len = sizeof(".linux.resources") - 1};

    json_foreach (it, resources) {
        const char *controller = controller_of(&it);
        struct json_path path = base;
        bool part = key_is(&it, "cpu") || key_is(&it, "unified");
        size_t before = json_count(it.value);

        json_path_key(&path, it.key, it.key_len);
        if (key_is(&it, "cpu"))
            filter_cpu(c, it.value, &path);
        else if (part)
            filter_unified(c, it.value, &path);
        else if (controller && !*controller)
            drop_member(c, &it, base, "no user may set these");
        else if (controller && !delegated(c, controller, strlen(controller)))
            drop_member(c, &it, base, "its controller is not delegated to this cgroup");
        if (part && before && !json_count(it.value))
            json_it_remove(&it);
    }
}

static void resources(struct oci *c, struct json *linux_)
{
    struct json *r = oci_get(linux_, "resources");
    size_t before = json_count(r);

    if (!r || c->opts->cgroup == OCI_CGROUP_KEEP)
        return;
    if (c->opts->cgroup == OCI_CGROUP_NONE) {
        oci_drop(c, linux_, "resources", "C1", ".linux.resources",
                 "a user has no cgroup to set limits in; --cgroup=delegated keeps what is delegated");
    } else if (c->facts->cgroup != OCI_CGROUP_V2) {
        oci_drop(c, linux_, "resources", "C1", ".linux.resources",
                 "only cgroup v2 delegates controllers, and this is not it");
    } else {
        if (c->facts->euid == 0 && !c->here)
            oci_warning(
                c, "C1", ".linux.resources",
                "all controllers of this process's own group are taken for delegated, as root may hand "
                "on any: who runs it may have fewer");
        filter_resources(c, r);
        if (before && !json_count(r))
            json_remove(linux_, "resources");
    }
}

static void cgroups_path(struct oci *c, struct json *linux_)
{
    const char *given = c->opts->cgroups_path, *path = NULL;
    struct json *old = oci_get(linux_, "cgroupsPath"), *new;

    json_get_str(linux_, "cgroupsPath", &path);
    if (given && (!path || strcmp(given, path) != 0)) {
        new = json_new_str(c->doc, given);
        oci_changed(c, "C2", ".linux.cgroupsPath", oci_text(c, old), new, "asked for with --cgroups-path");
        json_set(c->doc, oci_linux(c, true), "cgroupsPath", new);
        path = given;
    } else if (!given && old && c->opts->cgroup != OCI_CGROUP_KEEP) {
        oci_drop(c, linux_, "cgroupsPath", "C2", ".linux.cgroupsPath",
                 "a user may not make it; --cgroups-path gives another");
        return;
    }
    /* "slice:prefix:name" is systemd's to make. */
    if (path && *path && !strchr(path, ':') && c->facts->may_create_cgroup &&
        !c->facts->may_create_cgroup(path))
        oci_error(
            c, "C2", ".linux.cgroupsPath",
            "the cgroup '%.200s' cannot be made by this user (runtime: 'permission denied'): give one below "
            "a delegated cgroup, or leave --cgroup=keep out",
            path);
}

/* A limit, too, that only the machine's root may set: in the resctrl file system. */
static void intel_rdt(struct oci *c, struct json *linux_)
{
    if (c->opts->cgroup != OCI_CGROUP_KEEP)
        oci_drop(
            c, linux_, "intelRdt", "C1", ".linux.intelRdt",
            "no user may set these (runc: 'intelRdt is specified in config, but Intel RDT is not supported "
            "or enabled')");
}

void oci_rule_cgroup(struct oci *c)
{
    resources(c, oci_linux(c, false));
    intel_rdt(c, oci_linux(c, false));
    cgroups_path(c, oci_linux(c, false));
}
