/* SPDX-License-Identifier: Apache-2.0 */
/* Where a user's subordinate ids are looked up: the files, getsubids(1), and under which name. */
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

#include "core/fd.h"
#include "core/proc.h"
#include "core/strv.h"

const char *const subid_source_names[] = {"auto", "dynamic", "static", NULL};

enum { GETSUBIDS_OUT_MAX = 256 << 10, GETSUBIDS_TIMEOUT_MS = 10000, NSSWITCH_MAX = 1 << 20 };

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

    if (file_read(AT_FDCWD, "/etc/nsswitch.conf", NSSWITCH_MAX, &text, NULL) < 0)
        return false;
    for (const char *line = text; *line;) {
        const char *p = line + strspn(line, " \t");
        if (!strncmp(p, "subid", 5) && p[5 + strspn(p + 5, " \t")] == ':')
            return true;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
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
