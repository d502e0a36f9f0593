/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dockerproxy: what dockerd (before version 28) starts in rootless mode for each published port and address, under the
 * name rootlesskit-docker-proxy, with the options of its own docker-proxy and a pipe as descriptor 3.
 *
 *     dockerd             dockerproxy                             docker-proxy
 *     start ────────────▶ POST to api.sock: open on the host
 *                         start ────────────────────────────────▶ listen on the loopback address inside, dial the container
 *     "0\n" or "1\nWHY" ◀─────────────────────────────────────── (descriptor 3)
 *     SIGINT ───────────▶ SIGKILL ──────────────────────────────▶ the end
 *                         DELETE to api.sock: close on the host
 *     ◀────────────────── exit status 0
 *
 * dockerd has SIGTERM sent when it dies, which means the same here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/fd.h"
#include "core/json.h"
#include "core/log.h"
#include "core/proc.h"
#include "net/httpc.h"
#include "net/ip.h"
#include "net/portjson.h"
#include "net/portspec.h"

extern const struct applet applet_dockerproxy;

/* dockerd waits 16 seconds for the answer on the pipe. */
enum { REPORT_FD = 3, TIMEOUT_MS = 10000 };

struct options {
    bool help, version, debug;
    const char *proto, *host_ip, *container_ip;
    uint32_t host_port, container_port;
};
#define AT(field) offsetof(struct options, field)

static const struct opt table[] = {
    {"proto", 0, OPT_STR, AT(proto), .arg = "PROTO", .help = "tcp or udp (default: tcp)"},
    {"host-ip", 0, OPT_STR, AT(host_ip), .arg = "IP", .help = "address to publish on, of the host"},
    {"host-port", 0, OPT_UINT, AT(host_port), .arg = "PORT", .help = "port to publish", .min = 1,
     .max = 65535},
    {"container-ip", 0, OPT_STR, AT(container_ip), .arg = "IP", .help = "address of the container"},
    {"container-port", 0, OPT_UINT, AT(container_port), .arg = "PORT", .help = "port of the container",
     .min = 1, .max = 65535},
    {"debug", 0, OPT_FLAG, AT(debug), .help = "say every step on stderr"},
    {"help", 'h', OPT_FLAG, AT(help), .help = "show this help"},
    {"version", 'v', OPT_FLAG, AT(version), .help = "show the version"},
    {0},
};

/* ---- the API ---- */

/* One request; its answer must have the status @want. @ret_doc (may be NULL): what it says. */
static int request(const char *socket, const char *method, const char *path, const char *body, int want,
                   struct json_doc **ret_doc, struct reason *why)
{
    struct httpc_reply reply;
    struct json_doc *doc json_auto = NULL;
    const char *text = "no reason is given";
    int r = httpc_request(socket, method, path, body, TIMEOUT_MS, &reply, why);
    if (r < 0)
        return r;
    log_debug("%s %s: %d %s", method, path, reply.status, reply.body);
    if (reply.len > 0)
        r = json_read(reply.body, reply.len, HTTPC_REPLY_MAX, &doc, NULL);
    free(reply.body);
    if (reply.status != want) {
        json_get_str(json_root(doc), "message", &text);
        return reason_set(why, -EREMOTEIO, "%s", text);
    }
    if (r < 0 || (ret_doc && !doc))
        return reason_set(why, -EBADMSG, "the answer of '%s' to %s %s is malformed", socket, method, path);
    if (ret_doc)
        *ret_doc = steal_ptr(&doc);
    return 0;
}

/* Does the instance forward this protocol? Not every server of this API does tcp6. */
static int is_supported(const char *socket, const char *proto, bool *ret, struct reason *why)
{
    struct json_doc *doc json_auto = NULL;
    int r = request(socket, "GET", "/v1/info", NULL, 200, &doc, why);
    if (r < 0)
        return r;
    const struct json *driver = json_get(json_root(doc), "portDriver");
    if (json_type(driver) != JSON_OBJECT)
        return reason_set(why, -EOPNOTSUPP,
                          "the instance has no port driver (start it with --port-driver=builtin)");
    *ret = false;
    json_foreach (it, json_get(driver, "protos")) {
        const char *s = json_str(it.value);
        *ret |= s && !strcmp(s, proto);
    }
    return 0;
}

