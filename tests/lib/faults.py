#!/usr/bin/python3 -S
"""The walk through all faults of `rootlet run`'s start: each system call of each process fails once, or meets a signal.

    faults.py FAULTER ROOTLET [--jobs N] [--quick] [--only REGEX] [--list]     as root of a sandbox (tests/sandbox)

A machine for each job (own processes, network, mounts and /tmp) makes sure that what is found afterwards is this run's. One run without
a fault says which calls there are; then there is one run for each call and each way to fail (tests/lib/faulter.c).  What must
hold of every run is in judge().  Prints a line `wrong ...` with what was seen for each run of which it does not, and at
the end `tried ROLE KIND COUNT` and `total TRIED WRONG UNREACHED PLANNED`. --harmless: also the errors in spite of which the command ran. --only: of the faults' names, VARIANT:USER:ROLE:CALL:N:KIND.
"""
import ctypes
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import zlib

NET = ["--net=slirp4netns", "--port-driver=builtin", "-p", "127.0.0.1:0:80/tcp"]
NS = ["--pidns", "--cgroupns", "--ipcns", "--utsns"]
# The copied-up folder is a small one: a hundred symlinks fail no other way than one.
VARIANTS = {
    "full": ["--state-dir", "/tmp/state/s", *NET, "--copy-up=/etc", "--copy-up=/run", *NS],
    "plain": [],
    "detach": ["--state-dir", "/tmp/state/s", *NET, "--copy-up=/etc", "--pidns", "--detach-netns"],
    "packet": ["--state-dir", "/tmp/state/s", *NET, "--copy-up=/etc", "--link=packet"],
    "background": ["--detach", "--state-dir", "/tmp/state/s", *NET, "--copy-up=/etc", "--pidns"],
}
USERS = {"root": (0, "/root"), "user": (1001, "/home/tester")}
COMMAND = ["/bin/echo", "ran"]


# ------------------------------------------------------------------------------------------------------- one run

def read(path):
    with open(path, errors="replace") as f:
        return f.read()


def mounts():
    return sorted(" ".join(line.split()[3:]) for line in read("/proc/self/mountinfo").splitlines())


def sockets():
    """What has a name: listeners, and unix sockets with a path."""
    found = [line.split()[7] for line in read("/proc/net/unix").splitlines()[1:] if len(line.split()) > 7]
    for name in "tcp", "tcp6":
        found += [name + w[1] for w in map(str.split, read("/proc/net/" + name).splitlines()[1:]) if w[3] == "0A"]
    for name in "udp", "udp6":
        found += [name + w[1] for w in map(str.split, read("/proc/net/" + name).splitlines()[1:])]
    return sorted(found)


def files():
    return [os.path.join(d, f) for d, ds, fs in os.walk("/tmp") for f in ds + fs if os.path.join(d, f) != "/tmp/state"]


def did_run(variant, seen):
    """In the background the command writes to a log, which is gone with its state directory."""
    return "ran" in seen and seen["out"] == ("/tmp/state/s\n" if variant == "background" else "ran\n")


