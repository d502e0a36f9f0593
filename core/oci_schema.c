/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a config.json, as far as a runtime would trip over it or two runtimes would read it differently.
 * One table a kind of object, after config.md and config-linux.md of the OCI runtime-spec 1.2 (with netDevices of 1.3).
 */
#include "core/oci.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum kind {
    ANY,
    STR,  /* text without NULs: goes to system calls */
    TEXT, /* any text */
    BOOL,
    INT,  /* 64 bits with sign */
    UINT, /* 64 bits */
    ID,   /* 32 bits: uids, gids, and what else the specification calls uint32 */
    OBJ,
    STRS, /* arrays */
    IDS,
    OBJS,
    MAP_TEXT, /* objects with any keys */
    MAP_OBJ,
    STR_OR_STRS, /* one string in some versions of the specification, an array in others */
};

struct field {
    const char *name; /* NULL: end of the table */
    enum kind kind;
    const struct field *of;
};

static const struct field box[] = {{"height", UINT, NULL}, {"width", UINT, NULL}, {NULL, ANY, NULL}};

static const struct field user[] = {
    {"uid", ID, NULL},       {"gid", ID, NULL}, {"umask", ID, NULL}, {"additionalGids", IDS, NULL},
    {"username", STR, NULL}, {NULL, ANY, NULL},
};

static const struct field capabilities[] = {
    {"bounding", STRS, NULL},  {"effective", STRS, NULL}, {"inheritable", STRS, NULL},
    {"permitted", STRS, NULL}, {"ambient", STRS, NULL},   {NULL, ANY, NULL},
};

static const struct field rlimit[] = {
    {"type", STR, NULL}, {"hard", UINT, NULL}, {"soft", UINT, NULL}, {NULL, ANY, NULL}};

static const struct field scheduler[] = {
    {"policy", STR, NULL},   {"nice", INT, NULL},      {"priority", INT, NULL}, {"flags", STRS, NULL},
    {"runtime", UINT, NULL}, {"deadline", UINT, NULL}, {"period", UINT, NULL},  {NULL, ANY, NULL},
};

static const struct field io_priority[] = {{"class", STR, NULL}, {"priority", INT, NULL}, {NULL, ANY, NULL}};

static const struct field cpu_affinity[] = {{"initial", STR, NULL}, {"final", STR, NULL}, {NULL, ANY, NULL}};

static const struct field process[] = {
    {"terminal", BOOL, NULL},
    {"consoleSize", OBJ, box},
    {"user", OBJ, user},
    {"args", STRS, NULL},
    {"commandLine", TEXT, NULL},
    {"env", STRS, NULL},
    {"cwd", STR, NULL},
    {"capabilities", OBJ, capabilities},
    {"rlimits", OBJS, rlimit},
    {"noNewPrivileges", BOOL, NULL},
    {"apparmorProfile", STR, NULL},
    {"oomScoreAdj", INT, NULL},
    {"scheduler", OBJ, scheduler},
    {"selinuxLabel", STR, NULL},
    {"ioPriority", OBJ, io_priority},
    {"execCPUAffinity", OBJ, cpu_affinity},
    {NULL, ANY, NULL},
};

static const struct field root[] = {{"path", STR, NULL}, {"readonly", BOOL, NULL}, {NULL, ANY, NULL}};

static const struct field mapping[] = {
    {"containerID", ID, NULL}, {"hostID", ID, NULL}, {"size", ID, NULL}, {NULL, ANY, NULL}};

static const struct field mount[] = {
    {"destination", STR, NULL},
    {"type", STR, NULL},
    {"source", STR, NULL},
    {"options", STRS, NULL},
    {"uidMappings", OBJS, mapping},
    {"gidMappings", OBJS, mapping},
    {NULL, ANY, NULL},
};

static const struct field hook[] = {
    {"path", STR, NULL}, {"args", STRS, NULL}, {"env", STRS, NULL}, {"timeout", INT, NULL}, {NULL, ANY, NULL},
};

static const struct field hooks[] = {
    {"prestart", OBJS, hook},
    {"createRuntime", OBJS, hook},
    {"createContainer", OBJS, hook},
    {"startContainer", OBJS, hook},
    {"poststart", OBJS, hook},
    {"poststop", OBJS, hook},
    {NULL, ANY, NULL},
};

