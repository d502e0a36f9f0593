/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only main(): find the applet by the name the program was called by (argv[0]), or by its first word
 * (argv[1]), and hand over.  Everything about one applet is in its own file.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/fd.h"
#include "core/licenses.h"
#include "core/log.h"
#include "core/proc.h"
#include "core/strv.h"

#ifndef ROOTLET_VERSION
#error "ROOTLET_VERSION is set by the Makefile"
#endif

#define APPLET(name) extern const struct applet applet_##name;
#include "applets/list.h"
#undef APPLET

static const struct applet *const applets[] = {
#define APPLET(name) &applet_##name,
#include "applets/list.h"
#undef APPLET
};

/* Call @fn for each alias of @a; its non-zero return ends and is returned. */
static int each_alias(const struct applet *a, int (*fn)(const struct applet *, const char *alias, void *),
                      void *arg)
{
    for (const char *p = a->aliases; p && *p;) {
        char alias[64];
        size_t n = strcspn(p, " ");
        snprintf(alias, sizeof(alias), "%.*s", (int)n, p);
        int r = fn(a, alias, arg);
        if (r)
            return r;
        p += n + strspn(p + n, " ");
    }
    return 0;
}

static int alias_equals(const struct applet *a, const char *alias, void *arg)
{
    (void)a;
    return !strcmp(alias, arg);
}

static const struct applet *find(char *name)
{
    for (size_t i = 0; i < array_size(applets); i++)
        if (!strcmp(applets[i]->name, name) || each_alias(applets[i], alias_equals, name))
            return applets[i];
    return NULL;
}

static int unknown(const char *word)
{
    const char *names[array_size(applets)];
    for (size_t i = 0; i < array_size(applets); i++)
        names[i] = applets[i]->name;
    const char *near = opt_suggest(word, names, array_size(names));
    if (near)
        log_error("unknown applet '%s' (did you mean '%s'? see rootlet --list)", word, near);
    else
        log_error("unknown applet '%s' (see rootlet --list)", word);
    return 1;
}

static int help(FILE *out)
{
    fputs("rootlet " ROOTLET_VERSION ": rootless containers in one program\n"
          "\n"
          "Usage: rootlet APPLET [OPTION]... [ARG]...\n"
          "       rootlet APPLET --help\n"
          "       rootlet --list | --aliases | --install [-s] DIR | --version | --licenses | --help\n"
          "\n"
          "Applets (and the programs each stands in for when called by their name):\n",
          out);
    for (size_t i = 0; i < array_size(applets); i++) {
        const struct applet *a = applets[i];
        fprintf(out, "  %-11s %s", a->name, a->summary);
        if (a->aliases)
            fprintf(out, " (%s)", a->aliases);
        fputc('\n', out);
    }
    fputs("\nThe other words:\n"
          "  --list              applets' names, one a line\n"
          "  --aliases           other programs' names, each with its applet, one a line\n"
          "  --install [-s] DIR  make links (-s: symbolic links) under those names in DIR\n"
          "  --version           rootlet's version\n"
          "  --licenses          licence and third-party notices\n",
          out);
    return fflush(out) == 0 ? 0 : 1;
}

