/* SPDX-License-Identifier: Apache-2.0 */
#include "core/opt.h"

#include <errno.h>
#include <string.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/parse.h"

const char opt_no_value[] = "";

static bool is_end(const struct opt *o)
{
    return !o->name && !o->help;
}

static const struct opt *find_long(const struct opt *table, const char *name, size_t len)
{
    for (const struct opt *o = table; !is_end(o); o++)
        if (o->name && strlen(o->name) == len && !strncmp(o->name, name, len))
            return o;
    return NULL;
}

static const struct opt *find_letter(const struct opt *table, char c)
{
    for (const struct opt *o = table; !is_end(o); o++)
        if (o->letter && o->letter == c)
            return o;
    return NULL;
}

const char *opt_suggest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t len = strlen(word);
    unsigned best_distance = len < 4 ? 2 : (unsigned)len / 3 + 1; /* one must be nearer than this */
    for (size_t i = 0; i < n; i++) {
        unsigned d = str_distance(word, names[i]);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}

static int unknown_long(const struct opt *table, const char *name)
{
    const char *names[128];
    size_t n = 0;
    for (const struct opt *o = table; !is_end(o) && n < array_size(names); o++)
        if (o->name && !o->hidden)
            names[n++] = o->name;
    char word[64];
    size_t len = strcspn(name, "=");
    snprintf(word, sizeof(word), "%.*s", (int)(len < 63 ? len : 63), name);
    const char *near = opt_suggest(word, names, n);
    if (near)
        log_error("unknown option '--%s' (did you mean '--%s'? see --help)", word, near);
    else
        log_error("unknown option '--%s' (see --help)", word);
    return -EINVAL;
}

static int set_enum(const struct opt *o, const char *const *values, int *target, const char *value)
{
    size_t n = 0;
    struct strbuf all = {0};
    for (; values[n]; n++) {
        if (*value && !strcmp(values[n], value)) {
            *target = (int)n;
            strbuf_done(&all);
            return 0;
        }
        if (*values[n]) /* an empty name stands for "not given" */
            strbuf_addf(&all, "%s%s", all.len ? ", " : "", values[n]);
    }
    const char *near = opt_suggest(value, values, n);
    if (near)
        log_error("--%s: bad value '%s' (did you mean '%s'? one of: %s)", o->name, value, near, all.s);
    else
        log_error("--%s: bad value '%s' (one of: %s)", o->name, value, all.s ? all.s : "");
    strbuf_done(&all);
    return -EINVAL;
}

static int set_uint(const struct opt *o, uint32_t *target, const char *value)
{
    uint64_t v;
    uint32_t max = o->max ? o->max : UINT32_MAX;
    int r = parse_uint(value, o->min, max, &v);
    if (r < 0) {
        log_error("--%s: bad value '%s' (a whole number from %u to %u is needed)", o->name, value, o->min,
                  max);
        return -EINVAL;
    }
    *target = (uint32_t)v;
    return 0;
}

/* @value: NULL for a flag given without one */
static int apply(const struct opt *o, void *target, const char *value)
{
    char *base = target;
    void *at = base + o->offset;
    if (o->seen_offset) {
        bool yes = true;
        memcpy(base + o->seen_offset, &yes, sizeof(yes));
    }
    switch (o->kind) {
    case OPT_FLAG: {
        bool v = true;
        if (value && parse_bool(value, &v) < 0) {
            log_error("--%s: bad value '%s' (true or false is needed)", o->name, value);
            return -EINVAL;
        }
        *(bool *)at = v;
        return 0;
    }
    case OPT_STR: *(const char **)at = value; return 0;
    case OPT_OPTSTR: *(const char **)at = value ? value : opt_no_value; return 0;
    case OPT_LIST: {
        int r = strv_add(at, value);
        return r < 0 ? log_errno(r, "cannot store the value of --%s", o->name) : 0;
    }
    case OPT_UINT: return set_uint(o, at, value);
    case OPT_ENUM: return set_enum(o, o->values, at, value);
    case OPT_HEADING: break;
    }
    return -EINVAL;
}

struct scan {
    const struct opt *table;
    void *target;
    char **argv;
    int argc;
    int at;
    unsigned flags;
};

/* The value of an option that needs one: what is attached, else the next word. */
static int value_of(struct scan *s, const struct opt *o, const char *attached, const char **ret)
{
    if (attached) {
        *ret = attached;
        return 0;
    }
    if (s->at + 1 >= s->argc) {
        log_error("option --%s needs a value (see --help)", o->name);
        return -EINVAL;
    }
    *ret = s->argv[++s->at];
    return 0;
}

static bool takes_value(const struct opt *o)
{
    return o->kind != OPT_FLAG && o->kind != OPT_OPTSTR;
}

/* The one long name that begins with these @len bytes. NULL: none; *@ret_other: a second one that does, too. */
static const struct opt *find_abbreviated(const struct opt *table, const char *name, size_t len,
                                          const struct opt **ret_other)
{
    const struct opt *found = NULL;
    for (const struct opt *o = table; !is_end(o); o++) {
        if (!o->name || strncmp(o->name, name, len) != 0)
            continue;
        if (found)
            *ret_other = o;
        else
            found = o;
    }
    return found;
}

