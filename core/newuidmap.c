/* SPDX-License-Identifier: Apache-2.0 */
#include "core/newuidmap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/proc.h"

enum { HELPER_TIMEOUT_MS = 10000 };

/* ---------------------------------------------------------------- can they work? */

/* Does the file have cap @cap among its permitted file capabilities? (struct vfs_cap_data, linux/capability.h: little-endian) */
static bool has_file_cap(const char *path, unsigned cap)
{
    unsigned char d[sizeof(struct vfs_ns_cap_data)];
    ssize_t n = getxattr(path, "security.capability", d, sizeof(d));
    if (n < 12)
        return false;
    uint32_t permitted = (uint32_t)d[4] | (uint32_t)d[5] << 8 | (uint32_t)d[6] << 16 | (uint32_t)d[7] << 24;
    return permitted >> cap & 1;
}

/* A script may stand in for a helper and start the real one; the bits of the script say nothing then. */
static bool is_script(const char *path)
{
    char magic[2];
    fd_auto int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return fd >= 0 && fd_read_full(fd, magic, sizeof(magic)) == (ssize_t)sizeof(magic) &&
           !memcmp(magic, "#!", 2);
}

static int usable(const char *name, unsigned cap, const char **fix, struct reason *why)
{
    char path[PATH_MAX];
    struct stat st;
    struct statvfs vfs;

    if (proc_which(name, path) < 0) {
        *fix = "install uidmap, or run as root with CAP_SETUID";
        return reason_set(why, -ENOENT, "%s is not installed", name);
    }
    if (geteuid() == 0 && proc_has_cap(cap))
        return 0; /* it needs no privilege but ours */
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
        *fix = "start it without no_new_privs";
        return reason_set(why, -EPERM, "%s cannot work under no_new_privs", name);
    }
    if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1) {
        *fix = "start it with CAP_SETUID and CAP_SETGID in the bounding set";
        return reason_set(why, -EPERM, "%s cannot work: its capability is not in the bounding set", name);
    }
    if (is_script(path))
        return 0;
    if (stat(path, &st) < 0 || statvfs(path, &vfs) < 0)
        return reason_set(why, -errno, "cannot examine '%s': %s", path, strerror(errno));
    if (vfs.f_flag & ST_NOSUID) {
        *fix = "mount that file system without nosuid";
        return reason_set(why, -EPERM, "'%s' is on a nosuid mount", path);
    }
    /* An owner that is not mapped here shows as the overflow uid: then the bit has no effect either. */
    bool setuid_root = (st.st_mode & S_ISUID) && st.st_uid == 0;
    if (!setuid_root && !has_file_cap(path, cap) && geteuid() != 0) {
        *fix = "reinstall uidmap, or give newuidmap and newgidmap the setuid bit";
        return reason_set(why, -EPERM, "'%s' has neither the setuid bit of root nor file capabilities", path);
    }
    return 0;
}

int newuidmap_usable(const char **ret_fix, struct reason *why)
{
    int r = usable("newuidmap", CAP_SETUID, ret_fix, why);
    return r < 0 ? r : usable("newgidmap", CAP_SETGID, ret_fix, why);
}

void newuidmap_explain(int r, struct reason *ret)
{
    struct stat st;
    const struct passwd *pw = getpwuid(geteuid());

    if (r == -ETIMEDOUT || r == -EIO) {
        (void)snprintf(ret->text, sizeof(ret->text),
                       "what $PATH has under this name does not do its work: reinstall uidmap");
        return;
    }
    if (r == -EAGAIN || r == -EMFILE) {
        (void)snprintf(ret->text, sizeof(ret->text), "raise the limit of %s",
                       r == -EAGAIN ? "processes: ulimit -u" : "open files: ulimit -n");
        return;
    }
    for (int kind = SUBID_UID; kind <= SUBID_GID; kind++)
        if (lstat(subid_path((enum subid_kind)kind), &st) == 0 && S_ISLNK(st.st_mode)) {
            (void)snprintf(ret->text, sizeof(ret->text),
                           "%s is a symlink, which newuidmap does not follow: make it a file",
                           subid_path((enum subid_kind)kind));
            return;
        }
    if (!pw)
        (void)snprintf(ret->text, sizeof(ret->text), "newuidmap wants an entry for uid %u in /etc/passwd",
                       (unsigned)geteuid());
    else if (pw->pw_gid != (unsigned)getegid())
        (void)snprintf(ret->text, sizeof(ret->text),
                       "newuidmap wants the group of /etc/passwd: start it with gid %u, not %u",
                       (unsigned)pw->pw_gid, (unsigned)getegid());
    else
        (void)snprintf(ret->text, sizeof(ret->text), "see --debug for each step");
}

/* ---------------------------------------------------------------- running them */

static int run_helper(const char *name, pid_t child, const struct idmap *m, struct reason *why)
{
    char path[PATH_MAX], words[IDMAP_MAX_EXTENTS * 3][11], pid[16];
    char *argv[2 + IDMAP_MAX_EXTENTS * 3 + 1];
    struct reason err = {""};
    size_t n = 0, w = 0;
    int status;

    int r = proc_which(name, path);
    if (r < 0)
        return reason_set(why, r, "%s is not installed", name);
    argv[n++] = path;
    (void)snprintf(pid, sizeof(pid), "%d", (int)child);
    argv[n++] = pid;
    for (size_t i = 0; i < m->n; i++) {
        const uint32_t v[3] = {m->e[i].inner, m->e[i].outer, m->e[i].count};
        for (size_t k = 0; k < 3; k++, w++) {
            (void)snprintf(words[w], sizeof(words[w]), "%u", v[k]);
            argv[n++] = words[w];
        }
    }
    argv[n] = NULL;

    r = proc_run(argv, HELPER_TIMEOUT_MS, &status, &err, NULL, 0);
    if (r == -ETIMEDOUT)
        return reason_set(why, r, "'%s' did not end within %d seconds", path, HELPER_TIMEOUT_MS / 1000);
    if (r < 0)
        return reason_set(why, r, "cannot run '%s': %s", path, strerror(-r));
    if (WIFSIGNALED(status))
        return reason_set(why, -EIO, "%s was killed by signal %d", name, WTERMSIG(status));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return reason_set(why, -EPERM, "%s refused%s%.300s", name, err.text[0] ? ": " : "", err.text);
    return 0;
}

int newuidmap_write(pid_t child, const struct idmap *uids, const struct idmap *gids, bool *ret_wrote,
                    struct reason *why)
{
    struct idmap now;

    *ret_wrote = false;
    int r = run_helper("newuidmap", child, uids, why);
    if (r < 0)
        return r;
    /* Believe the kernel, not the exit status: with an empty map the command would start as nobody. */
    if (idmap_read(child, SUBID_UID, &now) == 0 && now.n == 0)
        return reason_set(why, -EIO, "newuidmap reported success, but wrote nothing");
    *ret_wrote = true;
    r = run_helper("newgidmap", child, gids, why);
    if (r == 0 && idmap_read(child, SUBID_GID, &now) == 0 && now.n == 0)
        return reason_set(why, -EIO, "newgidmap reported success, but wrote nothing");
    return r;
}
