/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The converter's rules, by the cases in tests/spec: each file NAME.case has lines "facts: WORD..." (about a made-up machine)
 * and "opts: NAME=VALUE...", then sections "--- in", "--- out" (missing: the conversion is refused) and "--- report", with
 * one line a change ("N1 .linux.namespaces[0]") and a note ("error U1 .process.user.uid", "warning L1 ...").
 * @BASE in an input stands for what every config.json has; see below.
 *
 * Of every case that converts it is checked, too, that converting again changes no byte.
 */
#include "core/oci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "core/fd.h"
#include "core/parse.h"
#include "tap.h"
#include "tests/lib/ocivalid.h"

static const char base[] =
    "\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]},\"root\":{\"path\":\"rootfs\"}";

/* ---- the made-up machine */

struct machine {
    struct oci_facts facts;
    struct oci_options opts;
    char *text; /* what strings point into */
};
static enum oci_owner path_owner;
static const char *missing_file;

static enum oci_owner made_up_owner(const char *path)
{
    (void)path;
    return path_owner;
}

static int joined_owner;
static int made_up_joined(const char *path, const char *userns)
{
    (void)path;
    (void)userns;
    return joined_owner;
}

static bool made_up_file(const char *path)
{
    return !missing_file || strcmp(path, missing_file) != 0;
}

/*
 * "/locked/...", "/open/..." and "/unknown/..." are mounts with everything forbidden, by locked flags, by ones that may be
 * changed inside, and by nobody knows which; "/noatime", "/nodiratime" and "/strictatime" are what they say.
 */
static unsigned made_up_flags(const char *path)
{
    if (strcmp(path, "/none") == 0)
        return OCI_FLAGS_UNKNOWN;
    if (strcmp(path, "/strictatime") == 0)
        return 0;
    if (strcmp(path, "/noatime") == 0)
        return ST_NOATIME;
    if (strcmp(path, "/nodiratime") == 0)
        return ST_RELATIME | ST_NODIRATIME;
    return ST_RELATIME | (strncmp(path, "/locked", 7) == 0 || strncmp(path, "/open", 5) == 0 ||
                                  strncmp(path, "/unknown", 8) == 0
                              ? ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC
                              : 0);
}

static unsigned made_up_locks(const char *path)
{
    return strncmp(path, "/unknown", 8) == 0  ? OCI_FLAGS_UNKNOWN
           : strncmp(path, "/locked", 7) == 0 ? ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_RELATIME
                                              : 0;
}

static bool no_cgroup(const char *path)
{
    (void)path;
    return false;
}

static uint64_t number(const char *s)
{
    uint64_t v = 0;

    if (!s || parse_uint(s, 0, UINT64_MAX, &v) < 0)
        bail_out("'%s' is no number", s ? s : "");
    return v;
}

static enum oci_owner owner(const char *s)
{
    return strcmp(s, "ours") == 0      ? OCI_OWNER_OURS
           : strcmp(s, "outside") == 0 ? OCI_OWNER_OUTSIDE
                                       : OCI_OWNER_UNKNOWN;
}

static void add_map(struct idmap *m, const char *s)
{
    char part[3][16];

    if (sscanf(s, "%15[0-9]:%15[0-9]:%15[0-9]", part[0], part[1], part[2]) != 3 ||
        idmap_add(m, number(part[0]), number(part[1]), number(part[2])) < 0)
        bail_out("'%s' is no map line", s);
}

static void add_range(struct subid_list *l, const char *s)
{
    char part[2][16];

    if (sscanf(s, "%15[0-9]:%15[0-9]", part[0], part[1]) != 2 ||
        subid_list_add(l, number(part[0]), number(part[1])) < 0)
        bail_out("'%s' is no range", s);
}

