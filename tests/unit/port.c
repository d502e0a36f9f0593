/* SPDX-License-Identifier: Apache-2.0 */
/* The port table, first alone and then with a real portd in a process of its own (in this netns, without its sandbox). */
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/strv.h"
#include "core/sync.h"
#include "net/ip.h"
#include "net/port.h"
#include "net/portd.h"

static struct portspec spec(enum port_proto proto, const char *ip, uint16_t port, uint16_t child_port)
{
    struct portspec s = {.proto = proto, .parent_port = port, .child_port = child_port};
    snprintf(s.parent_ip, sizeof(s.parent_ip), "%s", ip);
    return s;
}

static int add(struct port_table *t, enum port_proto proto, const char *ip, uint16_t port,
               struct port_entry *ret, struct reason *why)
{
    struct portspec s = spec(proto, ip, port, 80);
    return port_add(t, &s, ret, why);
}

/* A socket with a time limit, so that a failure is no hang; bound or connected to 127.0.0.1:@port. */
static int local_socket(int type, uint16_t port, bool dial)
{
    union sockaddr_ip sa;
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    ip_parse("127.0.0.1", port, &sa);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (fd < 0 || (dial ? connect(fd, &sa.sa, ip_len(&sa)) : bind(fd, &sa.sa, ip_len(&sa))) < 0 ||
        (!dial && type == SOCK_STREAM && listen(fd, 16) < 0)) {
        int r = -errno;
        fd_close(&fd);
        return r;
    }
    return fd;
}

static uint16_t port_of(int fd)
{
    union sockaddr_ip sa;
    socklen_t len = sizeof(sa);
    getsockname(fd, &sa.sa, &len);
    return ip_port(&sa);
}

/* ---- the table alone ---- */

static void test_conflicts(void)
{
    struct port_table *t;
    struct port_entry e, f;
    struct reason why = {.text = ""};
    is_int(port_table_new(&t), 0, "a table");
    is_int(add(t, PORT_TCP, "127.0.0.1", 0, &e, &why), 0, "a free port is picked");
    ok(e.id == 1 && e.spec.parent_port != 0, "and told, with the first id");
    uint16_t p = e.spec.parent_port;
    ok(add(t, PORT_TCP, "127.0.0.1", p, NULL, &why) == -EADDRINUSE && strstr(why.text, "conflict with ID 1"),
       "the same again: the conflict names the id");
    ok(add(t, PORT_TCP, "", p, NULL, &why) == -EADDRINUSE && strstr(why.text, "conflict with ID 1"),
       "every address");
    ok(add(t, PORT_TCP4, "0.0.0.0", p, NULL, &why) == -EADDRINUSE && strstr(why.text, "conflict with ID 1"),
       "every IPv4 address");
    is_int(add(t, PORT_TCP, "127.0.0.2", p, &f, &why), 0, "another address is none");
    is_int(f.id, 2, "it has the next id");
    int foreign = local_socket(SOCK_STREAM, 0, false);
    ok(add(t, PORT_TCP, "127.0.0.1", port_of(foreign), NULL, &why) == -EADDRINUSE &&
           strstr(why.text, "another program"),
       "a port of somebody else: so it says");
    fd_close(&foreign);
    ok(add(t, PORT_TCP, "203.0.113.254", 0, NULL, &why) == -EADDRNOTAVAIL &&
           strstr(why.text, "not an address of this host"),
       "an address of somebody else: so it says");
    ok(add(t, PORT_TCP4, "::1", 0, NULL, &why) == -EINVAL, "a family that does not fit");
    is_int(port_count(t), 2, "what failed left nothing");
    is_int(port_remove(t, 1, &why), 0, "removing");
    ok(port_remove(t, 1, &why) == -ENOENT && strstr(why.text, "unknown id: 1"), "twice is an error");
    is_int(add(t, PORT_TCP, "127.0.0.1", p, &e, &why), 0, "the port is free again");
    is_int(e.id, 3, "and no id is used twice");
    is_int(port_get(t, 0)->id, 2, "the list is in order of id");
    is_int(port_get(t, 1)->id, 3, "to its end");
    ok(port_get(t, 2) == NULL, "which is here");
    port_table_free(t);
}

