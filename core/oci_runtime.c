/* SPDX-License-Identifier: Apache-2.0 */
/* R1: what runtimes refuse by themselves, said before they are started, with the member that is to blame. */
#include "core/oci_rules.h"

#include <string.h>

static bool has_text(const struct json *n, const char *key)
{
    const char *s = "";

    json_get_str(n, key, &s);
    return *s != '\0';
}

static void process(struct oci *c)
{
    const struct json *p = oci_get(c->root, "process");
    const char *cwd = "";

    if (!p) {
        oci_error(c, "R1", ".process",
                  "missing (runc: 'process property must not be empty'): say what is to be run");
        return;
    }
    json_get_str(p, "cwd", &cwd);
    if (*cwd != '/')
        oci_error(c, "R1", ".process.cwd",
                  "'%.200s' is not an absolute path (runc: 'Cwd must be an absolute path'): \"/\" will do",
                  cwd);
    if (!json_count(oci_get(p, "args")))
        oci_error(c, "R1", ".process.args", "empty (runc: 'args must not be empty'): say what is to be run");
}

static void names(struct oci *c)
{
    if (oci_namespace(c, "uts"))
        return;
    if (has_text(c->root, "hostname"))
        oci_error(c, "R1", ".hostname",
                  "needs a uts namespace (runc: 'unable to set hostname without a private UTS namespace'): "
                  "add one, or "
                  "remove the hostname");
    if (has_text(c->root, "domainname"))
        oci_error(c, "R1", ".domainname",
                  "needs a uts namespace (runc: 'unable to set domainname without a private UTS namespace'): "
                  "add one, "
                  "or remove the domainname");
}

static void hidden_paths(struct oci *c, const struct json *linux_)
{
    static const char *const members[] = {"maskedPaths", "readonlyPaths"};

    if (oci_namespace(c, "mount"))
        return;
    for (size_t i = 0; i < 2; i++)
        if (json_count(oci_get(linux_, members[i])))
            oci_error(c, "R1", OCI_PATH(".linux.%s", members[i]),
                      "needs a mount namespace (runc: 'unable to restrict sys entries without a private MNT "
                      "namespace'): add one");
}

/* Which namespace makes a sysctl the container's own; NULL: none does. As runc and crun have it. */
static const char *sysctl_namespace(const char *key)
{
    static const char *const ipc[] = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                      "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                      "kernel.shmmni", "kernel.shm_rmid_forced"};
    char dotted[128];
    size_t n = strcspn(key, "./");

    /* sysctl(8): if the first separator is a slash, slashes and dots change places */
    if (str_format(dotted, sizeof(dotted), "%s", key) < 0)
        return NULL;
    if (key[n] == '/')
        for (char *p = dotted; *p; p++)
            *p = *p == '/' ? '.' : *p == '.' ? '/' : *p;
    if (strncmp(dotted, "net.", 4) == 0)
        return "network";
    if (strncmp(dotted, "fs.mqueue.", 10) == 0)
        return "ipc";
    if (strcmp(dotted, "kernel.domainname") == 0)
        return "uts";
    for (size_t i = 0; i < sizeof(ipc) / sizeof(ipc[0]); i++)
        if (strcmp(dotted, ipc[i]) == 0)
            return "ipc";
    return NULL;
}

static void sysctls(struct oci *c, const struct json *linux_)
{
    json_foreach (it, oci_get(linux_, "sysctl")) {
        struct json_path path = {.text = ".linux.sysctl", .len = sizeof(".linux.sysctl") - 1};
        const char *type = strlen(it.key) == it.key_len ? sysctl_namespace(it.key) : NULL;

        json_path_key(&path, it.key, it.key_len);
        if (!type)
            oci_error(c, "R1", path.text,
                      "not a sysctl of a container (runc: 'sysctl is not in a separate kernel namespace'): "
                      "remove it");
        else if (!oci_namespace(c, type))
            oci_error(c, "R1", path.text,
                      "would change the host's %s namespace (runc: 'sysctl not allowed in host namespace'): "
                      "add a namespace "
                      "of type %s, or remove it",
                      type, type);
    }
}

