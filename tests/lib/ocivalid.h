/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a config.json valid? The rules of the OCI runtime-spec 1.2 (config.md, config-linux.md) as far as a file alone can be
 * judged by them: what is required, types, ranges, names, absolute paths, nothing twice. Written for tests, and knowing nothing
 * of core/oci*: whatever is valid before a conversion has to be valid after it.
 *
 * oci_valid() names the first thing that is wrong, or returns NULL.
 */
#pragma once
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"

enum valid_kind {
    V_OBJECT,  /* of .members */
    V_LIST,    /* of .element */
    V_MAP,     /* any keys, values of .element */
    V_TEXT,    /* any */
    V_ABS,     /* an absolute path */
    V_NAME,    /* one of .names */
    V_PREFIX,  /* begins with .names[0] */
    V_VERSION, /* SemVer 2.0.0 */
    V_INT,     /* .min to .max */
    V_UINT,    /* 64 bits */
    V_BOOL,
    V_ANY,
};

struct valid_type {
    enum valid_kind kind;
    const struct valid_member *members; /* up to one without a name */
    const struct valid_type *element;
    const char *const *names;
    int64_t min, max;
    const char *unique; /* a list: no two elements with the same value of that member */
    size_t least;       /* a list: elements */
};
struct valid_member {
    const char *name;
    const struct valid_type *type;
    bool required;
};

/* Leaf types */
static const struct valid_type v_text = {.kind = V_TEXT}, v_abs = {.kind = V_ABS}, v_uint = {.kind = V_UINT},
                               v_bool = {.kind = V_BOOL}, v_any = {.kind = V_ANY},
                               v_version = {.kind = V_VERSION},
                               v_int = {.kind = V_INT, .min = INT64_MIN, .max = INT64_MAX},
                               v_u32 = {.kind = V_INT, .min = 0, .max = UINT32_MAX},
                               v_u16 = {.kind = V_INT, .min = 0, .max = UINT16_MAX},
                               v_texts = {.kind = V_LIST, .element = &v_text},
                               v_some_texts = {.kind = V_LIST, .element = &v_text, .least = 1},
                               v_abses = {.kind = V_LIST, .element = &v_abs},
                               v_u32s = {.kind = V_LIST, .element = &v_u32},
                               v_text_map = {.kind = V_MAP, .element = &v_text};

#define V_MEMBERS(...) ((const struct valid_member[]){__VA_ARGS__, {0}})
#define V_NAMES(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define V_OBJ(...)                                          \
    {                                                       \
        .kind = V_OBJECT, .members = V_MEMBERS(__VA_ARGS__) \
    }
#define V_ONE_OF(...)                                 \
    {                                                 \
        .kind = V_NAME, .names = V_NAMES(__VA_ARGS__) \
    }

static const struct valid_type v_mapping =
    V_OBJ({"containerID", &v_u32, true}, {"hostID", &v_u32, true}, {"size", &v_u32, true});
static const struct valid_type v_mappings = {.kind = V_LIST, .element = &v_mapping};

/* ---- process */

static const struct valid_type v_rlimit_name = {.kind = V_PREFIX, .names = V_NAMES("RLIMIT_")};
static const struct valid_type v_rlimit =
    V_OBJ({"type", &v_rlimit_name, true}, {"hard", &v_uint, true}, {"soft", &v_uint, true});
static const struct valid_type v_rlimits = {.kind = V_LIST, .element = &v_rlimit, .unique = "type"};
static const struct valid_type v_cap = {.kind = V_PREFIX, .names = V_NAMES("CAP_")};
static const struct valid_type v_caps = {.kind = V_LIST, .element = &v_cap};
static const struct valid_type v_capabilities =
    V_OBJ({"bounding", &v_caps, false}, {"effective", &v_caps, false}, {"inheritable", &v_caps, false},
          {"permitted", &v_caps, false}, {"ambient", &v_caps, false});
