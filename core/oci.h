/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making an OCI runtime configuration (config.json) one that a rootless runtime runs.
 *
 *     oci_facts_gather(&facts)      what the kernel and the machine say
 *     oci_check_schema(root, &err)  is it a config.json at all?
 *     oci_convert(doc, &opts, &facts, &report)
 *
 * The converter reads no files and knows no clock: all it knows about the machine is in the facts, and whoever converts
 * for another machine (or tests) makes them up. Source of the format: OCI runtime-spec 1.2, config.md and config-linux.md.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "core/idmap.h"
#include "core/json.h"
#include "core/strv.h"

/* ---- what the user asks for; the name arrays are for OPT_ENUM, the enums are their indices ---- */

enum oci_mode {
    OCI_AUTO,    /* by who we are, see oci_convert() */
    OCI_OUTSIDE, /* the runtime's euid is not 0, and it makes the user namespace */
    OCI_INSIDE,  /* we are root in a user namespace, and the container stays in it */
    OCI_NESTED,  /* as inside, and the runtime makes one more user namespace */
};
enum oci_runtime { OCI_ANY, OCI_RUNC, OCI_CRUN };
enum oci_net { OCI_NET_AUTO, OCI_NET_KEEP, OCI_NET_HOST, OCI_NET_PATH };
enum oci_sys { OCI_SYS_AUTO, OCI_SYS_SYSFS, OCI_SYS_RBIND, OCI_SYS_REMOVE, OCI_SYS_KEEP };
enum oci_map {
    OCI_MAP_AUTO, /* outside: subid where that works, else self; nested: proc */
    OCI_MAP_SELF,
    OCI_MAP_SUBID,
    OCI_MAP_PROC,
};
enum oci_cgroup { OCI_CGROUP_NONE, OCI_CGROUP_DELEGATED, OCI_CGROUP_KEEP };
enum oci_groups { OCI_GROUPS_AUTO, OCI_GROUPS_DROP, OCI_GROUPS_ERROR };
enum oci_clamp { OCI_KEEP, OCI_CLAMP };
enum oci_lsm { OCI_LSM_KEEP, OCI_LSM_DROP };

extern const char *const oci_mode_names[],
    *const oci_runtime_names[], *const oci_net_names[], *const oci_sys_names[],
                                                            *const oci_map_names[],
                                                                *const oci_cgroup_names[],
                                                                    *const oci_groups_names[],
                                                                        *const oci_clamp_names[],
                                                                            *const oci_lsm_names[];

/* All zero, but for oom, is the default. Ints, because options are parsed into them. */
struct oci_options {
    int mode, runtime, net, sys, map, cgroup, groups, lsm;
    int rlimits, oom;              /* enum oci_clamp; the defaults are OCI_KEEP and OCI_CLAMP */
    const char *net_path;          /* OCI_NET_PATH */
    const char *cgroups_path;      /* NULL: none given */
    struct idmap map_uid, map_gid; /* maps given line by line (n > 0) override .map */
};

/* ---- what the machine says ---- */

enum oci_owner {
    OCI_OWNER_UNKNOWN,
    OCI_OWNER_OURS,    /* our user namespace, or one below it */
    OCI_OWNER_OUTSIDE, /* one above ours: NS_GET_USERNS says EPERM (ioctl_ns(2)) */
};
enum oci_hierarchy { OCI_CGROUP_ABSENT, OCI_CGROUP_V1, OCI_CGROUP_HYBRID, OCI_CGROUP_V2 };

#define OCI_FLAGS_UNKNOWN (~0U) /* of a mount */

