/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dockerproxy: what dockerd (before version 28) starts in rootless mode for each published port and address, under the
 * name rootlesskit-docker-proxy, with the options of its own docker-proxy and a pipe as descriptor 3.
 *
 *     dockerd             dockerproxy           keeper                  docker-proxy
 *     start ────────────▶ fork ───────────────▶ POST to api.sock: carry what comes to the host to the container
 *                                               start ────────────────▶ listen on the loopback address inside, dial the container
 *     "0\n" or "1\nWHY" ◀─────────────────────────────────────────────── (descriptor 3)
 *     SIGINT ───────────▶ close the pair ─────▶ SIGKILL ──────────────▶ the end
 *                                               DELETE to api.sock: close on the host
 *     ◀────────────────── exit status 0 ◀────── exit status 0
 *
 * The container's own address is what is published: so its server sees the clients' (net/transparent.h), which it could not
 * behind docker-proxy. That one serves who is inside, at a loopback address.
 *
 * The keeper is there for the case that this process is killed: the pair's end tells it. If it is killed itself, the port is
 * taken back here.
 *
 * dockerd has SIGTERM sent when it dies, which means the same here.
 *
 * An instance without a port driver publishes nothing: then docker-proxy alone is what dockerd gets. And where the port driver does not
 * do the protocol (IPv6, for one), dockerd hears that all is well, and nothing is done: it asks for IPv6 unasked.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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
    char *name; /* argv[0] */
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

/* What dockerd wants. */
struct mapping {
    char socket[PATH_MAX];
    struct portspec spec;
    bool v6;
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

enum support { SUPPORT_NONE, SUPPORT_OTHERS, SUPPORT_THIS };

/* What the instance's port driver does: nothing (there is none), other protocols than @proto, or that one. */
static int find_support(const char *socket, const char *proto, enum support *ret, struct reason *why)
{
    struct json_doc *doc json_auto = NULL;
    const char *name = "";
    int r = request(socket, "GET", "/v1/info", NULL, 200, &doc, why);
    if (r < 0)
        return r;
    const struct json *driver = json_get(json_root(doc), "portDriver");
    json_get_str(driver, "driver", &name);
    *ret = SUPPORT_NONE;
    if (json_type(driver) != JSON_OBJECT || !strcmp(name, "none") || !strcmp(name, "implicit"))
        return 0;
    *ret = SUPPORT_OTHERS;
    json_foreach (it, json_get(driver, "protos")) {
        const char *s = json_str(it.value);
        if (s && !strcmp(s, proto))
            *ret = SUPPORT_THIS;
    }
    return 0;
}

static int publish(const char *socket, const struct portspec *s, uint32_t *ret_id, struct reason *why)
{
    struct json_doc *doc json_auto = NULL, *answer json_auto = NULL;
    struct port_entry entry;
    free_auto char *body = NULL;
    int r = json_doc_new(&doc);
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

/* The words of docker-proxy's command line, which listens on @host_ip. */
struct proxy_words {
    char ports[2][8];
    const char *argv[12];
};

static void make_words(const struct options *o, const char *host_ip, struct proxy_words *ret)
{
    (void)snprintf(ret->ports[0], sizeof(ret->ports[0]), "%u", o->host_port);
    (void)snprintf(ret->ports[1], sizeof(ret->ports[1]), "%u", o->container_port);
    const char *const words[] = {"docker-proxy",  "-proto",          o->proto,      "-host-ip",
                                 host_ip,         "-host-port",      ret->ports[0], "-container-ip",
                                 o->container_ip, "-container-port", ret->ports[1], NULL};
    static_assert(sizeof(words) == sizeof(ret->argv), "as many words as there is room for");
    memcpy(ret->argv, words, sizeof(words));
}

static _Noreturn void become_proxy(const struct proxy_words *words, int report_fd, const sigset_t *mask)
{
    struct reason why;
    sigprocmask(SIG_SETMASK, mask, NULL);
    fd_set_cloexec(report_fd, false); /* the one descriptor that is for docker-proxy */
    execvp(words->argv[0], (char *const *)(uintptr_t)words->argv); /* execvp(3) does not write to them */
    reason_set(&why, -errno, "cannot run 'docker-proxy', which is part of docker: %s", strerror(errno));
    log_error("%s", why.text);
    report(report_fd, why.text);
    _exit(127);
}

static pid_t start_proxy(const struct proxy_words *words, int report_fd, const sigset_t *mask)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0 && proc_die_with_parent(parent) < 0)
        _exit(1);
    if (pid == 0)
        become_proxy(words, report_fd, mask);
    return pid;
}