class Machine:
    def __init__(self, faulter, rootlet, number):
        self.faulter, self.rootlet = faulter, rootlet
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"none", b"/", None, 0x44000, None) < 0 or libc.mount(b"t", b"/tmp", b"tmpfs", 0, b"mode=1777") < 0:
            raise OSError(ctypes.get_errno(), "mount")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.log = "/run/rootlet/faults-" + number
        os.makedirs(self.log, exist_ok=True)
        self.mounts, self.sockets = mounts(), sockets()

    def run(self, variant, user, *how):
        uid, home = USERS[user]
        os.makedirs("/tmp/state", exist_ok=True)
        os.chown("/tmp/state", uid, uid)
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": home, "TMPDIR": "/tmp", "LANG": "C"}
        out, err, news = (self.log + "/" + n for n in ("out", "err", "news"))
        argv = [self.faulter, *how, "--last", "echo", "--out", news]
        if uid:
            argv += ["--user", "%d:%d" % (uid, uid)]
        argv += ["--", self.rootlet, "run", *VARIANTS[variant], *COMMAND]
        with open(out, "w") as o, open(err, "w") as e:
            r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=o, stderr=e, env=env, cwd="/")
        if r.returncode:
            raise RuntimeError("%s: status %d: %s" % (" ".join(argv), r.returncode, read(err)))
        seen = {"out": read(out), "err": read(err), "calls": []}
        for line in read(news).splitlines():
            word, _, rest = line.partition(" ")
            if word == "call":
                seen["calls"].append(rest.split())
            else:
                seen.setdefault(word, []).append(rest)
        return seen

    def left(self):
        """What is there that was not. The kernel closes some sockets a moment later."""
        for _ in range(2000):
            left = [m for m in mounts() if m not in self.mounts] + [m for m in self.mounts if m not in mounts()]
            left += [s for s in sockets() if s not in self.sockets]
            if not left:
                break
        return left

    def clean(self):
        for name in os.listdir("/tmp"):
            shutil.rmtree("/tmp/" + name)

    def fault(self, variant, user, fault):
        role, call, n, kind = fault
        seen = self.run(variant, user, "--fault", ":".join((role, call, str(n), kind)))
        seen["left_over"] = self.left()
        seen["files"] = files()
        if seen["files"] and variant != "plain":  # they must not be in the next one's way
            again = self.run(variant, user)
            seen["again"] = again["end"], did_run(variant, again), again["err"], self.left(), files()
        self.clean()
        return seen


def worker(*words):
    machine = Machine(*words)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            if job["fault"]:
                seen = machine.fault(job["variant"], job["user"], job["fault"])
            else:
                seen = machine.run(job["variant"], job["user"], "--record")
        except (RuntimeError, OSError) as e:
            seen = {"broken": str(e)}
        print(json.dumps(seen), flush=True)


# ------------------------------------------------------------------------------------------------------- the verdict

PREFIX = re.compile(r"^rootlet run: (?!warning: |debug: |published )(.+)")
# Says that something failed, but not what.
VAGUE = re.compile(r"did not start \(exit status|gave up: .* was not ready within")

# Programs of others: they may take an interruption for an error.
HELPERS = ("newuidmap", "newgidmap")
# GLib, in netd, tells of a lack of memory in words of its own.
MEMORY = ("mmap", "mremap", "brk")

# prctl(2): those of which a failure weakens nothing (PR_SET_NAME, reading, dropping what cannot come back under no_new_privs)
PRCTL_HARMLESS = {15, 3, 23, 24, 39}
MUST_BE_FATAL = {"prctl", "capset", "setns", "unshare", "pivot_root", "umount2", "chdir", "seccomp", "setresuid", "setresgid"}


def weakens(name, call, kind, hit):
    """Must a process that was refused this not go on?"""
    service = name in ("netd", "portd")
    if name == "supervisor" and call == "stat":  # is the state directory, all of which is deleted, the root or the home?
        return hit.split()[4] in ('"/"', '"/root"', '"/home/tester"')
    if not service and name != "child":
        return False
    words = hit.split()
    if call == "prctl":
        option = int(words[4], 16)
        return option not in PRCTL_HARMLESS and not (option == 47 and kind == "EINVAL")
    if call in ("setresuid", "setresgid", "pivot_root") and kind == "EINVAL":
        return False
    if call in ("umount2", "chdir") and not service:
        return False
    return call in MUST_BE_FATAL


