/* SPDX-License-Identifier: Apache-2.0 */
/* The REST API: its answers (net/restapi.c) over a table without portd, and the HTTP server around it with real clients. */
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/json.h"
#include "core/proc.h"
#include "net/httpc.h"
#include "net/portjson.h"
#include "net/rest.h"
#include "net/restapi.h"

static const struct rest_info info = {.state_dir = "/run/a \"quoted\" dir",
                                      .version = "9.8.7",
                                      .child_pid = 4711,
                                      .net_driver = "slirp4netns",
                                      .dns = {"10.0.2.3", NULL},
                                      .child_ip = "10.0.2.100",
                                      .port_driver = "builtin"};

static struct rest_answer call(struct port_table *t, const char *method, const char *path, const char *body)
{
    struct rest_answer a;
    restapi_handle(&info, t, method, path, body, strlen(body), &a);
    return a;
}

/* The status, and a piece of the body. */
static void check(struct port_table *t, const char *method, const char *path, const char *body, int status,
                  const char *has)
{
    struct rest_answer a = call(t, method, path, body);
    is_int(a.status, status, "%s %s %.60s", method, path, body);
    if (!ok(has ? a.body && strstr(a.body, has) : a.len == 0, "answers %s", has ? has : "nothing"))
        diag("  %s", a.body ? a.body : "(empty)");
    free(a.body);
}

static void test_info(struct port_table *t)
{
    check(t, "GET", "/v1/info", "", 200,
          "{\"apiVersion\":\"1.1.1\",\"version\":\"9.8.7\",\"stateDir\":\"/run/a \\\"quoted\\\" "
          "dir\",\"childPID\":4711,"
          "\"networkDriver\":{\"driver\":\"slirp4netns\",\"dns\":[\"10.0.2.3\"],\"childIP\":\"10.0.2.100\","
          "\"dynamicChildIP\":false},"
          "\"portDriver\":{\"driver\":\"builtin\",\"protos\":[\"tcp\",\"tcp4\",\"tcp6\",\"udp\",\"udp4\","
          "\"udp6\"]}}");
    const struct rest_info bare = {.state_dir = "/x", .child_pid = 1, .version = "1"};
    struct rest_answer a;
    restapi_handle(&bare, NULL, "GET", "/v1/info", "", 0, &a);
    is_str(a.body, "{\"apiVersion\":\"1.1.1\",\"version\":\"1\",\"stateDir\":\"/x\",\"childPID\":1}",
           "without drivers there are no objects for them");
    free(a.body);
}

static void test_ports(struct port_table *t)
{
    check(t, "GET", "/v1/ports", "", 200, "[]");
    check(NULL, "GET", "/v1/ports", "", 400, "no port driver");
    check(NULL, "POST", "/v1/ports", "{}", 400, "no port driver");
    check(t, "POST", "/v1/ports",
          "{\"proto\":\"tcp\",\"parentIP\":\"127.0.0.1\",\"parentPort\":0,\"childPort\":80}", 201,
          "{\"id\":1,\"spec\":{\"proto\":\"tcp\",\"parentIP\":\"127.0.0.1\",\"parentPort\":");
    check(t, "POST", "/v1/ports",
          "[{\"proto\":\"udp4\",\"parentIP\":\"127.0.0.1\",\"childIP\":\"10.0.0.9\",\"childPort\":53},{"
          "\"proto\":\"tcp\",\"parentIP\":\"127.0.0.1\",\"childPort\":81}]",
          201, "\"childPort\":53,\"childIP\":\"10.0.0.9\"}},{\"id\":3,");
    char again[160];
    snprintf(again, sizeof(again),
             "[{\"proto\":\"tcp\",\"parentIP\":\"127.0.0.1\",\"childPort\":82},{\"proto\":\"tcp\","
             "\"parentIP\":\"127.0.0.1\",\"parentPort\":%u,\"childPort\":80}]",
             port_get(t, 0)->spec.parent_port);
    check(t, "POST", "/v1/ports", again, 400, "conflict with ID 1");
    is_int(port_count(t), 3, "a batch that fails adds nothing");
    check(t, "DELETE", "/v1/ports/2", "", 200, NULL);
    check(t, "DELETE", "/v1/ports/2", "", 400, "unknown id: 2");
    is_int(port_count(t), 2, "two are left");
}

static void test_bad_input(struct port_table *t)
{
    static const struct {
        const char *body, *says;
    } bad[] = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"{}x", "not JSON"},
        {"{\"proto\":\"tcp\",\"proto\":\"udp\"}", "not JSON"},
        {"null", "must be an object"},
        {"17", "must be an object"},
        {"[]", "is empty"},
        {"[17]", "port spec 0"},
        {"[[]]", "port spec 0"},
        {"{}", "'proto' is missing"},
        {"{\"proto\":6}", "'proto' must be a string"},
        {"{\"proto\":\"sctp\",\"parentPort\":1,\"childPort\":1}", "SCTP"},
        {"{\"proto\":\"icmp\",\"parentPort\":1,\"childPort\":1}", "unknown protocol"},
        {"{\"proto\":\"tcp\",\"parentPort\":1}", "child port cannot be 0"},
        {"{\"proto\":\"tcp\",\"parentPort\":65536,\"childPort\":1}", "'parentPort' must be a number"},
        {"{\"proto\":\"tcp\",\"parentPort\":-1,\"childPort\":1}", "'parentPort' must be a number"},
        {"{\"proto\":\"tcp\",\"parentPort\":1.5,\"childPort\":1}", "'parentPort' must be a number"},
        {"{\"proto\":\"tcp\",\"parentPort\":\"80\",\"childPort\":1}", "'parentPort' must be a number"},
        {"{\"proto\":\"tcp\",\"parentIP\":\"localhost\",\"parentPort\":1,\"childPort\":1}",
         "invalid parent address"},
        {"{\"proto\":\"tcp4\",\"parentIP\":\"::1\",\"parentPort\":1,\"childPort\":1}", "does not fit"},
        {"{\"proto\":\"tcp\",\"parentIP\":\"127.0.0.1\\u0000\",\"childPort\":1}", "must be a string"},
        {"{\"proto\":\"tcp\",\"childIP\":\"1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20\","
         "\"childPort\":1}",
         "no IP address"},
    };
    for (size_t i = 0; i < array_size(bad); i++)
        check(t, "POST", "/v1/ports", bad[i].body, 400, bad[i].says);
    is_int(port_count(t), 2, "none of it added anything");
}

