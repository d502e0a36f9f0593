/* SPDX-License-Identifier: Apache-2.0 */
#include "net/service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/log.h"
#include "core/proc.h"
#include "core/sync.h"

enum { RETRY_FIRST_MS = 10, RETRY_MAX_MS = 5000, STABLE_MS = 10000 };

static const char *const state_names[] = {"stopped", "starting", "up", "waiting"};
_Static_assert(array_size(state_names) == SERVICE_STATE_MAX, "every state has a name");

static void set_state(struct service *s, enum service_state to)
{
    log_debug("%s: %s -> %s", s->name, state_names[s->state], state_names[to]);
    s->state = to;
}

/* The child's side: nothing of the supervisor may leak into it but what it was given. */
_Noreturn static void child(const struct service *s, int sync_fd, pid_t parent)
{
    sigset_t none;
    char comm[16];
    int keep[array_size(s->keep) + 2];
    unsigned n = s->n_keep;
    for (unsigned i = 0; i < n; i++)
        keep[i] = s->keep[i];
    keep[n++] = sync_fd;
    keep[n++] = log_copy_fd(); /* until it is up: what goes wrong before is for whoever waits for the start */
    int r = proc_die_with_parent(parent);
    if (r == -ESRCH)
        _exit(0);
    if (r < 0)
        _exit(log_errno(r, "%s: cannot make it end with its supervisor", s->name) != 0);
    /* What goes to the command's process group, from the terminal or by kill(2), is not for us. */
    setsid();
    for (int sig = 1; sig < 32; sig++)
        signal(sig, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    /*
     * Ctrl-C at the terminal, and a SIGTERM for everybody (systemd.kill(5), KillMode=control-group), are for the command: it
     * needs its network until its own end. The supervisor decides when a service ends, and uses SIGKILL.
     */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGTSTP, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(comm, sizeof(comm), "rootlet-%s", s->name);
    prctl(PR_SET_NAME, comm);
    r = fd_close_all_but(3, keep, n);
    if (r < 0)
        _exit(log_errno(r, "%s: cannot close the supervisor's descriptors", s->name) != 0);
    _exit(s->serve(s->config, sync_fd));
}

static void disarm(struct service *s)
{
    if (s->pidfd >= 0)
        loop_del(s->loop, &s->on_exit);
    if (s->sync_fd >= 0)
        loop_del(s->loop, &s->on_sync);
    fd_close(&s->sync_fd);
}

/* Take one message. 0; -EAGAIN: there is none; other errors: there will be none. */
static int take_message(struct service *s)
{
    sync_in_auto struct sync_in in = {0};
    int r = sync_recv(s->sync_fd, &in, 0);
    if (r < 0)
        return r;
    switch (in.msg) {
    case SYNC_UP:
        set_state(s, SERVICE_UP);
        s->was_up = true;
        if (s->on_up)
            s->on_up(s);
        break;
    case SYNC_WARN: log_warn("%.*s", (int)in.len, (const char *)in.payload); break;
    default: log_debug("%s: unexpected message '%s'", s->name, sync_name(in.msg)); break;
    }
    return 0;
}

static void on_message(struct loop *l, struct watch *w, uint32_t events)
{
    (void)events;
    struct service *s = container_of(w, struct service, on_sync);
    int r = take_message(s);
    if (r == 0 || r == -EAGAIN)
        return;
    loop_del(l, w);
    if (r == -ECONNRESET) /* the pidfd tells how it ended */
        return;
    /* It goes on, but what it has to say is lost: the next one may be heard. */
    log_errno(r, "%s: cannot receive its messages; ending it", s->name);
    proc_signal(s->pidfd, s->pid, SIGKILL);
}

static int start(struct service *s);

static void retry(struct loop *l, struct timer *t)
{
    struct service *s = container_of(t, struct service, retry);
    (void)l;
    int r = start(s);
    if (r < 0) {
        log_errno(r, "cannot start %s again (trying once more in %d s)", s->name, RETRY_MAX_MS / 1000);
        loop_timer_set(s->loop, &s->retry, (uint64_t)RETRY_MAX_MS * 1000000u);
    }
}

static uint64_t retry_delay_ms(struct service *s)
{
    if (now_ns() - s->started_ns > (uint64_t)STABLE_MS * 1000000u)
        s->restarts = 0;
    uint64_t ms = s->restarts ? (uint64_t)RETRY_FIRST_MS << (s->restarts < 10 ? s->restarts : 10) : 0;
    s->restarts++;
    return ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms;
}

static void on_death(struct loop *l, struct watch *w, uint32_t events)
{
    (void)l;
    (void)events;
    struct service *s = container_of(w, struct service, on_exit);
    int status = 0;
    int r = pidfd_wait(s->pidfd, 0, &status);
    if (r == -ETIMEDOUT)
        return;
    /* What it said before counts: that it was up, why it could not go on. One turn of the loop may tell of both, in any order. */
    while (s->on_sync.armed && take_message(s) == 0)
        ;
    disarm(s);
    fd_close(&s->pidfd);
    s->pid = 0;
    if (!s->was_up) {
        set_state(s, SERVICE_STOPPED);
        s->on_failed(s, status);
        return;
    }
    if (s->on_down)
        s->on_down(s);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SERVICE_DONE) {
        set_state(s, SERVICE_STOPPED);
        return;
    }
    uint64_t ms = retry_delay_ms(s);
    log_warn("%s ended (%s %d); starting it again", s->name, status & 0x7f ? "signal" : "status",
             status & 0x7f ? status & 0x7f : status >> 8);
    set_state(s, SERVICE_WAITING);
    loop_timer_set(s->loop, &s->retry, ms * 1000000u);
}