def judge(variant, fault, name, seen):
    """What is wrong with this run: a list of texts."""
    role, call, _, kind = fault
    wrong = []
    if "slow" in seen:
        wrong.append("it hangs: " + "; ".join(seen["slow"]))
    if "left" in seen:
        wrong.append("processes are left: " + "; ".join(seen["left"]))
    if seen["left_over"]:
        wrong.append("left: " + "; ".join(seen["left_over"]))
    killed = kind == "KILL" and role == "0"
    if seen["files"] and not (kind == "KILL" and name == "supervisor"):
        wrong.append("files are left: " + " ".join(seen["files"]))
    if "again" in seen:
        end, ran, err, left, still = seen["again"]
        if end != ["exit 0"] or not ran or left or still:
            wrong.append("the next start: %s" % (seen["again"],))
    how, code = seen["end"][0].split()
    code = int(code)
    lines = seen["err"].splitlines()
    named = [m[1] for m in map(PREFIX.match, lines) if m and not VAGUE.search(m[1])]
    for line in lines:
        if not line.startswith("rootlet run: ") and call not in MEMORY:
            wrong.append("a stray line on stderr: " + line)
        if " within " in line and "seconds" in line:
            wrong.append("it came to its end by a deadline only: " + line)
    if killed:
        if (how, code) != ("signal", 9):
            wrong.append("it was killed and ended with %s %d" % (how, code))
    elif how == "signal":
        if kind != "TERM" or role != "0" or code != 15:
            wrong.append("ended by signal %d" % code)
    elif code == 0:
        # Nobody is told how a command in the background ends; a signal may be its end just before it begins.
        ended = variant == "background" and (kind in ("TERM", "KILL") and name == "child" or
                                             (kind == "TERM" or call == "epoll_pwait") and name == "supervisor" or
                                             kind == "KILL" and name == "supervisor" and seen["out"] == "/tmp/state/s\n")
        if not did_run(variant, seen) and not ended:
            wrong.append("exit status 0, but the command did not run")
        if kind.startswith("E") and weakens(name, call, kind, seen["hit"][0]):
            wrong.append("refused, and went on: " + seen["hit"][0])
    elif kind == "EINTR" and name not in HELPERS:
        wrong.append("an interrupted call ends the start")
    elif kind == "TERM" and code == 143:
        pass
    elif kind == "KILL" and code == 137 and name == "child":
        pass  # the command, as good as
    elif not named and not (call in ("write", "writev") and seen["hit"][0].split()[4] == "0x2"):
        wrong.append("exit status %d, but no message names what failed" % code)
    return wrong


# ------------------------------------------------------------------------------------------------------- the walk

