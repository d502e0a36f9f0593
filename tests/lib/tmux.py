#!/usr/bin/python3
"""Run a command in a pane of a tmux of its own and talk to it: tests/lib/terminal.py with a real terminal emulator.

    tmux.py COMMAND [ARG]...    <SCRIPT

Each line of the script is an order: `expect TEXT` (read what the pane gets until TEXT is there, after what was expected before; \\x1b and the like are understood), `send KEY...`
(tmux's send-keys: `'some text' Enter`, `C-c`), `resize COLUMNS ROWS`, `screen TEXT` (the screen, as it is now, has it), `unscreen TEXT` (it has not),
`reads NAME`
(a process of that name waits in read(2): a full-screen program that is between its prompt and its read may miss a signal), `close FILE` (the last; the command was the pane's first process, and the pane is closed; the process whose number is in FILE and its parent end). At the script's end the command's is awaited.
What the pane got is printed; the exit status is the command's, or 99 when an order could not be followed.
"""
import os
import select
import shlex
import subprocess
import sys
import tempfile
import time

DEADLINE = 20
SYS_READ = {"x86_64": "0", "aarch64": "63"}[os.uname().machine]
folder = tempfile.TemporaryDirectory()
server = ["tmux", "-S", folder.name + "/socket", "-f", "/dev/null"]


def tmux(*words):
    return subprocess.run(server + list(words), check=True, capture_output=True, text=True, timeout=DEADLINE).stdout


def ended(pidfd):
    if not select.select([pidfd], [], [], DEADLINE)[0]:
        raise TimeoutError
    os.close(pidfd)


class Pane:
    """What the pane gets, by a pipe that tmux feeds. The command starts when the pipe is laid."""

    def __init__(self, command, leads):
        self.seen, self.at = "", 0
        pipe = folder.name + "/pipe"
        os.mkfifo(pipe)
        tmux("set-option", "-g", "default-shell", "/bin/sh", ";", "new-session", "-d", "-x", "80", "-y", "24",
             "tmux wait-for start; " + ("exec " if leads else "") + shlex.join(command) + "; echo pane-status=$?.; tmux wait-for never")
        # For both directions, so that the open waits for nobody.
        self.pipe = os.open(pipe, os.O_RDWR)
        tmux("pipe-pane", f"exec cat >{pipe}")
        tmux("wait-for", "-S", "start")

    def expect(self, text):
        while self.seen.find(text, self.at) < 0:
            if not select.select([self.pipe], [], [], DEADLINE)[0]:
                raise TimeoutError
            self.seen += os.read(self.pipe, 65536).decode(errors="replace")
        self.at = self.seen.find(text, self.at) + len(text)


def is_reading(pid, name):
    try:
        with open(f"/proc/{pid}/comm") as comm, open(f"/proc/{pid}/syscall") as call:
            return comm.read() == name + "\n" and call.read().split()[0] == SYS_READ
    except OSError:
        return False


def reads(name):
    end = time.monotonic() + DEADLINE
    while not any(is_reading(pid, name) for pid in os.listdir("/proc") if pid.isdigit()):
        if time.monotonic() > end:
            raise TimeoutError


def close(file):
    with open(file) as number:
        child = int(number.read())
    with open(f"/proc/{child}/stat") as stat:
        parent = int(stat.read().rpartition(")")[2].split()[1])
    both = [os.pidfd_open(child), os.pidfd_open(parent)]
    tmux("kill-pane")
    for pidfd in both:
        ended(pidfd)


script, line, status = sys.stdin.read().splitlines(), "", None
leads = script[-1].startswith("close")
pane = Pane(sys.argv[1:], leads)
tmux_server = os.pidfd_open(int(tmux("display-message", "-p", "#{pid}")))
try:
    for line in script:
        order, _, text = line.partition(" ")
        if order == "expect":
            pane.expect(text.encode().decode("unicode_escape"))
        elif order == "send":
            tmux("send-keys", *shlex.split(text))
        elif order == "resize":
            columns, rows = text.split()
            tmux("resize-window", "-x", columns, "-y", rows)
        elif order in ("screen", "unscreen"):
            if (text in tmux("capture-pane", "-p")) != (order == "screen"):
                raise TimeoutError
        elif order == "reads":
            reads(text)
        elif order == "close":
            close(text)
            status = 0
        else:
            raise ValueError(line)
    if status is None:
        line = "the end"
        pane.expect("pane-status=")
        start = pane.at
        pane.expect(".")
        status = int(pane.seen[start : pane.at - 1])
except (TimeoutError, subprocess.TimeoutExpired):
    print(f"[tmux.py: not so: {line}]")
    status = 99
print(pane.seen.replace("\r", ""))
sys.stdout.flush()
subprocess.run(server + ["kill-server"], stderr=subprocess.DEVNULL, check=False)
ended(tmux_server)
sys.exit(status)
