/* SPDX-License-Identifier: Apache-2.0 */
/* U1: ids of the process. L1: what needs privileges over the whole machine. L2: labels. Facts: capabilities(7), proc(5), sched(7). */
#include "core/oci_rules.h"

#include <string.h>
#include <strings.h>

/* ---- U1 ---- */

static void check_id(struct oci *c, const struct json *user, const char *key, const char *path,
                     const struct idmap *map, const char *what)
{
    uint64_t id = 0;
    uint32_t ignored;

    json_get_uint(user, key, 0, UINT32_MAX, &id); /* absent: 0 */
    if (c->maps_known && idmap_to_outer(map, (uint32_t)id, &ignored) < 0)
        oci_error(c, "U1", path,
                  "%s %llu is not mapped in the container's user namespace (runc: 'cannot set %s to unmapped "
                  "user in user "
                  "namespace'): %s",
                  what, (unsigned long long)id, what,
                  c->new_userns
                      ? "map it (more subordinate ids, or --map-uid and --map-gid), or choose another"
                      : "choose one that is mapped here, or map more ids where this user namespace is made");
}

/* Why a group cannot be set; NULL: it can. */
static const char *refuse_group(const struct oci *c, uint64_t gid)
{
    uint32_t ignored;

    if (c->opts->groups == OCI_GROUPS_DROP)
        return "asked for with --groups=drop";
    if (c->mode == OCI_OUTSIDE && c->opts->runtime != OCI_CRUN)
        return "runc says 'cannot set any additional groups in a rootless container'; --runtime=crun keeps "
               "mapped ones";
    if (c->maps_known && idmap_to_outer(&c->gids, (uint32_t)gid, &ignored) < 0)
        return "that group is not mapped in the container's user namespace";
    return NULL;
}

static void groups(struct oci *c, struct json *user)
{
    struct json *list = oci_get(user, "additionalGids");
    size_t before = json_count(list);

    json_foreach (it, list) {
        uint64_t gid = 0;
        const char *why = json_uint(it.value, 0, UINT32_MAX, &gid) < 0 ? NULL : refuse_group(c, gid);

        if (!why)
            continue;
        if (c->opts->groups == OCI_GROUPS_ERROR) {
            oci_error(c, "U1", OCI_PATH(".process.user.additionalGids[%zu]", it.index), "group %llu: %s",
                      (unsigned long long)gid, why);
            continue;
        }
        oci_changed(c, "U1", OCI_PATH(".process.user.additionalGids[%zu]", it.index), oci_text(c, it.value),
                    NULL, "%s", why);
        json_it_remove(&it);
    }
    if (before && !json_count(list))
        json_remove(user, "additionalGids");
}

/* ---- L1 ---- */

static void oom_score(struct oci *c, struct json *process)
{
    struct json *old = oci_get(process, "oomScoreAdj"), *new;
    int64_t v;

    if (c->opts->oom == OCI_KEEP || json_int(old, INT64_MIN, INT64_MAX, &v) < 0 ||
        v >= c->facts->oom_score_adj)
        return;
    new = json_new_int(c->doc, c->facts->oom_score_adj);
    oci_changed(c, "L1", ".process.oomScoreAdj", oci_text(c, old), new,
                "lowering it below the current value needs CAP_SYS_RESOURCE; --oom=keep keeps it");
    json_set(c->doc, process, "oomScoreAdj", new);
}

struct limit_name {
    const char *name;
    int resource;
};
static const struct limit_name limit_names[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

static int find_limit(const struct json *entry)
{
    const char *type;

    if (json_get_str(entry, "type", &type) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(limit_names) / sizeof(limit_names[0]); i++)
        if (strcmp(limit_names[i].name, type) == 0)
            return limit_names[i].resource;
    return -1;
}

static void clamp(struct oci *c, struct json *entry, size_t index, const char *key, uint64_t max)
{
    struct json *old = oci_get(entry, key), *new;
    uint64_t v;

    if (json_uint(old, 0, UINT64_MAX, &v) < 0 || v <= max)
        return;
    if (c->opts->rlimits == OCI_KEEP) {
        if (strcmp(key, "hard") == 0)
            oci_warning(c, "L1", OCI_PATH(".process.rlimits[%zu].hard", index),
                        "%llu is above the hard limit in force here (%llu), which only CAP_SYS_RESOURCE may "
                        "raise: the runtime will fail where "
                        "that is so ('error setting rlimits'); --rlimits=clamp lowers it",
                        (unsigned long long)v, (unsigned long long)max);
        return;
    }
    new = json_new_uint(c->doc, max);
    oci_changed(c, "L1", OCI_PATH(".process.rlimits[%zu].%s", index, key), oci_text(c, old), new,
                "above the hard limit in force here");
    json_set(c->doc, entry, key, new);
}

static void limits(struct oci *c, struct json *process)
{
    json_foreach (it, oci_get(process, "rlimits")) {
        int resource = find_limit(it.value);
        uint64_t max;

        if (resource < 0 || c->facts->limits[resource].rlim_max == RLIM_INFINITY)
            continue;
        max = c->facts->limits[resource].rlim_max;
        clamp(c, it.value, it.index, "hard", max);
        clamp(c, it.value, it.index, "soft", max);
    }
}

static void scheduling(struct oci *c, const struct json *process)
{
    static const char *const real_time[] = {"SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE"};
    const char *s = "";

    json_get_str(oci_get(process, "scheduler"), "policy", &s);
    for (size_t i = 0; i < sizeof(real_time) / sizeof(real_time[0]); i++)
        if (strcmp(s, real_time[i]) == 0)
            oci_error(c, "L1", ".process.scheduler.policy",
                      "%s needs CAP_SYS_NICE on the machine (runtime: 'sched_setattr: operation not "
                      "permitted'): remove the scheduler section, or "
                      "choose SCHED_OTHER, SCHED_BATCH or SCHED_IDLE",
                      s);
    s = "";
    json_get_str(oci_get(process, "ioPriority"), "class", &s);
    if (strcmp(s, "IOPRIO_CLASS_RT") == 0)
        oci_error(c, "L1", ".process.ioPriority.class",
                  "IOPRIO_CLASS_RT needs CAP_SYS_NICE on the machine (runtime: 'ioprio_set: operation not "
                  "permitted'): choose IOPRIO_CLASS_BE");
}

void oci_rule_process(struct oci *c)
{
    struct json *process = oci_get(c->root, "process"), *user = oci_get(process, "user");

    if (!process)
        return;
    check_id(c, user, "uid", ".process.user.uid", &c->uids, "uid");
    check_id(c, user, "gid", ".process.user.gid", &c->gids, "gid");
    groups(c, user);
    oom_score(c, process);
    limits(c, process);
    scheduling(c, process);
    if (c->opts->lsm == OCI_LSM_DROP) {
        oci_drop(c, process, "apparmorProfile", "L2", ".process.apparmorProfile",
                 "asked for with --lsm=drop");
        oci_drop(c, process, "selinuxLabel", "L2", ".process.selinuxLabel", "asked for with --lsm=drop");
        oci_drop(c, oci_linux(c, false), "mountLabel", "L2", ".linux.mountLabel",
                 "asked for with --lsm=drop");
    }
}
