/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Several forwarders may work in one network namespace, and each may be killed at any moment. Three things that belong to the
 * namespace itself keep them apart, and none of them is a file:
 *
 *     lock       flock(2) on the namespace's own file (/proc/self/ns/net), while one starts or ends
 *     number     an abstract unix socket "rootlet-ports-N" (unix(7)): there as long as its process lives
 *     record     the IPv4 route of the number's table CLAIM_ALL: its metric tells which settings were off before
 *
 *     start: lock ▶ read all records ▶ take the first free number; purge the others without a process ▶ record ▶ settings ▶ unlock
 *     end:   lock ▶ read all records ▶ the last one: settings back; else: hand the record on ▶ purge ▶ unlock
 *
 * A setting is written back only if it is 1 still. The record is made before the setting is changed.
 */
#include "net/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/fib.h"
#include "core/netlink.h"
#include "core/ns.h"

enum {
    NUMBERS = 16,
    BASE = 0x726d0000, /* an odd number, so that nobody else's marks and tables are met */
    STEP = 256,
    METRIC = 0x726c00, /* the lowest bits are the record */
    LOCK_SECONDS = 2,
};

static const char *const sysctl_paths[] = {
    [CLAIM_TCP_ACCEPT] = "/proc/sys/net/ipv4/tcp_fwmark_accept",
    [CLAIM_REFLECT4] = "/proc/sys/net/ipv4/fwmark_reflect",
    [CLAIM_REFLECT6] = "/proc/sys/net/ipv6/fwmark_reflect",
};

/* Two descriptors: the kernel takes what is written at the beginning of such a file only (sysctl_writes_strict, kernel.rst). */
struct sysctl {
    int get, put;
    int error;
    bool was_off;
};

struct claim {
    int netns;
    int alive, probe; /* our own number's; one that asks for others */
    int nl, nl_other;
    int kept;
    unsigned number;
    struct sysctl sysctl[CLAIM_SYSCTLS];
};

static uint32_t id_of(unsigned number, unsigned use)
{
    return BASE + number * STEP + use;
}

unsigned claim_number(const struct claim *c)
{
    return c->number;
}

uint32_t claim_id(const struct claim *c, unsigned use)
{
    return id_of(c->number, use);
}

void claim_keep(struct claim *c, int fd)
{
    c->kept = fd;
}

/* ---- lock and numbers ---- */

static void on_alarm(int sig)
{
    (void)sig; /* interrupts flock(2) */
}

static int lock_for_start(const struct claim *c)
{
    struct sigaction act = {.sa_handler = on_alarm}, before;
    struct itimerval limit = {.it_value.tv_sec = LOCK_SECONDS, .it_interval.tv_sec = LOCK_SECONDS},
                     none = {{0}};
    sigset_t set, mask;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigaction(SIGALRM, &act, &before);
    sigprocmask(SIG_UNBLOCK, &set, &mask);
    int how = setitimer(ITIMER_REAL, &limit, NULL) == 0 ? LOCK_EX : LOCK_EX | LOCK_NB;
    int r = flock(c->netns, how) < 0 ? -errno : 0;
    setitimer(ITIMER_REAL, &none, NULL);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    sigaction(SIGALRM, &before, NULL);
    return r == -EINTR ? -ETIMEDOUT : r;
}

static socklen_t name_of(unsigned number, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "rootlet-ports-%u", number);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static bool is_taken(const struct claim *c, unsigned number)
{
    struct sockaddr_un sa;
    socklen_t len = name_of(number, &sa);
    return connect(c->probe, (struct sockaddr *)&sa, len) == 0;
}

static int take_number(struct claim *c, unsigned number)
{
    struct sockaddr_un sa;
    socklen_t len = name_of(number, &sa);
    fd_auto int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) < 0)
        return -errno;
    c->alive = steal_fd(&fd);
    c->number = number;
    return 0;
}

/* ---- the record ---- */

struct records {
    unsigned off;     /* a bit for each setting that was off at first */
    unsigned numbers; /* a bit for each number that has one */
};

static void take_record(uint32_t table, uint32_t metric, void *arg)
{
    struct records *all = arg;
    if (table < BASE || table >= BASE + NUMBERS * STEP || (metric & ~0xffu) != METRIC)
        return;
    all->numbers |= 1u << (table - BASE) / STEP;
    all->off |= metric & 0xffu;
}

static int read_records(const struct claim *c, struct records *ret)
{
    *ret = (struct records){.off = 0};
    return fib_metrics(c->nl, take_record, ret);
}

static int write_record(const struct claim *c, unsigned number, unsigned off, struct reason *why)
{
    struct reason kernel = {.text = ""};
    int r = fib_local_all(c->nl, AF_INET, id_of(number, CLAIM_ALL), METRIC | off, &kernel);
    return r < 0 ? reason_set(why, r, "the kernel refuses a routing table: %s",
                              *kernel.text ? kernel.text : strerror(-r))
                 : 0;
}

static void purge(const struct claim *c, unsigned number)
{
    int r = fib_purge(c->nl, c->nl_other, CLAIM_PRIORITY, id_of(number, 0), id_of(number, STEP - 1));
    if (r < 0)
        log_debug("source addresses: what forwarder %u has left behind stays: %s", number, strerror(-r));
}

/* ---- settings ---- */