class Walk:
    def __init__(self, faulter, rootlet, jobs):
        self.jobs, self.lock = queue.Queue(), threading.Lock()
        self.machines = [subprocess.Popen(
            ["unshare", "--pid", "--mount", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc", "/usr/bin/python3", "-S",
             __file__, faulter, rootlet, "--worker", str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for n in range(jobs)]

    def all(self, jobs, take):
        """take(job, seen) for each, from several threads, one at a time."""
        for job in jobs:
            self.jobs.put(job)

        def serve(machine):
            while True:
                try:
                    job = self.jobs.get_nowait()
                except queue.Empty:
                    return
                print(json.dumps(job), file=machine.stdin, flush=True)
                seen = json.loads(machine.stdout.readline() or '{"broken": "the worker ended"}')
                with self.lock:
                    take(job, seen)

        threads = [threading.Thread(target=serve, args=(m,)) for m in self.machines]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def close(self):
        for m in self.machines:
            m.stdin.close()
            m.wait()


def role_name(variant, role, comm):
    supervisor = "0"
    if variant == "background":
        if role == "0":
            return "starter"
        supervisor = "0.1"
    if role == supervisor:
        return "supervisor"
    return "child" if (role + ".").startswith(supervisor + ".1.") else comm.replace("rootlet-", "")


def faults_of(variant, calls):
    """Every call of every process, each way that it can end."""
    names = {}
    for role, comm, *_ in calls:
        names[role] = role_name(variant, role, comm)  # the last one: helpers and services get their names late
    begun = False
    for role, comm, call, n, kinds in calls:
        if role == "0" and not begun:  # the C library's and GLib's own start, before main(): it makes nothing, and aborts
            begun = call == "fcntl"
            if not begun:
                kinds = "-"
        kinds = ([] if kinds == "-" else kinds.split(",")) + ["TERM", "KILL"]
        for kind in kinds:
            yield names[role], [role, call, int(n), kind], kind == kinds[0] or kind in ("EINTR", "TERM", "KILL")


# The short walk: so many of a hundred, always the same ones. All errors of the ordinary user's full start; samples of the rest.
SHARES = {"error": 100, "EINTR": 80, "KILL": 30, "TERM": 12}
VARIANT_SHARES = {"full:user": 100, "full:root": 15, "plain:user": 60, "plain:root": 20, "detach:user": 12, "detach:root": 12,
                  "packet:user": 12, "packet:root": 12, "background:user": 20, "background:root": 10}


def chosen(label, name, first):
    variant, user, _, call, _, kind = label.split(":")
    if variant == "background" and name == "child" and call == "sendmsg":
        return True  # few, and each of them is one that somebody waits for
    share = SHARES.get(kind, SHARES["error"]) * VARIANT_SHARES[variant + ":" + user] / 100
    if name in HELPERS:
        share *= 0.2
    if not first:  # the second error of the same call
        share *= 0.3
    if name == "starter":  # there are few
        share = 50
    return zlib.crc32(label.encode()) % 100 < share


def main(argv):
    faulter, rootlet, *options = argv
    sys.stdout.reconfigure(line_buffering=True)
    if "--worker" in options:
        return worker(faulter, rootlet, options[1])
    jobs, only, quick = 3, re.compile(""), "--quick" in options
    if "--jobs" in options:
        jobs = int(options[options.index("--jobs") + 1])
    if "--only" in options:
        only = re.compile(options[options.index("--only") + 1])
    show = "--harmless" in options
    walk = Walk(faulter, rootlet, jobs)
    plan, broken, tried, counts = [], [], {}, {"wrong": 0, "unreached": 0}

    def recorded(job, seen):
        if "broken" in seen or "unknown" in seen or seen.get("end") != ["exit 0"] or not did_run(job["variant"], seen):
            broken.append("%s" % ((job, {k: v for k, v in seen.items() if k != "calls"}),))
            return
        for name, fault, first in faults_of(job["variant"], seen["calls"]):
            label = ":".join((job["variant"], job["user"], *map(str, fault)))
            if (not quick or chosen(label, name, first)) and only.search(label):
                plan.append({**job, "fault": fault, "name": name, "label": label})

    def tell(job, seen):
        if "broken" in seen:
            broken.append("%s: %s" % (job["label"], seen["broken"]))
        elif "hit" not in seen:
            counts["unreached"] += 1
            print("unreached", job["label"])
        else:
            key = job["name"], job["fault"][3] if job["fault"][3] in ("TERM", "KILL", "EINTR") else "error"
            tried[key] = tried.get(key, 0) + 1
            wrong = judge(job["variant"], job["fault"], job["name"], seen)
            if show and job["fault"][3].startswith("E") and not wrong and seen["end"] == ["exit 0"]:
                print("harmless", job["name"], job["fault"][3], seen["hit"][0], "|", seen["err"].count("warning"))
            if wrong:
                counts["wrong"] += 1
                print("wrong", job["label"], "|", " | ".join(wrong))
                print("    hit:", seen["hit"][0], "  end:", seen["end"][0], "  stdout:", repr(seen["out"]))
                for line in seen["err"].splitlines():
                    print("    " + line)

    walk.all([{"variant": v, "user": u, "fault": None} for v in VARIANTS for u in USERS], recorded)
    if "--list" in options:
        for job in plan:
            print(job["label"], job["name"])
    elif not broken:
        walk.all(plan, tell)
    walk.close()
    for text in broken:
        print("broken", text)
    for (name, kind), n in sorted(tried.items()):
        print("tried", name, kind, n)
    print("total", sum(tried.values()), counts["wrong"], counts["unreached"], len(plan))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
