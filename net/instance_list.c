/* SPDX-License-Identifier: Apache-2.0 */
#include "net/instance_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/escape.h"
#include "core/fd.h"
#include "core/instances.h"
#include "core/json.h"
#include "core/loop.h"
#include "core/strv.h"
#include "net/httpc.h"
#include "net/portjson.h"
#include "net/portspec.h"

enum { ONE_MS = 2000, TOGETHER_MS = 5000, LEAST_MS = 50, PORTS_SHOWN = 4, COLUMNS = 7, COLUMN_GAP = 2 };

struct row {
    char *cell[COLUMNS];
};

struct list {
    bool json;
    FILE *out;
    uint64_t patience_end;
    struct row *rows;
    size_t n;
};

/* ---------------------------------------------------------------- asking an instance */

struct answers {
    struct json_doc *info_doc, *ports_doc;
    const struct json *info, *ports; /* an object, an array; NULL: no (sensible) answer */
};

static int ask(const char *socket, const char *path, uint64_t end, enum json_type want, struct json_doc **ret)
{
    struct httpc_reply reply;
    uint64_t now = now_ns();
    uint64_t left_ms = end > now ? (end - now) / 1000000u : 0;
    int r = httpc_request(socket, "GET", path, NULL, (int)(left_ms > LEAST_MS ? left_ms : LEAST_MS), &reply,
                          NULL);
    if (r < 0)
        return r;
    r = reply.status == 200 ? json_read(reply.body, reply.len, HTTPC_REPLY_MAX, ret, NULL) : -EREMOTEIO;
    free(reply.body);
    return r == 0 && json_type(json_root(*ret)) != want ? -EBADMSG : r;
}

static void ask_all(struct list *l, const struct found_instance *f, struct answers *ret)
{
    char socket[64];
    uint64_t end = now_ns() + ONE_MS * 1000000ull;
    end = end < l->patience_end ? end : l->patience_end;
    snprintf(socket, sizeof(socket), "/proc/self/fd/%d/api.sock", f->dir_fd);
    *ret = (struct answers){NULL};
    if (ask(socket, "/v1/info", end, JSON_OBJECT, &ret->info_doc) < 0)
        return;
    ret->info = json_root(ret->info_doc);
    /* Without a port driver there are no ports to ask for: it would answer with an error. */
    if (json_type(json_get(ret->info, "portDriver")) == JSON_OBJECT &&
        ask(socket, "/v1/ports", end, JSON_ARRAY, &ret->ports_doc) == 0)
        ret->ports = json_root(ret->ports_doc);
}

static void answers_done(struct answers *a)
{
    json_doc_free(a->info_doc);
    json_doc_free(a->ports_doc);
}

/* What the API leaves out for --net=host. */
static const char *net_of(const struct answers *a)
{
    const char *driver = NULL;
    if (!a->info)
        return NULL;
    return json_get_str(json_get(a->info, "networkDriver"), "driver", &driver) == 0 ? driver : "host";
}

static const char *port_driver_of(const struct answers *a)
{
    const char *driver = NULL;
    if (!a->info)
        return NULL;
    return json_get_str(json_get(a->info, "portDriver"), "driver", &driver) == 0 ? driver : "none";
}

/* ---------------------------------------------------------------- JSON */

static struct json *valid_str(struct json_doc *doc, const char *s)
{
    struct strbuf b = {0};
    escape_add(&b, s, strlen(s), ESCAPE_INVALID);
    struct json *n = json_new_str(doc, b.s ? b.s : "");
    strbuf_done(&b);
    return n;
}

static void add_or_null(struct json_doc *doc, struct json *o, const char *key, const char *s)
{
    json_add(doc, o, key, s ? valid_str(doc, s) : json_new_null(doc));
}

static struct json *words_of(struct json_doc *doc, const char *words, size_t len)
{
    struct json *a = json_new_array(doc);
    for (size_t i = 0; i < len; i += strlen(words + i) + 1)
        json_append(doc, a, valid_str(doc, words + i));
    return a;
}

static int print_json(FILE *out, const struct found_instance *f, const struct answers *a, const char *words,
                      size_t len)
{
    struct json_doc *doc json_auto = NULL;
    free_auto char *text = NULL;
    int r = json_doc_new(&doc);
    if (r < 0)
        return r;
    struct json *o = json_new_object(doc), *ports = json_new_array(doc);
    json_foreach (it, a->ports) {
        struct port_entry e;
        if (port_entry_from_json(it.value, &e, NULL) == 0)
            json_append(doc, ports, port_entry_to_json(doc, &e));
    }
    json_add_int(doc, o, "pid", f->pid);
    json_add_int(doc, o, "childPID", f->child);
    json_add_uint(doc, o, "uid", f->uid);
    json_add_uint(doc, o, "ageSeconds", f->age_s);
    json_add_bool(doc, o, "answers", a->info != NULL);
    add_or_null(doc, o, "networkDriver", net_of(a));
    add_or_null(doc, o, "portDriver", port_driver_of(a));
    json_add(doc, o, "ports", ports);
    add_or_null(doc, o, "stateDir", f->path);
    json_add(doc, o, "command", words_of(doc, words, len));
    r = json_write(doc, o, JSON_COMPACT, &text, NULL);
    if (r == 0)
        fprintf(out, "%s\n", text);
    return r;
}

