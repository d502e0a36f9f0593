/* SPDX-License-Identifier: Apache-2.0 */
#include "net/service.h"
#include "core/log.h"
#include "core/sync.h"
#include "tests/unit/tap.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int ups, failures, last_status;

static void on_up(struct service *s)
{
    (void)s;
    ups++;
}

static void on_failed(struct service *s, int status)
{
    (void)s;
    failures++;
    last_status = status;
}

struct fate {
    bool with_up;
    int status;
};

/* Up, with something to say, and dead at once. */
static int talk_and_die(void *config, int sync_fd)
{
    const struct fate *f = config;
    if (sync_send(sync_fd, SYNC_WARN, "first", 5, NULL, 0) < 0 ||
        sync_send(sync_fd, SYNC_WARN, "then", 4, NULL, 0) < 0)
        return 1;
    if (f->with_up && sync_send(sync_fd, SYNC_UP, NULL, 0, NULL, 0) < 0)
        return 1;
    return f->status;
}

/* Nothing is dispatched before all of it has happened: one turn of the loop sees messages and death together. */
static void run(struct loop *l, struct service *s, bool with_up, int status)
{
    struct fate f = {with_up, status};
    *s = (struct service){
        .name = "test", .serve = talk_and_die, .config = &f, .on_up = on_up, .on_failed = on_failed};
    ups = failures = 0;
    is_int(service_start(s, l), 0, "started");
    struct pollfd p = {.fd = s->pidfd, .events = POLLIN};
    while (poll(&p, 1, -1) < 0)
        ;
    is_int(loop_dispatch(l, 0), 0, "one turn");
}

int main(void)
{
    struct loop *l;
    struct service s;
    log_set_name("service");
    if (loop_new(&l) < 0)
        bail_out("no loop");

    run(l, &s, true, 3);
    is_int(ups, 1, "it was up");
    is_int(failures, 0, "so that it died later is no failed start");
    is_int((int)s.restarts, 1, "but a reason to start it again");
    service_stop(&s);
    is_int(s.state, SERVICE_STOPPED, "stopped");

    run(l, &s, false, 3);
    is_int(ups, 0, "it was not up");
    is_int(failures, 1, "which is a failed start");
    is_int(WEXITSTATUS(last_status), 3, "with its status");
    service_stop(&s);

    run(l, &s, true, SERVICE_DONE);
    is_int(ups + failures, 1, "it was up");
    is_int(s.state, SERVICE_STOPPED, "and has nothing left to do");
    is_int(loop_timeout(l), -1, "it is not started again");
    service_stop(&s);

    is_int(waitpid(-1, NULL, WNOHANG), -1, "no process is left");
    loop_free(l);
    return done_testing();
}