struct oci_facts {
    uid_t euid;
    gid_t egid;
    bool initial_userns;
    struct idmap uid_map, gid_map;      /* of this process, each from its own file */
    struct subid_list subuids, subgids; /* of this user */
    bool has_newuidmap;                 /* and newgidmap */
    enum oci_owner net, pid, ipc;       /* whose our own namespaces are */
    enum oci_hierarchy cgroup;
    struct strv controllers; /* of our own cgroup: what we may hand on; only with OCI_CGROUP_V2 */
    int oom_score_adj;
    struct rlimit limits[RLIM_NLIMITS];
    bool has_mqueue, has_shm; /* is there something to bind at /dev/mqueue, /dev/shm? */
    /* ns_owner - whose is the namespace that @path names? NULL: all unknown. */
    enum oci_owner (*ns_owner)(const char *path);
    /* owned_by - does the namespace that @path names belong to that user namespace, or one below it? 1, 0, -1: unknown. NULL: all unknown. */
    int (*owned_by)(const char *path, const char *userns);
    /* is_there - does the host have that file? NULL: yes. */
    bool (*is_there)(const char *path);
    /* mount_flags - flags of the mount that @path is on (ST_RDONLY..., statvfs(3)); OCI_FLAGS_UNKNOWN when it is not there. NULL: all. */
    unsigned (*mount_flags)(const char *path);
    /*
     * locked_flags - which flags of that mount may this process not change in a mount namespace of its user namespace, set or
     * not? ST_RELATIME stands for the atime mode. OCI_FLAGS_UNKNOWN when nobody says. NULL: of all.
     */
    unsigned (*locked_flags)(const char *path);
    /* may_create_cgroup - may we make the cgroup @path (as in cgroupsPath), or is it there and ours? NULL: yes. */
    bool (*may_create_cgroup)(const char *path);
};

/**
 * oci_facts_gather - ask the kernel about this process and /etc about this user
 * Reads /proc/self, /sys/fs/cgroup, /etc/passwd, /etc/subuid and /etc/subgid; looks for newuidmap in $PATH.
 * Return: 0 or -errno with the text in @why.
 */
int oci_facts_gather(struct oci_facts *ret, struct reason *why);
void oci_facts_done(struct oci_facts *f);

/* ---- what came out ---- */

/* One change: rule, place, and both values as compact JSON (NULL: none). */
struct oci_change {
    const char *rule; /* "N1" */
    char *path, *before, *after, *why;
};

enum oci_severity {
    OCI_WARNING, /* it runs, but somebody may be surprised */
    OCI_ERROR,   /* it cannot be made to run; nobody but the user can decide what is to be done */
};
struct oci_note {
    enum oci_severity severity;
    const char *rule;
    char *path, *text; /* text: what is the matter, what the runtime would have said, what to do */
};

struct oci_report {
    struct oci_change *changes;
    size_t nchanges;
    struct oci_note *notes;
    size_t nnotes;
    int err; /* -ENOMEM: the report is not complete */
};
void oci_report_done(struct oci_report *r);
bool oci_report_failed(const struct oci_report *r); /* is there an OCI_ERROR? */

/* oci_report_text - one line a change: rule, path, before -> after, why. oci_report_json - the same for programs, in one array. */
void oci_report_text(const struct oci_report *r, FILE *out);
int oci_report_json(const struct oci_report *r, FILE *out);

/* ---- the work ---- */

enum { OCI_MAX_NAMESPACES = 64 }; /* there are eight kinds; rules look through the list again and again */

/**
 * oci_check_schema - does the document follow the runtime specification as far as it could be misread?
 * @err: path and text of what is wrong (no byte offset)
 *
 * Known members must have their types; integers must be written as integers and fit; paths hold no NUL; no member may
 * differ from a known one in case only (some runtimes take it for the known one, some do not). Unknown members may be anything.
 * Return: 0 or -EBADMSG.
 */
int oci_check_schema(const struct json *n, struct json_error *err);

/**
 * oci_convert - change the document in place
 * @doc: of oci_check_schema()'s liking
 * @report: must be zeroed; complete with changes and notes in any case
 *
 * Mode OCI_AUTO: euid not 0: outside; euid 0 in a user namespace: inside; real root: an error that says what to pass.
 *
 * Return: 0; -EINVAL: the report holds errors, and the document is not to be used; -ENOMEM.
 */
int oci_convert(struct json_doc *doc, const struct oci_options *opts, const struct oci_facts *facts,
                struct oci_report *report);

/* oci_template - the text of a config.json for a shell, as root of the machine would run it. */
extern const char oci_template[];