/* ---- the keeper ---- */

/* Until @front (the other end of the pair) is closed, or docker-proxy ends, which is an error. */
static int wait_for_end(pid_t proxy, int front)
{
    int status;
    fd_auto int pidfd = pidfd_open_(proxy);
    struct pollfd p[] = {{.fd = front, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
    int r;
    do
        r = poll(p, array_size(p), -1);
    while (r < 0 && errno == EINTR);
    if (pidfd >= 0 && p[1].revents && waitpid(proxy, &status, 0) == proxy) {
        log_error("docker-proxy has ended (status %d)", proc_exit_code(status, EXIT_SHELL));
        return 1;
    }
    kill(proxy, SIGKILL);
    waitpid(proxy, &status, 0);
    return r < 0 || pidfd < 0;
}

/* The port is open on the host: open it inside, until the end. */
static int serve(const struct options *o, bool v6, int report_fd, int front, const sigset_t *before)
{
    struct proxy_words words;
    make_words(o, v6 ? "::1" : "127.0.0.1", &words);
    pid_t proxy = start_proxy(&words, report_fd, before);
    if (proxy < 0) {
        log_errno(errno, "cannot start docker-proxy");
        report(report_fd, "cannot start docker-proxy");
        return 1;
    }
    close(report_fd); /* so that dockerd sees its end when docker-proxy dies without a word */
    return wait_for_end(proxy, front);
}

static int fail(int report_fd, const struct reason *why)
{
    log_error("%s", why->text);
    report(report_fd, why->text);
    return 1;
}

static int keep(const struct options *o, const struct mapping *q, int report_fd, int front,
                const sigset_t *before)
{
    struct reason why = {.text = ""};
    uint32_t id = 0;
    /* A signal for the group, or for all of that name, is not for this one. */
    setsid();
    prctl(PR_SET_NAME, "docker-port");
    memset(o->name, 0, strlen(o->name));
    int r = publish(q->socket, &q->spec, &id, &why);
    if (r < 0)
        return fail(report_fd, &why);
    int code = write(front, &id, sizeof(id)) != sizeof(id); /* nobody there any more: nothing to serve */
    if (code == 0)
        code = serve(o, q->v6, report_fd, front, before);
    return unpublish(q->socket, id) < 0 ? 1 : code;
}

/* Waits for the keeper's end, and brings it about when a signal of @set says so. Exit status. */
static int wait_for_keeper(pid_t keeper, int pair, const struct mapping *q, const sigset_t *set)
{
    uint32_t id = 0;
    int status = 0;
    for (;;) {
        int sig = sigwaitinfo(set, NULL);
        if (sig == SIGCHLD && waitpid(keeper, &status, WNOHANG) == keeper)
            break;
        if (sig > 0 && sig != SIGCHLD)
            shutdown(pair, SHUT_WR);
    }
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    log_error("the process that keeps the port open was killed (signal %d)", WTERMSIG(status));
    if (recv(pair, &id, sizeof(id), MSG_DONTWAIT) == sizeof(id))
        unpublish(q->socket, id);
    return 1;
}

/* ---- the applet ---- */

static int make_spec(const struct options *o, struct portspec *ret, bool *ret_v6, struct reason *why)
{
    union sockaddr_ip a;
    char proto[16];
    struct portspec s = {.parent_port = (uint16_t)o->host_port, .child_port = (uint16_t)o->container_port};
    if (!o->host_ip || ip_parse(o->host_ip, 0, &a) < 0)
        return reason_set(why, -EINVAL, "--host-ip: '%s' is no address", o->host_ip ? o->host_ip : "");
    *ret_v6 = a.sa.sa_family == AF_INET6;
    if (!o->container_ip || ip_parse(o->container_ip, 0, &a) < 0)
        return reason_set(why, -EINVAL, "--container-ip: '%s' is no address",
                          o->container_ip ? o->container_ip : "");
    if (o->host_port == 0 || o->container_port == 0)
        return reason_set(why, -EINVAL, "--host-port and --container-port must be given");
    /* Of one family: dockerd starts one of us for each. */
    bool plain = !strchr(o->proto, '4') && !strchr(o->proto, '6');
    (void)snprintf(proto, sizeof(proto), "%s%s", o->proto, plain ? (*ret_v6 ? "6" : "4") : "");
    (void)snprintf(s.parent_ip, sizeof(s.parent_ip), "%s", o->host_ip);
    (void)snprintf(s.child_ip, sizeof(s.child_ip), "%s", o->container_ip);
    int r = port_proto_parse(proto, &s.proto, why);
    if (r == 0)
        r = portspec_check(&s, why);
    if (r == 0)
        *ret = s;
    return r;
}

static int find_socket(char socket[static PATH_MAX], struct reason *why)
{
    const char *dir = getenv("ROOTLESSKIT_STATE_DIR");
    if (!dir || !*dir)
        return reason_set(why, -EINVAL,
                          "ROOTLESSKIT_STATE_DIR is not set: this runs inside of `rootlet run`");
    if (snprintf(socket, PATH_MAX, "%s/api.sock", dir) >= PATH_MAX)
        return reason_set(why, -ENAMETOOLONG, "ROOTLESSKIT_STATE_DIR is too long");
    return 0;
}

/* From here on there are two. */
static int publish_and_wait(const struct options *o, const struct mapping *q, int report_fd,
                            const sigset_t *set, const sigset_t *before)
{
    int pair[2];
    struct reason why;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return fail(report_fd, (reason_set(&why, -errno, "cannot make a socket: %s", strerror(errno)), &why));
    pid_t keeper = fork();
    if (keeper < 0)
        return fail(report_fd, (reason_set(&why, -errno, "cannot fork: %s", strerror(errno)), &why));
    close(pair[keeper == 0 ? 0 : 1]);
    if (keeper == 0)
        _exit(keep(o, q, report_fd, pair[1], before));
    close(report_fd);
    return wait_for_keeper(keeper, pair[0], q, set);
}

static int dockerproxy(const struct options *o, int report_fd)
{
    struct reason why = {.text = ""};
    struct mapping q = {.spec = {.proto = PORT_TCP}};
    enum support support = SUPPORT_NONE;
    sigset_t set, blocked, before;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    blocked = set;
    sigaddset(&blocked, SIGPIPE); /* dockerd's end, before which the port is still to be taken back */
    sigprocmask(SIG_BLOCK, &blocked, &before);
    int r = find_socket(q.socket, &why);
    if (r == 0)
        r = make_spec(o, &q.spec, &q.v6, &why);
    if (r == 0)
        r = find_support(q.socket, port_proto_names[q.spec.proto], &support, &why);
    if (r < 0)
        return fail(report_fd, &why);
    if (support == SUPPORT_NONE) {
        struct proxy_words words;
        make_words(o, o->host_ip, &words);
        become_proxy(&words, report_fd, &before);
    }
    if (support == SUPPORT_OTHERS) {
        log_warn("port %u is not published on '%s': the instance's port driver does not do %s", o->host_port,
                 o->host_ip, port_proto_names[q.spec.proto]);
        return dprintf(report_fd, "0\n") < 0;
    }
    return publish_and_wait(o, &q, report_fd, &set, &before);
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
    struct options o = {.proto = "tcp", .name = argv[0]};
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
