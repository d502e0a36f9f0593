/* SPDX-License-Identifier: Apache-2.0 */
#include "net/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/proc.h"
#include "core/sandbox.h"
#include "net/resolv_watch.h"

enum { STOP_TIMEOUT_MS = 3000 };

struct keeper {
    int netd; /* it asks for resolv.conf; its end counts */
    const char *path;
    struct stat st;
};

static void netd_ended(void *loop)
{
    loop_quit(loop, 0);
}

static void unlink_own(const struct keeper *k)
{
    struct stat now;
    if (k->path && lstat(k->path, &now) == 0 && now.st_dev == k->st.st_dev && now.st_ino == k->st.st_ino)
        unlink(k->path);
}

static int keep(struct keeper *k)
{
    struct loop *l = NULL;
    struct resolv_watch *rw = NULL;
    /* Signals to the whole process group are meant for netd, and its end is seen here. */
    static const int ignored[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTSTP, SIGPIPE};
    for (size_t i = 0; i < array_size(ignored); i++)
        signal(ignored[i], SIG_IGN);
    prctl(PR_SET_NAME, "netd-keeper");
    sandbox_drop_caps(0); /* best effort: it reads no foreign data */
    sandbox_lock();
    int r = loop_new(&l);
    if (r == 0)
        r = resolv_watch_new(l, k->netd, netd_ended, l, &rw);
    if (r == 0)
        r = loop_run(l);
    unlink_own(k);
    resolv_watch_free(rw);
    loop_free(l);
    return r < 0;
}

int keeper_start(const char *socket_path, int *ret_fd)
{
    int sv[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
        return -errno;
    fd_auto int ours = sv[0];
    fd_auto int theirs = sv[1];
    struct keeper k = {
        .netd = theirs,
        .path = socket_path,
    };
    if (socket_path && lstat(socket_path, &k.st) < 0)
        return -errno;
    pid_t pid = proc_clone(0, NULL);
    if (pid < 0)
        return pid;
    if (pid == 0) {
        fd_close_all_but(3, &theirs, 1);
        _exit(keep(&k));
    }
    *ret_fd = steal_fd(&ours);
    return 0;
}

void keeper_stop(int fd)
{
    char buf[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (fd < 0)
        return;
    shutdown(fd, SHUT_WR);
    while (poll(&p, 1, STOP_TIMEOUT_MS) > 0 && recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
        ; /* a last resolv.conf */
    close(fd);
}