/* @ret_id: 0 when nothing was published because the instance cannot forward this protocol. */
static int publish(const char *socket, const struct portspec *s, uint32_t *ret_id, struct reason *why)
{
    struct json_doc *doc json_auto = NULL, *answer json_auto = NULL;
    struct port_entry entry;
    free_auto char *body = NULL;
    bool supported = false;
    int r = is_supported(socket, port_proto_names[s->proto], &supported, why);
    if (r < 0)
        return r;
    if (!supported) {
        log_warn("port %u is not published on '%s': the instance's port driver does not do %s",
                 s->parent_port, s->parent_ip, port_proto_names[s->proto]);
        *ret_id = 0;
        return 0;
    }
    r = json_doc_new(&doc);
    if (r == 0)
        r = json_write(doc, portspec_to_json(doc, s), JSON_COMPACT, &body, NULL);
    if (r < 0)
        return reason_set(why, r, "cannot make the request: %s", strerror(-r));
    r = request(socket, "POST", "/v1/ports", body, 201, &answer, why);
    if (r == 0)
        r = port_entry_from_json(json_root(answer), &entry, why);
    if (r == 0)
        *ret_id = entry.id;
    return r;
}

static int unpublish(const char *socket, uint32_t id)
{
    char path[48];
    struct reason why = {.text = ""};
    if (id == 0)
        return 0;
    (void)snprintf(path, sizeof(path), "/v1/ports/%u", id);
    int r = request(socket, "DELETE", path, NULL, 200, NULL, &why);
    if (r < 0)
        log_error("cannot take back port %u: %s", id, why.text);
    return r;
}

/* ---- docker-proxy ---- */

/* What went wrong, for dockerd. */
static void report(int fd, const char *text)
{
    if (dprintf(fd, "1\n%s", text) < 0)
        log_debug("nobody reads the report");
}

static _Noreturn void become_proxy(char *const words[], int report_fd, const sigset_t *mask, pid_t parent)
{
    struct reason why;
    if (proc_die_with_parent(parent) < 0)
        _exit(1);
    sigprocmask(SIG_SETMASK, mask, NULL);
    fd_set_cloexec(report_fd, false); /* the one descriptor that is for docker-proxy */
    execvp(words[0], words);
    reason_set(&why, -errno, "cannot run 'docker-proxy', which is part of docker: %s", strerror(errno));
    log_error("%s", why.text);
    report(report_fd, why.text);
    _exit(127);
}

static pid_t start_proxy(const struct options *o, bool v6, int report_fd, const sigset_t *mask)
{
    char words[8][INET6_ADDRSTRLEN + 16] = {"docker-proxy"};
    char *argv[array_size(words) * 2] = {words[0]};
    const struct {
        const char *name, *value;
        uint32_t number;
    } args[] = {
        {"-proto", o->proto, 0},
        {"-host-ip", v6 ? "::1" : "127.0.0.1", 0},
        {"-host-port", NULL, o->host_port},
        {"-container-ip", o->container_ip, 0},
        {"-container-port", NULL, o->container_port},
    };
    size_t n = 1;
    for (size_t i = 0; i < array_size(args); i++) {
        if (args[i].value)
            (void)snprintf(words[i + 1], sizeof(words[0]), "%s", args[i].value);
        else
            (void)snprintf(words[i + 1], sizeof(words[0]), "%u", args[i].number);
        argv[n++] = (char *)(uintptr_t)args[i].name; /* execvp(3) does not write to it */
        argv[n++] = words[i + 1];
    }
    argv[n] = NULL;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become_proxy(argv, report_fd, mask, parent);
    return pid;
}

/* Until dockerd says that the port is to be closed, or docker-proxy ends, which is an error. */
static int wait_for_end(pid_t proxy, const sigset_t *set)
{
    for (;;) {
        int status, sig = sigwaitinfo(set, NULL);
        if (sig == SIGCHLD) {
            if (waitpid(proxy, &status, WNOHANG) != proxy)
                continue;
            log_error("docker-proxy has ended (status %d)", proc_exit_code(status, EXIT_SHELL));
            return 1;
        }
        if (sig < 0)
            continue;
        kill(proxy, SIGKILL);
        waitpid(proxy, &status, 0);
        return 0;
    }
}

/* ---- the applet ---- */

