#!/usr/bin/python3 -S
"""Many instances of `rootlet run` at once.

    many.py COUNT COMMAND...     COMMAND, a shell's, is started COUNT times with $N = 0, 1...; each is expected to print `ready` or to fail

When each has done one of the two, half of those that are ready get SIGTERM and the others SIGKILL.  Prints one line for
each kind of end with its count: `ready, STATUS` or `failed, STATUS: MESSAGE`, with each number in MESSAGE as N.
"""
import collections
import os
import re
import selectors
import signal
import subprocess
import sys


def main():
    count, command = int(sys.argv[1]), sys.argv[2]
    everyone, waiting = [], selectors.DefaultSelector()
    for n in range(count):
        p = subprocess.Popen(["sh", "-c", "exec " + command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env={**os.environ, "N": str(n)})
        p.number, p.ready = n, False
        everyone.append(p)
        waiting.register(p.stdout, selectors.EVENT_READ, p)
    while waiting.get_map():
        for key, _ in waiting.select():
            p = key.data
            waiting.unregister(p.stdout)
            p.ready = os.read(p.stdout.fileno(), 100) == b"ready\n"
    for p in everyone:
        if p.ready:
            p.send_signal(signal.SIGKILL if p.number % 2 else signal.SIGTERM)
    ends = collections.Counter()
    for p in everyone:
        messages = p.communicate()[1].decode()
        if p.ready:
            ends["ready, %d" % p.returncode] += 1
        else:
            own = [line for line in messages.splitlines() if " published " not in line] or ["nothing was said"]
            ends["failed, %d: %s" % (p.returncode, re.sub(r"\d+", "N", " / ".join(own)))] += 1
    for what, n in sorted(ends.items()):
        print(n, what)


main()