/* In a user namespace runtimes cannot make device nodes: they bind the host's, for which crun 1.8 takes a mount namespace as the user. */
static void devices(struct oci *c, const struct json *linux_)
{
    const char *path;

    if (json_count(oci_get(linux_, "devices")) && c->mode == OCI_OUTSIDE && c->opts->runtime == OCI_CRUN)
        oci_warning(
            c, "R1", ".linux.devices",
            "crun 1.8 fails for a user who is not root (crun: 'unshare `CLONE_NEWNS`: Operation not "
            "permitted'): bind each of them with a mount instead, or run crun inside a user namespace");
    json_foreach (it, oci_get(linux_, "devices"))
        if (c->facts->is_there && json_get_str(it.value, "path", &path) == 0 && !c->facts->is_there(path))
            oci_error(
                c, "R1", OCI_PATH(".linux.devices[%zu]", it.index),
                "the host has no '%.200s', and a device node cannot be made in a user namespace (runtime: "
                "'no such file or directory'): "
                "remove it",
                path);
}

static bool is_namespace(const char *type)
{
    static const char *const types[] = {"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return false;
}

static void namespaces(struct oci *c, const struct json *linux_)
{
    json_foreach (it, oci_get(linux_, "namespaces")) {
        const char *type = "";
        size_t index = oci_namespace_index(c, it.value);

        json_get_str(it.value, "type", &type);
        if (!is_namespace(type))
            oci_error(c, "R1", OCI_PATH(".linux.namespaces[%zu].type", index),
                      "'%.32s' is no type of namespace (runc: 'namespace does not exist'): remove it", type);
        else if (strcmp(type, "user") != 0 && oci_namespace(c, type) != it.value)
            oci_error(
                c, "R1", OCI_PATH(".linux.namespaces[%zu]", index),
                "a second namespace of type %.32s (runc: 'malformed spec file: duplicated ns'): remove one",
                type);
        else if (strcmp(type, "time") == 0)
            oci_warning(
                c, "R1", OCI_PATH(".linux.namespaces[%zu]", index),
                "runc before 1.2 knows no time namespace (runc: 'namespace \"time\" does not exist'), and "
                "crun 1.8 sets no timeOffsets");
    }
}

/* Where a device is to go, and who may take it from where it is. */
static void net_devices(struct oci *c, const struct json *linux_)
{
    if (!json_count(oci_get(linux_, "netDevices")))
        return;
    if (!oci_namespace(c, "network"))
        oci_error(c, "R1", ".linux.netDevices",
                  "needs a network namespace (runc: 'unable to move network devices without a private NET "
                  "namespace'): add one, or remove them");
    else if (c->mode == OCI_OUTSIDE || c->facts->net == OCI_OWNER_OUTSIDE)
        oci_warning(
            c, "R1", ".linux.netDevices",
            "moving a network device needs CAP_NET_ADMIN over the network namespace that it is in, which "
            "is not owned here (runtimes that know netDevices will fail)");
}

void oci_rule_runtime(struct oci *c)
{
    const struct json *linux_ = oci_linux(c, false);

    process(c);
    if (!has_text(oci_get(c->root, "root"), "path"))
        oci_error(c, "R1", ".root.path",
                  "missing (runc: 'root must be specified'): say where the root file system is");
    names(c);
    hidden_paths(c, linux_);
    sysctls(c, linux_);
    devices(c, linux_);
    namespaces(c, linux_);
    net_devices(c, linux_);
    if (json_count(oci_get(linux_, "timeOffsets")) && !oci_namespace(c, "time"))
        oci_error(c, "R1", ".linux.timeOffsets",
                  "needs a time namespace (runc: 'time namespace offsets specified, but time namespace isn't "
                  "enabled "
                  "in the config'): add one");
}