/* '0', '1'...; 0: it cannot be read. */
static char setting(const struct sysctl *s)
{
    char c = 0;
    return s->get >= 0 && pread(s->get, &c, 1, 0) == 1 ? c : 0;
}

static void open_settings(struct claim *c, unsigned off)
{
    for (unsigned i = 0; i < CLAIM_SYSCTLS; i++) {
        struct sysctl *s = &c->sysctl[i];
        s->get = open(sysctl_paths[i], O_RDONLY | O_CLOEXEC);
        s->error = s->get < 0 ? -errno : 0;
        s->was_off = (off & 1u << i) || setting(s) == '0';
        /* In any case: at the end others' records may say that it was off. */
        s->put = open(sysctl_paths[i], O_WRONLY | O_CLOEXEC);
    }
}

static unsigned off_of(const struct claim *c)
{
    unsigned off = 0;
    for (unsigned i = 0; i < CLAIM_SYSCTLS; i++)
        off |= (unsigned)c->sysctl[i].was_off << i;
    return off;
}

static void switch_on(struct claim *c)
{
    for (unsigned i = 0; i < CLAIM_SYSCTLS; i++) {
        struct sysctl *s = &c->sysctl[i];
        if (s->error == 0 && setting(s) == '0')
            s->error = file_write(AT_FDCWD, sysctl_paths[i], "1");
    }
}

static void switch_back(const struct claim *c, unsigned off)
{
    for (unsigned i = 0; i < CLAIM_SYSCTLS; i++) {
        const struct sysctl *s = &c->sysctl[i];
        if ((off & 1u << i) && s->put >= 0 && setting(s) == '1' && write(s->put, "0", 1) != 1)
            log_debug("source addresses: %s stays 1: %s", sysctl_paths[i], strerror(errno));
    }
}

int claim_sysctl(const struct claim *c, enum claim_sysctl which, struct reason *why)
{
    int r = c->sysctl[which].error;
    return r < 0 ? reason_set(why, r, "cannot write %s: %s", sysctl_paths[which], strerror(-r)) : 0;
}

/* ---- lifetime ---- */

static int find_number(struct claim *c, unsigned recorded)
{
    for (unsigned i = 0; i < NUMBERS; i++) {
        if ((c->alive >= 0 && !(recorded & 1u << i)) || is_taken(c, i))
            continue;
        int r = c->alive < 0 ? take_number(c, i) : 0;
        if (r == -EADDRINUSE) /* somebody who does not care for the lock */
            continue;
        if (r < 0)
            return r;
        purge(c, i); /* killed: what was its is nobody's now */
    }
    return c->alive < 0 ? -EBUSY : 0;
}

static int start(struct claim *c, struct reason *why)
{
    struct records all;
    int r = lock_for_start(c);
    if (r < 0)
        return reason_set(why, r, "the lock of the network namespace cannot be had: %s", strerror(-r));
    r = read_records(c, &all);
    if (r == 0)
        r = find_number(c, all.numbers);
    if (r < 0)
        return reason_set(why, r,
                          r == -EBUSY ? "there are %d other forwarders" : "cannot claim one of %d numbers",
                          NUMBERS);
    open_settings(c, all.off);
    r = write_record(c, c->number, off_of(c), why);
    if (r == 0)
        switch_on(c);
    flock(c->netns, LOCK_UN);
    return r;
}

int claim_new(struct claim **ret, struct reason *why)
{
    struct claim *c = calloc(1, sizeof(*c));
    if (!c)
        return reason_set(why, -ENOMEM, "out of memory");
    c->alive = c->kept = -1;
    for (unsigned i = 0; i < CLAIM_SYSCTLS; i++)
        c->sysctl[i].get = c->sysctl[i].put = -1;
    c->netns = ns_open(0, "net");
    c->nl = nl_open(NETLINK_ROUTE);
    c->nl_other = nl_open(NETLINK_ROUTE);
    c->probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r = c->netns < 0      ? c->netns
            : c->nl < 0       ? c->nl
            : c->nl_other < 0 ? c->nl_other
            : c->probe < 0    ? -errno
                              : 0;
    r = r < 0 ? reason_set(why, r, "cannot open the network namespace: %s", strerror(-r)) : start(c, why);
    if (r < 0) {
        claim_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

/* Another forwarder in this netns, to which the record is handed on; NUMBERS: there is none. */
static unsigned find_other(const struct claim *c)
{
    for (unsigned i = 0; i < NUMBERS; i++)
        if (i != c->number && is_taken(c, i))
            return i;
    return NUMBERS;
}

static void end(struct claim *c)
{
    struct records all;
    /* Whoever has started this process ends it if that takes too long. */
    if (flock(c->netns, LOCK_EX) < 0 || read_records(c, &all) < 0)
        return;
    unsigned other = find_other(c);
    if (other == NUMBERS)
        switch_back(c, all.off);
    else if (all.off)
        (void)write_record(c, other, all.off, NULL);
    purge(c, c->number);
}

void claim_free(struct claim *c)
{
    if (!c)
        return;
    fd_close(&c->kept);
    if (c->alive >= 0)
        end(c);
    fd_close(&c->alive);
    for (unsigned i = 0; i < CLAIM_SYSCTLS; i++) {
        fd_close(&c->sysctl[i].get);
        fd_close(&c->sysctl[i].put);
    }
    fd_close(&c->probe);
    fd_close(&c->nl_other);
    fd_close(&c->nl);
    fd_close(&c->netns); /* and with it the lock */
    free(c);
}
