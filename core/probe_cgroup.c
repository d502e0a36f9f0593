/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cgroups there are, and whether a child of the own one can be made: that is what setting limits without privileges
 * takes. Facts: cgroups(7), Documentation/admin-guide/cgroup-v2.rst ("Delegation"), proc(5) on mountinfo.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/probe.h"
#include "core/strv.h"

enum { MOUNTINFO_MAX = 16 << 20, CGROUP_MAX = 1 << 20 };

struct cgroups {
    bool v1;             /* a hierarchy with controllers, mounted */
    bool v2;             /* mounted */
    char own[PATH_MAX];  /* path of this process in the v2 hierarchy; "" unknown */
    char root[PATH_MAX]; /* what of the hierarchy is mounted at @point */
    char point[PATH_MAX];
};

/* One blank-separated word of mountinfo with its octal escapes undone; false when it does not fit. */
static bool unescape(const char *word, size_t len, char *ret, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len; n++) {
        if (n + 1 >= size)
            return false;
        if (word[i] == '\\' && len - i >= 4) {
            ret[n] = (char)((word[i + 1] - '0') << 6 | (word[i + 2] - '0') << 3 | (word[i + 3] - '0'));
            i += 4;
        } else {
            ret[n] = word[i++];
        }
    }
    ret[n] = '\0';
    return true;
}

/* Is @word one of the comma-separated options of a line's end? Controllers are; a named hierarchy has "name=" instead. */
static bool has_controller(const char *options)
{
    static const char *const known[] = {"cpu", "memory", "pids", "cpuset", "blkio", "devices", "freezer"};
    for (size_t i = 0; i < array_size(known); i++) {
        const char *at = strstr(options, known[i]);
        if (at && at > options && at[-1] == ',')
            return true;
    }
    return false;
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS TAG... - TYPE SOURCE SUPER-OPTIONS */
static void read_mount(const char *line, struct cgroups *c)
{
    const char *word[5];
    size_t len[5];
    const char *p = line;
    for (size_t i = 0; i < array_size(word); i++) {
        word[i] = p;
        len[i] = strcspn(p, " ");
        if (!p[len[i]])
            return;
        p += len[i] + 1;
    }
    const char *type = strstr(p, " - ");
    if (!type)
        return;
    type += 3;
    if (!strncmp(type, "cgroup2 ", 8)) {
        /* The last one mounted over a point is the one in sight; of several points any will do. */
        c->v2 = unescape(word[3], len[3], c->root, sizeof(c->root)) &&
                unescape(word[4], len[4], c->point, sizeof(c->point));
    } else if (!strncmp(type, "cgroup ", 7)) {
        c->v1 |= has_controller(type);
    }
}

static int look(struct cgroups *c)
{
    free_auto char *mounts = NULL;
    free_auto char *own = NULL;
    char *save;

    int r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mounts, NULL);
    if (r == 0)
        r = file_read(AT_FDCWD, "/proc/self/cgroup", CGROUP_MAX, &own, NULL);
    if (r < 0)
        return r;
    for (char *line = strtok_r(mounts, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        read_mount(line, c);
    for (char *line = strtok_r(own, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (!strncmp(line, "0::", 3))
            (void)str_format(c->own, sizeof(c->own), "%s", line + 3);
    return 0;
}

/* Where the own cgroup is in the file system. -ENOENT: outside of what is mounted (of another cgroup namespace). */
static int own_folder(const struct cgroups *c, char *ret)
{
    size_t n = strlen(c->root);
    if (n == 1)
        n = 0;
    if (!c->own[0] || strstr(c->own, "/..") || strncmp(c->own, c->root, n) || (c->own[n] && c->own[n] != '/'))
        return -ENOENT;
    return str_format(ret, PATH_MAX, "%s%s", c->point, c->own[n + 1] || n ? c->own + n : "");
}

/* Make a child and take it away again. */
static int use_cgroup(const char *folder)
{
    char path[PATH_MAX];
    sigset_t all, old;
    int r = str_format(path, sizeof(path), "%s/rootlet-probe-%d", folder, (int)getpid());
    if (r < 0)
        return r;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    if (mkdir(path, 0755) < 0) {
        r = -errno;
    } else {
        char procs[PATH_MAX];
        r = str_format(procs, sizeof(procs), "%s/cgroup.procs", path);
        fd_auto int fd = r < 0 ? -1 : open(procs, O_WRONLY | O_CLOEXEC);
        if (r == 0 && fd < 0)
            r = -errno;
        if (rmdir(path) < 0 && r == 0)
            r = -errno;
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    return r;
}

static const char delegate[] =
    "start it in a delegated cgroup: systemd-run --user --scope -p Delegate=yes rootlet run ...";

static void say_v2(const struct cgroups *c, struct probe *p)
{
    char folder[PATH_MAX], path[PATH_MAX], controllers[256] = "";

    int r = own_folder(c, folder);
    if (r < 0) {
        probe_set(p, PROBE_PARTLY,
                  "version 2, but the own cgroup '%.300s' is not in what is mounted at '%.100s'", c->own,
                  c->point);
        probe_fix(p, "mount the cgroup2 file system of the own cgroup namespace there");
        return;
    }
    if (str_format(path, sizeof(path), "%s/cgroup.controllers", folder) == 0)
        (void)probe_read(path, controllers, sizeof(controllers));
    const char *names = controllers[0] ? controllers : "none";
    r = use_cgroup(folder);
    if (r < 0) {
        probe_set(p, PROBE_PARTLY, "version 2, no child can be made in '%.200s': %s; controllers there: %s",
                  folder, strerror(-r), names);
        probe_fix(p, "%s", r == -EROFS ? "mount /sys/fs/cgroup writable in the container around" : delegate);
    } else if (!controllers[0]) {
        probe_set(p, PROBE_PARTLY,
                  "version 2, children can be made in '%.200s', but no controller is delegated", folder);
        probe_fix(p, "%s", c->v1 ? "boot with cgroup_no_v1=all: version 1 holds the controllers" : delegate);
    } else {
        probe_set(p, c->v1 ? PROBE_PARTLY : PROBE_OK,
                  "version 2, children can be made in '%.200s'; controllers: %s", folder, names);
    }
}

void probe_cgroup(struct probe_env *env, struct probe *p)
{
    struct cgroups c = {.v1 = false};
    int r = look(&c);
    (void)env;
    if (r < 0) {
        probe_set(p, PROBE_NO, "cannot read /proc/self/mountinfo or /proc/self/cgroup: %s", strerror(-r));
        probe_fix(p, "mount /proc");
    } else if (!c.v1 && !c.v2) {
        probe_set(p, PROBE_NO, "no cgroup file system is mounted");
        probe_fix(p, "as root: mount -t cgroup2 cgroup2 /sys/fs/cgroup");
    } else if (!c.v2) {
        probe_set(p, PROBE_NO, "version 1 only: it cannot be delegated safely");
        probe_fix(p, "boot with systemd.unified_cgroup_hierarchy=1, or cgroup_no_v1=all");
    } else {
        say_v2(&c, p);
        if (c.v1) {
            struct reason v2 = p->seen;
            probe_set(p, PROBE_PARTLY, "version 1 and 2 (hybrid); %.440s", v2.text);
            if (!p->fix.text[0])
                probe_fix(p, "boot with systemd.unified_cgroup_hierarchy=1, or cgroup_no_v1=all");
        }
    }
    if (p->state != PROBE_OK)
        probe_means(p, "run: goes without; spec --cgroup=delegated and engines inside run: no limits of "
                       "memory, processor and processes");
}