static int start(struct service *s)
{
    int sv[2];
    int r = sync_pair(sv);
    if (r < 0)
        return r;
    fd_auto int ours = sv[0];
    fd_auto int theirs = sv[1];
    pid_t parent = getpid();
    pid_t pid = proc_clone(0, &s->pidfd);
    if (pid < 0)
        return pid;
    if (pid == 0) {
        fd_close(&ours);
        child(s, theirs, parent);
    }
    s->pid = pid;
    s->sync_fd = steal_fd(&ours);
    s->started_ns = now_ns();
    s->on_exit = (struct watch){.fd = s->pidfd, .events = EPOLLIN, .fn = on_death, .what = s->name};
    s->on_sync = (struct watch){.fd = s->sync_fd, .events = EPOLLIN, .fn = on_message, .what = s->name};
    set_state(s, SERVICE_STARTING);
    r = loop_add(s->loop, &s->on_exit);
    if (r == 0)
        r = loop_add(s->loop, &s->on_sync);
    if (r < 0)
        service_stop(s);
    return r;
}

int service_start(struct service *s, struct loop *l)
{
    s->loop = l;
    s->state = SERVICE_STOPPED;
    s->pidfd = s->sync_fd = -1;
    s->retry = (struct timer){.fn = retry, .what = s->name};
    return start(s);
}

void service_finish(struct service *s, int timeout_ms)
{
    if (s->loop && s->state == SERVICE_UP && sync_send(s->sync_fd, SYNC_STOP, NULL, 0, NULL, 0) == 0 &&
        pidfd_wait(s->pidfd, timeout_ms, NULL) == 0) {
        disarm(s);
        fd_close(&s->pidfd);
    }
    service_stop(s);
}

void service_stop(struct service *s)
{
    if (!s->loop)
        return;
    loop_timer_del(s->loop, &s->retry);
    disarm(s);
    if (s->pidfd >= 0) {
        proc_signal(s->pidfd, s->pid, SIGKILL);
        pidfd_wait(s->pidfd, -1, NULL);
        fd_close(&s->pidfd);
    }
    s->pid = 0;
    if (s->state != SERVICE_STOPPED)
        set_state(s, SERVICE_STOPPED);
}
