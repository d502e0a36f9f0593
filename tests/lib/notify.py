#!/usr/bin/python3
"""Run a daemon that tells its service manager when it is ready (sd_notify(3)), in the place of that manager.

    notify.py COMMAND [ARG]...

Prints "ready PID" when READY=1 comes, PID being the command's process. SIGTERM goes to the command when standard input ends; what it
writes goes to standard error. Ends with the command, and with its exit status (128+N after a signal).
"""
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile


def watch(process, manager):
    """Until the process ends."""
    poll = select.poll()
    end = os.pidfd_open(process.pid)
    for fd in (end, manager.fileno(), 0):
        poll.register(fd, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poll.poll()]
        if manager.fileno() in ready and b"READY=1" in manager.recv(4096).split(b"\n"):
            print("ready", process.pid, flush=True)
        if end in ready:
            return
        if 0 in ready and not os.read(0, 4096):
            poll.unregister(0)
            process.send_signal(signal.SIGTERM)


def main(command):
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = folder + "/notify"
        manager.bind(path)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, env={**os.environ, "NOTIFY_SOCKET": path})
        watch(process, manager)
        status = process.wait()
    sys.exit(status if status >= 0 else 128 - status)


main(sys.argv[1:])