static bool flag_fact(struct oci_facts *f, const char *word)
{
    if (strcmp(word, "newuidmap") == 0)
        f->has_newuidmap = true;
    else if (strcmp(word, "fakeroot") == 0) {
        f->initial_userns = false;
        f->euid = f->egid = 0;
    } else if (strcmp(word, "v2") == 0)
        f->cgroup = OCI_CGROUP_V2;
    else if (strcmp(word, "no-mqueue") == 0)
        f->has_mqueue = false;
    else if (strcmp(word, "no-shm") == 0)
        f->has_shm = false;
    else if (strcmp(word, "no-cgroup") == 0)
        f->may_create_cgroup = no_cgroup;
    else
        return false;
    return true;
}

static void fact(struct oci_facts *f, char *word)
{
    char *v = strchr(word, '=');

    if (flag_fact(f, word))
        return;
    if (!v)
        bail_out("unknown fact '%s'", word);
    *v++ = '\0';
    if (strcmp(word, "euid") == 0)
        f->euid = (uid_t)number(v);
    else if (strcmp(word, "egid") == 0)
        f->egid = (gid_t)number(v);
    else if (strcmp(word, "umap") == 0)
        add_map(&f->uid_map, v);
    else if (strcmp(word, "gmap") == 0)
        add_map(&f->gid_map, v);
    else if (strcmp(word, "subuid") == 0)
        add_range(&f->subuids, v);
    else if (strcmp(word, "subgid") == 0)
        add_range(&f->subgids, v);
    else if (strcmp(word, "net") == 0)
        f->net = owner(v);
    else if (strcmp(word, "pid") == 0)
        f->pid = owner(v);
    else if (strcmp(word, "ipc") == 0)
        f->ipc = owner(v);
    else if (strcmp(word, "path") == 0)
        path_owner = owner(v);
    else if (strcmp(word, "owned") == 0)
        joined_owner = atoi(v);
    else if (strcmp(word, "controller") == 0)
        strv_add(&f->controllers, v);
    else if (strcmp(word, "oom") == 0)
        f->oom_score_adj = atoi(v);
    else if (strcmp(word, "nofile") == 0)
        f->limits[RLIMIT_NOFILE].rlim_max = number(v);
    else if (strcmp(word, "limits") == 0)
        for (size_t i = 0; i < RLIM_NLIMITS; i++)
            f->limits[i].rlim_max = number(v);
    else if (strcmp(word, "missing") == 0)
        missing_file = v;
    else
        bail_out("unknown fact '%s'", word);
}

static int choice(const char *const *names, const char *v)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], v) == 0)
            return i;
    bail_out("unknown value '%s'", v);
}

static void option(struct oci_options *o, char *word)
{
    const struct {
        const char *name;
        const char *const *values;
        int *target;
    } table[] = {
        {"mode", oci_mode_names, &o->mode},       {"runtime", oci_runtime_names, &o->runtime},
        {"sys", oci_sys_names, &o->sys},          {"map", oci_map_names, &o->map},
        {"net", oci_net_names, &o->net},          {"cgroup", oci_cgroup_names, &o->cgroup},
        {"groups", oci_groups_names, &o->groups}, {"rlimits", oci_clamp_names, &o->rlimits},
        {"oom", oci_clamp_names, &o->oom},        {"lsm", oci_lsm_names, &o->lsm},
    };
    char *v = strchr(word, '=');

    if (!v)
        bail_out("unknown option '%s'", word);
    *v++ = '\0';
    if (strcmp(word, "map-uid") == 0)
        add_map(&o->map_uid, v);
    else if (strcmp(word, "map-gid") == 0)
        add_map(&o->map_gid, v);
    else if (strcmp(word, "cgroups-path") == 0)
        o->cgroups_path = v;
    else if (strcmp(word, "net-path") == 0) {
        o->net = OCI_NET_PATH;
        o->net_path = v;
    } else {
        for (size_t i = 0; i < array_size(table); i++)
            if (strcmp(word, table[i].name) == 0) {
                *table[i].target = choice(table[i].values, v);
                return;
            }
        bail_out("unknown option '%s'", word);
    }
}

