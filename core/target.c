/* SPDX-License-Identifier: Apache-2.0 */
#include "core/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/fd.h"
#include "core/strv.h"

enum { PROC_FILE_MAX = 65536 };

int target_open(pid_t pid)
{
    char path[32];
    int r = str_format(path, sizeof(path), "/proc/%d", (int)pid);
    if (r < 0)
        return r;
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    return fd;
}

static int read_proc(int target_fd, const char *name, char **ret)
{
    int r = file_read(target_fd, name, PROC_FILE_MAX, ret, NULL);
    return r == -ENOENT ? -ESRCH : r;
}

int target_state(int target_fd, struct target_state *ret)
{
    free_auto char *text = NULL;
    int r = read_proc(target_fd, "stat", &text);
    if (r < 0)
        return r;
    /* PID (NAME) STATE PPID ...: the name may have anything in it, also ") ". The 3rd, 4th, 9th and 22nd. */
    const char *end = strrchr(text, ')');
    struct target_state s;
    if (!end ||
        sscanf(end, ") %c %9d %*d %*d %*d %*d %9u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %20llu",
               &s.state, &s.parent, &s.flags, &s.start) != 4)
        return -EBADMSG;
    *ret = s;
    return 0;
}

bool target_ended(int target_fd)
{
    struct target_state s;
    int r = target_state(target_fd, &s);
    return r == -ESRCH || (r == 0 && (s.state == 'Z' || s.state == 'X'));
}

/* The second number, the effective id, of a line "Uid:\t1\t2\t3\t4". */
static int effective(const char *text, const char *key, unsigned *ret)
{
    const char *line = strstr(text, key);
    return line && sscanf(line + strlen(key), "%*u %u", ret) == 1 ? 0 : -EBADMSG;
}

int target_ids(int target_fd, uid_t *ret_uid, gid_t *ret_gid)
{
    free_auto char *text = NULL;
    unsigned uid, gid;
    int r = read_proc(target_fd, "status", &text);
    if (r == 0)
        r = effective(text, "\nUid:", &uid);
    if (r == 0)
        r = effective(text, "\nGid:", &gid);
    if (r < 0)
        return r;
    *ret_uid = uid;
    *ret_gid = gid;
    return 0;
}
