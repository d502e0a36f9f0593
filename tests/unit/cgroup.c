/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cgroup.h"
#include "tests/unit/tap.h"

static void good(const char *text, const char *want, const char *what)
{
    char *path = NULL;
    is_int(cgroup_parse_own(text, &path), 0, "%s", what);
    is_str(path, want, "%s: the group", what);
    free(path);
}

static void bad(const char *text, const char *what)
{
    char *path = NULL;
    is_int(cgroup_parse_own(text, &path), -ENOENT, "%s", what);
    ok(path == NULL, "%s: nothing is returned", what);
}

int main(void)
{
    good("0::/user.slice/a\n", "/user.slice/a", "version 2");
    good("0::/\n", "/", "the root");
    good("12:pids:/x\n1:name=systemd:/y\n0::/z", "/z", "hybrid, and no newline at the end");
    good("0::/..a/b\n", "/..a/b", "a name that only begins with dots");
    bad("", "nothing");
    bad("12:pids:/x\n1:name=systemd:/y\n", "version 1 alone");
    bad("0::/..\n", "outside of the cgroup namespace");
    bad("0::/../../x\n", "far outside of it");
    bad("10::/x\n", "a number that only ends in 0");
    return done_testing();
}
