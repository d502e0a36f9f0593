/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The converter on any config.json, for any machine and options: the first four bytes choose those. What it writes can be
 * read, is valid if the input was, is what rootless runtimes ask for, is not changed by converting it again, and differs from
 * the input only where there are rules.
 */
#include "core/oci.c"

#include <assert.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "core/linediff.h"
#include "tests/lib/ocivalid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHOICES = 4 };

static enum oci_owner made_up_owner(const char *path)
{
    return (enum oci_owner)((unsigned char)path[0] % 3);
}

static bool made_up_file(const char *path)
{
    return path[0] && path[1] != 'x';
}

static unsigned made_up_flags(const char *path)
{
    unsigned char c = (unsigned char)path[1];

    return c == 'x' ? OCI_FLAGS_UNKNOWN : (c & 15U) | (c & 7U) << 10; /* the latter: ST_NOATIME and so on */
}

static unsigned made_up_locks(const char *path)
{
    unsigned char c = (unsigned char)path[2 - (path[1] == '\0')];

    return c == 'x' ? OCI_FLAGS_UNKNOWN : (c & 15U) | (c & 16U ? ST_RELATIME : 0);
}

static void choose(const uint8_t *c, struct oci_facts *f, struct oci_options *o)
{
    static char *controllers[] = {(char *)"memory", (char *)"cpu", NULL};
    bool root = c[0] & 1;

    *f = (struct oci_facts){
        .euid = root ? 0 : 1001,
        .egid = root ? 0 : 1001,
        .initial_userns = c[0] & 2,
        .has_newuidmap = c[0] & 4,
        .net = (enum oci_owner)((c[0] >> 3) % 3),
        .pid = (enum oci_owner)((c[0] >> 5) % 3),
        .ipc = OCI_OWNER_OUTSIDE,
        .cgroup = (enum oci_hierarchy)(c[1] & 3),
        .controllers = {controllers, 2},
        .oom_score_adj = 100,
        .has_mqueue = c[1] & 4,
        .has_shm = true,
        .ns_owner = made_up_owner,
        .is_there = made_up_file,
        .mount_flags = made_up_flags,
        .locked_flags = made_up_locks,
        .may_create_cgroup = c[1] & 8 ? made_up_file : NULL,
    };
    for (size_t i = 0; i < RLIM_NLIMITS; i++)
        f->limits[i] = (struct rlimit){1000, 1000};
    idmap_add(&f->uid_map, 0, 1001, 1);
    idmap_add(&f->uid_map, 1, 100000, c[1] & 16 ? 65536 : 10);
    f->gid_map = f->uid_map;
    if (c[1] & 32) {
        subid_list_add(&f->subuids, 100000, 65536);
        subid_list_add(&f->subgids, 100000, 65536);
    }
    *o = (struct oci_options){
        .mode = c[2] & 3,
        .runtime = (c[2] >> 2) % 3,
        .net = (c[2] >> 4) & 3,
        .net_path = "/run/netns/n",
        .sys = c[3] % 5,
        .map = (c[3] >> 3) & 3,
        .cgroup = (c[3] >> 5) % 3,
        .groups = (c[0] >> 6) % 3,
        .rlimits = c[1] >> 6 & 1,
        .oom = c[1] >> 7,
        .lsm = c[2] >> 7,
        .cgroups_path = c[2] & 64 ? "/a" : NULL,
    };
}

/* Returns the result of a conversion, to be freed; NULL when it was refused. */
static char *convert(const char *text, size_t len, const struct oci_options *o, const struct oci_facts *f,
                     size_t *ret_changes, size_t *ret_len)
{
    struct json_doc *doc json_auto = NULL;
    struct oci_report report = {0};
    struct json_error err;
    char *out = NULL;
    int r;

    if (json_read(text, len, 1 << 20, &doc, &err) < 0)
        return NULL;
    if (oci_check_schema(json_root(doc), &err) < 0) {
        assert(*err.text && *err.path.text == '.');
        return NULL;
    }
    r = oci_convert(doc, o, f, &report);
    assert(r == 0 || (r == -EINVAL && oci_report_failed(&report)));
    for (size_t i = 0; i < report.nchanges; i++)
        assert(report.changes[i].path && report.changes[i].why &&
               (report.changes[i].before || report.changes[i].after));
    if (r == 0)
        assert(json_write_like(doc, text, len, &out, ret_len) == 0);
    *ret_changes = report.nchanges;
    oci_report_done(&report);
    return out;
}

