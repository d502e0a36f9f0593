/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netload: the two ends between which a forwarder of TCP is measured, and a crowd of connections for its tests.
 *
 *     netload serve ADDRESS PORT                    says "listening"; serves until its input ends
 *     netload send ADDRESS PORT SECONDS STREAMS     BYTES NANOSECONDS, counted by the receiver
 *     netload receive ADDRESS PORT SECONDS STREAMS  the same the other way
 *     netload connect ADDRESS PORT SECONDS CLIENTS  CONNECTIONS NANOSECONDS (CLIENTS or more); each: connect, a request, its answer, the end by the server
 *     netload ask ADDRESS PORT SECONDS CLIENTS      REQUESTS P50 P99 (ns), on connections that stay
 *     netload hold ADDRESS PORT COUNT [busy]        says "connected COUNT", and "open COUNT BROKEN" when a byte came back on each; then the same
 *                                                   for each line of its input, with "echoed COUNT BROKEN EXCHANGES". busy: one more goes on
 *                                                   all the time, with that many exchanges until then
 *
 * The first byte that a client sends is what it wants: S (the server swallows and says how much at the end of stream), G (the server
 * sends), E (every byte comes back), H (one request of SMALL bytes, one answer, the end). The server is one epoll loop; who sends or receives
 * in bulk has a thread a stream. Both use pieces of the size that is usual for such programs, and copy them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 128 * 1024, SMALL = 64, BATCH = 128, STREAMS_MAX = 64, SAMPLES_MAX = 1 << 22 };

static unsigned char piece[PIECE];

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "netload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static socklen_t parse_address(const char *ip, const char *port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof(*ret));
    v4->sin_port = htons((uint16_t)strtoul(port, NULL, 10)); /* at the same place in both */
    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        return sizeof(*v4);
    }
    if (inet_pton(AF_INET6, ip, &v6->sin6_addr) != 1)
        die(ip);
    v6->sin6_family = AF_INET6;
    return sizeof(*v6);
}

static struct sockaddr_storage target;
static socklen_t target_len;

static int connect_to_target(void)
{
    int on = 1;
    int fd = socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&target, target_len) < 0)
        die("connect");
    return fd;
}

static void write_all(int fd, const void *buf, size_t len)
{
    for (const char *at = buf; len > 0;) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0)
            die("send");
        at += n;
        len -= (size_t)n;
    }
}

static void read_all(int fd, void *buf, size_t len)
{
    for (char *at = buf; len > 0;) {
        ssize_t n = recv(fd, at, len, 0);
        if (n <= 0)
            die(n == 0 ? "the connection ended too early" : "recv");
        at += n;
        len -= (size_t)n;
    }
}

static void add(int ep, int fd, void *ptr, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = ptr};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
        die("epoll_ctl");
}

/* ---------------------------------------------------------------- the server */

struct conn {
    int fd;
    char mode; /* 0: not known yet */
    uint64_t bytes;
};

/* False: the connection is over. Answers are small and find room; a client of `receive` that is slow is waited for. */
static bool serve_one(int ep, struct conn *c)
{
    if (c->mode == 'G') {
        ssize_t n = send(c->fd, piece, PIECE, MSG_NOSIGNAL | MSG_DONTWAIT);
        return n >= 0 || errno == EAGAIN;
    }
    ssize_t n = recv(c->fd, piece, PIECE, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN;
    if (n == 0) {
        if (c->mode == 'S')
            send(c->fd, &c->bytes, sizeof(c->bytes), MSG_NOSIGNAL);
        return false;
    }
    const unsigned char *from = piece;
    if (!c->mode) {
        c->mode = (char)*from++;
        n--;
        struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
        if (c->mode == 'G' && epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e) < 0)
            die("epoll_ctl");
    }
    c->bytes += (uint64_t)n;
    if (c->mode == 'E' && n > 0)
        return send(c->fd, from, (size_t)n, MSG_NOSIGNAL) == n;
    if (c->mode == 'H' && c->bytes >= SMALL - 1) {
        send(c->fd, piece, SMALL, MSG_NOSIGNAL);
        return false;
    }
    return true;
}

static void accept_some(int ep, int listener)
{
    for (int i = 0; i < BATCH; i++) {
        int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && errno == EAGAIN)
            return;
        struct conn *c = fd < 0 ? NULL : calloc(1, sizeof(*c));
        if (!c)
            die("accept");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        c->fd = fd;
        add(ep, fd, c, EPOLLIN);
    }
}

