/* SPDX-License-Identifier: Apache-2.0 */
#include "net/restevents.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "core/fd.h"
#include "core/json.h"
#include "core/strv.h"
#include "net/portjson.h"

static const char *const event_names[] = {
    [PORT_ADDED] = "add",     [PORT_REMOVED] = "remove",    [PORT_INTERRUPTED] = "interrupted",
    [PORT_FAILED] = "failed", [PORT_RESTORED] = "restored",
};
_Static_assert(array_size(event_names) == PORT_RESTORED + 1, "every event has a name");

/* Now, as in RFC 3339, to the microsecond. */
static void format_time(char ret[40])
{
    struct timespec now;
    struct tm tm;
    char day[24] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    str_format(ret, 40, "%s.%06ldZ", day, now.tv_nsec / 1000);
}

static int add_line(struct strbuf *b, const char *event, const struct port_entry *entry, const char *text)
{
    struct json_doc *doc json_auto = NULL;
    free_auto char *line = NULL;
    char when[40] = "";
    size_t len;
    int r = json_doc_new(&doc);
    if (r < 0)
        return r;
    struct json *o = json_new_object(doc);
    format_time(when);
    json_add_str(doc, o, "time", when);
    json_add_str(doc, o, "event", event);
    if (entry)
        json_add(doc, o, "port", port_entry_to_json(doc, entry));
    if (text)
        json_add_str(doc, o, "message", text);
    r = json_write(doc, o, JSON_COMPACT, &line, &len);
    if (r < 0)
        return r;
    strbuf_add(b, line, len);
    strbuf_adds(b, "\n");
    return b->err;
}

static int finish(struct strbuf *b, int r, char **ret, size_t *ret_len)
{
    if (r < 0) {
        strbuf_done(b);
        return r;
    }
    *ret = b->s;
    *ret_len = b->len;
    return 0;
}

int restevents_first(const struct port_table *t, char **ret, size_t *ret_len)
{
    struct strbuf b = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < port_count(t); i++)
        r = add_line(&b, "present", port_get(t, i), NULL);
    if (r == 0 && port_table_interrupted(t))
        r = add_line(&b, event_names[PORT_INTERRUPTED], NULL, NULL);
    if (r == 0)
        r = add_line(&b, "watching", NULL, NULL);
    return finish(&b, r, ret, ret_len);
}

int restevents_line(enum port_event event, const struct port_entry *entry, const char *text, char **ret,
                    size_t *ret_len)
{
    struct strbuf b = {0};
    return finish(&b, add_line(&b, event_names[event], entry, text), ret, ret_len);
}
