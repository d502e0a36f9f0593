/* SPDX-License-Identifier: Apache-2.0 */
/* N1: exactly one user namespace where the runtime makes it. N2: maps that the kernel, newuidmap and the runtime take. */
#include "core/oci_rules.h"

#include <errno.h>
#include <string.h>

enum { RUNC_MAX_LINES = 5 }; /* with one more, runc's call of newuidmap fails */

static bool same_path(const struct json *a, const struct json *b)
{
    const char *x = "", *y = "";

    json_get_str(a, "path", &x);
    json_get_str(b, "path", &y);
    return strcmp(x, y) == 0;
}

/* Later entries go when they say what the first says. */
static void collapse(struct oci *c, struct json *list, const struct json *first)
{
    const char *type;

    json_foreach (it, list) {
        if (it.value == first || json_get_str(it.value, "type", &type) < 0 || strcmp(type, "user") != 0)
            continue;
        if (!same_path(first, it.value)) {
            oci_error(c, "N1", OCI_PATH(".linux.namespaces[%zu]", it.index),
                      "a second user namespace, with another path than the first: remove one of them");
            continue;
        }
        oci_changed(c, "N1", OCI_PATH(".linux.namespaces[%zu]", it.index), oci_text(c, it.value), NULL,
                    "the same user namespace twice");
        json_it_remove(&it);
    }
}

static void userns(struct oci *c)
{
    struct json *list = oci_namespaces(c, false), *entry = oci_namespace(c, "user");
    const char *path = NULL;

    if (!entry && c->mode == OCI_INSIDE)
        return;
    c->new_userns = true;
    if (!entry) {
        list = oci_namespaces(c, true);
        entry = json_new_object(c->doc);
        json_add_str(c->doc, entry, "type", "user");
        oci_changed(c, "N1", OCI_PATH(".linux.namespaces[%zu]", json_count(list)), NULL, entry, "%s",
                    c->mode == OCI_OUTSIDE
                        ? "without root's privileges every other namespace needs a user namespace"
                        : "mode nested asks for a user namespace");
        json_append(c->doc, list, entry);
        return;
    }
    collapse(c, list, entry);
    if (json_get_str(entry, "path", &path) == 0 && *path) {
        c->userns_path = path;
        c->new_userns = false;
    }
}

/* ---- maps ---- */

struct side {
    const char *member; /* "uidMappings" */
    const struct idmap *given, *parent;
    const struct subid_list *subids;
    uint32_t self;
    const char *option;
};

/* What is in the document, as a map. NULL: fine, else what is wrong with it. */
static const char *read_map(const struct json *list, struct idmap *m)
{
    m->n = 0;
    json_foreach (it, list) {
        uint64_t inner = 0, outer = 0, size = 0;
        int r;

        json_get_uint(it.value, "containerID", 0, UINT32_MAX, &inner);
        json_get_uint(it.value, "hostID", 0, UINT32_MAX, &outer);
        json_get_uint(it.value, "size", 0, UINT32_MAX, &size);
        r = idmap_add(m, inner, outer, size);
        if (r == -EEXIST)
            return "two of its lines overlap";
        if (r == -E2BIG)
            return "it has more lines than the kernel takes";
        if (r < 0)
            return "one of its lines is empty or reaches beyond the last id";
    }
    return m->n ? NULL : "it is empty";
}

static bool is_self(const struct side *s, const struct idmap_extent *e)
{
    return e->outer == s->self && e->count == 1;
}

/* newuidmap(1): a line that is not one's own id alone has to be within one range of /etc/subuid. */
static bool helper_allows(const struct side *s, const struct idmap_extent *e)
{
    uint64_t end = (uint64_t)e->outer + e->count;

    for (size_t i = 0; i < s->subids->n; i++) {
        const struct subid_range *r = &s->subids->r[i];
        if (e->outer >= r->first && end <= (uint64_t)r->first + r->count)
            return true;
    }
    return false;
}

/* user_namespaces(7): each line within one line of the parent's map. */
static bool parent_has(const struct side *s, const struct idmap_extent *e)
{
    for (size_t i = 0; i < s->parent->n; i++) {
        const struct idmap_extent *p = &s->parent->e[i];
        if (e->outer >= p->inner && (uint64_t)e->outer + e->count <= (uint64_t)p->inner + p->count)
            return true;
    }
    return false;
}

