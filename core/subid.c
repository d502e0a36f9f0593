/* SPDX-License-Identifier: Apache-2.0 */
#include "core/subid.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/parse.h"
#include "core/proc.h"
#include "core/strv.h"

const char *const subid_source_names[] = {"auto", "dynamic", "static", NULL};

enum { GETSUBIDS_OUT_MAX = 256 << 10, GETSUBIDS_TIMEOUT_MS = 10000, NSSWITCH_MAX = 1 << 20 };

void subid_list_done(struct subid_list *l)
{
    if (!l)
        return;
    free(l->r);
    *l = (struct subid_list){0};
}

static int append(struct subid_list *l, uint32_t first, uint32_t count)
{
    struct subid_range *last = l->n ? &l->r[l->n - 1] : NULL;

    if (last && (uint64_t)last->first + last->count == first) {
        last->count += count;
        return 0;
    }
    if (l->n >= SUBID_MAX_RANGES)
        return -E2BIG;
    if ((l->n & (l->n - 1)) == 0) { /* full whenever n is a power of two (or 0) */
        struct subid_range *r = reallocarray(l->r, l->n ? l->n * 2 : 1, sizeof(*r));
        if (!r)
            return -ENOMEM;
        l->r = r;
    }
    l->r[l->n++] = (struct subid_range){first, count};
    return 0;
}

int subid_list_add(struct subid_list *l, uint64_t first, uint64_t count)
{
    if (count == 0 || first >= UINT32_MAX || count > UINT32_MAX - first)
        return -EINVAL;

    uint64_t end = first + count; /* one past the last id */
    while (first < end) {
        uint64_t stop = end; /* where the part that is not held yet ends */
        bool held = false;
        for (size_t i = 0; i < l->n && !held; i++) {
            uint64_t f = l->r[i].first, e = f + l->r[i].count;
            if (f <= first && first < e) {
                first = e;
                held = true;
            } else if (f > first && f < stop) {
                stop = f;
            }
        }
        if (held)
            continue;
        int r = append(l, (uint32_t)first, (uint32_t)(stop - first));
        if (r < 0)
            return r;
        first = stop;
    }
    return 0;
}

int subid_list_remove(struct subid_list *l, uint32_t id)
{
    for (size_t i = 0; i < l->n; i++) {
        struct subid_range *r = &l->r[i];
        if (id < r->first || id - r->first >= r->count)
            continue;

        /* Rebuild from here on: the range becomes none, one or two. */
        subid_auto struct subid_list out = {0};
        int rc = 0;
        for (size_t k = 0; k < l->n && rc == 0; k++) {
            struct subid_range x = l->r[k];
            if (k != i) {
                rc = append(&out, x.first, x.count);
                continue;
            }
            uint32_t before = id - x.first, after = x.count - before - 1;
            if (before > 0)
                rc = append(&out, x.first, before);
            if (after > 0 && rc == 0)
                rc = append(&out, id + 1, after);
        }
        if (rc < 0)
            return rc;
        struct subid_list old = *l;
        *l = out;
        out = old;
        return 0;
    }
    return 0;
}

static int by_first(const void *a, const void *b)
{
    const struct subid_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

void subid_list_merge(struct subid_list *l)
{
    if (l->n < 2)
        return;
    qsort(l->r, l->n, sizeof(*l->r), by_first);
    size_t out = 0;
    for (size_t i = 1; i < l->n; i++) {
        if ((uint64_t)l->r[out].first + l->r[out].count == l->r[i].first)
            l->r[out].count += l->r[i].count;
        else
            l->r[++out] = l->r[i];
    }
    l->n = out + 1;
}

uint64_t subid_list_total(const struct subid_list *l)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->n; i++)
        sum += l->r[i].count;
    return sum;
}

/* A piece of a line; not NUL-terminated. */
struct span {
    const char *s;
    size_t len;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span f)
{
    while (f.len > 0 && is_blank(f.s[0]))
        f.s++, f.len--;
    while (f.len > 0 && is_blank(f.s[f.len - 1]))
        f.len--;
    return f;
}

static bool span_is(struct span f, const char *s)
{
    return f.len == strlen(s) && memcmp(f.s, s, f.len) == 0;
}

static int span_u64(struct span f, uint64_t *ret)
{
    char buf[24];
    if (f.len == 0 || f.len >= sizeof(buf))
        return -EINVAL;
    memcpy(buf, f.s, f.len);
    buf[f.len] = '\0';
    /* A NUL inside the text would end the number early. */
    return strlen(buf) == f.len ? parse_uint(buf, 0, UINT64_MAX, ret) : -EINVAL;
}

