/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: say what works here and why not.  Also doctor.
 *
 * One line a probe, in the order of the table; the probes themselves: core/probe.h, net/probe_net.h.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "applets/applet.h"
#include "core/fd.h"
#include "core/json.h"
#include "core/log.h"
#include "core/probe.h"
#include "net/probe_net.h"

extern const struct applet applet_check;

struct options {
    bool help, version, json, quiet, debug;
};

#define AT(field) offsetof(struct options, field)
static const struct opt table[] = {
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {"version", 'v', OPT_FLAG, AT(version), .help = "show the version"},
    {"json", 0, OPT_FLAG, AT(json), .help = "print one JSON object"},
    {"quiet", 'q', OPT_FLAG, AT(quiet), .help = "print nothing: the exit status tells"},
    {"debug", 0, OPT_FLAG, AT(debug), .help = "say every step on stderr"},
    {0},
};

/* What a `no` does to the main job, which is `run` with a network of its own and published ports. */
enum need {
    USEFUL, /* it works in a lesser way, or something else does not */
    NEEDED, /* it cannot work */
    LINK,   /* one of the links has to be there */
};

static const struct {
    const char *name;
    probe_fn *fn;
    enum need need;
} probes[] = {
    {"kernel", probe_kernel, USEFUL},
    {"user-namespace", probe_userns, NEEDED},
    {"id-maps", probe_idmap, NEEDED},
    {"newuidmap", probe_newuidmap, USEFUL},
    {"getsubids", probe_getsubids, USEFUL},
    {"namespaces", probe_namespaces, NEEDED},
    {"net-namespace", probe_netns, NEEDED},
    {"tap-link", probe_tap, LINK},
    {"packet-link", probe_packet, LINK},
    {"tcp-fast-path", probe_fast, USEFUL},
    {"empty-root", probe_empty_root, NEEDED},
    {"seccomp", probe_seccomp, NEEDED},
    {"resolv-conf", probe_resolv_conf, NEEDED},
    {"ping", probe_ping, USEFUL},
    {"low-ports", probe_low_ports, USEFUL},
    {"state-dir", probe_state_dir, NEEDED},
    {"runtime-dir", probe_runtime_dir, USEFUL},
    {"proc", probe_proc, USEFUL},
    {"sys", probe_sys, USEFUL},
    {"overlayfs", probe_overlay, USEFUL},
    {"cgroups", probe_cgroup, USEFUL},
};

enum { PROBES = array_size(probes) };

struct report {
    struct probe p[PROBES];
    bool works;
    char missing[256]; /* names of what stops the main job */
};

static void add_missing(struct report *rep, const char *name)
{
    size_t len = strlen(rep->missing);
    (void)snprintf(rep->missing + len, sizeof(rep->missing) - len, "%s%s", len ? ", " : "", name);
    rep->works = false;
}

static void judge(struct report *rep)
{
    bool link = false, skipped = false;
    rep->works = true;
    for (size_t i = 0; i < PROBES; i++) {
        link |= probes[i].need == LINK && rep->p[i].state != PROBE_NO;
        skipped |= probes[i].need == LINK && rep->p[i].skipped;
        /* What was skipped is stopped by something that is named. */
        if (probes[i].need == NEEDED && rep->p[i].state == PROBE_NO && !rep->p[i].skipped)
            add_missing(rep, probes[i].name);
    }
    if (!link && !skipped)
        add_missing(rep, "tap-link or packet-link");
}

/* Words of other programs, paths and variables are shown, too: no control characters on a terminal; and for JSON, plain ASCII. */
static void clean(struct reason *r, bool ascii)
{
    for (char *c = r->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127 || (ascii && (unsigned char)*c > 126))
            *c = '?';
}

static void print_probe(size_t i, const struct probe *p)
{
    printf("%-6s  %-14s  %s\n", probe_state_names[p->state], probes[i].name, p->seen.text);
    if (p->state == PROBE_OK)
        return;
    if (p->means.text[0])
        printf("        %s\n", p->means.text);
    if (p->fix.text[0])
        printf("        fix: %s\n", p->fix.text);
}