/* NULL: the map can stay as it is. */
static const char *refuse_map(const struct oci *c, const struct side *s, const struct idmap *m)
{
    bool outside = c->mode == OCI_OUTSIDE;
    uint32_t ignored;

    if (idmap_to_outer(m, 0, &ignored) < 0)
        return "root is not mapped";
    if (outside && c->opts->runtime != OCI_CRUN && m->n > RUNC_MAX_LINES)
        return "runc fails with more than 5 lines";
    if (outside ? c->facts->euid == 0 : c->facts->euid != 0 || c->facts->initial_userns)
        return NULL; /* the runtime's user is somebody else: nothing more is known */
    if (outside && !c->facts->has_newuidmap && (m->n > 1 || !is_self(s, &m->e[0])))
        return "newuidmap and newgidmap are not installed, so that only the own id can be mapped";
    for (size_t i = 0; i < m->n; i++) {
        if (outside && is_self(s, &m->e[i]))
            continue;
        if (outside && !helper_allows(s, &m->e[i]))
            return "it has host ids that are neither the own one nor subordinate ones of this user";
        if (!parent_has(s, &m->e[i]))
            return "it has host ids that are not mapped here, or not in one line";
    }
    return NULL;
}

/* The identity of what is mapped here, line by line: joined or renumbered lines would not be within one of ours. */
static void identity(const struct side *s, struct idmap *m)
{
    m->n = 0;
    for (size_t i = 0; i < s->parent->n; i++)
        idmap_add(m, s->parent->e[i].inner, s->parent->e[i].inner, s->parent->e[i].count);
}

/* --map=auto by what is possible; what cannot be is said. Returns -1 then. */
static int choose_source(struct oci *c, const struct side *s)
{
    bool outside = c->mode == OCI_OUTSIDE;
    const struct oci_facts *f = c->facts;
    int how = c->opts->map;
    const char *why = NULL;

    if (how == OCI_MAP_AUTO && !outside)
        how = OCI_MAP_PROC;
    else if (how == OCI_MAP_AUTO)
        how = f->has_newuidmap && f->subuids.n && f->subgids.n ? OCI_MAP_SUBID : OCI_MAP_SELF;
    if (outside ? f->euid == 0 : f->euid != 0 || f->initial_userns)
        why = "whose ids are to be mapped is not known here: pass --map-uid and --map-gid";
    else if (how == OCI_MAP_PROC && outside)
        why = "--map=proc is for mode nested: a user may not map what is mapped here";
    else if (how == OCI_MAP_SUBID && !outside)
        why = "--map=subid is for mode outside: subordinate ids are mapped already";
    else if (how == OCI_MAP_SUBID && !s->subids->n)
        why = "this user has no subordinate ids (see subuid(5) and subgid(5)): ask the administrator, or "
              "pass --map=self";
    else if (how == OCI_MAP_SUBID && !f->has_newuidmap)
        why = "newuidmap and newgidmap are not installed: install uidmap, or pass --map=self";
    if (!why)
        return how;
    oci_error(c, "N2", OCI_PATH(".linux.%s", s->member), "%s", why);
    return -1;
}

static void subid_map(struct oci *c, const struct side *s, struct idmap *m)
{
    uint64_t left_out = 0;

    if (idmap_from_subids(s->self, s->subids, s->parent, m, &left_out) < 0)
        m->n = 0;
    for (; c->opts->runtime != OCI_CRUN && m->n > RUNC_MAX_LINES; m->n--)
        left_out += m->e[m->n - 1].count;
    if (left_out)
        oci_warning(c, "N2", OCI_PATH(".linux.%s", s->member),
                    "%llu subordinate ids are left out (they are not mapped here, or runc would need more "
                    "than %d lines)",
                    (unsigned long long)left_out, RUNC_MAX_LINES);
}

