/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sync.h"
#include "core/fd.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

int main(void)
{
    for (int m = 1; m < SYNC_MSG_MAX; m++)
        ok(strcmp(sync_name((enum sync_msg)m), "unknown") != 0, "message %d has a name: %s", m,
           sync_name((enum sync_msg)m));

    int before = open_fds();
    int sv[2];
    is_int(sync_pair(sv), 0, "a pair");
    ok(fcntl(sv[0], F_GETFD) & fcntl(sv[1], F_GETFD) & FD_CLOEXEC, "CLOEXEC");

    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        bail_out("pipe");
    is_int(sync_send(sv[0], SYNC_NET, "hello", 6, pipes, 2), 0, "a message with two descriptors");
    struct sync_in in = {0};
    is_int(sync_recv(sv[1], &in, 1000), 0, "arrives");
    is_int(in.msg, SYNC_NET, "its kind");
    is_int(in.len, 6, "its length");
    is_str((char *)in.payload, "hello", "its payload");
    is_int(in.nfds, 2, "its descriptors");
    ok(fcntl(in.fds[0], F_GETFD) & FD_CLOEXEC, "CLOEXEC on arrival");
    is_int(write(in.fds[1], "x", 1), 1, "they work");
    sync_in_done(&in);
    close(pipes[0]);
    close(pipes[1]);

    is_int(sync_recv(sv[1], &in, 0), -EAGAIN, "nothing there, no waiting");
    is_int(sync_recv(sv[1], &in, 1), -ETIMEDOUT, "nothing there, a deadline");

    struct reason why;
    sync_send(sv[0], SYNC_READY, NULL, 0, NULL, 0);
    is_int(sync_expect(sv[1], SYNC_GO, &in, 1000, "child", &why), -EPROTO, "the wrong message");
    ok(strstr(why.text, "'ready'") && strstr(why.text, "'go'"), "is named with the right one: %s", why.text);
    int32_t err = -5;
    sync_send(sv[0], SYNC_FAILED, &err, sizeof(err), NULL, 0);
    is_int(sync_expect(sv[1], SYNC_GO, &in, 1000, "child", &why), -ECANCELED, "a failure that was told");

    send(sv[0], "ab", 2, 0);
    is_int(sync_recv(sv[1], &in, 1000), -EBADMSG, "too short for a message");
    uint32_t head = 9999;
    send(sv[0], &head, sizeof(head), 0);
    is_int(sync_recv(sv[1], &in, 1000), -EBADMSG, "no such message");
    static char big[SYNC_MAX_PAYLOAD + 64] = {SYNC_GO};
    send(sv[0], big, sizeof(big), 0);
    is_int(sync_recv(sv[1], &in, 1000), -EBADMSG, "a truncated one");
    is_int(sync_send(sv[0], SYNC_GO, big, SYNC_MAX_PAYLOAD + 1, NULL, 0), -EMSGSIZE, "too long to send");

    int two[2] = {sv[0], sv[1]};
    struct rlimit limit, few;
    sync_send(sv[0], SYNC_NET, NULL, 0, two, 2);
    getrlimit(RLIMIT_NOFILE, &limit);
    few = limit;
    few.rlim_cur = (rlim_t)sv[1] + 2;
    setrlimit(RLIMIT_NOFILE, &few);
    is_int(sync_recv(sv[1], &in, 1000), -EMFILE, "no room for two descriptors that came");
    setrlimit(RLIMIT_NOFILE, &limit);

    close(sv[0]);
    is_int(sync_expect(sv[1], SYNC_GO, &in, 1000, "child", &why), -ECONNRESET,
           "the end of the peer is its own error");
    ok(strstr(why.text, "ended before it sent 'go'"), "and says so: %s", why.text);
    is_int(sync_send(sv[1], SYNC_GO, NULL, 0, NULL, 0), -EPIPE, "sending to nobody is no signal");
    close(sv[1]);
    is_int(open_fds(), before, "no descriptor is left");
    return done_testing();
}
