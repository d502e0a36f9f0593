/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The converter on any config.json, for any machine and options: the first four bytes choose those. What it writes can be
 * read, follows the schema, and is not changed by converting it again.
 */
#include "core/oci.c"

#include <assert.h>
#include <stdlib.h>

#include "core/linediff.h"

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