static int make_spec(const struct options *o, struct portspec *ret, bool *ret_v6, struct reason *why)
{
    union sockaddr_ip a;
    char proto[16];
    struct portspec s = {.parent_port = (uint16_t)o->host_port, .child_port = (uint16_t)o->host_port};
    if (!o->host_ip || ip_parse(o->host_ip, 0, &a) < 0)
        return reason_set(why, -EINVAL, "--host-ip: '%s' is no address", o->host_ip ? o->host_ip : "");
    if (!o->container_ip || ip_parse(o->container_ip, 0, &a) < 0)
        return reason_set(why, -EINVAL, "--container-ip: '%s' is no address",
                          o->container_ip ? o->container_ip : "");
    if (o->host_port == 0 || o->container_port == 0)
        return reason_set(why, -EINVAL, "--host-port and --container-port must be given");
    ip_parse(o->host_ip, 0, &a);
    *ret_v6 = a.sa.sa_family == AF_INET6;
    /* Of one family: dockerd starts one of us for each. */
    bool plain = !strchr(o->proto, '4') && !strchr(o->proto, '6');
    (void)snprintf(proto, sizeof(proto), "%s%s", o->proto, plain ? (*ret_v6 ? "6" : "4") : "");
    (void)snprintf(s.parent_ip, sizeof(s.parent_ip), "%s", o->host_ip);
    int r = port_proto_parse(proto, &s.proto, why);
    if (r == 0)
        r = portspec_check(&s, why);
    if (r == 0)
        *ret = s;
    return r;
}

static int prepare(const struct options *o, char socket[static PATH_MAX], uint32_t *ret_id, bool *ret_v6,
                   struct reason *why)
{
    struct portspec spec;
    const char *dir = getenv("ROOTLESSKIT_STATE_DIR");
    if (!dir || !*dir)
        return reason_set(why, -EINVAL,
                          "ROOTLESSKIT_STATE_DIR is not set: this runs inside of `rootlet run`");
    if (snprintf(socket, PATH_MAX, "%s/api.sock", dir) >= PATH_MAX)
        return reason_set(why, -ENAMETOOLONG, "ROOTLESSKIT_STATE_DIR is too long");
    int r = make_spec(o, &spec, ret_v6, why);
    return r < 0 ? r : publish(socket, &spec, ret_id, why);
}

static int dockerproxy(const struct options *o, int report_fd)
{
    char socket[PATH_MAX];
    struct reason why = {.text = ""};
    uint32_t id = 0;
    bool v6 = false;
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &before);
    if (prepare(o, socket, &id, &v6, &why) < 0) {
        log_error("%s", why.text);
        report(report_fd, why.text);
        return 1;
    }
    pid_t proxy = start_proxy(o, v6, report_fd, &before);
    int code = 1;
    if (proxy < 0) {
        log_errno(errno, "cannot start docker-proxy");
        report(report_fd, "cannot start docker-proxy");
    } else {
        close(report_fd); /* so that dockerd sees its end when docker-proxy dies without a word */
        code = wait_for_end(proxy, &set);
    }
    return unpublish(socket, id) < 0 ? 1 : code;
}

static int usage(void)
{
    puts("Usage: rootlet dockerproxy --proto PROTO --host-ip IP --host-port PORT --container-ip IP "
         "--container-port PORT\n"
         "\n"
         "Publishes a container's port on the host, for dockerd, which starts this.\n"
         "\n"
         "Options:");
    opt_help(stdout, table);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int dockerproxy_main(int argc, char **argv)
{
    struct options o = {.proto = "tcp"};
    int first;
    bool reported = fd_set_cloexec(REPORT_FD, true) == 0; /* before anything else opens a descriptor */
    if (opt_parse(table, &o, argc, argv, 0, &first) < 0)
        return 1;
    log_set_debug(o.debug);
    if (o.help)
        return usage();
    if (o.version)
        return puts("rootlet dockerproxy " ROOTLET_VERSION) < 0 || fflush(stdout) != 0;
    if (first < argc) {
        log_error("takes no arguments ('%s')", argv[first]);
        return 1;
    }
    if (!reported) {
        log_error("descriptor %d is closed: dockerd starts this, and waits there for the outcome", REPORT_FD);
        return 1;
    }
    return dockerproxy(&o, REPORT_FD);
}

const struct applet applet_dockerproxy = {
    .name = "dockerproxy",
    .aliases = "rootlesskit-docker-proxy",
    .summary = "publish a container's port for dockerd, which starts this",
    .main = dockerproxy_main,
};