/* Cut the next piece, up to @sep, off the front of @rest. False when nothing is left. */
static bool next_piece(struct span *rest, char sep, struct span *ret)
{
    if (!rest->s)
        return false;
    const char *end = rest->len > 0 ? memchr(rest->s, sep, rest->len) : NULL;
    if (!end) {
        *ret = *rest;
        rest->s = NULL;
        return true;
    }
    *ret = (struct span){rest->s, (size_t)(end - rest->s)};
    rest->len -= ret->len + 1;
    rest->s = end + 1;
    return true;
}

/* Cut the next blank-separated word off the front of @rest. */
static struct span next_word(struct span *rest)
{
    *rest = trim(*rest);
    struct span w = {rest->s, 0};
    while (w.len < rest->len && !is_blank(rest->s[w.len]))
        w.len++;
    rest->s += w.len;
    rest->len -= w.len;
    return w;
}

static int add_from_line(struct subid_list *l, struct span first, struct span count, size_t line_no)
{
    uint64_t f, c;
    int r = span_u64(trim(first), &f);
    if (r == 0)
        r = span_u64(trim(count), &c);
    if (r == 0)
        r = subid_list_add(l, f, c);
    if (r == -ENOMEM || r == -E2BIG)
        return r;
    if (r < 0)
        log_debug("subordinate ids: line %zu passed over: not a valid range", line_no);
    return 0;
}

static bool is_owner(struct span owner, const char *user, uint32_t uid)
{
    uint64_t number;
    if (user && span_is(owner, user))
        return true;
    return span_u64(owner, &number) == 0 && number == uid;
}

int subid_parse(const char *text, size_t len, const char *user, uint32_t uid, struct subid_list *l)
{
    struct span rest = {text, len}, line;

    for (size_t no = 1; next_piece(&rest, '\n', &line); no++) {
        struct span owner, first, count;
        line = trim(line);
        if (line.len == 0 || line.s[0] == '#')
            continue;
        if (!next_piece(&line, ':', &owner) || !next_piece(&line, ':', &first) ||
            !next_piece(&line, ':', &count) || line.s) {
            log_debug("subordinate ids: line %zu passed over: not OWNER:FIRST:COUNT", no);
            continue;
        }
        if (!is_owner(trim(owner), user, uid))
            continue;
        int r = add_from_line(l, first, count, no);
        if (r < 0)
            return r;
    }
    return 0;
}

int subid_parse_getsubids(const char *text, size_t len, struct subid_list *l)
{
    struct span rest = {text, len}, line;

    for (size_t no = 1; next_piece(&rest, '\n', &line); no++) {
        struct span index = next_word(&line);
        if (index.len == 0)
            continue;
        struct span owner = next_word(&line), first = next_word(&line), count = next_word(&line);
        if (owner.len == 0 || index.s[index.len - 1] != ':' || trim(line).len != 0) {
            log_debug("getsubids: line %zu passed over: not INDEX: OWNER FIRST COUNT", no);
            continue;
        }
        int r = add_from_line(l, first, count, no);
        if (r < 0)
            return r;
    }
    return 0;
}

const char *subid_path(enum subid_kind kind)
{
    return kind == SUBID_UID ? "/etc/subuid" : "/etc/subgid";
}

/* More ranges than we keep are no reason to fail: the kernel takes fewer still. */
static int tolerate_many(int r, const char *where)
{
    if (r != -E2BIG)
        return r;
    log_debug("%s: more than %d ranges, the rest is left out", where, SUBID_MAX_RANGES);
    return 0;
}

static const char *user_text(const char *user, uint32_t uid, char buf[static 16])
{
    if (user)
        return user;
    (void)str_format(buf, 16, "%u", (unsigned)uid);
    return buf;
}

int subid_read(enum subid_kind kind, const char *user, uint32_t uid, struct subid_list *ret,
               struct reason *why)
{
    const char *path = subid_path(kind);
    subid_auto struct subid_list l = {0};
    free_auto char *text = NULL;
    char number[16];
    size_t len;

    int r = file_read(AT_FDCWD, path, SUBID_FILE_MAX, &text, &len);
    if (r == -ENOENT)
        return reason_set(why, r, "there is no %s", path);
    if (r < 0)
        return reason_set(why, r, "cannot read %s: %s", path, strerror(-r));
    r = tolerate_many(subid_parse(text, len, user, uid, &l), path);
    if (r < 0)
        return reason_set(why, r, "cannot read %s: %s", path, strerror(-r));
    if (l.n == 0)
        return reason_set(why, -ENODATA, "no ranges for '%s' in %s", user_text(user, uid, number), path);
    *ret = l;
    l = (struct subid_list){0};
    return 0;
}

static const char *getsubids_program(void)
{
    const char *env = secure_getenv("GETSUBIDS");
    return env && *env ? env : "getsubids";
}

