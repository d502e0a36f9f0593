/* SPDX-License-Identifier: Apache-2.0 */
/* N3: the network namespace, and what is set in it. */
#include "core/oci_rules.h"

#include <stdlib.h>
#include <string.h>

static const char netns_type[] = "network";

/* sysctl(8): '/' may stand for '.'. */
static bool is_net_sysctl(const char *key, size_t len)
{
    return len > 4 && memcmp(key, "net", 3) == 0 && (key[3] == '.' || key[3] == '/');
}

/* What a network namespace of one's own was for goes with it. */
static void drop_settings(struct oci *c, const char *why)
{
    struct json *linux_ = oci_linux(c, false), *sysctl = oci_get(linux_, "sysctl");
    size_t before = json_count(sysctl);

    oci_drop(c, linux_, "netDevices", "N3", ".linux.netDevices", why);
    json_foreach (it, sysctl) {
        struct json_path path = {.text = ".linux.sysctl", .len = sizeof(".linux.sysctl") - 1};

        if (!is_net_sysctl(it.key, it.key_len))
            continue;
        json_path_key(&path, it.key, it.key_len);
        oci_changed(c, "N3", path.text, oci_text(c, it.value), NULL, "%s", why);
        json_it_remove(&it);
    }
    if (before && !json_count(sysctl))
        json_remove(linux_, "sysctl");
}

static void drop_netns(struct oci *c, const char *why)
{
    const char *type;
    bool dropped = false;

    json_foreach (it, oci_namespaces(c, false)) {
        if (json_get_str(it.value, "type", &type) < 0 || strcmp(type, netns_type) != 0)
            continue;
        oci_changed(c, "N3", OCI_PATH(".linux.namespaces[%zu]", oci_namespace_index(c, it.value)),
                    oci_text(c, it.value), NULL, "%s", why);
        json_it_remove(&it);
        dropped = true;
    }
    if (dropped)
        drop_settings(c, "belongs to the network namespace that was dropped");
}

static void set_path(struct oci *c, const char *path)
{
    struct json *entry = oci_namespace(c, netns_type);
    const char *old = "";
    char *before = oci_text(c, entry);

    json_get_str(entry, "path", &old);
    if (strcmp(old, path) == 0) {
        free(before);
        return;
    }
    if (!entry) {
        entry = json_new_object(c->doc);
        json_add_str(c->doc, entry, "type", netns_type);
        json_append(c->doc, oci_namespaces(c, true), entry);
    }
    json_set(c->doc, entry, "path", json_new_str(c->doc, path));
    oci_changed(c, "N3", OCI_PATH(".linux.namespaces[%zu]", oci_namespace_index(c, entry)), before, entry,
                "asked for with --net");
}

void oci_rule_netns(struct oci *c)
{
    switch (c->opts->net) {
    case OCI_NET_HOST: drop_netns(c, "asked for with --net=host"); break;
    case OCI_NET_PATH: set_path(c, c->opts->net_path); break;
    case OCI_NET_AUTO:
        if (c->mode != OCI_OUTSIDE || c->userns_path)
            break;
        if (oci_is_private(c, netns_type))
            drop_netns(c, "nobody would connect it to a network; --net=keep keeps it");
        else
            drop_netns(
                c, "joining it needs privileges over the user namespace it belongs to; --net=keep keeps it");
        break;
    default: break;
    }
}
