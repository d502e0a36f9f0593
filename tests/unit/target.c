/* SPDX-License-Identifier: Apache-2.0 */
#include "core/target.h"
#include "core/fd.h"
#include "core/nsset.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t pausing_child(void)
{
    int ready[2];
    char c;
    if (pipe(ready) < 0)
        bail_out("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_NAME, "a) Z 1 (b");
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    if (read(ready[0], &c, 1) != 1)
        bail_out("read");
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void test_target(void)
{
    struct target_state s = {0};
    uid_t uid;
    gid_t gid;
    siginfo_t si;
    pid_t pid = pausing_child();
    int fd = target_open(pid);

    ok(fd >= 0, "a process");
    is_int(fcntl(fd, F_GETFD), FD_CLOEXEC, "close-on-exec");
    is_int(target_state(fd, &s), 0, "its state");
    is_int(s.parent, getpid(), "its parent, whatever its name looks like");
    ok(s.state == 'S' || s.state == 'R', "it lives: %c", s.state);
    ok(!target_ended(fd), "really");
    is_int(target_ids(fd, &uid, &gid), 0, "its ids");
    ok(uid == geteuid() && gid == getegid(), "are ours");
    kill(pid, SIGKILL);
    waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
    ok(target_ended(fd), "a zombie has ended");
    is_int(target_state(fd, &s), 0, "its state");
    is_int(s.state, 'Z', "says so");
    is_int(ns_open_at(fd, "mnt"), -ENOENT, "it has no mount namespace");
    waitpid(pid, NULL, 0);
    ok(target_ended(fd), "one that is gone has ended");
    is_int(target_state(fd, &s), -ESRCH, "it has no state");
    is_int(target_ids(fd, &uid, &gid), -ESRCH, "nor ids");
    is_int(ns_open_at(fd, "user"), -ESRCH, "nor namespaces");
    close(fd);
    is_int(target_open(INT_MAX), -ESRCH, "one that never was");
}

static void test_nsset(void)
{
    struct nsset s;
    struct reason why = {""};

    nsset_init(&s);
    for (int i = 0; ns_kinds[i].name; i++)
        is_int(nsset_index(ns_kinds[i].flag), i, "the place of %s", ns_kinds[i].name);
    ok(!nsset_has(&s, CLONE_NEWNET), "an empty set");
    nsset_add(&s, CLONE_NEWNET, ns_open(0, "net"), NSSET_ASKED);
    ok(nsset_has(&s, CLONE_NEWNET), "one");
    int first = s.ns[nsset_index(CLONE_NEWNET)].fd;
    nsset_add(&s, CLONE_NEWNET, ns_open(0, "net"), NSSET_IF_DIFFERENT);
    ok(s.ns[nsset_index(CLONE_NEWNET)].fd != first, "another instead");
    is_int(fcntl(first, F_GETFD), -1, "closes the first");
    ok(s.ns[nsset_index(CLONE_NEWNET)].same, "it is our own");
    nsset_add(&s, CLONE_NEWUSER, ns_open(0, "user"), NSSET_IF_DIFFERENT);
    ok(!nsset_has(&s, CLONE_NEWUSER), "the own user namespace is left out");
    is_int(nsset_join(&s, &why), 0, "joining what is our own, with rights or without: %s", why.text);
    is_int(prctl(PR_GET_DUMPABLE), 0, "nobody may look into this process now");
    ok(!nsset_has(&s, CLONE_NEWNET), "the set is used up");
    nsset_add(&s, CLONE_NEWUSER, ns_open(0, "user"), NSSET_ASKED);
    is_int(nsset_join(&s, &why), -EINVAL, "the own user namespace cannot be joined");
    ok(strstr(why.text, "in it already") != NULL, "which is said: %s", why.text);
    nsset_done(&s);
    nsset_add(&s, CLONE_NEWUTS, open("/dev/null", O_RDONLY | O_CLOEXEC), NSSET_ASKED);
    ok(nsset_join(&s, &why) < 0, "a file that is no namespace");
    ok(strstr(why.text, "uts namespace") != NULL, "is named: %s", why.text);
    nsset_done(&s);
}

int main(void)
{
    test_target();
    test_nsset();
    return done_testing();
}
