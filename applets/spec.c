/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: make an OCI runtime configuration one that a rootless runtime runs.
 *
 *     read ─▶ json_read ─▶ oci_check_schema ─▶ oci_convert ─▶ json_write_like ─▶ stdout, -o FILE or, with -i, the file itself
 *                                     (no change: the input's own bytes)      └▶ --diff, --explain, --check: shown instead
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/fd.h"
#include "core/json.h"
#include "core/linediff.h"
#include "core/log.h"
#include "core/oci.h"
#include "core/parse.h"
#include "core/replace.h"

extern const struct applet applet_spec;

enum { MAX_SPEC = 16 << 20, MAX_NOTES = 100 };

enum exit_status {
    EXIT_FINE = 0,
    EXIT_WOULD_CHANGE = 1, /* --check only */
    EXIT_CANNOT = 2,
    EXIT_BAD_INPUT = 3,
    EXIT_IO = 4,
    EXIT_USAGE = 64,
};

struct options {
    struct oci_options oci;
    const char *net, *bundle, *output;
    struct strv map_uid, map_gid;
    bool in_place, diff, explain, json, check, new, rootless, debug, help, version;
};

#define AT(member) offsetof(struct options, member)
static const struct opt table[] = {
    {.help = "Input and output"},
    {"bundle", 'b', OPT_STR, AT(bundle), "DIR", "the file is DIR/config.json"},
    {"output", 'o', OPT_STR, AT(output), "FILE", "write here instead of to standard output"},
    {"in-place", 'i', OPT_FLAG, AT(in_place), NULL, "change the file itself, atomically"},
    {"diff", 0, OPT_FLAG, AT(diff), NULL, "show what would change, and write nothing"},
    {"check", 0, OPT_FLAG, AT(check), NULL,
     "write nothing; exit status: 0 nothing to do, 1 would change, 2 cannot be made rootless"},
    {"explain", 0, OPT_FLAG, AT(explain), NULL, "one line a change: rule, path, before, after, why"},
    {"json", 0, OPT_FLAG, AT(json), NULL, "--explain as JSON"},
    {"new", 0, OPT_FLAG, AT(new), NULL, "write a template, config.json, instead of converting"},
    {"rootless", 0, OPT_FLAG, AT(rootless), NULL, "with --new: convert the template"},
    {.help = "Who runs it, and where"},
    {"mode", 0, OPT_ENUM, AT(oci.mode), NULL,
     "outside: a user's runtime makes the user namespace; inside: root of a user namespace "
     "runs it there; nested: and makes one more",
     .values = oci_mode_names},
    {"runtime", 0, OPT_ENUM, AT(oci.runtime), NULL, "which runtime's limits count",
     .values = oci_runtime_names},
    {.help = "What to do"},
    {"map", 0, OPT_ENUM, AT(oci.map), NULL,
     "ids of a new user namespace: the own one alone, with subordinate ones, those mapped here",
     .values = oci_map_names},
    {"map-uid", 0, OPT_LIST, AT(map_uid), "C:H:N",
     "map N uids from C in the container to H outside (repeatable)"},
    {"map-gid", 0, OPT_LIST, AT(map_gid), "C:H:N", "the same for gids"},
    {"net", 0, OPT_STR, AT(net), "auto|keep|host|PATH",
     "network namespace; auto: drop it outside, keep it inside"},
    {"sys", 0, OPT_ENUM, AT(oci.sys), NULL,
     "the sysfs at /sys; auto: bind the host's where the kernel refuses a new one", .values = oci_sys_names},
    {"cgroup", 0, OPT_ENUM, AT(oci.cgroup), NULL, "limits: none, those whose controllers are delegated, all",
     .values = oci_cgroup_names},
    {"cgroups-path", 0, OPT_STR, AT(oci.cgroups_path), "PATH", "set linux.cgroupsPath"},
    {"groups", 0, OPT_ENUM, AT(oci.groups), NULL,
     "additional groups that cannot be set: drop them, drop all, or fail", .values = oci_groups_names},
    {"rlimits", 0, OPT_ENUM, AT(oci.rlimits), NULL, "limits above the hard ones of this process",
     .values = oci_clamp_names},
    {"oom", 0, OPT_ENUM, AT(oci.oom), NULL, "an oomScoreAdj below this process's own (default clamp)",
     .values = oci_clamp_names},
    {"lsm", 0, OPT_ENUM, AT(oci.lsm), NULL, "AppArmor profile and SELinux labels", .values = oci_lsm_names},
    {.help = "Other"},
    {"debug", 0, OPT_FLAG, AT(debug), NULL, "log every step"},
    {"help", 'h', OPT_FLAG, AT(help), NULL, "this text"},
    {"version", 'v', OPT_FLAG, AT(version), NULL, "the version"},
    {0},
};

static int help(const char *called)
{
    printf("Usage: %s%s [OPTION]... [FILE|-]\n"
           "       %s%s --new [--rootless] [-b DIR|-o FILE]\n"
           "Make an OCI runtime configuration (config.json) one that a rootless runtime runs.\n"
           "Without FILE: standard input, or, where that is a terminal or with -i, ./config.json.\n\n",
           strcmp(called, "spec") ? "" : "rootlet ", called, strcmp(called, "spec") ? "" : "rootlet ",
           called);
    opt_help(stdout, table);
    puts("\nExit status: 0 done, 2 cannot be made rootless, 3 bad JSON or not a config.json, 4 input or "
         "output failed, 64 usage.");
    return fflush(stdout) ? EXIT_IO : EXIT_FINE;
}

/* ---- options */

/* C:H:N, as in --map-uid=0:1000:1. */
static int add_map_line(struct idmap *m, const char *option, const char *text)
{
    char part[3][16];
    uint64_t v[3];
    int end = 0, r = 0;

    if (sscanf(text, "%15[0-9]:%15[0-9]:%15[0-9]%n", part[0], part[1], part[2], &end) != 3 || text[end])
        r = -EINVAL;
    for (int i = 0; r == 0 && i < 3; i++)
        r = parse_uint(part[i], 0, UINT32_MAX, &v[i]);
    if (r == 0)
        r = idmap_add(m, v[0], v[1], v[2]);
    if (r == -EEXIST)
        log_error("%s=%s overlaps a line given before", option, text);
    else if (r < 0)
        log_error("%s=%s is no map line (write it as CONTAINER:HOST:COUNT, for example 0:1000:1)", option,
                  text);
    return r;
}

static int fill_maps(struct options *o)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < o->map_uid.n; i++)
        r = add_map_line(&o->oci.map_uid, "--map-uid", o->map_uid.v[i]);
    for (size_t i = 0; r == 0 && i < o->map_gid.n; i++)
        r = add_map_line(&o->oci.map_gid, "--map-gid", o->map_gid.v[i]);
    return r;
}