static const struct valid_type v_user =
    V_OBJ({"uid", &v_u32, true}, {"gid", &v_u32, true}, {"umask", &v_u32, false},
          {"additionalGids", &v_u32s, false}, {"username", &v_text, false});
static const struct valid_type v_box = V_OBJ({"height", &v_uint, true}, {"width", &v_uint, true});
static const struct valid_type v_oom = {.kind = V_INT, .min = -1000, .max = 1000};
static const struct valid_type v_policy = V_ONE_OF("SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH",
                                                   "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE");
static const struct valid_type v_nice = {.kind = V_INT, .min = -20, .max = 19};
static const struct valid_type v_i32 = {.kind = V_INT, .min = INT32_MIN, .max = INT32_MAX};
static const struct valid_type v_scheduler =
    V_OBJ({"policy", &v_policy, true}, {"nice", &v_nice, false}, {"priority", &v_i32, false},
          {"flags", &v_texts, false}, {"runtime", &v_uint, false}, {"deadline", &v_uint, false},
          {"period", &v_uint, false});
static const struct valid_type v_io_class =
    V_ONE_OF("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE");
static const struct valid_type v_io_level = {.kind = V_INT, .min = 0, .max = 7};
static const struct valid_type v_io = V_OBJ({"class", &v_io_class, true}, {"priority", &v_io_level, false});
static const struct valid_type v_affinity = V_OBJ({"initial", &v_text, false}, {"final", &v_text, false});
static const struct valid_type v_process = V_OBJ(
    {"terminal", &v_bool, false}, {"consoleSize", &v_box, false}, {"user", &v_user, false},
    {"args", &v_some_texts, true}, {"env", &v_texts, false}, {"cwd", &v_abs, true},
    {"capabilities", &v_capabilities, false}, {"rlimits", &v_rlimits, false},
    {"noNewPrivileges", &v_bool, false}, {"apparmorProfile", &v_text, false}, {"oomScoreAdj", &v_oom, false},
    {"scheduler", &v_scheduler, false}, {"selinuxLabel", &v_text, false}, {"ioPriority", &v_io, false},
    {"execCPUAffinity", &v_affinity, false});

/* ---- root, mounts, hooks */

static const struct valid_type v_root = V_OBJ({"path", &v_text, true}, {"readonly", &v_bool, false});
static const struct valid_type v_mount = V_OBJ(
    {"destination", &v_text, true}, {"type", &v_text, false}, {"source", &v_text, false},
    {"options", &v_texts, false}, {"uidMappings", &v_mappings, false}, {"gidMappings", &v_mappings, false});
static const struct valid_type v_mounts = {.kind = V_LIST, .element = &v_mount};
static const struct valid_type v_timeout = {.kind = V_INT, .min = 1, .max = INT32_MAX};
static const struct valid_type v_hook = V_OBJ({"path", &v_abs, true}, {"args", &v_texts, false},
                                              {"env", &v_texts, false}, {"timeout", &v_timeout, false});
static const struct valid_type v_hook_list = {.kind = V_LIST, .element = &v_hook};
static const struct valid_type v_hooks =
    V_OBJ({"prestart", &v_hook_list, false}, {"createRuntime", &v_hook_list, false},
          {"createContainer", &v_hook_list, false}, {"startContainer", &v_hook_list, false},
          {"poststart", &v_hook_list, false}, {"poststop", &v_hook_list, false});

/* ---- linux */

static const struct valid_type v_ns_type =
    V_ONE_OF("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time");
static const struct valid_type v_ns = V_OBJ({"type", &v_ns_type, true}, {"path", &v_abs, false});
static const struct valid_type v_nses = {.kind = V_LIST, .element = &v_ns, .unique = "type"};
static const struct valid_type v_device_type = V_ONE_OF("c", "b", "u", "p");
static const struct valid_type v_device = V_OBJ(
    {"type", &v_device_type, true}, {"path", &v_abs, true}, {"major", &v_int, false},
    {"minor", &v_int, false}, {"fileMode", &v_u32, false}, {"uid", &v_u32, false}, {"gid", &v_u32, false});
