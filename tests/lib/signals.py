#!/usr/bin/python3
"""Say which signals come: `ready`, then `got N` for each; at the last one, 64, how often each came, as `total N:TIMES ...`; status 7.

They are waited for, not handled: nothing is lost between two of them, and none has its default action. 32 and 33 are the C library's.
"""
import collections
import signal

every = set(range(1, signal.SIGRTMAX + 1)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
signal.pthread_sigmask(signal.SIG_BLOCK, every)
print("ready", flush=True)
times = collections.Counter()
while True:
    number = signal.sigwaitinfo(every).si_signo
    times[number] += 1
    if number == signal.SIGRTMAX:  # pending signals are taken in the order of their numbers
        break
    print("got", number, flush=True)
print("total", *(f"{number}:{times[number]}" for number in sorted(times)))
raise SystemExit(7)