static void test_routes(struct port_table *t)
{
    check(t, "GET", "/", "", 404, "not found");
    check(t, "GET", "/v2/info", "", 404, "not found");
    check(t, "GET", "/v1/info/", "", 404, "not found");
    check(t, "DELETE", "/v1/ports/", "", 404, "not found");
    check(t, "DELETE", "/v1/ports/1/2", "", 404, "not found");
    check(t, "DELETE", "/v1/ports/-1", "", 400, "no port id");
    check(t, "DELETE", "/v1/ports/4294967297", "", 400, "no port id");
    check(t, "PUT", "/v1/ports", "", 405, "not allowed");
    check(t, "GET", "/v1/ports/1", "", 405, "not allowed");
    check(t, "POST", "/v1/info", "", 405, "not allowed");
    struct rest_answer a = call(t, "PATCH", "/v1/ports", "");
    is_str(a.allow, "GET, POST", "405 says what is allowed");
    free(a.body);
}

/* ---- over HTTP: clients are processes of their own, and their exit status is what they saw ---- */

static int request_status(const char *path, const char *method, const char *url, const char *body)
{
    struct httpc_reply r;
    if (httpc_request(path, method, url, body, 20000, &r, NULL) < 0)
        return 0;
    free(r.body);
    return r.status;
}

static int raw_connect(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -1 : fd;
}

/* "HTTP/1.1 NNN": the status a server says to raw bytes; 0: it closed without a word. */
static int raw_status(const char *path, const char *bytes)
{
    char buf[13] = "";
    fd_auto int fd = raw_connect(path);
    if (fd < 0 || send(fd, bytes, strlen(bytes), MSG_NOSIGNAL) < 0)
        return -1;
    ssize_t n = recv(fd, buf, 12, MSG_WAITALL);
    return n == 12 ? (buf[9] - '0') * 100 + (buf[10] - '0') * 10 + buf[11] - '0' : 0;
}

static int client(const char *path)
{
    char *huge = calloc(1, REST_BODY_MAX + 2);
    if (!huge)
        return 10;
    memset(huge, ' ', REST_BODY_MAX + 1);
    /* Clients that begin and say nothing more, while others are served. */
    int silent[32];
    for (size_t i = 0; i < array_size(silent); i++) {
        silent[i] = raw_connect(path);
        if (silent[i] < 0 || send(silent[i], "POST /v1/po", 11, MSG_NOSIGNAL) != 11)
            return 1;
    }
    if (request_status(path, "GET", "/v1/info", NULL) != 200)
        return 2;
    if (request_status(path, "GET", "/v1/ports?x=y", NULL) != 200)
        return 3;
    if (request_status(path, "POST", "/v1/ports",
                       "{\"proto\":\"tcp\",\"parentIP\":\"127.0.0.1\",\"childPort\":80}") != 201)
        return 4;
    if (request_status(path, "POST", "/v1/ports", huge) != 413)
        return 5;
    free(huge);
    if (raw_status(path,
                   "POST /v1/ports HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n") /
            100 !=
        4)
        return 6;
    if (raw_status(path, "complete nonsense\r\n\r\n") / 100 == 2)
        return 7;
    if (raw_status(path, "GET /v1/ports%00 HTTP/1.1\r\nHost: x\r\n\r\n") != 404)
        return 8;
    if (request_status(path, "GET", "/v1/info", NULL) != 200)
        return 9;
    return 0;
}

struct http {
    struct watch exit;
    int status;
};

static void on_exit_of_client(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct http *h = container_of(w, struct http, exit);
    pidfd_wait(w->fd, 0, &h->status);
    loop_quit(l, 0);
}

static void test_http(struct port_table *t)
{
    char dir[] = "/tmp/rest-XXXXXX", path[64];
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct http h = {.status = -1};
    struct loop *l;
    struct rest *r;
    if (!mkdtemp(dir) || loop_new(&l) < 0)
        bail_out("cannot prepare");
    snprintf(path, sizeof(path), "%s/api.sock", dir);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 64) < 0)
        bail_out("cannot listen on %s", path);
    is_int(rest_new(l, fd, &info, t, &r), 0, "serve");
    pid_t pid = fork();
    if (pid == 0)
        _exit(client(path));
    h.exit =
        (struct watch){.fd = pidfd_open_(pid), .events = EPOLLIN, .fn = on_exit_of_client, .what = "client"};
    loop_add(l, &h.exit);
    loop_run(l);
    is_int(h.status, 0, "the client's requests (exit status << 8: which one was answered otherwise)");
    is_int(port_count(t), 3, "its port is in the table");
    rest_free(r);
    fd_close(&h.exit.fd);
    loop_free(l);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    struct port_table *t;
    if (port_table_new(&t) < 0)
        bail_out("no table");
    test_info(t);
    test_ports(t);
    test_bad_input(t);
    test_routes(t);
    test_http(t);
    port_table_free(t);
    return done_testing();
}