static const struct valid_type v_devices = {.kind = V_LIST, .element = &v_device};
static const struct valid_type v_net_device = V_OBJ({"name", &v_text, false});
static const struct valid_type v_net_devices = {.kind = V_MAP, .element = &v_net_device};

static const struct valid_type v_rule =
    V_OBJ({"allow", &v_bool, true}, {"type", &v_text, false}, {"major", &v_int, false},
          {"minor", &v_int, false}, {"access", &v_text, false});
static const struct valid_type v_rules = {.kind = V_LIST, .element = &v_rule};
static const struct valid_type v_memory =
    V_OBJ({"limit", &v_int, false}, {"reservation", &v_int, false}, {"swap", &v_int, false},
          {"kernel", &v_int, false}, {"kernelTCP", &v_int, false}, {"swappiness", &v_uint, false},
          {"disableOOMKiller", &v_bool, false}, {"useHierarchy", &v_bool, false},
          {"checkBeforeUpdate", &v_bool, false});
static const struct valid_type v_cpu =
    V_OBJ({"shares", &v_uint, false}, {"quota", &v_int, false}, {"burst", &v_uint, false},
          {"period", &v_uint, false}, {"realtimeRuntime", &v_int, false}, {"realtimePeriod", &v_uint, false},
          {"cpus", &v_text, false}, {"mems", &v_text, false}, {"idle", &v_int, false});
static const struct valid_type v_pids = V_OBJ({"limit", &v_int, true});
static const struct valid_type v_throttle =
    V_OBJ({"major", &v_int, true}, {"minor", &v_int, true}, {"rate", &v_uint, true});
static const struct valid_type v_throttles = {.kind = V_LIST, .element = &v_throttle};
static const struct valid_type v_block_io =
    V_OBJ({"weight", &v_u16, false}, {"leafWeight", &v_u16, false},
          {"throttleReadBpsDevice", &v_throttles, false}, {"throttleWriteBpsDevice", &v_throttles, false},
          {"throttleReadIOPSDevice", &v_throttles, false}, {"throttleWriteIOPSDevice", &v_throttles, false});
static const struct valid_type v_huge = V_OBJ({"pageSize", &v_text, true}, {"limit", &v_uint, true});
static const struct valid_type v_huges = {.kind = V_LIST, .element = &v_huge};
static const struct valid_type v_rdma = V_OBJ({"hcaHandles", &v_u32, false}, {"hcaObjects", &v_u32, false});
static const struct valid_type v_rdmas = {.kind = V_MAP, .element = &v_rdma};
static const struct valid_type v_resources =
    V_OBJ({"devices", &v_rules, false}, {"memory", &v_memory, false}, {"cpu", &v_cpu, false},
          {"pids", &v_pids, false}, {"blockIO", &v_block_io, false}, {"hugepageLimits", &v_huges, false},
          {"rdma", &v_rdmas, false}, {"unified", &v_text_map, false});

static const struct valid_type v_action =
    V_ONE_OF("SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
             "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY");
static const struct valid_type v_arch = {.kind = V_PREFIX, .names = V_NAMES("SCMP_ARCH_")};
static const struct valid_type v_archs = {.kind = V_LIST, .element = &v_arch};
static const struct valid_type v_op = {.kind = V_PREFIX, .names = V_NAMES("SCMP_CMP_")};
static const struct valid_type v_arg = V_OBJ({"index", &v_u32, true}, {"value", &v_uint, true},
                                             {"valueTwo", &v_uint, false}, {"op", &v_op, true});
static const struct valid_type v_args = {.kind = V_LIST, .element = &v_arg};
static const struct valid_type v_call = V_OBJ({"names", &v_some_texts, true}, {"action", &v_action, true},
                                              {"errnoRet", &v_u32, false}, {"args", &v_args, false});
