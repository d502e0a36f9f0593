/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts and copy-up in a user and mount namespace of the test's own; once with the kernel's new mount calls, once without. */
#include "core/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/copyup.h"
#include "core/fd.h"
#include "core/idmap.h"
#include "tests/unit/tap.h"

/* A tmpfs of this namespace alone; everything happens in it. */
static const char base[] = "/tmp";

static void put(const char *path, const char *text)
{
    int r = file_create(AT_FDCWD, path, text, strlen(text), 0644);
    if (r < 0)
        bail_out("cannot create %s: %s", path, strerror(-r));
}

static void is_file(const char *path, const char *want, const char *what)
{
    free_auto char *text = NULL;
    int r = file_read(AT_FDCWD, path, 4096, &text, NULL);
    is_str(r < 0 ? strerror(-r) : text, want, "%s", what);
}

static void is_link(const char *path, const char *want, const char *what)
{
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    target[n < 0 ? 0 : n] = '\0';
    is_str(target, want, "%s", what);
}

static void make_dir(const char *path)
{
    if (mkdir(path, 0755) < 0)
        bail_out("cannot create %s: %s", path, strerror(errno));
}

static void fresh_base(void)
{
    if (chdir("/") < 0 || mount("tmpfs", base, "tmpfs", 0, "mode=1777") < 0 || chdir(base) < 0)
        bail_out("cannot mount a tmpfs on %s: %s", base, strerror(errno));
}

/* ---------------------------------------------------------------- asking */

static void test_points(void)
{
    make_dir("dir");
    make_dir("dir/sub");
    put("file", "x");
    put("other", "y");
    is_int(mount_is_point(AT_FDCWD, "/"), 1, "/ is a mount point");
    is_int(mount_is_point(AT_FDCWD, "/tmp"), 1, "/tmp is");
    is_int(mount_is_point(AT_FDCWD, "/tmp//"), 1, "also with slashes at the end");
    is_int(mount_is_point(AT_FDCWD, "dir"), 0, "a directory is not");
    is_int(mount_is_point(AT_FDCWD, "dir/sub"), 0, "nor one in it");
    is_int(mount_is_point(AT_FDCWD, "missing"), -ENOENT, "nothing is an error");
    fd_auto int a = open("file", O_PATH | O_CLOEXEC);
    fd_auto int b = open("other", O_PATH | O_CLOEXEC);
    is_int(mount_bind(a, b), 0, "bind a file of the same file system");
    is_int(mount_is_point(AT_FDCWD, "other"), 1, "it is a mount point now");
    is_file("other", "x", "and shows the other file");
    if (symlink("other", "link") < 0)
        bail_out("symlink");
    is_int(mount_is_point(AT_FDCWD, "link"), 0, "a symlink to it is none");

    fd_auto int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    is_int(mount_umount_stale(here, "link"), 0, "unmounting does not follow it");
    is_int(mount_is_point(AT_FDCWD, "other"), 1, "the mount is still there");
    is_int(mount_bind(a, b), 0, "bind once more on top");
    is_int(mount_umount_stale(here, "other"), 0, "unmount all of them");
    is_file("other", "y", "the file is itself again");
    is_int(mount_umount_stale(here, "other"), 0, "unmounting nothing");
    is_int(mount_umount_stale(here, "missing"), 0, "of nothing");
}

static void test_shared(void)
{
    fd_auto int dir = open("dir", O_PATH | O_DIRECTORY | O_CLOEXEC);
    is_int(mount_is_shared(dir), 0, "a private mount");
    ok(mount("dir", "dir", NULL, MS_BIND, NULL) == 0 && mount(NULL, "dir", NULL, MS_SHARED, NULL) == 0,
       "a shared one");
    fd_auto int sub = open("dir/sub", O_PATH | O_DIRECTORY | O_CLOEXEC);
    is_int(mount_is_shared(sub), 1, "is seen, from a directory in it");
    struct reason why = {""};
    char path[] = "/tmp/dir/sub", *dirs[] = {path};
    is_int(copyup_dirs(dirs, 1, PROP_PRIVATE, &why), -EINVAL, "copy-up refuses to mount there");
    ok(strstr(why.text, "shared"), "and says why: %s", why.text);
    umount2("dir", MNT_DETACH);
}

static void test_remount(void)
{
    make_dir("ro");
    if (mount("tmpfs", "ro", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, NULL) < 0)
        bail_out("mount");
    fd_auto int fd = open("ro", O_PATH | O_DIRECTORY | O_CLOEXEC);
    is_int(mount_remount(fd, MS_RDONLY), 0, "remount read-only");
    struct statvfs vfs;
    fstatvfs(fd, &vfs);
    unsigned long want = ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_NOATIME;
    is_int(vfs.f_flag & want, want, "the flags that were there are there");
    umount2("ro", MNT_DETACH);
}