/* An ordinary user of a machine with hybrid cgroups, until the case says otherwise. */
static void machine_init(struct machine *m)
{
    *m = (struct machine){
        .facts = {.euid = 1001,
                  .egid = 1002,
                  .initial_userns = true,
                  .cgroup = OCI_CGROUP_HYBRID,
                  .has_mqueue = true,
                  .has_shm = true,
                  .ns_owner = made_up_owner,
                  .owned_by = made_up_joined,
                  .is_there = made_up_file,
                  .mount_flags = made_up_flags,
                  .locked_flags = made_up_locks},
        .opts = {.oom = OCI_CLAMP},
    };
    for (size_t i = 0; i < RLIM_NLIMITS; i++)
        m->facts.limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    path_owner = OCI_OWNER_UNKNOWN;
    joined_owner = -1;
    missing_file = NULL;
}

static void machine_finish(struct machine *m)
{
    if (m->facts.uid_map.n == 0)
        idmap_add(&m->facts.uid_map, 0, 0, UINT32_MAX);
    if (m->facts.gid_map.n == 0)
        m->facts.gid_map = m->facts.uid_map;
}

/* ---- cases */

static unsigned valid_cases;

struct test {
    struct machine m;
    char *in, *out, *report;
};

static char *section(const char *text, const char *name)
{
    char head[32];
    const char *s, *end;

    snprintf(head, sizeof(head), "--- %s\n", name);
    s = strstr(text, head);
    if (!s)
        return NULL;
    s += strlen(head);
    end = strstr(s, "\n--- ");
    return strndup(s, end ? (size_t)(end + 1 - s) : strlen(s));
}

static char *expand(char *text)
{
    struct strbuf b = {0};
    char *at, *s = text;

    while (text && (at = strstr(s, "@BASE"))) {
        strbuf_add(&b, s, (size_t)(at - s));
        strbuf_adds(&b, base);
        s = at + 5;
    }
    if (!text)
        return NULL;
    strbuf_adds(&b, s);
    free(text);
    return b.s;
}