static const struct field namespace[] = {{"type", STR, NULL}, {"path", STR, NULL}, {NULL, ANY, NULL}};

static const struct field device[] = {
    {"path", STR, NULL},    {"type", STR, NULL}, {"major", INT, NULL}, {"minor", INT, NULL},
    {"fileMode", ID, NULL}, {"uid", ID, NULL},   {"gid", ID, NULL},    {NULL, ANY, NULL},
};

static const struct field device_rule[] = {
    {"allow", BOOL, NULL}, {"type", STR, NULL},   {"major", INT, NULL},
    {"minor", INT, NULL},  {"access", STR, NULL}, {NULL, ANY, NULL},
};

static const struct field memory[] = {
    {"limit", INT, NULL},
    {"reservation", INT, NULL},
    {"swap", INT, NULL},
    {"kernel", INT, NULL},
    {"kernelTCP", INT, NULL},
    {"swappiness", UINT, NULL},
    {"disableOOMKiller", BOOL, NULL},
    {"useHierarchy", BOOL, NULL},
    {"checkBeforeUpdate", BOOL, NULL},
    {NULL, ANY, NULL},
};

static const struct field cpu[] = {
    {"shares", UINT, NULL},
    {"quota", INT, NULL},
    {"burst", UINT, NULL},
    {"period", UINT, NULL},
    {"realtimeRuntime", INT, NULL},
    {"realtimePeriod", UINT, NULL},
    {"cpus", STR, NULL},
    {"mems", STR, NULL},
    {"idle", INT, NULL},
    {NULL, ANY, NULL},
};

static const struct field pids[] = {{"limit", INT, NULL}, {NULL, ANY, NULL}};

static const struct field weight_device[] = {
    {"major", INT, NULL},     {"minor", INT, NULL}, {"weight", ID, NULL},
    {"leafWeight", ID, NULL}, {NULL, ANY, NULL},
};

static const struct field throttle_device[] = {
    {"major", INT, NULL}, {"minor", INT, NULL}, {"rate", UINT, NULL}, {NULL, ANY, NULL}};

static const struct field block_io[] = {
    {"weight", ID, NULL},
    {"leafWeight", ID, NULL},
    {"weightDevice", OBJS, weight_device},
    {"throttleReadBpsDevice", OBJS, throttle_device},
    {"throttleWriteBpsDevice", OBJS, throttle_device},
    {"throttleReadIOPSDevice", OBJS, throttle_device},
    {"throttleWriteIOPSDevice", OBJS, throttle_device},
    {NULL, ANY, NULL},
};

static const struct field hugepage[] = {{"pageSize", STR, NULL}, {"limit", UINT, NULL}, {NULL, ANY, NULL}};

static const struct field priority[] = {{"name", STR, NULL}, {"priority", ID, NULL}, {NULL, ANY, NULL}};

static const struct field network[] = {
    {"classID", ID, NULL}, {"priorities", OBJS, priority}, {NULL, ANY, NULL}};

static const struct field rdma[] = {{"hcaHandles", ID, NULL}, {"hcaObjects", ID, NULL}, {NULL, ANY, NULL}};

static const struct field resources[] = {
    {"devices", OBJS, device_rule},
    {"memory", OBJ, memory},
    {"cpu", OBJ, cpu},
    {"pids", OBJ, pids},
    {"blockIO", OBJ, block_io},
    {"hugepageLimits", OBJS, hugepage},
    {"network", OBJ, network},
    {"rdma", MAP_OBJ, rdma},
    {"unified", MAP_TEXT, NULL},
    {NULL, ANY, NULL},
};

static const struct field seccomp_arg[] = {
    {"index", ID, NULL}, {"value", UINT, NULL}, {"valueTwo", UINT, NULL},
    {"op", STR, NULL},   {NULL, ANY, NULL},
};

static const struct field seccomp_syscall[] = {
    {"names", STRS, NULL},       {"action", STR, NULL}, {"errnoRet", ID, NULL},
    {"args", OBJS, seccomp_arg}, {NULL, ANY, NULL},
};