static const struct valid_type v_calls = {.kind = V_LIST, .element = &v_call};
static const struct valid_type v_seccomp =
    V_OBJ({"defaultAction", &v_action, true}, {"defaultErrnoRet", &v_u32, false},
          {"architectures", &v_archs, false}, {"flags", &v_texts, false}, {"listenerPath", &v_abs, false},
          {"listenerMetadata", &v_text, false}, {"syscalls", &v_calls, false});

/* those with an r are no words of the specification, but podman writes them, and runtimes know them */
static const struct valid_type v_propagation =
    V_ONE_OF("private", "shared", "slave", "unbindable", "rprivate", "rshared", "rslave", "runbindable");
static const struct valid_type v_domain = V_ONE_OF("LINUX", "LINUX32");
static const struct valid_type v_personality = V_OBJ({"domain", &v_domain, true}, {"flags", &v_texts, false});
static const struct valid_type v_offset = V_OBJ({"secs", &v_int, false}, {"nanosecs", &v_u32, false});
static const struct valid_type v_offsets =
    V_OBJ({"monotonic", &v_offset, false}, {"boottime", &v_offset, false});
static const struct valid_type v_rdt =
    V_OBJ({"closID", &v_text, false}, {"l3CacheSchema", &v_text, false}, {"memBwSchema", &v_text, false},
          {"enableCMT", &v_bool, false}, {"enableMBM", &v_bool, false});
static const struct valid_type v_linux = V_OBJ(
    {"namespaces", &v_nses, false}, {"uidMappings", &v_mappings, false}, {"gidMappings", &v_mappings, false},
    {"devices", &v_devices, false}, {"netDevices", &v_net_devices, false}, {"cgroupsPath", &v_text, false},
    {"resources", &v_resources, false}, {"intelRdt", &v_rdt, false}, {"sysctl", &v_text_map, false},
    {"seccomp", &v_seccomp, false}, {"rootfsPropagation", &v_propagation, false},
    {"maskedPaths", &v_abses, false}, {"readonlyPaths", &v_abses, false}, {"mountLabel", &v_text, false},
    {"personality", &v_personality, false}, {"timeOffsets", &v_offsets, false});

static const struct valid_type v_config = V_OBJ(
    {"ociVersion", &v_version, true}, {"root", &v_root, true}, {"process", &v_process, false},
    {"hostname", &v_text, false}, {"domainname", &v_text, false}, {"mounts", &v_mounts, false},
    {"hooks", &v_hooks, false}, {"annotations", &v_text_map, false}, {"linux", &v_linux, false},
    {"solaris", &v_any, false}, {"windows", &v_any, false}, {"vm", &v_any, false}, {"zos", &v_any, false});

/* ---- judging */

struct valid_state {
    char why[512];
};

__attribute__((format(printf, 3, 4))) static bool valid_no(struct valid_state *s,
                                                           const struct json_path *path, const char *fmt, ...)
{
    size_t n = (size_t)snprintf(s->why, sizeof(s->why), "%s: ", path->text);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(s->why + n, sizeof(s->why) - n, fmt, ap);
    va_end(ap);
    return false;
}

static bool valid_is(struct valid_state *s, const struct json *n, const struct valid_type *t,
                     const struct json_path *path);

static bool valid_members(struct valid_state *s, const struct json *n, const struct valid_type *t,
                          const struct json_path *path)
{
    if (json_type(n) != JSON_OBJECT)
        return valid_no(s, path, "no object");
    for (const struct valid_member *m = t->members; m->name; m++) {
        const struct json *value = json_get(n, m->name);
        struct json_path below = *path;

        json_path_key(&below, m->name, strlen(m->name));
        if (!value && m->required)
            return valid_no(s, &below, "required");
        if (value && !valid_is(s, value, m->type, &below))
            return false;
    }
    return true;
}

static bool valid_unique(struct valid_state *s, const struct json *n, const char *key,
                         const struct json_path *path)
{
    json_foreach (i, n) {
        const char *a = json_str(json_get(i.value, key));

        json_foreach (j, n) {
            const char *b = json_str(json_get(j.value, key));

            if (j.index > i.index && a && b && strcmp(a, b) == 0)
                return valid_no(s, path, "'%.64s' twice", a);
        }
    }
    return true;
}