static bool named(const struct json_it *it, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == it->key_len && memcmp(*names, it->key, it->key_len) == 0)
            return true;
    return false;
}

static bool next_but(struct json_it *it, const char *const *names)
{
    while (json_it_next(it))
        if (!named(it, names))
            return true;
    return false;
}

/* The members of two objects are the same, in the same order, with the same text of numbers; but for those that are named. */
static void same_but(const struct json_doc *a, const struct json *x, const struct json_doc *b,
                     const struct json *y, const char *const *names)
{
    struct json_it i = json_it(x), j = json_it(y);

    if (json_type(x) != JSON_OBJECT) /* null, or absent: made anew */
        return;
    while (next_but(&i, names)) {
        char *before = NULL, *after = NULL;

        assert(next_but(&j, names) && i.key_len == j.key_len && memcmp(i.key, j.key, i.key_len) == 0);
        assert(json_write(a, i.value, JSON_COMPACT, &before, NULL) == 0 &&
               json_write(b, j.value, JSON_COMPACT, &after, NULL) == 0 && strcmp(before, after) == 0);
        free(before);
        free(after);
    }
    assert(!next_but(&j, names));
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Nothing but what the rules are about is touched. */
static void check_untouched(const char *before, size_t before_len, const char *after, size_t after_len)
{
    struct json_doc *a json_auto = NULL, *b json_auto = NULL;
    const struct json *x, *y;
    struct json_error err;

    assert(json_read(before, before_len, 1 << 20, &a, &err) == 0);
    if (json_read(after, after_len, 2 << 20, &b, &err) < 0)
        assert(!"what is written can be read");
    x = json_root(a);
    y = json_root(b);
    same_but(a, x, b, y, NAMES("process", "mounts", "linux"));
    same_but(a, json_get(x, "linux"), b, json_get(y, "linux"),
             NAMES("namespaces", "uidMappings", "gidMappings", "resources", "cgroupsPath", "sysctl",
                   "netDevices", "mountLabel", "intelRdt"));
    x = json_get(x, "process");
    y = json_get(y, "process");
    same_but(a, x, b, y, NAMES("user", "oomScoreAdj", "rlimits", "apparmorProfile", "selinuxLabel"));
    same_but(a, json_get(x, "user"), b, json_get(y, "user"), NAMES("additionalGids"));
}

/* ---- what every result has, whatever the input was */

static enum oci_mode mode_of(const struct oci_options *o, const struct oci_facts *f)
{
    return o->mode != OCI_AUTO ? (enum oci_mode)o->mode : f->euid ? OCI_OUTSIDE : OCI_INSIDE;
}

static const char *text_of(const struct json *n, const char *key)
{
    const char *s = json_str(json_get(n, key));

    return s ? s : "";
}

/* Options may be joined by commas. */
static bool has_option(const struct json *mount, const char *name, bool prefix)
{
    json_foreach (it, json_get(mount, "options"))
        for (const char *s = json_str(it.value); s && *s; s += strcspn(s, ","), s += *s == ',') {
            size_t n = strcspn(s, ","), len = strlen(name);

            if (prefix ? n > len && memcmp(s, name, len) == 0 : n == len && memcmp(s, name, n) == 0)
                return true;
        }
    return false;
}

static bool maps_root(const struct json *map)
{
    json_foreach (it, map) {
        uint64_t inner = 0;

        json_get_uint(it.value, "containerID", 0, UINT32_MAX, &inner);
        if (inner == 0)
            return true;
    }
    return false;
}

static void check_mounts(const struct json *root, bool sysfs_refused)
{
    json_foreach (it, json_get(root, "mounts")) {
        const struct json *m = it.value;

        if (strcmp(text_of(m, "type"), "bind") == 0 || has_option(m, "bind", false) ||
            has_option(m, "rbind", false))
            assert(!has_option(m, "uid=", true) && !has_option(m, "gid=", true) &&
                   !has_option(m, "defaults", false));
        if (sysfs_refused && strcmp(text_of(m, "destination"), "/sys") == 0)
            assert(strcmp(text_of(m, "type"), "sysfs") != 0);
    }
}

static void check_rootless(const struct json *root, const struct oci_options *o, enum oci_mode mode)
{
    const struct json *linux_ = json_get(root, "linux"), *network = NULL;
    struct valid_state s;
    unsigned users = 0;
    bool joined = false;

    assert(valid_unique(&s, json_get(linux_, "namespaces"), "type", &(struct json_path)JSON_PATH_ROOT));
    json_foreach (it, json_get(linux_, "namespaces")) {
        if (strcmp(text_of(it.value, "type"), "network") == 0)
            network = it.value;
        if (strcmp(text_of(it.value, "type"), "user") != 0)
            continue;
        users++;
        joined = *text_of(it.value, "path");
    }
    assert(mode == OCI_INSIDE ? users <= 1 : users == 1);
    if (users && !joined)
        assert(maps_root(json_get(linux_, "uidMappings")) && maps_root(json_get(linux_, "gidMappings")));
    if (!users)
        assert(!json_count(json_get(linux_, "uidMappings")) && !json_count(json_get(linux_, "gidMappings")));
    check_mounts(root, o->sys == OCI_SYS_AUTO && mode == OCI_OUTSIDE && !network);
    if (o->cgroup == OCI_CGROUP_NONE)
        assert(json_type(json_get(linux_, "resources")) <= JSON_NULL &&
               json_type(json_get(linux_, "intelRdt")) <= JSON_NULL);
    if (o->cgroup == OCI_CGROUP_NONE && !o->cgroups_path)
        assert(json_type(json_get(linux_, "cgroupsPath")) <= JSON_NULL);
    assert(*text_of(json_get(root, "process"), "cwd") == '/' &&
           json_count(json_get(json_get(root, "process"), "args")));
}

static void check_result(const char *before, size_t before_len, const char *after, size_t after_len,
                         const struct oci_options *o, enum oci_mode mode)
{
    struct json_doc *a json_auto = NULL, *b json_auto = NULL;

    assert(json_read(before, before_len, 1 << 20, &a, NULL) == 0 &&
           json_read(after, after_len, 2 << 20, &b, NULL) == 0);
    check_rootless(json_root(b), o, mode);
    assert(oci_valid(json_root(a)) || !oci_valid(json_root(b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct oci_options o;
    struct oci_facts f;
    char *text, *once, *twice, *shown = NULL;
    size_t len, changes, once_len, twice_len, shown_len;
    FILE *out;

    if (size < CHOICES)
        return 0;
    len = size - CHOICES;
    text = malloc(len + 1); /* NUL-terminated nowhere it is looked for */
    if (!text)
        return 0;
    memcpy(text, data + CHOICES, len);
    choose(data, &f, &o);
    once = convert(text, len, &o, &f, &changes, &once_len);
    if (once) {
        if (!changes)
            assert(once_len == len && memcmp(once, text, len) == 0);
        check_untouched(text, len, once, once_len);
        check_result(text, len, once, once_len, &o, mode_of(&o, &f));
        twice = convert(once, once_len, &o, &f, &changes, &twice_len);
        assert(twice && !changes && twice_len == once_len && memcmp(once, twice, once_len) == 0);
        free(twice);
        out = open_memstream(&shown, &shown_len);
        assert(out && linediff_print(text, len, once, once_len, "a", "b", out) == 0);
        fclose(out);
        free(shown);
    }
    free(once);
    free(text);
    subid_list_done(&f.subuids);
    subid_list_done(&f.subgids);
    return 0;
}