static int serve(void)
{
    int on = 1, ep = epoll_create1(EPOLL_CLOEXEC);
    int fd = socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ep < 0 || fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&target, target_len) < 0 || listen(fd, 4096) < 0)
        die("bind");
    struct conn listener = {.fd = fd}, input = {.fd = 0};
    add(ep, fd, &listener, EPOLLIN);
    add(ep, 0, &input, EPOLLIN);
    puts("listening");
    fflush(stdout);
    for (;;) {
        struct epoll_event e[BATCH];
        int n = epoll_wait(ep, e, BATCH, -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = e[i].data.ptr;
            if (c == &listener) {
                accept_some(ep, fd);
            } else if (c == &input) {
                if (read(0, piece, PIECE) <= 0)
                    return 0;
            } else if (!serve_one(ep, c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}

/* ---------------------------------------------------------------- in bulk */

struct stream {
    pthread_t thread;
    int fd;
    bool out;
    uint64_t until, bytes;
};

static void *carry(void *arg)
{
    struct stream *s = arg;
    unsigned char *buf = calloc(1, PIECE);
    if (!buf)
        die("calloc");
    while (now() < s->until) {
        ssize_t n = s->out ? send(s->fd, buf, PIECE, MSG_NOSIGNAL) : recv(s->fd, buf, PIECE, 0);
        if (n <= 0)
            die("the stream broke");
        s->bytes += (uint64_t)n;
    }
    if (s->out) {
        shutdown(s->fd, SHUT_WR);
        read_all(s->fd, &s->bytes, sizeof(s->bytes));
    }
    free(buf);
    return NULL;
}

static int bulk(bool out, unsigned seconds, unsigned streams)
{
    static struct stream s[STREAMS_MAX];
    uint64_t bytes = 0;
    for (unsigned i = 0; i < streams && i < STREAMS_MAX; i++) {
        s[i] = (struct stream){.fd = connect_to_target(), .out = out};
        write_all(s[i].fd, out ? "S" : "G", 1);
    }
    uint64_t begin = now();
    for (unsigned i = 0; i < streams && i < STREAMS_MAX; i++) {
        s[i].until = begin + (uint64_t)seconds * 1000000000u;
        if (pthread_create(&s[i].thread, NULL, carry, &s[i]) != 0)
            die("pthread_create");
    }
    for (unsigned i = 0; i < streams && i < STREAMS_MAX; i++) {
        pthread_join(s[i].thread, NULL);
        bytes += s[i].bytes;
    }
    uint64_t spent = now() - begin;
    printf("%llu %llu\n", (unsigned long long)bytes, (unsigned long long)spent);
    return 0;
}

/* ---------------------------------------------------------------- small exchanges */

struct client {
    int fd;
    bool connecting;
    unsigned got;
    uint64_t asked;
};

static void ask(struct client *c, char mode)
{
    unsigned char request[SMALL];
    memset(request, mode, sizeof(request));
    c->got = 0;
    c->asked = now();
    if (send(c->fd, request, sizeof(request), MSG_NOSIGNAL) != SMALL)
        die("send");
}

/*
 * Connections come from many addresses of the loopback network, so that the ports of those that are over, which the kernel still
 * remembers, are no limit of what is measured.
 */
static void start(int ep, struct client *c, unsigned number)
{
    int on = 1;
    c->fd = socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->connecting = true;
    const struct sockaddr_in *to = (struct sockaddr_in *)&target;
    if (to->sin_family == AF_INET && (ntohl(to->sin_addr.s_addr) >> 24) == 127) {
        struct sockaddr_in from = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(0x7f010001u + number % 64)};
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
            die("bind");
    }
    if (connect(c->fd, (struct sockaddr *)&target, target_len) < 0 && errno != EINPROGRESS)
        die("connect");
    add(ep, c->fd, c, EPOLLIN | EPOLLOUT);
}

/* True: this connection is over, as it should be. */
static bool exchange_and_end(int ep, struct client *c)
{
    if (c->connecting) {
        int err = 0;
        socklen_t len = sizeof(err);
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
        if ((errno = err))
            die("connect");
        c->connecting = false;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
        ask(c, 'H');
        return false;
    }
    unsigned char buf[SMALL];
    ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n < 0)
        die("recv");
    c->got += (unsigned)n;
    if (n > 0)
        return false;
    if (c->got != SMALL)
        die("the answer is too short");
    return true;
}

static int connects(unsigned seconds, unsigned clients)
{
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct client *c = calloc(clients, sizeof(*c));
    if (ep < 0 || !c)
        die("start");
    uint64_t begin = now(), until = begin + (uint64_t)seconds * 1000000000u;
    unsigned done = 0;
    for (unsigned i = 0; i < clients; i++)
        start(ep, &c[i], i);
    while (done < clients || now() < until) {
        struct epoll_event e[BATCH];
        int n = epoll_wait(ep, e, BATCH, -1);
        for (int i = 0; i < n; i++) {
            struct client *one = e[i].data.ptr;
            if (!exchange_and_end(ep, one))
                continue;
            close(one->fd);
            start(ep, one, clients + ++done);
        }
    }
    printf("%u %llu\n", done, (unsigned long long)(now() - begin));
    return 0;
}

static int by_size(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int asks(unsigned seconds, unsigned clients)
{
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct client *c = calloc(clients, sizeof(*c));
    uint32_t *samples = calloc(SAMPLES_MAX, sizeof(*samples));
    if (ep < 0 || !c || !samples)
        die("start");
    for (unsigned i = 0; i < clients; i++) {
        c[i].fd = connect_to_target();
        write_all(c[i].fd, "E", 1);
        add(ep, c[i].fd, &c[i], EPOLLIN);
        ask(&c[i], 'x');
    }
    uint64_t until = now() + (uint64_t)seconds * 1000000000u;
    unsigned done = 0;
    while (now() < until && done < SAMPLES_MAX) {
        struct epoll_event e[BATCH];
        int n = epoll_wait(ep, e, BATCH, -1);
        for (int i = 0; i < n && done < SAMPLES_MAX; i++) {
            struct client *one = e[i].data.ptr;
            unsigned char buf[SMALL];
            ssize_t got = recv(one->fd, buf, sizeof(buf), MSG_DONTWAIT);
            if (got <= 0)
                die("recv");
            one->got += (unsigned)got;
            if (one->got < SMALL)
                continue;
            samples[done++] = (uint32_t)(now() - one->asked);
            ask(one, 'x');
        }
    }
    qsort(samples, done, sizeof(*samples), by_size);
    printf("%u %u %u\n", done, samples[done / 2], samples[(uint64_t)done * 99 / 100]);
    return 0;
}

/* ---------------------------------------------------------------- a crowd */

/* One exchange of a byte on each, all questions first, so that all connections have something to do at once. */
static unsigned echo_all(const int *fds, unsigned count)
{
    unsigned broken = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned char c = (unsigned char)i;
        if (send(fds[i], &c, 1, MSG_NOSIGNAL) != 1)
            broken++;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned char c;
        if (recv(fds[i], &c, 1, 0) != 1 || c != (unsigned char)i)
            broken++;
    }
    return broken;
}

static volatile unsigned busy_done;

static void *stay_busy(void *arg)
{
    unsigned char buf[SMALL] = {0};
    int fd = *(int *)arg;
    for (;;) {
        write_all(fd, buf, sizeof(buf));
        read_all(fd, buf, sizeof(buf));
        busy_done++;
    }
    return NULL;
}

static int hold(unsigned count, bool busy)
{
    char line[64];
    int *fds = calloc(count, sizeof(*fds));
    if (!fds)
        die("start");
    for (unsigned i = 0; i < count; i++) {
        fds[i] = connect_to_target();
        write_all(fds[i], "E", 1);
    }
    printf("connected %u\n", count);
    fflush(stdout);
    unsigned broken = echo_all(fds, count);
    int fd = busy ? connect_to_target() : -1;
    pthread_t thread;
    if (busy)
        write_all(fd, "E", 1);
    if (busy && pthread_create(&thread, NULL, stay_busy, &fd) != 0)
        die("pthread_create");
    printf("open %u %u\n", count, broken);
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        broken = echo_all(fds, count);
        printf("echoed %u %u %u\n", count, broken, busy_done);
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct rlimit l;
    if (argc < 4) {
        fputs("usage: see the top of tests/lib/netload.c\n", stderr);
        return 2;
    }
    const char *what = argv[1];
    unsigned first = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
    unsigned second = argc > 5 ? (unsigned)strtoul(argv[5], NULL, 10) : 0;
    bool busy = argc > 5 && !strcmp(argv[5], "busy");
    target_len = parse_address(argv[2], argv[3], &target);
    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
    if (!strcmp(what, "serve"))
        return serve();
    if (!strcmp(what, "send") || !strcmp(what, "receive"))
        return bulk(!strcmp(what, "send"), first, second);
    if (!strcmp(what, "connect"))
        return connects(first, second);
    if (!strcmp(what, "ask"))
        return asks(first, second);
    if (!strcmp(what, "hold"))
        return hold(first, busy);
    errno = EINVAL;
    die(what);
}