static void words(struct test *t, char *line)
{
    bool facts = strncmp(line, "facts:", 6) == 0;
    char *save = NULL;

    if (!facts && strncmp(line, "opts:", 5) != 0)
        return;
    for (char *w = strtok_r(line + (facts ? 6 : 5), " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        if (facts)
            fact(&t->m.facts, w);
        else
            option(&t->m.opts, w);
    }
}

static void test_read(struct test *t, const char *path)
{
    char *save = NULL;

    machine_init(&t->m);
    if (file_read(AT_FDCWD, path, 1 << 20, &t->m.text, NULL) < 0)
        bail_out("cannot read %s", path);
    t->in = expand(section(t->m.text, "in"));
    t->out = expand(section(t->m.text, "out"));
    t->report = section(t->m.text, "report");
    if (!t->in)
        bail_out("%s has no section 'in'", path);
    for (char *line = strtok_r(t->m.text, "\n", &save); line && strncmp(line, "--- ", 4) != 0;
         line = strtok_r(NULL, "\n", &save))
        words(t, line);
    machine_finish(&t->m);
}

static void test_done(struct test *t)
{
    oci_facts_done(&t->m.facts);
    free(t->m.text);
    free(t->in);
    free(t->out);
    free(t->report);
}

static char *report_lines(const struct oci_report *r)
{
    struct strbuf b = {0};

    for (size_t i = 0; i < r->nchanges; i++)
        strbuf_addf(&b, "%s %s\n", r->changes[i].rule, r->changes[i].path);
    for (size_t i = 0; i < r->nnotes; i++)
        strbuf_addf(&b, "%s %s %s\n", r->notes[i].severity == OCI_ERROR ? "error" : "warning",
                    r->notes[i].rule, r->notes[i].path);
    strbuf_adds(&b, "");
    return b.s;
}

/* Convert @in; *ret_out is NULL when that is refused. */
static void convert(const struct test *t, const char *in, char **ret_out, char **ret_report)
{
    struct oci_report report = {0};
    struct json_doc *doc json_auto = NULL;
    struct json_error err;
    int r;

    *ret_out = NULL;
    if (json_read(in, strlen(in), 1 << 20, &doc, &err) < 0 || oci_check_schema(json_root(doc), &err) < 0)
        bail_out("%s: %s in: %s", err.path.text, err.text, in);
    r = oci_convert(doc, &t->m.opts, &t->m.facts, &report);
    if (r == 0 && json_write_like(doc, in, strlen(in), ret_out, NULL) < 0)
        bail_out("cannot write");
    if (r < 0 && r != -EINVAL)
        bail_out("conversion failed: %s", strerror(-r));
    *ret_report = report_lines(&report);
    oci_report_done(&report);
}

/* What was valid before is valid after; there are cases about what is not valid. */
static bool is_valid(const char *text)
{
    struct json_doc *doc json_auto = NULL;
    struct json_error err;
    const char *why;

    if (json_read(text, strlen(text), 1 << 20, &doc, &err) < 0)
        return false;
    why = oci_valid(json_root(doc));
    if (why)
        diag("%s", why);
    return !why;
}

static void run_case(const char *path, const char *name)
{
    struct test t;
    char *out, *report, *again, *second;

    memset(&t, 0, sizeof(t));
    test_read(&t, path);
    convert(&t, t.in, &out, &report);
    is_str(out, t.out, "%s: the result", name);
    is_str(report, t.report ? t.report : "", "%s: the report", name);
    if (out) {
        convert(&t, out, &again, &second);
        is_str(again, out, "%s: a second conversion changes nothing", name);
        if (is_valid(t.in))
            valid_cases += ok(is_valid(out), "%s: the result is as valid", name);
        free(again);
        free(second);
    }
    free(out);
    free(report);
    test_done(&t);
}

static int is_case(const struct dirent *e)
{
    size_t n = strlen(e->d_name);

    return n > 5 && strcmp(e->d_name + n - 5, ".case") == 0;
}

static void test_cases(void)
{
    struct dirent **list;
    int n = scandir("tests/spec", &list, is_case, alphasort);
    char path[512];

    if (n <= 0)
        bail_out("no cases in tests/spec (the test runs in the project's folder)");
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "tests/spec/%s", list[i]->d_name);
        list[i]->d_name[strlen(list[i]->d_name) - 5] = '\0';
        run_case(path, list[i]->d_name);
        free(list[i]);
    }
    free(list);
    ok(valid_cases > 100, "%u of the cases are valid configurations", valid_cases);
}

/* ---- the schema */

static void refused(const char *text, const char *path, const char *what)
{
    struct json_doc *doc json_auto = NULL;
    struct json_error err = {.text = ""};

    if (json_read(text, strlen(text), 1 << 20, &doc, &err) < 0)
        bail_out("%s: %s", text, err.text);
    is_int(oci_check_schema(json_root(doc), &err), -EBADMSG, "%s is refused (%s)", what, err.text);
    is_str(err.path.text, path, "%s: the path", what);
}

static void taken(const char *text, const char *what)
{
    struct json_doc *doc json_auto = NULL;
    struct json_error err = {.text = ""};

    if (json_read(text, strlen(text), 1 << 20, &doc, &err) < 0)
        bail_out("%s: %s", text, err.text);
    ok(oci_check_schema(json_root(doc), &err) == 0, "%s is taken", what);
}