/* Make the map that the options ask for; false: it cannot be, and that was said. */
static bool make_map(struct oci *c, const struct side *s, struct idmap *m, const char **ret_why)
{
    int how = choose_source(c, s);
    uint32_t ignored;

    if (how < 0)
        return false;
    m->n = 0;
    switch (how) {
    case OCI_MAP_SUBID:
        *ret_why = "one's own id is root, subordinate ids are the rest";
        subid_map(c, s, m);
        break;
    case OCI_MAP_PROC:
        *ret_why = "every id that is mapped here keeps its number";
        identity(s, m);
        break;
    default:
        *ret_why = "one's own id is root";
        idmap_add(m, 0, s->self, 1);
        break;
    }
    if (idmap_to_outer(m, 0, &ignored) == 0)
        return true;
    oci_error(c, "N2", OCI_PATH(".linux.%s", s->member), "root would not be mapped: pass %s 0:ID:1",
              s->option);
    return false;
}

static void write_map(struct oci *c, const struct side *s, const struct idmap *m, const char *why,
                      const char *because)
{
    struct json *linux_ = oci_linux(c, true), *list = json_new_array(c->doc);
    char *before = oci_text(c, oci_get(linux_, s->member));

    for (size_t i = 0; i < m->n; i++) {
        struct json *line = json_new_object(c->doc);

        json_add_uint(c->doc, line, "containerID", m->e[i].inner);
        json_add_uint(c->doc, line, "hostID", m->e[i].outer);
        json_add_uint(c->doc, line, "size", m->e[i].count);
        json_append(c->doc, list, line);
    }
    oci_changed(c, "N2", OCI_PATH(".linux.%s", s->member), before, list, "%s%s%s", why,
                because ? "; the map that was there could not stay: " : "", because ? because : "");
    json_set(c->doc, linux_, s->member, list);
}

static bool same_map(const struct idmap *a, const struct idmap *b)
{
    return a->n == b->n && memcmp(a->e, b->e, a->n * sizeof(a->e[0])) == 0;
}

/* Returns whether @m says what will be mapped. */
static bool fix_map(struct oci *c, const struct side *s, struct idmap *m)
{
    struct json *list = oci_get(oci_linux(c, false), s->member);
    bool empty = !json_count(list);
    const char *bad = read_map(list, m), *why = "asked for on the command line";

    if (s->given->n) {
        if (bad || !same_map(m, s->given))
            write_map(c, s, s->given, why, NULL);
        *m = *s->given;
        bad = refuse_map(c, s, m);
        if (bad) /* it was asked for in so many words */
            oci_warning(c, "N2", OCI_PATH(".linux.%s", s->member),
                        "the map asked for with %s will hardly be set up: %s", s->option, bad);
        return true;
    }
    if (!bad)
        bad = refuse_map(c, s, m);
    if (!bad)
        return true;
    if (!make_map(c, s, m, &why))
        return false;
    write_map(c, s, m, why, empty ? NULL : bad);
    return true;
}

void oci_rule_userns(struct oci *c)
{
    const struct oci_facts *f = c->facts;
    const struct side uids = {"uidMappings", &c->opts->map_uid, &f->uid_map,
                              &f->subuids,   f->euid,           "--map-uid"};
    const struct side gids = {"gidMappings", &c->opts->map_gid, &f->gid_map,
                              &f->subgids,   f->egid,           "--map-gid"};
    bool known;

    userns(c);
    if (c->new_userns) {
        known = fix_map(c, &uids, &c->uids);
        c->maps_known = fix_map(c, &gids, &c->gids) && known;
        return;
    }
    if (c->userns_path) { /* whoever made it wrote its maps; runtimes take those of the document, if any */
        c->maps_known = !read_map(oci_get(oci_linux(c, false), "uidMappings"), &c->uids) &&
                        !read_map(oci_get(oci_linux(c, false), "gidMappings"), &c->gids);
        if (!c->maps_known && c->opts->runtime != OCI_CRUN)
            oci_warning(
                c, "N2", ".linux.uidMappings",
                "runc before 1.2 wants the maps of the user namespace that it joins, too (runc: 'User "
                "namespaces enabled, but no uid mappings found.'): add what /proc/PID/uid_map and "
                "gid_map of a process in it say");
        return;
    }
    if (json_count(oci_get(oci_linux(c, false), "uidMappings")))
        oci_drop(c, oci_linux(c, false), "uidMappings", "N2", ".linux.uidMappings",
                 "runtimes refuse maps without a user namespace");
    if (json_count(oci_get(oci_linux(c, false), "gidMappings")))
        oci_drop(c, oci_linux(c, false), "gidMappings", "N2", ".linux.gidMappings",
                 "runtimes refuse maps without a user namespace");
}