static bool valid_elements(struct valid_state *s, const struct json *n, const struct valid_type *t,
                           const struct json_path *path)
{
    if (json_type(n) != (t->kind == V_MAP ? JSON_OBJECT : JSON_ARRAY))
        return valid_no(s, path, "neither list nor map");
    if (json_count(n) < t->least)
        return valid_no(s, path, "too few elements");
    json_foreach (it, n) {
        struct json_path below = *path;

        if (it.key && !it.key_len)
            return valid_no(s, path, "an empty key");
        if (it.key)
            json_path_key(&below, it.key, it.key_len);
        else
            json_path_index(&below, it.index);
        if (!valid_is(s, it.value, t->element, &below))
            return false;
    }
    return !t->unique || valid_unique(s, n, t->unique, path);
}

static bool valid_text(struct valid_state *s, const struct json *n, const struct valid_type *t,
                       const struct json_path *path)
{
    static const char digits[] = "0123456789";
    const char *text = json_str(n);
    unsigned dots = 0;

    if (json_type(n) != JSON_STRING)
        return valid_no(s, path, "no string");
    if (t->kind == V_TEXT)
        return true;
    if (!text)
        return valid_no(s, path, "holds a NUL");
    if (t->kind == V_ABS)
        return *text == '/' || valid_no(s, path, "'%.64s' is no absolute path", text);
    if (t->kind == V_PREFIX)
        return strncmp(text, t->names[0], strlen(t->names[0])) == 0 || valid_no(s, path, "'%.64s'", text);
    if (t->kind == V_NAME) {
        for (const char *const *name = t->names; *name; name++)
            if (strcmp(*name, text) == 0)
                return true;
        return valid_no(s, path, "'%.64s' is none of those it may be", text);
    }
    for (size_t len = strspn(text, digits); len; len = strspn(text, digits)) {
        text += len;
        if (*text != '.' || dots == 2)
            break;
        dots++;
        text++;
    }
    return (dots == 2 && strchr("-+", *text)) || valid_no(s, path, "no version"); /* strchr: or the end */
}

static bool valid_is(struct valid_state *s, const struct json *n, const struct valid_type *t,
                     const struct json_path *path)
{
    int64_t i;
    uint64_t u;

    switch (t->kind) {
    case V_OBJECT: return valid_members(s, n, t, path);
    case V_LIST:
    case V_MAP: return valid_elements(s, n, t, path);
    case V_INT:
        return json_int(n, t->min, t->max, &i) == 0 || valid_no(s, path, "not an integer in its range");
    case V_UINT:
        return json_uint(n, 0, UINT64_MAX, &u) == 0 || valid_no(s, path, "not an integer in its range");
    case V_BOOL: return json_type(n) == JSON_BOOL || valid_no(s, path, "no boolean");
    case V_ANY: return true;
    default: return valid_text(s, n, t, path);
    }
}

/* What two members have to do with one another. */
static bool valid_together(struct valid_state *s, const struct json *root)
{
    struct json_path path = JSON_PATH_ROOT;

    json_foreach (it, json_get(root, "mounts"))
        if (!json_get(it.value, "uidMappings") != !json_get(it.value, "gidMappings"))
            return valid_no(s, &path, "mount %zu has one of uidMappings and gidMappings", it.index);
    json_foreach (it, json_get(json_get(root, "linux"), "devices")) {
        const char *type = json_str(json_get(it.value, "type"));

        if (strcmp(type, "p") != 0 && (!json_get(it.value, "major") || !json_get(it.value, "minor")))
            return valid_no(s, &path, "device %zu has no number", it.index);
    }
    return true;
}

/* NULL: valid. The text lasts until the next call. */
static inline const char *oci_valid(const struct json *root)
{
    static struct valid_state s;

    return valid_is(&s, root, &v_config, &(struct json_path)JSON_PATH_ROOT) && valid_together(&s, root)
               ? NULL
               : s.why;
}