int subid_getsubids(enum subid_kind kind, const char *user, uint32_t uid, struct subid_list *ret,
                    struct reason *why)
{
    subid_auto struct subid_list l = {0};
    const char *program = getsubids_program();
    char path[PATH_MAX], number[16], name[256];
    struct reason err = {""};
    int status;

    int r = proc_which(program, path);
    if (r < 0)
        return reason_set(why, r, "'%s' is not installed", program);
    r = str_format(name, sizeof(name), "%s", user_text(user, uid, number));
    if (r < 0)
        return reason_set(why, r, "the user name is too long");
    free_auto char *out = malloc(GETSUBIDS_OUT_MAX);
    if (!out)
        return -ENOMEM;

    char minus_g[] = "-g";
    char *uid_argv[] = {path, name, NULL}, *gid_argv[] = {path, minus_g, name, NULL};
    r = proc_run(kind == SUBID_UID ? uid_argv : gid_argv, GETSUBIDS_TIMEOUT_MS, &status, &err, out,
                 GETSUBIDS_OUT_MAX);
    if (r < 0)
        return reason_set(why, r, "cannot run '%s': %s", path, strerror(-r));
    if (WIFSIGNALED(status))
        return reason_set(why, -ENODATA, "'%s' was killed by signal %d", path, WTERMSIG(status));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return reason_set(why, -ENODATA, "'%s' has no ranges for '%s'%s%s", path, name,
                          err.text[0] ? ": " : "", err.text);

    size_t len = strlen(out);
    if (len == GETSUBIDS_OUT_MAX - 1) /* cut off: the last line may be half a number */
        while (len > 0 && out[len - 1] != '\n')
            len--;
    r = tolerate_many(subid_parse_getsubids(out, len, &l), path);
    if (r < 0)
        return reason_set(why, r, "cannot read the output of '%s': %s", path, strerror(-r));
    if (l.n == 0)
        return reason_set(why, -ENODATA, "'%s' printed no ranges for '%s'", path, name);
    *ret = l;
    l = (struct subid_list){0};
    return 0;
}

/* Does /etc/nsswitch.conf name a service for subordinate ids (subid: sss)? */
static bool nsswitch_has_subid(void)
{
    free_auto char *text = NULL;
    size_t len;

    if (file_read(AT_FDCWD, "/etc/nsswitch.conf", NSSWITCH_MAX, &text, &len) < 0)
        return false;
    struct span rest = {text, len}, line, key;
    while (next_piece(&rest, '\n', &line))
        if (next_piece(&line, ':', &key) && line.s && span_is(trim(key), "subid"))
            return true;
    return false;
}

static bool getsubids_knows_more(void)
{
    const char *env = secure_getenv("GETSUBIDS");
    char path[PATH_MAX];

    if (env && *env)
        return true;
    if (proc_which("getsubids", path) < 0)
        return false;
    if (strcmp(path, "/usr/bin/getsubids") != 0 && strcmp(path, "/bin/getsubids") != 0)
        return true;
    return nsswitch_has_subid();
}

int subid_lookup(enum subid_source source, enum subid_kind kind, const char *user, uint32_t uid,
                 struct subid_list *ret, struct reason *why)
{
    /* Capabilities that come from the executable (AT_SECURE) must not be spent on what a program in the user's $PATH says. */
    bool borrowed = getauxval(AT_SECURE) != 0;
    if (source == SUBID_DYNAMIC && borrowed)
        return reason_set(why, -EPERM, "getsubids is not asked with file capabilities on this program");
    if (source == SUBID_DYNAMIC)
        return subid_getsubids(kind, user, uid, ret, why);
    if (source == SUBID_AUTO && !borrowed && getsubids_knows_more()) {
        struct reason dynamic_why = {""};
        int r = subid_getsubids(kind, user, uid, ret, &dynamic_why);
        if (r == 0)
            return 0;
        log_debug("%s; reading %s instead", dynamic_why.text, subid_path(kind));
    }
    return subid_read(kind, user, uid, ret, why);
}

static bool usable_name(const char *name)
{
    return name && *name && *name != '-' && !strpbrk(name, ":/\n");
}

int subid_user_name(uint32_t uid, char *ret, size_t size)
{
    static const char *const vars[] = {"USER", "LOGNAME"};

    const struct passwd *pw = getpwuid(uid);
    if (pw && usable_name(pw->pw_name))
        return str_format(ret, size, "%s", pw->pw_name);
    for (size_t i = 0; i < array_size(vars); i++) {
        const char *name = secure_getenv(vars[i]);
        if (!usable_name(name))
            continue;
        pw = getpwnam(name);
        if (!pw || pw->pw_uid == uid)
            return str_format(ret, size, "%s", name);
    }
    return -ENOENT;
}