static void test_schema(void)
{
    refused("[]", ".", "an array");
    refused("{\"Linux\":{}}", ".Linux", "a known key in another case");
    refused("{\"linux\":{\"Namespaces\":[]}}", ".linux.Namespaces", "one deeper down");
    refused("{\"linux\":{\"ma\xc5\xbfkedPaths\":[]}}", ".linux[\"ma??kedPaths\"]",
            "one that differs by a long s");
    refused("{\"hoo\xe2\x84\xaas\":{}}", ".[\"hoo???s\"]", "one that differs by a Kelvin sign");
    refused("{\"mounts\":[{\"DESTINATION\":\"/\"}]}", ".mounts[0].DESTINATION", "one in an array");
    refused("{\"root\":{\"path\":\"a\\u0000b\"}}", ".root.path", "a NUL in a path");
    refused("{\"process\":{\"args\":[\"a\",\"\\u0000\"]}}", ".process.args[1]", "a NUL in an argument");
    refused("{\"process\":{\"user\":{\"uid\":1e3}}}", ".process.user.uid", "an integer with an exponent");
    refused("{\"process\":{\"user\":{\"gid\":1.0}}}", ".process.user.gid", "an integer with a point");
    refused("{\"process\":{\"user\":{\"uid\":4294967296}}}", ".process.user.uid", "a uid over 32 bits");
    refused("{\"process\":{\"user\":{\"uid\":-1}}}", ".process.user.uid", "a negative uid");
    refused("{\"process\":{\"rlimits\":[{\"hard\":18446744073709551616}]}}", ".process.rlimits[0].hard",
            "an integer over 64 bits");
    refused("{\"process\":{\"oomScoreAdj\":\"0\"}}", ".process.oomScoreAdj", "a string for an integer");
    refused("{\"process\":{\"terminal\":1}}", ".process.terminal", "a number for a boolean");
    refused("{\"process\":{\"user\":{\"additionalGids\":[1,-1]}}}", ".process.user.additionalGids[1]",
            "a negative group");
    refused("{\"mounts\":{}}", ".mounts", "an object for an array");
    refused("{\"mounts\":[null]}", ".mounts[0]", "null in an array");
    refused("{\"linux\":[]}", ".linux", "an array for an object");
    refused("{\"linux\":{\"sysctl\":{\"a b\":1}}}", ".linux.sysctl[\"a b\"]", "a number for a sysctl");
    refused("{\"linux\":{\"resources\":{\"rdma\":{\"x\":{\"hcaHandles\":1.5}}}}}",
            ".linux.resources.rdma.x.hcaHandles", "a fraction in a map");
    taken("{}", "nothing");
    taken("{\"linux\":null,\"process\":{\"user\":null}}", "null");
    taken("{\"process\":{\"rlimits\":[{\"hard\":18446744073709551615}]}}", "2^64 - 1");
    taken("{\"linux\":{\"resources\":{\"memory\":{\"limit\":-1}}}}", "a negative limit");
    taken("{\"annotations\":{\"Linux\":\"\\u0000\"},\"vendor\":{\"Linux\":1.5,\"x\":1e3}}",
          "anything in annotations and unknown members");
    taken(oci_template, "the template");
}

/* ---- the report */

static void test_report(void)
{
    struct machine m;
    struct oci_report report = {0};
    struct json_doc *doc json_auto = NULL, *list json_auto = NULL;
    free_auto char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    const char *rule = "";

    machine_init(&m);
    machine_finish(&m);
    if (!f || json_read(oci_template, strlen(oci_template), 1 << 20, &doc, NULL) < 0)
        bail_out("no memory");
    is_int(oci_convert(doc, &m.opts, &m.facts, &report), 0, "the template converts");
    is_int(oci_report_json(&report, f), 0, "its changes are written as JSON");
    fclose(f);
    ok(json_read(text, len, 1 << 20, &list, NULL) == 0 && json_count(json_root(list)) == report.nchanges,
       "one object a change");
    json_get_str(json_at(json_root(list), 0), "rule", &rule);
    is_str(rule, "N1", "the first is by rule N1");
    is_str(json_str(json_get(json_get(json_at(json_root(list), 0), "after"), "type")), "user",
           "with the value as JSON");
    oci_report_done(&report);
}

int main(void)
{
    test_schema();
    test_report();
    test_cases();
    return done_testing();
}