static void test_batch(void)
{
    struct port_table *t;
    struct port_entry e[3];
    struct reason why = {.text = ""};
    port_table_new(&t);
    struct portspec s[3] = {spec(PORT_TCP, "127.0.0.1", 0, 80), spec(PORT_UDP, "127.0.0.1", 0, 80),
                            spec(PORT_TCP, "127.0.0.1", 0, 80)};
    is_int(port_add_all(t, s, 3, e, &why), 0, "three at once");
    ok(e[0].id == 1 && e[1].id == 2 && e[2].id == 3, "each with an id");
    s[1] = e[0].spec;
    ok(port_add_all(t, s, 3, e, &why) == -EADDRINUSE, "one of them conflicts");
    is_int(port_count(t), 3, "and none is added");
    port_table_free(t);
}

/* What the table tells of its changes: a letter each. */
static void on_change(void *arg, enum port_event event, const struct port_entry *e, const char *text)
{
    struct strbuf *b = arg;
    strbuf_addf(b, "%c%u%s", "+-ifr"[event], e ? e->id : 0, text ? "!" : "");
}

static void test_changes(void)
{
    struct port_table *t;
    struct port_entry e[3];
    struct reason why = {.text = ""};
    struct strbuf told = {0};
    port_table_new(&t);
    port_table_on_change(t, on_change, &told);
    struct portspec s[3] = {spec(PORT_TCP, "127.0.0.1", 0, 80), spec(PORT_UDP, "127.0.0.1", 0, 80),
                            spec(PORT_TCP, "127.0.0.1", 0, 80)};
    port_add_all(t, s, 3, e, &why);
    is_str(told.s, "+1+2+3", "a batch is told of, each of it");
    port_remove(t, 2, &why);
    port_remove(t, 2, &why);
    is_str(told.s, "+1+2+3-2", "what is removed is told of, once");
    int foreign = local_socket(SOCK_STREAM, 0, false);
    s[2] = spec(PORT_TCP, "127.0.0.1", port_of(foreign), 80);
    ok(port_add_all(t, s, 3, e, &why) == -EADDRINUSE && strstr(why.text, "another program"),
       "a batch whose last port is taken");
    is_int(port_count(t), 2, "adds nothing");
    s[2] = spec(PORT_TCP, "127.0.0.1", 0, 80);
    s[0] = s[1] = spec(PORT_TCP, "127.0.0.1", e[0].spec.parent_port, 80);
    port_remove(t, 1, &why);
    ok(port_add_all(t, s, 2, e, &why) == -EADDRINUSE && strstr(why.text, "twice in one request"),
       "a batch with a port twice: so it says");
    is_str(told.s, "+1+2+3-2-1", "what fails is not told of");
    int fd = local_socket(SOCK_STREAM, s[0].parent_port, true);
    is_int(fd, -ECONNREFUSED, "and nothing of it listens");
    is_int(port_add_all(t, s, 1, e, &why), 0, "alone it can be published");
    is_int(e[0].id, 4, "with the next id: those that failed took none");
    fd_close(&foreign);
    ok(!port_table_interrupted(t), "a table that never had a portd has not lost one");
    port_table_free(t);
    strbuf_done(&told);
}

/* A batch has one port given and many chosen: none of these may take the given one, wherever it stands. */
static void test_chosen(void)
{
    struct port_table *t;
    struct reason why = {.text = ""};
    enum { N = 64 };
    struct portspec s[N];
    int fd = local_socket(SOCK_STREAM, 0, false);
    uint16_t given = port_of(fd);
    fd_close(&fd);
    port_table_new(&t);
    for (size_t i = 0; i < N; i++)
        s[i] = spec(PORT_TCP, "127.0.0.1", i == N - 1 ? given : 0, 80);
    is_int(port_add_all(t, s, N, NULL, &why), 0, "63 chosen ports and a given one");
    size_t same = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < i; k++)
            same += port_get(t, i)->spec.parent_port == port_get(t, k)->spec.parent_port;
    is_int((long long)same, 0, "are all different");
    port_table_free(t);
}

