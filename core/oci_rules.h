/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules of the converter share. For core/oci*.c only. */
#pragma once
#include "core/oci.h"

/* A conversion under way. */
struct oci {
    struct json_doc *doc;
    struct json *root;
    /* Looked up once, as there may be very many members before them; NULL: none. */
    struct json *linux_, *namespaces;
    /* The namespaces as they were read, for oci_namespace_index(). */
    const struct json *listed[OCI_MAX_NAMESPACES];
    const struct oci_options *opts;
    const struct oci_facts *facts;
    struct oci_report *report;

    enum oci_mode mode;      /* never OCI_AUTO */
    bool here;               /* this process is what the mode says that the runtime will be */
    bool new_userns;         /* the runtime makes a user namespace */
    const char *userns_path; /* ... or joins this one */
    bool maps_known;         /* uids and gids say what is mapped inside the container */
    struct idmap uids, gids;
};

/* ---- the report ---- */

/* oci_text - a node as compact JSON, to be freed; NULL for NULL. */
char *oci_text(struct oci *c, const struct json *n);

/* oci_changed - note a change. @before (which may be NULL) is taken over and freed; @after is read now. */
void oci_changed(struct oci *c, const char *rule, const char *path, char *before, const struct json *after,
                 const char *why, ...) __attribute__((format(printf, 6, 7)));
void oci_error(struct oci *c, const char *rule, const char *path, const char *text, ...)
    __attribute__((format(printf, 4, 5)));
void oci_warning(struct oci *c, const char *rule, const char *path, const char *text, ...)
    __attribute__((format(printf, 4, 5)));

/* OCI_PATH - a path for one statement: OCI_PATH(".mounts[%zu].options", i) */
struct oci_path {
    char s[256];
};
struct oci_path oci_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define OCI_PATH(...) (oci_path(__VA_ARGS__).s)

/* ---- looking ---- */

/* oci_get - a member that is there: NULL for null, which runtimes take as absent. */
struct json *oci_get(const struct json *n, const char *key);
/* oci_linux - the linux section; made when it is not there and @make. */
struct json *oci_linux(struct oci *c, bool make);
/* oci_namespaces - its list of namespaces, in the same way. */
struct json *oci_namespaces(struct oci *c, bool make);
/* oci_namespace - the first entry of that type, or NULL. */
struct json *oci_namespace(const struct oci *c, const char *type);
/* oci_namespace_index - which one it was in the file, whatever has been removed before it; of one that was made: at the end. */
size_t oci_namespace_index(const struct oci *c, const struct json *entry);
/* oci_is_private - does the container get a namespace of that type of its own? */
bool oci_is_private(const struct oci *c, const char *type);
/* oci_owned - will what acts inside the container own its namespace of that type? (@own: whose is ours?) 1, 0, -1: nobody knows */
int oci_owned(const struct oci *c, const char *type, enum oci_owner own);
/* oci_drop - remove a member and report it, if it is there. */
void oci_drop(struct oci *c, struct json *object, const char *key, const char *rule, const char *path,
              const char *why);

/* oci_is_bind - by type or options. oci_has_option - is it there, alone or joined to others with commas? */
bool oci_is_bind(const struct json *mount);
bool oci_has_option(const struct json *mount, const char *name);
/* oci_each_option - calls @fn for each, of those joined by commas, too; stops and returns true where that does. */
bool oci_each_option(const struct json *mount, bool (*fn)(const char *s, size_t len, const void *arg),
                     const void *arg);
bool oci_option_is(const char *s, size_t len, const void *name);

/* ---- flags of mounts (M3) ---- */

/* What a bind may not change of its source. */
struct oci_locks {
    bool known;              /* else it is a guess, which only warns */
    unsigned set;            /* ST_RDONLY and so on: set there, and locked */
    bool atime, atime_below; /* the options ask for another atime mode than the locked one; for the tree */
};
struct oci_locks oci_find_locks(struct oci *c, const struct json *mount, size_t index);
/* oci_refuse_locked - why an option has to go; NULL: it stays. */
const char *oci_refuse_locked(const struct oci_locks *l, const char *s, size_t len);
void oci_repeat_locked(struct oci *c, struct json *mount, size_t index, const struct oci_locks *l);

/* ---- the rules, in order ---- */
void oci_rule_userns(struct oci *c); /* N1, N2 */
void oci_rule_netns(struct oci *c);  /* N3 */
void oci_rule_mounts(struct oci *c); /* S1, S2, P1, and for each mount: */
void oci_rule_mount_options(struct oci *c, struct json *mount, size_t index); /* M1, M2, M3 */
void oci_rule_cgroup(struct oci *c);                                          /* C1, C2 */
void oci_rule_process(struct oci *c);                                         /* U1, L1, L2 */
void oci_rule_runtime(struct oci *c); /* R1: what runtimes check themselves */

/* ---- facts (oci_facts_mount.c), for struct oci_facts ---- */
unsigned oci_fact_mount_flags(const char *path);
unsigned oci_fact_locked_flags(const char *path);
