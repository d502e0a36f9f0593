/* SPDX-License-Identifier: Apache-2.0 */
/* What a conversion did and what it could not do, collected and shown. */
#include "core/oci_rules.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/fd.h"

/* Room for one more element of a growing array. */
static void *grow(struct oci_report *r, void *v, size_t n, size_t size)
{
    void *p;

    if (n && (n < 16 || (n & (n - 1)))) /* 16, then doubled whenever full */
        return v;
    p = reallocarray(v, n ? 2 * n : 16, size);
    if (!p)
        r->err = -ENOMEM;
    return p;
}

static char *copy(struct oci_report *r, const char *s)
{
    char *p = s ? strdup(s) : NULL;

    if (s && !p)
        r->err = -ENOMEM;
    return p;
}

/* What comes from the document is shown on terminals: no control characters (C0, DEL, and C1, which UTF-8 has as c2 80 to c2 9f). */
static void make_plain(char *s)
{
    unsigned char before = 0;

    for (; s && *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c < ' ' || c == 0x7f || (before == 0xc2 && c >= 0x80 && c <= 0x9f)) {
            if (before == 0xc2)
                s[-1] = '?';
            *s = '?';
        }
        before = c;
    }
}

__attribute__((format(printf, 2, 0))) static char *format(struct oci_report *r, const char *fmt, va_list ap)
{
    struct strbuf b = {0};

    strbuf_vaddf(&b, fmt, ap);
    if (b.err)
        r->err = b.err;
    make_plain(b.s);
    return b.s;
}

char *oci_text(struct oci *c, const struct json *n)
{
    char *s = NULL;
    int r = n ? json_write(c->doc, n, JSON_COMPACT, &s, NULL) : 0;

    if (r < 0)
        c->report->err = r;
    return s;
}

void oci_changed(struct oci *c, const char *rule, const char *path, char *before, const struct json *after,
                 const char *why, ...)
{
    struct oci_report *r = c->report;
    struct oci_change *v = grow(r, r->changes, r->nchanges, sizeof(*v));
    va_list ap;

    if (!v) {
        free(before);
        return;
    }
    r->changes = v;
    va_start(ap, why);
    v[r->nchanges++] = (struct oci_change){.rule = rule,
                                           .path = copy(r, path),
                                           .before = before,
                                           .after = oci_text(c, after),
                                           .why = format(r, why, ap)};
    va_end(ap);
}

__attribute__((format(printf, 5, 0))) static void note(struct oci *c, enum oci_severity severity,
                                                       const char *rule, const char *path, const char *text,
                                                       va_list ap)
{
    struct oci_report *r = c->report;
    struct oci_note *v = grow(r, r->notes, r->nnotes, sizeof(*v));

    if (!v)
        return;
    r->notes = v;
    v[r->nnotes++] = (struct oci_note){
        .severity = severity, .rule = rule, .path = copy(r, path), .text = format(r, text, ap)};
}

void oci_error(struct oci *c, const char *rule, const char *path, const char *text, ...)
{
    va_list ap;

    va_start(ap, text);
    note(c, OCI_ERROR, rule, path, text, ap);
    va_end(ap);
}

void oci_warning(struct oci *c, const char *rule, const char *path, const char *text, ...)
{
    va_list ap;

    va_start(ap, text);
    note(c, OCI_WARNING, rule, path, text, ap);
    va_end(ap);
}

bool oci_report_failed(const struct oci_report *r)
{
    for (size_t i = 0; i < r->nnotes; i++)
        if (r->notes[i].severity == OCI_ERROR)
            return true;
    return false;
}

void oci_report_done(struct oci_report *r)
{
    for (size_t i = 0; i < r->nchanges; i++) {
        free(r->changes[i].path);
        free(r->changes[i].before);
        free(r->changes[i].after);
        free(r->changes[i].why);
    }
    for (size_t i = 0; i < r->nnotes; i++) {
        free(r->notes[i].path);
        free(r->notes[i].text);
    }
    free(r->changes);
    free(r->notes);
    *r = (struct oci_report){0};
}

void oci_report_text(const struct oci_report *r, FILE *out)
{
    for (size_t i = 0; i < r->nchanges; i++) {
        const struct oci_change *v = &r->changes[i];

        make_plain(v->before); /* JSON, but that escapes only some of them */
        make_plain(v->after);
        fprintf(out, "%s %s: %s -> %s (%s)\n", v->rule, v->path, v->before ? v->before : "nothing",
                v->after ? v->after : "nothing", v->why);
    }
}

int oci_report_json(const struct oci_report *r, FILE *out)
{
    struct json_doc *doc json_auto = NULL;
    free_auto char *text = NULL;
    struct json *list;
    int e = json_doc_new(&doc);

    if (e < 0)
        return e;
    list = json_new_array(doc);
    for (size_t i = 0; i < r->nchanges; i++) {
        const struct oci_change *v = &r->changes[i];
        struct json *o = json_new_object(doc);

        json_add_str(doc, o, "rule", v->rule);
        json_add_str(doc, o, "path", v->path);
        json_add(doc, o, "before", v->before ? json_new_raw(doc, v->before) : json_new_null(doc));
        json_add(doc, o, "after", v->after ? json_new_raw(doc, v->after) : json_new_null(doc));
        json_add_str(doc, o, "why", v->why);
        json_append(doc, list, o);
    }
    e = json_write(doc, list, JSON_INDENT, &text, NULL);
    if (e < 0)
        return e;
    return fputs(text, out) < 0 ? -EIO : 0;
}