static int fill_net(struct options *o)
{
    if (!o->net)
        return 0;
    for (o->oci.net = 0; o->oci.net < OCI_NET_PATH; o->oci.net++)
        if (strcmp(o->net, oci_net_names[o->oci.net]) == 0)
            return 0;
    o->oci.net_path = o->net;
    if (*o->net == '/')
        return 0;
    log_error("--net=%s is none of auto, keep and host, nor an absolute path", o->net);
    return -EINVAL;
}

static int clash(const char *a, const char *b)
{
    log_error("%s and %s exclude each other", a, b);
    return -EINVAL;
}

static int check_options(const struct options *o, bool has_file)
{
    if (o->bundle && has_file)
        return clash("--bundle", "a FILE");
    if (o->in_place && o->output)
        return clash("--in-place", "--output");
    if ((o->diff || o->check) && (o->in_place || o->output))
        return clash(o->diff ? "--diff" : "--check", o->in_place ? "--in-place" : "--output");
    if (o->new && (o->in_place || o->diff || o->check || has_file))
        return clash("--new", o->in_place ? "--in-place"
                              : o->diff   ? "--diff"
                              : o->check  ? "--check"
                                          : "a FILE");
    if (o->new && o->bundle && o->output)
        return clash("--bundle", "--output");
    if (o->rootless && !o->new) {
        log_error("--rootless goes with --new (without it every conversion is one to rootless)");
        return -EINVAL;
    }
    if (o->json && !o->explain) {
        log_error("--json goes with --explain");
        return -EINVAL;
    }
    return 0;
}

/* ---- input and output */

struct job {
    const struct options *o;
    const char *path; /* NULL: standard input */
    const char *name; /* for messages */
    char file[PATH_MAX];
    struct replace target;
    char *text;
    size_t len;
    struct oci_facts facts;
    struct oci_report report;
    struct json_doc *doc;
    char *result; /* NULL: nothing changed, the text is the result */
    size_t result_len;
};

static const char *result(const struct job *j, size_t *ret_len)
{
    *ret_len = j->result ? j->result_len : j->len;
    return j->result ? j->result : j->text;
}

