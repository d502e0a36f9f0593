/* SPDX-License-Identifier: Apache-2.0 */
/* Who takes the next client, and how it gets there. */
#include "tests/unit/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/sync.h"
#include "net/portd_share.h"

struct about {
    uint32_t number;
    char text[20];
};

static struct portd_share three[3];
static struct portd_board *board;

static void setup(void)
{
    if (portd_board_new(&board) < 0)
        bail_out("no memory");
    for (unsigned i = 0; i < 3; i++) {
        int sv[2];
        if (sync_pair(sv) < 0)
            bail_out("no socket pair");
        for (unsigned k = 0; k < 3; k++)
            three[k].out[i] = sv[1];
        three[i].n = 3;
        three[i].self = i;
        three[i].board = board;
        three[i].in = sv[0];
    }
}

static void test_other(void)
{
    is_int(portd_share_other(&three[0]), -1, "nobody has anything to do: the one who was asked");
    portd_share_load(&three[0], 1);
    ok(portd_share_other(&three[0]) > 0, "one client: the next one is for another");
    portd_share_load(&three[1], 1);
    is_int(portd_share_other(&three[0]), 2, "the one with the fewest");
    portd_share_load(&three[2], 1);
    is_int(portd_share_other(&three[0]), -1, "all have the same");
    portd_share_load(&three[0], 100);
    portd_share_load(&three[1], 90);
    portd_share_load(&three[2], 95);
    is_int(portd_share_other(&three[0]), -1, "of many, a few more are no reason");
    portd_share_load(&three[0], 113);
    is_int(portd_share_other(&three[0]), 1, "a quarter is one");
    for (unsigned i = 0; i < 3; i++)
        portd_share_load(&three[i], 0);
}

static void test_pass(void)
{
    struct about about = {.number = 7, .text = "a client"}, got = {.number = 0};
    int p[2];
    char c;
    if (pipe2(p, O_CLOEXEC) < 0)
        bail_out("no pipe");
    is_int(portd_share_recv(&three[1], &got, sizeof(got)), -EAGAIN, "nothing is handed over");
    is_int(portd_share_send(&three[0], 1, p[0], &about, sizeof(about)), 0, "a client is");
    fd_close(&p[0]);
    portd_share_load(&three[2], 1);
    ok(portd_share_other(&three[2]) == 0, "it counts while it is on its way");
    int fd = portd_share_recv(&three[1], &got, sizeof(got));
    ok(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "it arrives, close-on-exec");
    ok(got.number == 7 && !strcmp(got.text, "a client"), "with what is known of it");
    ok(write(p[1], "x", 1) == 1 && read(fd, &c, 1) == 1 && c == 'x', "and is the same file");
    is_int(board->coming[1], 0, "then it is not on its way any more");
    portd_share_load(&three[2], 0);
    fd_close(&fd);

    is_int(portd_share_send(&three[0], 1, p[1], &about, sizeof(about) - 1), 0, "a message that is too short");
    is_int(portd_share_recv(&three[1], &got, sizeof(got)), -EBADMSG, "is none");
    is_int(sync_send(three[0].out[1], SYNC_UP, "xxxxxxxxxxxxxxxxxxxx", 20, NULL, 0), 0,
           "one without a descriptor");
    board->coming[1]++;
    is_int(portd_share_recv(&three[1], &got, sizeof(got)), -EBADMSG, "is none either");
    fd_close(&p[1]);
}

/* A worker that hangs is not waited for, and the sender serves the client itself. */
static void test_full(void)
{
    struct about about = {.number = 1};
    int r = 0, sent = 0;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (sent < 100000 && (r = portd_share_send(&three[0], 2, fd, &about, sizeof(about))) == 0)
        sent++;
    ok(r == -EAGAIN || r == -ETOOMANYREFS, "who does not take them gets no more (%d after %d)", r, sent);
    is_int(board->coming[2], sent, "what was refused does not count");
    int got = 0;
    for (int one; (one = portd_share_recv(&three[2], &about, sizeof(about))) >= 0; got++)
        fd_close(&one);
    is_int(got, sent, "the others arrive");
    fd_close(&fd);
}

static void test_no_room(void)
{
    struct about about = {.number = 1};
    struct rlimit before, now;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    is_int(portd_share_send(&three[0], 1, fd, &about, sizeof(about)), 0, "one that there is no room for");
    getrlimit(RLIMIT_NOFILE, &before);
    now = before;
    now.rlim_cur = (rlim_t)fd + 1;
    setrlimit(RLIMIT_NOFILE, &now);
    is_int(portd_share_recv(&three[1], &about, sizeof(about)), -EMFILE, "is lost, which is told");
    setrlimit(RLIMIT_NOFILE, &before);
    is_int(board->coming[1], 0, "and does not count any more");
    fd_close(&fd);
}

int main(void)
{
    setup();
    test_other();
    test_pass();
    test_full();
    test_no_room();
    return done_testing();
}