static const struct field seccomp[] = {
    {"defaultAction", STR, NULL},        {"defaultErrnoRet", ID, NULL},
    {"architectures", STRS, NULL},       {"flags", STRS, NULL},
    {"listenerPath", STR, NULL},         {"listenerMetadata", TEXT, NULL},
    {"syscalls", OBJS, seccomp_syscall}, {NULL, ANY, NULL},
};

static const struct field intel_rdt[] = {
    {"closID", STR, NULL},      {"schemata", STR_OR_STRS, NULL}, {"l3CacheSchema", STR, NULL},
    {"memBwSchema", STR, NULL}, {"enableCMT", BOOL, NULL},       {"enableMBM", BOOL, NULL},
    {NULL, ANY, NULL},
};

static const struct field personality[] = {{"domain", STR, NULL}, {"flags", STRS, NULL}, {NULL, ANY, NULL}};

static const struct field time_offset[] = {{"secs", INT, NULL}, {"nanosecs", ID, NULL}, {NULL, ANY, NULL}};

static const struct field net_device[] = {{"name", STR, NULL}, {NULL, ANY, NULL}};

static const struct field linux_[] = {
    {"uidMappings", OBJS, mapping},
    {"gidMappings", OBJS, mapping},
    {"sysctl", MAP_TEXT, NULL},
    {"resources", OBJ, resources},
    {"cgroupsPath", STR, NULL},
    {"namespaces", OBJS, namespace},
    {"devices", OBJS, device},
    {"netDevices", MAP_OBJ, net_device},
    {"seccomp", OBJ, seccomp},
    {"rootfsPropagation", STR, NULL},
    {"maskedPaths", STRS, NULL},
    {"readonlyPaths", STRS, NULL},
    {"mountLabel", STR, NULL},
    {"intelRdt", OBJ, intel_rdt},
    {"personality", OBJ, personality},
    {"timeOffsets", MAP_OBJ, time_offset},
    {NULL, ANY, NULL},
};

static const struct field spec[] = {
    {"ociVersion", STR, NULL}, {"process", OBJ, process},
    {"root", OBJ, root},       {"hostname", STR, NULL},
    {"domainname", STR, NULL}, {"mounts", OBJS, mount},
    {"hooks", OBJ, hooks},     {"annotations", MAP_TEXT, NULL},
    {"linux", OBJ, linux_},    {"solaris", ANY, NULL},
    {"windows", ANY, NULL},    {"vm", ANY, NULL},
    {"zos", ANY, NULL},        {NULL, ANY, NULL},
};

__attribute__((format(printf, 3, 4))) static int wrong(struct json_error *err, const struct json_path *path,
                                                       const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return -EBADMSG;
    *err = (struct json_error){.path = *path};
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return -EBADMSG;
}

static int check_string(const struct json *n, const struct json_path *path, bool nul_allowed,
                        struct json_error *err)
{
    if (json_type(n) != JSON_STRING)
        return wrong(err, path, "%s where a string has to be", json_type_name(n));
    if (!nul_allowed && !json_str(n))
        return wrong(err, path, "a string with a NUL in it");
    return 0;
}

static int check_integer(const struct json *n, const struct json_path *path, enum kind kind,
                         struct json_error *err)
{
    uint64_t u;
    int64_t i;
    int r;

    if (json_type(n) != JSON_NUMBER)
        return wrong(err, path, "%s where an integer has to be", json_type_name(n));
    r = kind == INT ? json_int(n, INT64_MIN, INT64_MAX, &i)
                    : json_uint(n, 0, kind == ID ? UINT32_MAX : UINT64_MAX, &u);
    if (r == -EINVAL)
        return wrong(err, path, "%.64s is not written as an integer", json_number_text(n));
    if (r < 0)
        return wrong(err, path, "%.64s is out of range (%s)", json_number_text(n),
                     kind == INT  ? "64 bits with a sign"
                     : kind == ID ? "32 bits, no sign"
                                  : "64 bits, no sign");
    return 0;
}

/*
 * The letters that encoding/json of Go takes for one another: ASCII without case, and two that fold to ASCII,
 * U+017F (long s) and U+212A (Kelvin sign).
 */
