/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "core/fd.h"

int tty_open(void)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    /* An own /dev need not have it. tcgetpgrp(3) fails for a terminal that is not the controlling one. */
    for (int i = 0; i < 3; i++)
        if (tcgetpgrp(i) >= 0) {
            fd = fcntl(i, F_DUPFD_CLOEXEC, 3);
            return fd < 0 ? -errno : fd;
        }
    return -ENXIO;
}

bool tty_present(void)
{
    fd_auto int fd = tty_open();
    return fd >= 0;
}

bool tty_in_foreground(void)
{
    fd_auto int fd = tty_open();
    return fd >= 0 && tcgetpgrp(fd) == getpgrp();
}

bool tty_take_back(void)
{
    fd_auto int fd = tty_open();
    if (fd < 0)
        return false;
    pid_t now = tcgetpgrp(fd), own = getpgrp();
    /* 0 is a group outside this pid namespace (pid_namespaces(7)): who is in it is not to be seen from here. */
    if (now <= 0 || own <= 0 || now == own || kill(-now, 0) == 0 || errno != ESRCH)
        return false;
    return tcsetpgrp(fd, own) == 0;
}