static const char main_job[] = "run with a network of its own and published ports";

static int print_verdict(const struct report *rep)
{
    if (rep->works)
        printf("%s can work here\n", main_job);
    else
        printf("%s cannot work here: %s\n", main_job, rep->missing);
    return fflush(stdout);
}

static int print_json(const struct report *rep)
{
    struct json_doc *doc json_auto = NULL;
    free_auto char *text = NULL;
    int r = json_doc_new(&doc);
    if (r < 0)
        return r;
    struct json *root = json_new_object(doc), *list = json_new_array(doc);
    json_add_bool(doc, root, "works", rep->works);
    json_add_str(doc, root, "missing", rep->missing);
    for (size_t i = 0; i < PROBES; i++) {
        const struct probe *p = &rep->p[i];
        struct json *o = json_new_object(doc);
        json_add_str(doc, o, "name", probes[i].name);
        json_add_str(doc, o, "state", probe_state_names[p->state]);
        json_add_str(doc, o, "seen", p->seen.text);
        if (p->state != PROBE_OK) {
            json_add_bool(doc, o, "tried", !p->skipped);
            json_add_str(doc, o, "means", p->means.text);
            json_add_str(doc, o, "fix", p->fix.text);
        }
        json_append(doc, list, o);
    }
    json_add(doc, root, "probes", list);
    r = json_write(doc, root, JSON_INDENT, &text, NULL);
    if (r < 0)
        return r;
    return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? -EIO : 0;
}

static int check(const struct options *o)
{
    struct report *rep = calloc(1, sizeof(*rep));
    struct probe_env *env = calloc(1, sizeof(*env));
    int code = 1;
    if (!rep || !env) {
        log_error("not enough memory");
        goto out;
    }
    (void)kconfig_load(&env->config); /* without it there are fewer explanations */
    for (size_t i = 0; i < PROBES; i++) {
        struct probe *p = &rep->p[i];
        probes[i].fn(env, p);
        clean(&p->seen, o->json);
        clean(&p->means, o->json);
        clean(&p->fix, o->json);
        if (!o->quiet && !o->json)
            print_probe(i, p);
        fflush(stdout); /* what is in the buffer would be a child's, too */
    }
    judge(rep);
    int r = o->quiet ? 0 : o->json ? print_json(rep) : print_verdict(rep);
    if (r < 0)
        log_errno(errno ? errno : EIO, "cannot write to standard output");
    else
        code = rep->works ? 0 : 1;
out:
    if (env)
        probe_env_done(env);
    free(env);
    free(rep);
    return code;
}

static int usage(void)
{
    puts("rootlet check - say what works here and why not\n\n"
         "Usage: rootlet check [OPTION]...\n\n"
         "Tries everything that rootlet uses, leaving nothing behind, and prints a line each: 'ok', 'partly' "
         "or 'no', a name, and what was\n"
         "seen; below it, what that means for which applet, and the fix. The exit status is 0 if run with a "
         "network of its own\n"
         "and published ports can work here, else 1.\n\nOptions:");
    opt_help(stdout, table);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int check_main(int argc, char **argv)
{
    struct options o = {.help = false};
    int first;
    if (opt_parse(table, &o, argc, argv, OPT_PERMUTE, &first) < 0)
        return 1;
    log_set_debug(o.debug);
    if (o.help)
        return usage();
    if (o.version)
        return puts("rootlet check " ROOTLET_VERSION) < 0 || fflush(stdout) != 0;
    if (first < argc) {
        log_error("takes no operand, and got '%s' (see --help)", argv[first]);
        return 1;
    }
    return check(&o);
}

const struct applet applet_check = {
    .name = "check",
    .aliases = "doctor",
    .summary = "say what works here and why not",
    .main = check_main,
};