static size_t fold(const char *s, size_t left, char *ret)
{
    if (left >= 2 && memcmp(s, "\xc5\xbf", 2) == 0) {
        *ret = 's';
        return 2;
    }
    if (left >= 3 && memcmp(s, "\xe2\x84\xaa", 3) == 0) {
        *ret = 'k';
        return 3;
    }
    *ret = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;
    return 1;
}

static bool differs_in_case_only(const char *key, size_t len, const char *name)
{
    size_t name_len = strlen(name), i = 0, j = 0;
    char a, b;

    while (i < len && j < name_len) {
        i += fold(key + i, len - i, &a);
        j += fold(name + j, name_len - j, &b);
        if (a != b)
            return false;
    }
    return i == len && j == name_len;
}

static int check_value(const struct json *n, const struct json_path *path, enum kind kind,
                       const struct field *of, struct json_error *err);

static int check_object(const struct json *n, const struct json_path *path, const struct field *table,
                        struct json_error *err)
{
    if (json_type(n) != JSON_OBJECT)
        return wrong(err, path, "%s where an object has to be", json_type_name(n));
    json_foreach (it, n) {
        struct json_path below = *path;
        const struct field *f = table;

        json_path_key(&below, it.key, it.key_len);
        while (f->name && !(strlen(f->name) == it.key_len && memcmp(f->name, it.key, it.key_len) == 0))
            f++;
        if (f->name) {
            int r = check_value(it.value, &below, f->kind, f->of, err);
            if (r < 0)
                return r;
            continue;
        }
        for (f = table; f->name; f++)
            if (differs_in_case_only(it.key, it.key_len, f->name))
                return wrong(err, &below, "some runtimes would read this as '%s', others would not", f->name);
    }
    return 0;
}

/* Each element of an array, or each member of a map. */
static int check_each(const struct json *n, const struct json_path *path, enum json_type type, enum kind kind,
                      const struct field *of, struct json_error *err)
{
    if (json_type(n) != type)
        return wrong(err, path, "%s where an %s has to be", json_type_name(n),
                     type == JSON_ARRAY ? "array" : "object");
    json_foreach (it, n) {
        struct json_path below = *path;
        int r;

        if (it.key)
            json_path_key(&below, it.key, it.key_len);
        else
            json_path_index(&below, it.index);
        if (!it.key && json_type(it.value) == JSON_NULL)
            return wrong(err, &below, "null in an array");
        r = check_value(it.value, &below, kind, of, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_value(const struct json *n, const struct json_path *path, enum kind kind,
                       const struct field *of, struct json_error *err)
{
    if (json_type(n) == JSON_NULL) /* runtimes take it as absent */
        return 0;
    switch (kind) {
    case ANY: return 0;
    case STR: return check_string(n, path, false, err);
    case TEXT: return check_string(n, path, true, err);
    case BOOL:
        return json_type(n) == JSON_BOOL
                   ? 0
                   : wrong(err, path, "%s where a boolean has to be", json_type_name(n));
    case INT:
    case UINT:
    case ID: return check_integer(n, path, kind, err);
    case OBJ: return check_object(n, path, of, err);
    case STRS: return check_each(n, path, JSON_ARRAY, STR, NULL, err);
    case IDS: return check_each(n, path, JSON_ARRAY, ID, NULL, err);
    case OBJS: return check_each(n, path, JSON_ARRAY, OBJ, of, err);
    case MAP_TEXT: return check_each(n, path, JSON_OBJECT, TEXT, NULL, err);
    case MAP_OBJ: return check_each(n, path, JSON_OBJECT, OBJ, of, err);
    case STR_OR_STRS:
        return json_type(n) == JSON_ARRAY ? check_each(n, path, JSON_ARRAY, STR, NULL, err)
                                          : check_string(n, path, false, err);
    }
    return 0;
}

int oci_check_schema(const struct json *n, struct json_error *err)
{
    const struct json *namespaces = json_get(json_get(n, "linux"), "namespaces");

    if (json_count(namespaces) > OCI_MAX_NAMESPACES)
        return wrong(err, &(struct json_path){.text = ".linux.namespaces", .len = 17},
                     "more than %d namespaces", OCI_MAX_NAMESPACES);
    return check_object(n, &(struct json_path)JSON_PATH_ROOT, spec, err);
}