/* ---------------------------------------------------------------- the table */

static char *age_text(uint64_t s)
{
    static const struct {
        uint64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    struct strbuf b = {0};
    for (size_t i = 0; i < array_size(units); i++) {
        if (s < units[i].seconds && units[i].seconds > 1)
            continue;
        strbuf_addf(&b, "%llu%c", (unsigned long long)(s / units[i].seconds), units[i].unit);
        break;
    }
    return b.s;
}

static char *visible(const char *s)
{
    struct strbuf b = {0};
    escape_add(&b, s, strlen(s), ESCAPE_TERMINAL);
    if (!b.s)
        strbuf_adds(&b, "");
    return b.s;
}

static char *visible_words(const char *words, size_t len)
{
    struct strbuf b = {0};
    for (size_t i = 0; i < len; i += strlen(words + i) + 1) {
        if (i)
            strbuf_adds(&b, " ");
        escape_add(&b, words + i, strlen(words + i), ESCAPE_TERMINAL);
    }
    return b.s;
}

static char *ports_text(const struct answers *a)
{
    struct strbuf b = {0};
    size_t n = json_count(a->ports);
    json_foreach (it, a->ports) {
        struct port_entry e;
        char text[PORTSPEC_TEXT_MAX] = "?";
        if (it.index >= PORTS_SHOWN)
            break;
        if (port_entry_from_json(it.value, &e, NULL) == 0)
            portspec_format(&e.spec, text, sizeof(text));
        strbuf_addf(&b, "%s%s", it.index ? "," : "", text);
    }
    if (n > PORTS_SHOWN)
        strbuf_addf(&b, ",+%zu", n - PORTS_SHOWN);
    if (!b.s)
        strbuf_adds(&b, "-");
    return b.s;
}

static char *number(pid_t pid)
{
    struct strbuf b = {0};
    strbuf_addf(&b, "%d", (int)pid);
    return b.s;
}

/* @cells: malloc()ed, taken over; NULL among them: no memory. */
static int add_row(struct list *l, char *const cells[COLUMNS])
{
    struct row *rows = reallocarray(l->rows, l->n + 1, sizeof(*rows));
    bool whole = rows != NULL;
    if (rows) {
        l->rows = rows;
        memcpy(rows[l->n].cell, cells, sizeof(rows->cell));
        l->n++;
    }
    for (size_t k = 0; k < COLUMNS; k++) {
        whole = whole && cells[k];
        if (!rows)
            free(cells[k]);
    }
    return whole ? 0 : -ENOMEM;
}

static int add_heading(struct list *l)
{
    char *const cells[COLUMNS] = {strdup("PID"), strdup("CHILDPID"), strdup("NET"),    strdup("PORTS"),
                                  strdup("AGE"), strdup("STATEDIR"), strdup("COMMAND")};
    return add_row(l, cells);
}

static void print_rows(const struct list *l)
{
    size_t width[COLUMNS] = {0};
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < COLUMNS; k++) {
            size_t w = escape_width(l->rows[i].cell[k]);
            width[k] = w > width[k] ? w : width[k];
        }
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < COLUMNS; k++) {
            const char *s = l->rows[i].cell[k];
            bool last = k == COLUMNS - 1;
            fprintf(l->out, "%s%*s", s, last ? 0 : (int)(width[k] - escape_width(s) + COLUMN_GAP),
                    last ? "\n" : "");
        }
}

/* ---------------------------------------------------------------- the whole */

static int list_one(const struct found_instance *f, void *arg)
{
    struct list *l = arg;
    free_auto char *words = NULL;
    size_t len = 0;
    if (instance_command(f, &words, &len) < 0)
        return 0; /* it has just ended */
    struct answers a;
    ask_all(l, f, &a);
    int r;
    if (l->json) {
        r = print_json(l->out, f, &a, words, len);
    } else {
        const char *net = net_of(&a);
        char *const cells[COLUMNS] = {
            number(f->pid),     number(f->child), visible(net ? net : "(no answer)"), ports_text(&a),
            age_text(f->age_s), visible(f->path), visible_words(words, len)};
        r = add_row(l, cells);
    }
    answers_done(&a);
    return r;
}

int instance_list_print(FILE *out, bool all, bool json)
{
    struct list l = {.json = json, .out = out, .patience_end = now_ns() + TOGETHER_MS * 1000000ull};
    int r = json ? 0 : add_heading(&l);
    if (r == 0)
        r = instances_each(all, list_one, &l);
    if (r == 0)
        print_rows(&l);
    for (size_t i = 0; i < l.n; i++)
        for (size_t k = 0; k < COLUMNS; k++)
            free(l.rows[i].cell[k]);
    free(l.rows);
    return r;
}
