#!/usr/bin/python3
"""Run a command on a terminal of its own and talk to it.

    terminal.py COMMAND [ARG]...    <SCRIPT

Each line of the script is an order: `expect TEXT` (read until TEXT is there, after what was expected before), `send TEXT` (type it;
\\n, \\x03 and the like are understood), `signal NAME` (to the command's first process), `group NAME` (to the foreground process group),
`resize ROWS COLUMNS`, `kill FILE` (SIGKILL to the parent of the process whose number is in the file, which has to end then, too). At the script's end everything else is read.
What came from the terminal is printed; the exit status is the command's, 128 + N for a signal, or 99 when an expected text did not come.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

DEADLINE = 20

script = sys.stdin.read().splitlines()
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen, at, over = "", 0, False


def read_more():
    """Some more of what the terminal shows; False at its end (EIO: the last user of the other side is gone)."""
    global seen
    if not select.select([terminal], [], [], DEADLINE)[0]:
        raise TimeoutError
    try:
        data = os.read(terminal, 65536)
    except OSError:
        return False
    seen += data.decode(errors="replace")
    return bool(data)


try:
    for line in script:
        order, _, text = line.partition(" ")
        text = text.encode().decode("unicode_escape")
        if order == "expect":
            while seen.find(text, at) < 0:
                if not read_more():
                    raise TimeoutError
            at = seen.find(text, at) + len(text)
        elif order == "send":
            os.write(terminal, text.encode())
        elif order == "signal":
            os.kill(pid, getattr(signal, "SIG" + text))
        elif order == "group":
            os.killpg(os.tcgetpgrp(terminal), getattr(signal, "SIG" + text))
        elif order == "kill":
            with open(text) as number:
                child = int(number.read())
            end = os.pidfd_open(child)
            with open(f"/proc/{child}/stat") as stat:
                os.kill(int(stat.read().rpartition(")")[2].split()[1]), signal.SIGKILL)
            # The shell is told before: what waits in a read of the terminal would still take what is typed.
            if not select.select([end], [], [], DEADLINE)[0]:
                raise TimeoutError
            os.close(end)
        elif order == "resize":
            rows, columns = text.split()
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))
    while read_more():
        pass
except TimeoutError:
    print(seen.replace("\r", ""), end="")
    print(f"[terminal.py: nothing more came. The order was: {line}]")
    os.kill(pid, signal.SIGKILL)
    sys.exit(99)
print(seen.replace("\r", ""), end="")
sys.stdout.flush()
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if status >= 0 else 128 - status)
