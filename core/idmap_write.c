/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the maps of a plan. */
#include "core/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/newuidmap.h"
#include "core/strv.h"

static int explain_write(const char *file, int r, struct reason *why)
{
    free_auto char *apparmor = NULL;
    if (r == -EROFS)
        return reason_set(why, r,
                          "cannot write %s: /proc is read-only here, so nobody can map ids (remount it "
                          "writable: mount -o remount,rw /proc)",
                          file);
    if ((r == -EPERM || r == -EACCES) &&
        file_read(AT_FDCWD, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 16, &apparmor, NULL) ==
            0 &&
        apparmor[0] == '1')
        return reason_set(
            why, r,
            "cannot write %s: %s (kernel.apparmor_restrict_unprivileged_userns is 1: give this program an "
            "AppArmor profile that allows userns, or set it to 0)",
            file, strerror(-r));
    return reason_set(why, r, "cannot write %s: %s", file, strerror(-r));
}

static int write_direct(const struct idmap_plan *p, pid_t child, bool *wrote, struct reason *why)
{
    char path[32], text[IDMAP_TEXT_MAX + 1];

    int r = str_format(path, sizeof(path), "/proc/%d", (int)child);
    if (r < 0)
        return r;
    fd_auto int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return reason_set(why, -errno, "cannot open '%s': %s (is the /proc of this pid namespace mounted?)",
                          path, strerror(errno));
    if (p->deny_setgroups) {
        r = file_write(dir, "setgroups", "deny");
        if (r < 0 && r != -ENOENT) /* kernels before 3.19 have no such file and ask for none */
            return explain_write("setgroups", r, why);
    }
    r = idmap_format(&p->uids, text);
    if (r >= 0)
        r = file_write(dir, "uid_map", text);
    if (r < 0)
        return explain_write("uid_map", r, why);
    *wrote = true;
    r = idmap_format(&p->gids, text);
    if (r >= 0)
        r = file_write(dir, "gid_map", text);
    return r < 0 ? explain_write("gid_map", r, why) : 0;
}

int idmap_apply(struct idmap_plan *plan, pid_t child, struct reason *why)
{
    for (;;) {
        struct reason refusal = {""};
        bool wrote = false;
        int r = plan->by_helper ? newuidmap_write(child, &plan->uids, &plan->gids, &wrote, &refusal)
                                : write_direct(plan, child, &wrote, &refusal);
        if (r == 0)
            return 0;
        log_debug("id map: %s: %s", idmap_method_name(plan->method), refusal.text);
        /* A map is written once: what is there, stays. */
        if (!wrote && idmap_plan_lower(plan, r, &refusal) == 0)
            continue;
        if (!plan->by_helper)
            return reason_set(why, r, "%s", refusal.text);
        struct reason fix;
        newuidmap_explain(r, &fix);
        return reason_set(why, r, "%.300s (%.160s)", refusal.text, fix.text);
    }
}

int idmap_become_root(void)
{
    if (geteuid() == 0 && getegid() == 0)
        return 0;
    /* EINVAL: 0 is not mapped; the plan has seen to it that the own id is, then. */
    if (setresgid(0, 0, 0) < 0 && errno != EINVAL)
        return -errno;
    if (setresuid(0, 0, 0) < 0 && errno != EINVAL)
        return -errno;
    return 0;
}
