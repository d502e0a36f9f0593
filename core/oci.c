/* SPDX-License-Identifier: Apache-2.0 */
/* The converter: who we are decides the mode, and the rules follow one another. */
#include "core/oci.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/oci_rules.h"

const char *const oci_mode_names[] = {"auto", "outside", "inside", "nested", NULL};
const char *const oci_runtime_names[] = {"any", "runc", "crun", NULL};
const char *const oci_net_names[] = {"auto", "keep", "host", "PATH", NULL};
const char *const oci_sys_names[] = {"auto", "sysfs", "rbind", "remove", "keep", NULL};
const char *const oci_map_names[] = {"auto", "self", "subid", "proc", NULL};
const char *const oci_cgroup_names[] = {"none", "delegated", "keep", NULL};
const char *const oci_groups_names[] = {"auto", "drop", "error", NULL};
const char *const oci_clamp_names[] = {"keep", "clamp", NULL};
const char *const oci_lsm_names[] = {"keep", "drop", NULL};

struct oci_path oci_path(const char *fmt, ...)
{
    struct oci_path p;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(p.s, sizeof(p.s), fmt, ap);
    va_end(ap);
    return p;
}

struct json *oci_get(const struct json *n, const char *key)
{
    struct json *m = json_get(n, key);

    return json_type(m) == JSON_NULL ? NULL : m;
}

struct json *oci_linux(struct oci *c, bool make)
{
    if (!c->linux_ && make) {
        c->linux_ = json_new_object(c->doc);
        json_set(c->doc, c->root, "linux", c->linux_);
    }
    return c->linux_;
}

struct json *oci_namespaces(struct oci *c, bool make)
{
    if (!c->namespaces && make) {
        c->namespaces = json_new_array(c->doc);
        json_set(c->doc, oci_linux(c, true), "namespaces", c->namespaces);
    }
    return c->namespaces;
}

struct json *oci_namespace(const struct oci *c, const char *type)
{
    const char *s;

    json_foreach (it, c->namespaces) {
        if (json_get_str(it.value, "type", &s) == 0 && strcmp(s, type) == 0)
            return it.value;
    }
    return NULL;
}

size_t oci_namespace_index(const struct oci *c, const struct json *entry)
{
    for (size_t i = 0; i < OCI_MAX_NAMESPACES; i++)
        if (c->listed[i] == entry)
            return i;
    return json_count(c->namespaces) - 1;
}

/* The path of a namespace entry; NULL when it has none, which an empty one is. */
static const char *entry_path(const struct json *entry)
{
    const char *s = NULL;

    return json_get_str(entry, "path", &s) == 0 && *s ? s : NULL;
}

bool oci_is_private(const struct oci *c, const char *type)
{
    const struct json *entry = oci_namespace(c, type);

    return entry && !entry_path(entry);
}

int oci_owned(const struct oci *c, const char *type, enum oci_owner own)
{
    const struct json *entry = oci_namespace(c, type);
    const char *path = entry ? entry_path(entry) : NULL;

    if (entry && !path)
        return 1;
    if (c->userns_path && path)
        return c->facts->owned_by ? c->facts->owned_by(path, c->userns_path) : -1;
    if (c->userns_path)
        return 0;
    if (c->new_userns)
        return 0;
    if (!c->here) /* whose it is there is not to be seen from here */
        own = OCI_OWNER_UNKNOWN;
    else if (path)
        own = c->facts->ns_owner ? c->facts->ns_owner(path) : OCI_OWNER_UNKNOWN;
    return own == OCI_OWNER_UNKNOWN && path ? -1 : own == OCI_OWNER_OURS;
}

void oci_drop(struct oci *c, struct json *object, const char *key, const char *rule, const char *path,
              const char *why)
{
    struct json *m = oci_get(object, key);

    if (!m)
        return;
    oci_changed(c, rule, path, oci_text(c, m), NULL, "%s", why);
    json_remove(object, key);
}

/* Is this process what the mode says that the runtime will be? Otherwise its maps and namespaces say nothing. */
static bool facts_apply(const struct oci *c)
{
    bool fake_root = c->facts->euid == 0 && !c->facts->initial_userns;

    return c->mode == OCI_OUTSIDE ? c->facts->euid != 0 : fake_root;
}

static bool choose_mode(struct oci *c)
{
    if (c->opts->mode != OCI_AUTO) {
        c->mode = (enum oci_mode)c->opts->mode;
    } else if (c->facts->euid != 0) {
        c->mode = OCI_OUTSIDE;
    } else if (!c->facts->initial_userns) {
        c->mode = OCI_INSIDE;
    } else {
        oci_error(
            c, "N1", ".",
            "this is the machine's root, who needs no conversion: convert as the user who will run it, or "
            "pass "
            "--mode=outside with --map-uid and --map-gid, or --mode=inside for use under 'rootlet run'");
        return false;
    }
    c->here = facts_apply(c);
    if (!c->here)
        oci_warning(c, "N1", ".",
                    "converted for mode %s, which is not what this process runs in: id maps and namespace "
                    "owners are not known",
                    oci_mode_names[c->mode]);
    else if (c->mode == OCI_INSIDE) {
        c->uids = c->facts->uid_map;
        c->gids = c->facts->gid_map;
        c->maps_known = true;
    }
    return true;
}

int oci_convert(struct json_doc *doc, const struct oci_options *opts, const struct oci_facts *facts,
                struct oci_report *report)
{
    struct oci c = {.doc = doc, .root = json_root(doc), .opts = opts, .facts = facts, .report = report};

    c.linux_ = oci_get(c.root, "linux");
    c.namespaces = oci_get(c.linux_, "namespaces");
    json_foreach (it, c.namespaces)
        if (it.index < OCI_MAX_NAMESPACES) /* oci_check_schema() refuses more */
            c.listed[it.index] = it.value;
    if (choose_mode(&c)) {
        oci_rule_userns(&c);
        oci_rule_netns(&c);
        oci_rule_mounts(&c);
        oci_rule_cgroup(&c);
        oci_rule_process(&c);
        oci_rule_runtime(&c);
    }
    if (json_doc_error(doc))
        return json_doc_error(doc);
    if (report->err)
        return report->err;
    return oci_report_failed(report) ? -EINVAL : 0;
}