static int parse_long(struct scan *s, const char *name)
{
    size_t len = strcspn(name, "=");
    const char *attached = name[len] ? name + len + 1 : NULL;
    const struct opt *o = find_long(s->table, name, len), *other = NULL;
    if (!o && (s->flags & OPT_GETOPT) && len)
        o = find_abbreviated(s->table, name, len, &other);
    if (other) {
        log_error("option '--%.*s' may be '--%s' or '--%s' (see --help)", (int)len, name, o->name,
                  other->name);
        return -EINVAL;
    }
    if (!o)
        return unknown_long(s->table, name);
    const char *value = attached;
    if (takes_value(o)) {
        int r = value_of(s, o, attached, &value);
        if (r < 0)
            return r;
    }
    return apply(o, s->target, value);
}

static int parse_letters(struct scan *s, const char *letters)
{
    for (const char *p = letters; *p; p++) {
        const struct opt *o = find_letter(s->table, *p);
        if (!o) {
            log_error("unknown option '-%c' in '-%s' (see --help)", *p, letters);
            return -EINVAL;
        }
        const char *attached = p[1] ? p + 1 + (p[1] == '=') : NULL;
        if (o->kind == OPT_OPTSTR)
            return apply(o, s->target, attached);
        if (takes_value(o)) {
            const char *value = NULL;
            int r = value_of(s, o, attached, &value);
            if (r < 0)
                return r;
            return apply(o, s->target, value);
        }
        int r = apply(o, s->target, NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

/* -name and -name=value, as programs written in Go take a long name */
static bool is_single_dash_long(const struct opt *table, const char *word)
{
    size_t len = strcspn(word, "=");
    return len > 1 && find_long(table, word, len);
}

/* Move argv[from] in front of argv[to], keeping the order of what is between. */
static void rotate(char **argv, int to, int from)
{
    char *word = argv[from];
    memmove(argv + to + 1, argv + to, (size_t)(from - to) * sizeof(*argv));
    argv[to] = word;
}

int opt_parse(const struct opt *table, void *target, int argc, char **argv, unsigned flags, int *ret_first)
{
    struct scan s = {table, target, argv, argc, 1, flags};
    int operands = 0; /* operands seen so far: they stand right before s.at */
    while (s.at < argc) {
        const char *word = argv[s.at];
        if (word[0] != '-' || !word[1]) {
            if (!(flags & OPT_PERMUTE))
                break;
            operands++;
            s.at++;
            continue;
        }
        int start = s.at;
        bool end = !strcmp(word, "--");
        int r = 0;
        if (!end && (word[1] == '-' || (!(flags & OPT_GETOPT) && is_single_dash_long(table, word + 1))))
            r = parse_long(&s, word + 1 + (word[1] == '-'));
        else if (!end)
            r = parse_letters(&s, word + 1);
        if (r < 0)
            return r;
        s.at++;
        for (int i = start; i < s.at; i++)
            rotate(argv, i - operands, i);
        if (end)
            break;
    }
    *ret_first = s.at - operands;
    return 0;
}

static const char *placeholder(const struct opt *o)
{
    if (o->arg)
        return o->arg;
    switch (o->kind) {
    case OPT_STR:
    case OPT_OPTSTR:
    case OPT_LIST: return "VALUE";
    case OPT_UINT: return "N";
    case OPT_ENUM: return NULL;
    case OPT_FLAG:
    case OPT_HEADING: break;
    }
    return NULL;
}

static void option_words(struct strbuf *b, const struct opt *o)
{
    if (o->letter)
        strbuf_addf(b, "  -%c, --%s", o->letter, o->name);
    else
        strbuf_addf(b, "      --%s", o->name);
    const char *arg = placeholder(o);
    if (arg) {
        strbuf_addf(b, o->kind == OPT_OPTSTR ? "[=%s]" : "=%s", arg);
    } else if (o->kind == OPT_ENUM) {
        for (size_t i = 0; o->values[i]; i++)
            strbuf_addf(b, "%s%s", i ? "|" : "=", o->values[i]);
    }
}

enum { HELP_COLUMN = 34, HELP_WIDTH = 100 };

/* Wrap the help text into the right-hand column. */
static void print_wrapped(FILE *out, const char *text, size_t column)
{
    while (*text) {
        size_t n = strlen(text), room = HELP_WIDTH - HELP_COLUMN;
        if (n > room) {
            n = room;
            while (n > 0 && text[n] != ' ')
                n--;
            if (n == 0)
                n = strcspn(text, " ");
        }
        fprintf(out, "%*s%.*s\n", (int)(HELP_COLUMN - column), "", (int)n, text);
        text += n;
        text += strspn(text, " ");
        column = 0;
    }
}

void opt_help(FILE *out, const struct opt *table)
{
    for (const struct opt *o = table; !is_end(o); o++) {
        if (o->hidden)
            continue;
        if (!o->name) {
            fprintf(out, "\n%s:\n", o->help);
            continue;
        }
        struct strbuf words = {0};
        option_words(&words, o);
        size_t column = words.len;
        fputs(words.s ? words.s : "", out);
        strbuf_done(&words);
        if (column + 2 > HELP_COLUMN) {
            fputc('\n', out);
            column = 0;
        }
        print_wrapped(out, o->help ? o->help : "", column);
    }
}