/* The file in --bundle=DIR; without that option it stays as it is. */
static int choose_bundle(struct job *j)
{
    if (!j->o->bundle)
        return 0;
    if (str_format(j->file, sizeof(j->file), "%s/config.json", j->o->bundle) < 0) {
        log_error("--bundle=%s is too long", j->o->bundle);
        return -ENAMETOOLONG;
    }
    j->path = j->file;
    return 0;
}

static int choose_input(struct job *j, const char *file)
{
    if (choose_bundle(j) < 0)
        return -ENAMETOOLONG;
    if (file)
        j->path = strcmp(file, "-") ? file : NULL;
    else if (!j->path && (j->o->in_place || isatty(STDIN_FILENO)))
        j->path = "config.json";
    if (j->o->in_place && !j->path) {
        log_error("--in-place needs a file, and '-' is none");
        return -EINVAL;
    }
    j->name = j->path ? j->path : "standard input";
    return 0;
}

static int read_input(struct job *j)
{
    fd_auto int fd = -1;
    struct reason why = {""};
    int r, use = STDIN_FILENO;

    if (j->o->in_place) {
        r = replace_open(&j->target, j->path, true, &why);
        if (r < 0) {
            log_error("%s", why.text);
            return EXIT_IO;
        }
        use = j->target.fd;
    } else if (j->path) {
        fd = open(j->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
            log_errno(-errno, "cannot open '%s'", j->path);
            return EXIT_IO;
        }
        use = fd;
    }
    r = file_read_fd(use, MAX_SPEC, &j->text, &j->len);
    if (r == -EFBIG) {
        log_error("%s: larger than %d bytes", j->name, MAX_SPEC);
        return EXIT_BAD_INPUT;
    }
    if (r < 0) {
        log_errno(r, "cannot read '%s'", j->name);
        return EXIT_IO;
    }
    return EXIT_FINE;
}

static int write_file(const char *path, bool new, const char *text, size_t len)
{
    struct replace target replace_auto = {.dir = -1, .fd = -1};
    struct reason why = {""};
    int r = replace_open(&target, path, false, &why);

    if (new &&r == 0 && target.fd >= 0)
        r = reason_set(&why, -EEXIST,
                       "'%s' is there already (remove it, or give another place with --output)", path);
    if (r == 0)
        r = replace_commit(&target, text, len, &why);
    if (r < 0)
        log_error("%s", why.text);
    return r < 0 ? EXIT_IO : EXIT_FINE;
}

static int write_stdout(const char *text, size_t len)
{
    int r = fd_write_all(STDOUT_FILENO, text, len);

    if (r < 0)
        log_errno(r, "cannot write to standard output");
    return r < 0 ? EXIT_IO : EXIT_FINE;
}

static int write_output(struct job *j)
{
    struct reason why = {""};
    size_t len;
    const char *text = result(j, &len);

    if (j->o->output && strcmp(j->o->output, "-"))
        return write_file(j->o->output, false, text, len);
    if (!j->o->in_place)
        return write_stdout(text, len);
    if (!j->result) /* not even its times change */
        return EXIT_FINE;
    if (replace_commit(&j->target, text, len, &why) < 0) {
        log_error("%s", why.text);
        return EXIT_IO;
    }
    if (j->target.st.st_nlink > 1)
        log_warn("'%s' had other names (hard links): those keep what it was", j->path);
    return EXIT_FINE;
}

/* ---- the conversion */

static int parse(struct job *j)
{
    struct json_error err;
    int r = json_read(j->text, j->len, MAX_SPEC, &j->doc, &err);

    if (r == -ENOMEM) {
        log_error("%s: out of memory", j->name);
        return EXIT_IO;
    }
    if (r < 0) {
        log_error("%s: %s at byte %zu (line %zu, column %zu, in %s)", j->name, err.text, err.offset, err.line,
                  err.column, err.path.text);
        return EXIT_BAD_INPUT;
    }
    if (oci_check_schema(json_root(j->doc), &err) < 0) {
        log_error("%s: %s: %s", j->name, err.path.text, err.text);
        return EXIT_BAD_INPUT;
    }
    return EXIT_FINE;
}

/* The report's notes, in order: the one place where they are logged. */
static void log_notes(const struct job *j)
{
    size_t n = j->report.nnotes < MAX_NOTES ? j->report.nnotes : MAX_NOTES;

    for (size_t i = 0; i < n; i++) {
        const struct oci_note *v = &j->report.notes[i];

        if (v->severity == OCI_ERROR)
            log_error("%s: %s: %s", j->name, v->path, v->text);
        else
            log_warn("%s: %s: %s", j->name, v->path, v->text);
    }
    if (j->report.nnotes > n)
        log_error("%s: and %zu messages more", j->name, j->report.nnotes - n);
}