static void test_families(void)
{
    struct port_table *t;
    struct port_entry e;
    struct reason why = {.text = ""};
    port_table_new(&t);
    is_int(add(t, PORT_TCP, "0.0.0.0", 0, &e, &why), 0, "tcp on 0.0.0.0");
    ok(add(t, PORT_TCP6, "::1", e.spec.parent_port, NULL, &why) == -EADDRINUSE &&
           strstr(why.text, "conflict with ID 1"),
       "is on IPv6 too");
    int fd = local_socket(SOCK_STREAM, e.spec.parent_port, true);
    ok(fd >= 0, "and on IPv4");
    fd_close(&fd);
    is_int(add(t, PORT_TCP4, "", 0, &e, &why), 0, "tcp4 on every address");
    int r = add(t, PORT_TCP6, "", e.spec.parent_port, NULL, &why);
    ok(r == 0 || r == -EAFNOSUPPORT, "leaves the port to tcp6");
    is_int(add(t, PORT_UDP, "", e.spec.parent_port, NULL, &why), 0, "and to udp");
    port_table_free(t);
}

/* As an ordinary user of the machine: the suite may be run by root, who may bind any port. */
static int privileged_port(void)
{
    struct port_table *t;
    struct reason why = {.text = ""};
    free_auto char *start = NULL;
    if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
        return 1;
    if (file_read(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", 64, &start, NULL) < 0 ||
        port_table_new(&t) < 0)
        return 2;
    int r = add(t, PORT_TCP, "127.0.0.1", 1, NULL, &why);
    port_table_free(t);
    if (start[0] == '0' || (start[0] == '1' && start[1] == '\n')) /* nothing is privileged here */
        return r == 0 ? 0 : 3;
    return r == -EACCES && strstr(why.text, "ip_unprivileged_port_start") && strstr(why.text, "setcap") ? 0
                                                                                                        : 4;
}

static void test_privileged(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(privileged_port());
    waitpid(pid, &status, 0);
    is_int(status, 0, "a privileged port: the error names the sysctl and setcap");
}

/* ---- with portd ---- */

struct portd {
    pid_t pid;
    int sync;
};

static struct portd start_portd(void)
{
    struct portd p;
    int sv[2];
    struct sync_in in;
    if (sync_pair(sv) < 0)
        bail_out("no socket pair");
    p.pid = fork();
    if (p.pid == 0) {
        struct portd_config c;
        portd_config_init(&c);
        close(sv[0]);
        c.sync_fd = sv[1];
        c.sandbox = c.source_ip_transparent = false;
        _exit(portd_serve(&c));
    }
    close(sv[1]);
    p.sync = sv[0];
    is_int(sync_expect(p.sync, SYNC_UP, &in, SYNC_TIMEOUT_MS, "portd", NULL), 0, "portd is up");
    return p;
}

static int stop_portd(struct portd *p, int sig)
{
    int status = -1;
    if (sig)
        kill(p->pid, sig);
    fd_close(&p->sync);
    waitpid(p->pid, &status, 0);
    return status;
}

/* client -> published port -> portd -> server, and back */
static void check_tcp(int server, uint16_t port, const char *what)
{
    char buf[8] = "";
    fd_auto int c = local_socket(SOCK_STREAM, port, true);
    fd_auto int s = c < 0 ? -1 : accept4(server, NULL, NULL, SOCK_CLOEXEC);
    ok(c >= 0 && s >= 0, "%s: a connection arrives inside", what);
    ok(send(c, "ping", 4, MSG_NOSIGNAL) == 4 && recv(s, buf, 4, MSG_WAITALL) == 4 &&
           memcmp(buf, "ping", 4) == 0,
       "%s: there", what);
    ok(send(s, "pong", 4, MSG_NOSIGNAL) == 4 && recv(c, buf, 4, MSG_WAITALL) == 4 &&
           memcmp(buf, "pong", 4) == 0,
       "%s: and back", what);
}

static void check_udp(int server, uint16_t port, const char *what)
{
    char buf[16] = "";
    union sockaddr_ip from;
    socklen_t len = sizeof(from);
    fd_auto int c = local_socket(SOCK_DGRAM, port, true);
    ok(c >= 0 && send(c, "ping", 4, 0) == 4 && recvfrom(server, buf, sizeof(buf), 0, &from.sa, &len) == 4,
       "%s: there", what);
    ok(sendto(server, "pong!", 5, 0, &from.sa, len) == 5 && recv(c, buf, sizeof(buf), 0) == 5, "%s: and back",
       what);
}

static void on_warn(const char *text, void *arg)
{
    (void)text;
    (*(unsigned *)arg)++;
}

static void test_portd(void)
{
    struct port_table *t;
    struct port_entry early, tcp, udp, closed;
    struct reason why = {.text = ""};
    unsigned warnings = 0;
    char c;
    fd_auto int server = local_socket(SOCK_STREAM, 0, false);
    fd_auto int userver = local_socket(SOCK_DGRAM, 0, false);
    fd_auto int nobody = local_socket(SOCK_STREAM, 0, false);
    uint16_t sport = port_of(server), uport = port_of(userver), nport = port_of(nobody);
    fd_close(&nobody);

    port_table_new(&t);
    port_table_on_warn(t, on_warn, &warnings);
    struct portspec s = spec(PORT_TCP, "127.0.0.1", 0, sport);
    is_int(port_add(t, &s, &early, &why), 0, "a port that is published before there is a portd");
    struct portd p = start_portd();
    is_int(port_table_attach(t, p.sync), 0, "attach");
    check_tcp(server, early.spec.parent_port, "published early");
    is_int(port_add(t, &s, &tcp, &why), 0, "a TCP port");
    check_tcp(server, tcp.spec.parent_port, "tcp");
    s = spec(PORT_UDP4, "127.0.0.1", 0, uport);
    is_int(port_add(t, &s, &udp, &why), 0, "a UDP port");
    check_udp(userver, udp.spec.parent_port, "udp");
    check_udp(userver, udp.spec.parent_port, "udp of a second client");
    s = spec(PORT_TCP, "127.0.0.1", 0, nport);
    is_int(port_add(t, &s, &closed, &why), 0, "a port to where nobody listens");
    int fd = local_socket(SOCK_STREAM, closed.spec.parent_port, true);
    ok(fd == -ECONNREFUSED || (fd >= 0 && recv(fd, &c, 1, 0) < 0 && errno == ECONNRESET),
       "is a refused or reset connection");
    fd_close(&fd);

    ok(stop_portd(&p, SIGKILL) == SIGKILL, "portd is killed");
    is_int(port_table_dispatch(t), -ECONNRESET, "the table hears of it");
    is_int(port_remove(t, udp.id, &why), 0, "it goes on working: a port is removed");
    s = spec(PORT_UDP4, "127.0.0.1", 0, uport);
    is_int(port_add(t, &s, &udp, &why), 0, "and one added");
    p = start_portd();
    is_int(port_table_attach(t, p.sync), 0, "the next portd");
    check_tcp(server, tcp.spec.parent_port, "tcp after a restart");
    check_udp(userver, udp.spec.parent_port, "udp after a restart");

    fd = local_socket(SOCK_STREAM, tcp.spec.parent_port, true);
    fd_auto int inside = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    is_int(port_remove(t, tcp.id, &why), 0, "remove a port with a connection");
    is_int(local_socket(SOCK_STREAM, tcp.spec.parent_port, true), -ECONNREFUSED, "nobody gets in any more");
    ok(send(fd, "x", 1, MSG_NOSIGNAL) == 1 && recv(inside, &c, 1, 0) == 1 && c == 'x', "who is in stays in");
    fd_close(&fd);
    is_int(port_table_attach(t, -1), 0, "detach");
    is_int(stop_portd(&p, 0), 0, "portd ends with the supervisor, in good order");
    is_int(warnings, 0, "no warnings");
    port_table_free(t);
}

int main(void)
{
    test_conflicts();
    test_batch();
    test_changes();
    test_chosen();
    test_families();
    test_privileged();
    test_portd();
    return done_testing();
}
