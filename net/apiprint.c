/* SPDX-License-Identifier: Apache-2.0 */
#include "net/apiprint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/fd.h"
#include "net/portjson.h"

/* ---- ports ---- */

enum { COLUMNS = 6, COLUMN_GAP = 4 };

struct row {
    char cell[COLUMNS][INET6_ADDRSTRLEN];
};

static void fill_row(struct row *row, const struct port_entry *e)
{
    memset(row, 0, sizeof(*row));
    snprintf(row->cell[0], sizeof(row->cell[0]), "%u", e->id);
    snprintf(row->cell[1], sizeof(row->cell[1]), "%s", port_proto_names[e->spec.proto]);
    snprintf(row->cell[2], sizeof(row->cell[2]), "%s", e->spec.parent_ip);
    snprintf(row->cell[3], sizeof(row->cell[3]), "%u", e->spec.parent_port);
    snprintf(row->cell[4], sizeof(row->cell[4]), "%s", e->spec.child_ip);
    snprintf(row->cell[5], sizeof(row->cell[5]), "%u", e->spec.child_port);
}

/* Each column as wide as its widest cell, and then a gap; the last one too, as the peer's table writer does. */
static void print_rows(FILE *out, const struct row *rows, size_t n)
{
    int width[COLUMNS] = {0};
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < COLUMNS; k++) {
            int w = (int)strlen(rows[i].cell[k]);
            width[k] = w > width[k] ? w : width[k];
        }
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < COLUMNS; k++)
            fprintf(out, "%-*s", width[k] + COLUMN_GAP, rows[i].cell[k]);
        fputc('\n', out);
    }
}

int apiprint_ports(FILE *out, const struct json *list, struct reason *why)
{
    size_t n = json_count(list) + 1;
    free_auto struct row *rows = calloc(n, sizeof(*rows));
    if (!rows)
        return reason_set(why, -ENOMEM, "out of memory");
    rows[0] = (struct row){{"ID", "PROTO", "PARENTIP", "PARENTPORT", "CHILDIP", "CHILDPORT"}};
    json_foreach (it, list) {
        struct port_entry e;
        struct reason inner = {.text = ""};
        if (port_entry_from_json(it.value, &e, &inner) < 0)
            return reason_set(why, -EBADMSG, "the server's answer is malformed (%s)", inner.text);
        fill_row(&rows[it.index + 1], &e);
    }
    print_rows(out, rows, n);
    return 0;
}

/* ---- info ---- */

static const char *text_of(const struct json *n, const char *key)
{
    const char *s = NULL;
    return json_get_str(n, key, &s) == 0 ? s : "";
}

static void print_list(FILE *out, const struct json *list)
{
    json_foreach (it, list) {
        const char *s = json_str(it.value);
        fprintf(out, "%s%s", it.index ? " " : "", s ? s : "?");
    }
}

void apiprint_info(FILE *out, const struct json *info)
{
    const struct json *net = json_get(info, "networkDriver"), *port = json_get(info, "portDriver");
    int64_t pid = 0;
    json_get_int(info, "childPID", 0, INT32_MAX, &pid);
    fprintf(out, "- REST API version: %s\n", text_of(info, "apiVersion"));
    fprintf(out, "- Implementation version: %s\n", text_of(info, "version"));
    fprintf(out, "- State Directory: %s\n", text_of(info, "stateDir"));
    fprintf(out, "- Child PID: %lld\n", (long long)pid);
    if (json_type(net) == JSON_OBJECT) {
        fprintf(out, "- Network Driver: %s\n  - DNS: [", text_of(net, "driver"));
        print_list(out, json_get(net, "dns"));
        fprintf(out, "]\n");
        if (*text_of(net, "childIP"))
            fprintf(out, "  - IP: %s\n", text_of(net, "childIP"));
    }
    if (json_type(port) == JSON_OBJECT) {
        fprintf(out, "- Port Driver: %s\n  - Supported protocols: [", text_of(port, "driver"));
        print_list(out, json_get(port, "protos"));
        fprintf(out, "]\n");
        if (*text_of(port, "forwarder"))
            fprintf(out, "  - Forwarder: %s\n", text_of(port, "forwarder"));
    }
}

/* The writer indents by two blanks, the peer by four: double what each line begins with. */
int apiprint_indented(FILE *out, const struct json_doc *doc, const struct json *n)
{
    free_auto char *text = NULL;
    int r = json_write(doc, n, JSON_INDENT, &text, NULL);
    if (r < 0)
        return r;
    for (const char *line = text; *line;) {
        size_t blanks = strspn(line, " "), len = strcspn(line, "\n");
        fprintf(out, "%*s%.*s\n", (int)blanks, "", (int)len, line);
        line += len + (line[len] == '\n');
    }
    return 0;
}