static int convert(struct job *j)
{
    struct reason why = {""};
    int r = oci_facts_gather(&j->facts, &why);

    if (r < 0) {
        log_errno(r, "%s", why.text);
        return EXIT_IO;
    }
    r = oci_convert(j->doc, &j->o->oci, &j->facts, &j->report);
    log_notes(j);
    if (r == -EINVAL)
        return EXIT_CANNOT;
    if (r == 0 && j->report.nchanges)
        r = json_write_like(j->doc, j->text, j->len, &j->result, &j->result_len);
    if (r < 0) {
        log_errno(r, "%s: cannot write the conversion", j->name);
        return EXIT_IO;
    }
    return EXIT_FINE;
}

static int show(const struct job *j)
{
    bool free_stdout = j->o->check || j->o->diff || j->o->in_place || j->o->new ||
                       (j->o->output && strcmp(j->o->output, "-"));
    FILE *out = free_stdout && !j->o->diff ? stdout : stderr;
    size_t len;
    const char *text = result(j, &len);
    int r = 0;

    if (j->o->explain && j->o->json)
        r = oci_report_json(&j->report, out);
    else if (j->o->explain)
        oci_report_text(&j->report, out);
    if (r == 0 && j->o->diff)
        r = linediff_print(j->text, j->len, text, len, j->name, "rootless", stdout);
    if (r == 0 && (fflush(stdout) || fflush(stderr)))
        r = -errno;
    if (r < 0)
        log_errno(r, "cannot show the changes");
    return r < 0 ? EXIT_IO : EXIT_FINE;
}

static int convert_and_show(struct job *j)
{
    int status = parse(j);

    if (status == EXIT_FINE)
        status = convert(j);
    return status == EXIT_FINE ? show(j) : status;
}

static int run(struct job *j, const char *file)
{
    int status;

    if (choose_input(j, file) < 0)
        return EXIT_USAGE;
    status = read_input(j);
    if (status == EXIT_FINE)
        status = convert_and_show(j);
    if (status != EXIT_FINE)
        return status;
    if (j->o->check)
        return j->result ? EXIT_WOULD_CHANGE : EXIT_FINE;
    return j->o->diff ? EXIT_FINE : write_output(j);
}

/* --new: as with `runc spec`, a file that is there already stays. */
static int run_new(struct job *j)
{
    size_t len;
    const char *text;
    int status = EXIT_FINE;

    j->path = "config.json";
    j->name = "the template";
    if (choose_bundle(j) < 0)
        return EXIT_USAGE;
    j->len = strlen(oci_template);
    j->text = strdup(oci_template);
    if (!j->text) {
        log_error("out of memory");
        return EXIT_IO;
    }
    if (j->o->rootless)
        status = convert_and_show(j);
    if (status != EXIT_FINE || j->o->output)
        return status != EXIT_FINE ? status : write_output(j);
    text = result(j, &len);
    return write_file(j->path, true, text, len);
}

static void job_done(struct job *j)
{
    replace_done(&j->target);
    oci_report_done(&j->report);
    oci_facts_done(&j->facts);
    json_doc_free(j->doc);
    free(j->text);
    free(j->result);
}

static int spec_main(int argc, char **argv)
{
    struct options o = {.oci.oom = OCI_CLAMP};
    struct job j = {.o = &o, .target = {.dir = -1, .fd = -1}};
    int first, status = EXIT_USAGE;

    if (opt_parse(table, &o, argc, argv, OPT_PERMUTE, &first) < 0)
        return EXIT_USAGE;
    if (o.help)
        return help(argv[0]);
    if (o.version) {
        printf("%s " ROOTLET_VERSION "\n", applet_is_alias(&applet_spec, argv[0]) ? argv[0] : "rootlet spec");
        return fflush(stdout) == 0 ? EXIT_FINE : EXIT_IO;
    }
    log_set_debug(o.debug);
    if (argc - first > 1)
        log_error("one FILE at a time ('%s' is a second one)", argv[first + 1]);
    else if (check_options(&o, argc > first) == 0 && fill_maps(&o) == 0 && fill_net(&o) == 0)
        status = o.new ? run_new(&j) : run(&j, argv[first]);
    job_done(&j);
    strv_done(&o.map_uid);
    strv_done(&o.map_gid);
    return status;
}

const struct applet applet_spec = {
    .name = "spec",
    .aliases = "specconv",
    .summary = "make an OCI config.json one that rootless runtimes run",
    .main = spec_main,
};