static int list(void)
{
    for (size_t i = 0; i < array_size(applets); i++)
        puts(applets[i]->name);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int print_alias(const struct applet *a, const char *alias, void *arg)
{
    (void)arg;
    printf("%s %s\n", alias, a->name);
    return 0;
}

static int aliases(void)
{
    for (size_t i = 0; i < array_size(applets); i++)
        each_alias(applets[i], print_alias, NULL);
    return fflush(stdout) == 0 ? 0 : 1;
}

struct install {
    int dir_fd;
    const char *dir;
    char self[PATH_MAX]; /* where this executable is */
    bool symbolic;
    int failed;
};

/* Is DIR/@name this very executable already? */
static bool is_self(const struct install *in, const char *name)
{
    struct stat a, b;
    return fstatat(in->dir_fd, name, &a, 0) == 0 && stat("/proc/self/exe", &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static int copy_self(const struct install *in, const char *name)
{
    fd_auto int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return -errno;
    free_auto char *data = NULL;
    size_t len;
    int r = file_read_fd(from, 64 << 20, &data, &len);
    if (r < 0)
        return r;
    return file_create(in->dir_fd, name, data, len, 0755);
}

/* A hard link to the executable; where that cannot be (another file system), DIR/rootlet becomes a copy first. */
static int link_name(const struct install *in, const char *name)
{
    if (is_self(in, name))
        return 0;
    if (in->symbolic)
        return symlinkat(in->self, in->dir_fd, name) < 0 ? -errno : 0;
    if (linkat(AT_FDCWD, "/proc/self/exe", in->dir_fd, name, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != EXDEV && errno != EPERM)
        return -errno;
    if (!strcmp(name, "rootlet"))
        return copy_self(in, name);
    return linkat(in->dir_fd, "rootlet", in->dir_fd, name, 0) < 0 ? -errno : 0;
}

static int install_name(const struct applet *a, const char *name, void *arg)
{
    (void)a;
    struct install *in = arg;
    int r = link_name(in, name);
    if (r == -EEXIST) {
        log_error("cannot make '%s/%s': another file of that name is there (remove it first)", in->dir, name);
        in->failed++;
    } else if (r < 0) {
        log_errno(r, "cannot make '%s/%s'", in->dir, name);
        in->failed++;
    }
    return 0;
}

static int install(int argc, char **argv)
{
    struct install in = {.dir_fd = -1};
    int at = 2;
    if (at < argc && !strcmp(argv[at], "-s")) {
        in.symbolic = true;
        at++;
    }
    if (argc - at != 1) {
        log_error("--install needs one directory: rootlet --install [-s] DIR");
        return 1;
    }
    in.dir = argv[at];
    ssize_t n = readlink("/proc/self/exe", in.self, sizeof(in.self) - 1);
    if (n < 0) {
        log_errno(errno, "cannot read '/proc/self/exe' (is /proc mounted?)");
        return 1;
    }
    in.self[n] = 0;
    fd_auto int dir_fd = open(in.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        log_errno(errno, "cannot open directory '%s'", in.dir);
        return 1;
    }
    in.dir_fd = dir_fd;
    install_name(NULL, "rootlet", &in);
    for (size_t i = 0; i < array_size(applets); i++)
        each_alias(applets[i], install_name, &in);
    return in.failed ? 1 : 0;
}

static int run_applet(const struct applet *a, int argc, char **argv)
{
    static char prefix[80];
    if (applet_is_alias(a, argv[0]))
        snprintf(prefix, sizeof(prefix), "%s", argv[0]);
    else
        snprintf(prefix, sizeof(prefix), "rootlet %s", a->name);
    log_set_name(prefix);
    return a->main(argc, argv);
}

static int run_help(int argc, char **argv)
{
    if (argc < 3)
        return help(stdout);
    const struct applet *a = find(argv[2]);
    if (!a)
        return unknown(argv[2]);
    char word[] = "--help";
    char *words[] = {argv[2], word, NULL};
    return run_applet(a, 2, words);
}

static int own_words(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        help(stderr);
        return 1;
    }
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help"))
        return run_help(argc, argv);
    if (!strcmp(word, "--list"))
        return list();
    if (!strcmp(word, "--aliases"))
        return aliases();
    if (!strcmp(word, "--version") || !strcmp(word, "-v") || !strcmp(word, "version"))
        return puts("rootlet " ROOTLET_VERSION) < 0 || fflush(stdout) != 0;
    if (!strcmp(word, "--licenses"))
        return licenses_print(stdout) == 0 ? 0 : 1;
    if (!strcmp(word, "--install"))
        return install(argc, argv);
    if (word[0] == '-') {
        static const char *const words[] = {"--help",    "--list",    "--aliases",
                                            "--install", "--version", "--licenses"};
        const char *near = opt_suggest(word, words, array_size(words));
        if (near)
            log_error("unknown option '%s' (did you mean '%s'?)", word, near);
        else
            log_error("unknown option '%s' (see rootlet --help)", word);
        return 1;
    }
    const struct applet *a = find(argv[1]);
    if (!a)
        return unknown(word);
    return run_applet(a, argc - 1, argv + 1);
}

/* A closed 0, 1 or 2 would be taken by the next open(): fill the gap, with anything harmless. */
static void fill_std_fds(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        int got = open("/dev/null", fd ? O_WRONLY : O_RDONLY); /* inherited on purpose */
        if (got < 0 && open("/", O_PATH) < 0)                  /* inherited on purpose */
            _exit(1);
    }
}

/*
 * A setuid bit would lend every user root's ids, ranges and files, and nothing here is written for that. File capabilities are
 * another thing: core/idmap_ladder.c takes care of those.
 */
static bool is_setuid(void)
{
    if (getuid() == geteuid() && getgid() == getegid())
        return false;
    log_error(
        "real and effective ids differ (%u:%u, %u:%u): rootlet must not be setuid or setgid (chmod ug-s)",
        (unsigned)getuid(), (unsigned)getgid(), (unsigned)geteuid(), (unsigned)getegid());
    return true;
}

int main(int argc, char **argv)
{
    fill_std_fds();
    if (is_setuid())
        return 1;
    proc_expect_children();
    if (argc < 1 || !argv[0]) {
        log_error("called without a name (argv[0] is missing)");
        return 1;
    }
    char *base = strrchr(argv[0], '/');
    base = base ? base + 1 : argv[0];
    const struct applet *a = find(base);
    if (!a)
        return own_words(argc, argv);
    argv[0] = base;
    return run_applet(a, argc, argv);
}
