/* SPDX-License-Identifier: Apache-2.0 */
/* core/replace: what may be replaced, and that a file swapped meanwhile is left alone. (Failing disks: tests/cli.) */
#include "core/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/fd.h"
#include "tap.h"

static void put(const char *path, const char *text)
{
    unlink(path);
    if (file_create(AT_FDCWD, path, text, strlen(text), 0640) < 0)
        bail_out("cannot make %s", path);
}

static void holds(const char *path, const char *want, const char *what)
{
    char *text = NULL;

    file_read(AT_FDCWD, path, 4096, &text, NULL);
    is_str(text, want, "%s", what);
    free(text);
}

static void refused(const char *path, int want, const char *what)
{
    struct replace r;
    struct reason why = {""};

    is_int(replace_open(&r, path, true, &why), want, "%s is refused", what);
    ok(*why.text, "with a reason: %s", why.text);
    replace_done(&r);
}

static void test_replacing(void)
{
    struct replace r;
    struct reason why = {""};
    struct stat st;

    put("f", "old");
    is_int(replace_open(&r, "f", true, &why), 0, "a file is opened");
    is_int(replace_commit(&r, "new!", 4, &why), 0, "and replaced");
    holds("f", "new!", "it has the new content");
    ok(stat("f", &st) == 0 && (st.st_mode & 07777) == 0640, "and the old mode");
    replace_done(&r);
    is_int(replace_open(&r, "./g", false, &why), 0, "a file that is not there");
    is_int(replace_commit(&r, "x", 1, &why), 0, "is made");
    holds("g", "x", "with the content");
    replace_done(&r);
}

static void set_time(const char *path, long nanoseconds)
{
    const struct timespec times[2] = {{1000, nanoseconds}, {1000, nanoseconds}};

    if (utimensat(AT_FDCWD, path, times, 0) < 0)
        bail_out("cannot set the time of %s", path);
}

static void test_races(void)
{
    struct replace r;
    struct reason why = {""};

    put("f", "old");
    if (replace_open(&r, "f", true, &why) < 0)
        bail_out("%s", why.text);
    put("f", "somebody else's");
    is_int(replace_commit(&r, "new", 3, &why), -ESTALE, "a file replaced meanwhile is left alone");
    holds("f", "somebody else's", "it is");
    replace_done(&r);
    if (replace_open(&r, "f", true, &why) < 0)
        bail_out("%s", why.text);
    if (file_write(AT_FDCWD, "f", "written by somebody else") < 0)
        bail_out("cannot write");
    is_int(replace_commit(&r, "new", 3, &why), -ESTALE, "a file written to meanwhile is left alone");
    holds("f", "written by somebody else", "it is");
    replace_done(&r);
    /* of the same size, and, by its clock, within the same second */
    set_time("f", 5);
    if (replace_open(&r, "f", true, &why) < 0)
        bail_out("%s", why.text);
    set_time("f", 6);
    is_int(replace_commit(&r, "new", 3, &why), -ESTALE, "a file of another time is left alone");
    holds("f", "written by somebody else", "it is");
    replace_done(&r);
    if (replace_open(&r, "f", true, &why) < 0)
        bail_out("%s", why.text);
    unlink("f");
    is_int(replace_commit(&r, "new", 3, &why), -ESTALE, "a file removed meanwhile is not made again");
    ok(access("f", F_OK) < 0, "it is not");
    replace_done(&r);
    put("f", "old");
    unlink("h");
    if (replace_open(&r, "h", false, &why) < 0)
        bail_out("%s", why.text);
    put("h", "somebody else's");
    is_int(replace_commit(&r, "new", 3, &why), -ESTALE, "a file made meanwhile, too");
    holds("h", "somebody else's", "it is");
    replace_done(&r);
}

int main(void)
{
    char dir[] = "/tmp/replace-XXXXXX";

    if (!mkdtemp(dir) || chdir(dir) < 0)
        bail_out("no folder");
    test_replacing();
    test_races();
    if (symlink("f", "link") < 0 || mkdir("sub", 0700) < 0 || mkfifo("fifo", 0600) < 0)
        bail_out("cannot prepare");
    refused("link", -ELOOP, "a symlink");
    refused("fifo", -EINVAL, "a FIFO");
    refused("sub", -EINVAL, "a folder");
    refused("sub/", -EISDIR, "a name that is empty");
    refused("none", -ENOENT, "a missing file");
    refused("none/f", -ENOENT, "a missing folder");
    for (const char *const *f = (const char *const[]){"f", "g", "h", "link", "fifo", NULL}; *f; f++)
        unlink(*f);
    rmdir("sub");
    is_int(chdir("/") == 0 ? rmdir(dir) : -1, 0, "no temporary file is left behind");
    return done_testing();
}