static void test_bind_file(void)
{
    struct reason why = {""};
    put("src", "new");
    put("dst", "old");
    make_dir("place");
    ok(symlink("../dst", "place/link") == 0 && symlink("/nowhere", "place/dangling") == 0 &&
           symlink("src", "srclink") == 0,
       "symlinks");
    is_int(mount_bind_file("/tmp/src", "/tmp/place/link", false, &why), 0, "over what a symlink names");
    is_file("dst", "new", "it is bound");
    is_link("place/link", "../dst", "the symlink stays");
    umount2("dst", MNT_DETACH);
    is_int(mount_bind_file("/tmp/src", "/tmp/place/link", true, &why), 0,
           "over a symlink in a directory of our own");
    is_file("place/link", "new", "it is bound");
    is_file("dst", "old", "what it named is untouched");
    is_int(mount_bind_file("/tmp/src", "/tmp/place/dangling", false, &why), -ENOENT,
           "over what is not there");
    is_int(mount_bind_file("/tmp/src", "/tmp/place/dangling", true, &why), 0,
           "which is made in a directory of our own");
    is_file("place/dangling", "new", "it is bound");
    is_int(mount_bind_file("/tmp/src", "/tmp/place/none", true, &why), 0, "over nothing");
    is_file("place/none", "new", "it is bound");
    is_int(mount_bind_file("/tmp/srclink", "/tmp/dst", false, &why), -ELOOP,
           "a source that is a symlink is refused");
    is_int(mount_bind_file("/tmp/place", "/tmp/dst", false, &why), -EINVAL, "a directory, too");
    is_int(mount_bind_file("/tmp/src", "/tmp/place", false, &why), -EINVAL, "a directory as the place");
    ok(strstr(why.text, "/tmp/place"), "is named: %s", why.text);
    is_int(mount_bind_file("/tmp/src", "/dev/null", false, &why), -EINVAL, "and a device");

    fd_auto int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    is_int(mount_bind_ns("user", here, "ns", &why), 0, "a namespace (%s)", why.text);
    struct stat a, b;
    ok(stat("ns", &a) == 0 && stat("/proc/self/ns/user", &b) == 0 && a.st_ino == b.st_ino,
       "is found by the path");
    mount_umount_stale(here, "ns");
}

/* ---------------------------------------------------------------- copy-up */

static int count_entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* The name of the host's tree in a copied-up directory. */
static const char *ro_of(const char *path)
{
    static char name[NAME_MAX + 1];
    name[0] = '\0';
    DIR *d = opendir(path);
    const struct dirent *e;
    while (d && (e = readdir(d)))
        if (!strncmp(e->d_name, ".ro", 3) && e->d_type == DT_DIR)
            snprintf(name, sizeof(name), "%s", e->d_name);
    if (d)
        closedir(d);
    return name;
}

static void test_copyup(void)
{
    struct reason why = {""};
    char target[PATH_MAX], path[PATH_MAX], long_name[256];
    char up[] = "/tmp/up/", again[] = "//tmp/./up", nested[] = "/tmp/up/deep", by_link[] = "/tmp/uplink";
    char *dirs[] = {nested, up, again, by_link};

    make_dir("up");
    make_dir("up/deep");
    make_dir("up/below");
    put("up/file", "host's");
    put("up/deep/inner", "host's inner");
    put("up/new\nline", "1");
    put("up/-rf", "1");
    put("up/%s\"'$(x)", "1");
    memset(long_name, 'n', 255);
    long_name[255] = '\0';
    snprintf(path, sizeof(path), "up/%s", long_name);
    put(path, "long");
    if (symlink("file", "up/link") < 0 || symlink("/nowhere/../x", "up/dangling") < 0 ||
        symlink("up", "uplink") < 0 || mkfifo("up/fifo", 0600) < 0 ||
        mount("tmpfs", "up/below", "tmpfs", 0, NULL) < 0)
        bail_out("cannot make the tree");
    put("up/below/deep", "mounted");
    int entries = count_entries("up");

    is_int(copyup_dirs(dirs, 4, PROP_RPRIVATE, &why), 0, "a directory, one in it, twice by other names (%s)",
           why.text);
    struct stat st;
    is_int(stat("/tmp/up", &st) == 0 ? st.st_mode & 07777 : 0, 0755, "mode 0755");
    is_int(count_entries("/tmp/up"), entries + 1, "each entry once, and the host's tree");
    const char *ro = ro_of("/tmp/up");
    is_int(strlen(ro), 9, "which is %s", ro);
    snprintf(target, sizeof(target), "%s/file", ro);
    is_link("/tmp/up/file", target, "a file is a symlink into it");
    is_link("/tmp/up/link", "file", "a symlink is copied");
    is_link("/tmp/up/dangling", "/nowhere/../x", "as it is");
    is_file("/tmp/up/file", "host's", "contents");
    is_file("/tmp/up/below/deep", "mounted", "what is mounted below");
    snprintf(path, sizeof(path), "/tmp/up/%s", long_name);
    is_file(path, "long", "a name of 255 bytes");
    snprintf(target, sizeof(target), "%s/new\nline", ro);
    is_link("/tmp/up/new\nline", target, "a newline in a name");
    is_file("/tmp/up/deep/inner", "host's inner", "the directory in it");
    put("/tmp/up/deep/own", "1");
    snprintf(path, sizeof(path), "/tmp/up/%s/deep/own", ro_of("/tmp/up"));
    is_file(path, "1", "is copied up, too");
    is_int(unlink("/tmp/up/file"), 0, "a symlink can be removed");
    put("/tmp/up/file", "own");
    snprintf(path, sizeof(path), "/tmp/up/%s/file", ro_of("/tmp/up"));
    is_file(path, "host's", "and replaced, the host's file being untouched");
    snprintf(path, sizeof(path), "/tmp/up/%s/..", ro_of("/tmp/up"));
    is_int(rmdir(path) < 0 ? -errno : 0, -ENOTEMPTY, "the host's tree is in it");
    ok(getcwd(path, sizeof(path)) && !strcmp(path, "/tmp"), "the current directory is what it was");
    umount2("/tmp/up", MNT_DETACH);
    is_int(count_entries("/tmp/up"), entries, "underneath, everything is as before");
    is_file("/tmp/up/file", "host's", "each file, too");
}

