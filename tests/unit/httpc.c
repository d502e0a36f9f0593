/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"
#include "net/httpc.h"

static void good(const char *text, bool closed, int status, const char *body)
{
    struct httpc_reply r;
    if (!is_int(httpc_parse(text, strlen(text), closed, &r), 1, "a reply with status %d", status))
        return;
    is_int(r.status, status, "the status");
    is_str(r.body, body, "the body '%s'", body);
    is_int(r.len, strlen(body), "its length");
    free(r.body);
    /* Whatever is missing at its end: it is never complete early (nor read past, which AddressSanitizer would see). */
    size_t early = 0;
    for (size_t n = 0; n < strlen(text); n++) {
        char *part = malloc(n + 1);
        memcpy(part, text, n);
        int got = httpc_parse(part, n, false, &r);
        if (got == 1)
            free(r.body);
        early += got != 0;
        free(part);
    }
    is_int(early, closed ? early : 0, "no beginning of it is taken for the whole");
}

static void bad(const char *what, const char *text, bool closed, int want)
{
    struct httpc_reply r;
    is_int(httpc_parse(text, strlen(text), closed, &r), want, "%s", what);
}

static void test_parse(void)
{
    good("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello");
    good("HTTP/1.1 200 OK\r\ncontent-LENGTH:\t5 \r\n\r\nhello", false, 200, "hello");
    good("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
         false, 201, "hello world");
    good("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: 1\r\n\r\n", false, 200, "");
    good("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false, 204, "");
    good("HTTP/1.0 400 Bad Request\r\n\r\nuntil the end", true, 400, "until the end");
    good("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, 200, "");
    good("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", false, 200, "ok");
    bad("nothing at all", "", true, -EBADMSG);
    bad("another protocol", "SSH-2.0-x\r\n", false, -EBADMSG);
    bad("HTTP/2", "HTTP/2 200\r\n\r\n", false, -EBADMSG);
    bad("a status that is no number", "HTTP/1.1 2xx OK\r\n\r\n", false, -EBADMSG);
    bad("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", false, -EBADMSG);
    bad("a body that is cut short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true, -EBADMSG);
    bad("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, -EBADMSG);
    bad("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", false,
        -EBADMSG);
    bad("a length that nobody can hold", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
        false, -EFBIG);
    bad("a length over 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", false,
        -EBADMSG);
    bad("an encoding that is not known", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false,
        -EBADMSG);
    bad("a chunk size that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false,
        -EBADMSG);
    bad("a chunk longer than it said", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
        false, -EBADMSG);
    bad("a chunk that nobody can hold",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", false, -EFBIG);
    bad("chunks that are cut short", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        true, -EBADMSG);
    struct httpc_reply r;
    const char *text = "HTTP/1.1 200 OK\r\nServer: rootlet\r\nContent-Length: 0\r\n\r\n";
    is_int(httpc_parse(text, strlen(text), false, &r), 1, "a reply that names its server");
    is_str(r.server, "rootlet", "the server");
    free(r.body);
}

/* A server for one client: reads a request to its end, says @reply in small pieces. */
static pid_t serve(const char *path, const char *reply, const char *want)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    fd_auto int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    if (l < 0 || bind(l, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(l, 1) < 0)
        bail_out("cannot listen on %s: %s", path, strerror(errno));
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char buf[1024] = "";
    size_t n = 0;
    int c = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    while (n < sizeof(buf) - 1 && !strstr(buf, want)) {
        ssize_t r = read(c, buf + n, sizeof(buf) - 1 - n);
        if (r <= 0)
            _exit(1);
        n += (size_t)r;
    }
    for (const char *p = reply; *p; p++)
        if (send(c, p, 1, MSG_NOSIGNAL) != 1)
            _exit(2);
    _exit(0);
}

static int end_of(pid_t pid)
{
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

static void test_request(const char *dir)
{
    struct httpc_reply r;
    struct reason why = {.text = ""};
    char path[64];
    snprintf(path, sizeof(path), "%s/a", dir);
    pid_t pid = serve(path, "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
                      "\r\n\r\n{\"a\":1}");
    is_int(httpc_request(path, "POST", "/v1/ports", "{\"a\":1}", 10000, &r, &why), 0,
           "a request and its reply");
    is_int(r.status, 201, "the status");
    is_str(r.body, "hi", "the body");
    free(r.body);
    is_int(end_of(pid), 0, "the server saw the whole request");
    ok(httpc_request(path, "GET", "/", NULL, 10000, &r, &why) == -ECONNREFUSED &&
           strstr(why.text, "nobody listens"),
       "a socket that nobody listens on");
    unlink(path);
    ok(httpc_request(path, "GET", "/", NULL, 10000, &r, &why) == -ENOENT &&
           strstr(why.text, "there is no socket"),
       "a socket that is not there");
    pid = serve(path, "220 smtp ready\r\n", "\r\n\r\n");
    ok(httpc_request(path, "GET", "/", NULL, 10000, &r, &why) == -EBADMSG &&
           strstr(why.text, "does not speak HTTP"),
       "a server of something else");
    end_of(pid);
    unlink(path);
}

/* Longer than sun_path. */
static void test_long_path(const char *dir)
{
    struct httpc_reply r;
    struct reason why = {.text = ""};
    char deep[300], path[320], name[121];
    memset(name, 'd', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(deep, sizeof(deep), "%s/%s", dir, name);
    snprintf(path, sizeof(path), "%s/s", deep);
    if (mkdir(deep, 0700) < 0 || chdir(deep) < 0)
        bail_out("cannot make %s", deep);
    pid_t pid = serve("s", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "\r\n\r\n");
    if (chdir("/") < 0)
        bail_out("cannot go back");
    if (is_int(httpc_request(path, "GET", "/", NULL, 10000, &r, &why), 0,
               "a socket with a path longer than sun_path"))
        free(r.body);
    is_int(end_of(pid), 0, "is reached");
    unlink(path);
    rmdir(deep);
}

int main(void)
{
    char dir[] = "/tmp/httpc-XXXXXX";
    if (!mkdtemp(dir))
        bail_out("cannot make a directory under /tmp");
    test_parse();
    test_request(dir);
    test_long_path(dir);
    rmdir(dir);
    return done_testing();
}