static void refused(const char *dir, enum mount_propagation p, const char *what)
{
    struct reason why = {""};
    char path[PATH_MAX], *dirs[] = {path};
    snprintf(path, sizeof(path), "%s", dir);
    is_int(copyup_check(dirs, 1, p, &why), -EINVAL, "%s", what);
    ok(why.text[0], "with the text: %s", why.text);
}

static void test_copyup_refusals(void)
{
    refused("relative", PROP_DEFAULT, "a relative path");
    refused("", PROP_DEFAULT, "no path");
    refused("/", PROP_DEFAULT, "/");
    refused("//.//", PROP_DEFAULT, "/ by another name");
    refused("/tmp", PROP_DEFAULT, "/tmp");
    refused("/tmp/.", PROP_DEFAULT, "/tmp/.");
    refused("/usr/../tmp", PROP_DEFAULT, "/tmp by a detour");
    refused("//usr/..//tmp", PROP_DEFAULT, "/tmp by a detour with two slashes");
    refused("/tmp/uplink/..", PROP_DEFAULT, "/tmp through a symlink");
    refused("/etc", PROP_SHARED, "shared");
    refused("/etc", PROP_RSHARED, "rshared");

    struct reason why = {""};
    char file[] = "/tmp/src", none[] = "/tmp/none", etc[] = "/etc//", *dirs[] = {file, none, etc};
    is_int(copyup_dirs(dirs, 1, PROP_DEFAULT, &why), -ENOTDIR, "a file: %s", why.text);
    is_int(copyup_dirs(dirs + 1, 1, PROP_DEFAULT, &why), -ENOENT, "nothing: %s", why.text);
    is_int(copyup_check(NULL, 0, PROP_RSHARED, &why), 0, "shared without copy-up is fine");
    ok(copyup_has(dirs, 3, "/etc") && !copyup_has(dirs, 2, "/etc") && !copyup_has(dirs, 3, "/et"),
       "is /etc among them?");
}

/* ---------------------------------------------------------------- */

static void all(void)
{
    fresh_base();
    test_points();
    test_shared();
    test_remount();
    test_bind_file();
    test_copyup();
    test_copyup_refusals();
    if (chdir("/") < 0 || umount2(base, MNT_DETACH) < 0)
        bail_out("cannot unmount %s", base);
}

/* From here on this process has a kernel without these calls. */
static void hide_new_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open_tree, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsopen, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {.len = sizeof(code) / sizeof(*code), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
        bail_out("seccomp: %s", strerror(errno));
    is_int(syscall(SYS_fsopen, "tmpfs", 0) < 0 ? errno : 0, ENOSYS, "a kernel without the new mount calls");
}

int main(void)
{
    struct idmap_request req = {.method = IDMAP_SINGLE};
    struct reason why = {""};
    struct idmap_plan plan;

    if (idmap_plan(&req, &plan, &why) < 0)
        bail_out("%s", why.text);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        bail_out("cannot make a user and a mount namespace: %s", strerror(errno));
    is_int(idmap_apply(&plan, getpid(), &why), 0, "a single-id map (%s)", why.text);
    is_int(idmap_become_root(), 0, "root of the namespace");
    is_int(mount_set_propagation(PROP_DEFAULT, &why), 0, "propagation (%s)", why.text);
    all();
    hide_new_calls();
    all();
    return done_testing();
}
