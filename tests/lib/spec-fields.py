#!/usr/bin/python3 -S
"""Is each member of a config.json looked at? Each one that the specification knows is given another type, a value out of range, a NUL
and another case, one at a time; what no rule is about may be anything.

    spec-fields.py ROOTLET EVERY.json          a line `wrong ...` for each that is not refused with status 3 and its path, `tried N` at the end
"""
import copy
import json
import re
import subprocess
import sys

rootlet, every = sys.argv[1:]
with open(every, encoding="utf-8") as f:
    BASE = json.load(f)


def one_line():
    return [{"containerID": 0, "hostID": 1, "size": 2}]


# What no runtime would run together with the rest.
REST = {
    "process": {"user": {"username": "a"}, "commandLine": "a"},
    "mounts": [{"destination": "/a", "uidMappings": one_line(), "gidMappings": one_line()}],
    "linux": {"uidMappings": one_line(), "gidMappings": one_line(), "seccomp": {"defaultErrnoRet": 1}, "intelRdt": {"schemata": ["a"]},
              "timeOffsets": {"boottime": {"secs": 1, "nanosecs": 2}}},
}
FREE = {"future", "windows", "solaris", "vm", "zos", "vendor", "memoryPolicy"}  # anything
NAMED = {"annotations", "sysctl", "unified", "rdma", "netDevices", "timeOffsets"}  # any names
TEXT = {"commandLine", "listenerMetadata", "annotations", "sysctl", "unified"}  # for nobody's system calls: may hold a NUL
SIGNED = {"nice", "oomScoreAdj", "timeout", "major", "minor", "reservation", "swap", "kernel", "kernelTCP", "quota", "realtimeRuntime", "idle",
          "secs", "memory.limit", "pids.limit", "scheduler.priority", "ioPriority.priority"}
WIDE = {"hard", "soft", "height", "width", "runtime", "deadline", "period", "swappiness", "shares", "burst", "realtimePeriod", "rate", "value",
        "valueTwo", "hugepageLimits.limit"}


def show(path):
    text = "".join(f"[{s}]" if isinstance(s, int) else "." + s if re.fullmatch(r"[A-Za-z_]\w*", s) else
                   '["%s"]' % "".join(c if " " <= c <= "~" and c != '"' else "?" for c in s.encode().decode("latin-1")) for s in path)
    return text if text.startswith(".") else "." + text


def walk(node, path=()):
    """All places, outermost first."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key not in FREE:
            yield path + (key,), value
            yield from walk(value, path + (key,))


def kind(path):
    names = [s for s in path if isinstance(s, str)]
    both = ".".join(names[-2:])
    return "signed" if names[-1] in SIGNED or both in SIGNED else "wide" if names[-1] in WIDE or both in WIDE else "narrow"


def bad_values(path, value):
    yield [[]], show(path)
    if isinstance(value, bool):
        yield 0, show(path)
    elif isinstance(value, int):
        yield "1", show(path)
        yield 1.5, show(path)
        yield 1 << 64, show(path)
        yield -(1 << 63) - 1, show(path)
        if kind(path) == "narrow":
            yield 1 << 32, show(path)
        if kind(path) != "signed":
            yield -1, show(path)
        else:
            yield 1 << 63, show(path)
    elif isinstance(value, str):
        yield 1, show(path)
        yield True, show(path)
        if not TEXT & set(path):
            yield "a\0b", show(path)
    elif isinstance(value, list):
        yield {}, show(path)
        yield [None], show(path) + "[0]"
        if path[-1] != "schemata":  # one string in some versions of the specification
            yield "a", show(path)
    else:
        yield "a", show(path)


def good_values(path, value):
    yield None
    if isinstance(value, int) and not isinstance(value, bool):
        yield {"signed": -1, "wide": (1 << 64) - 1, "narrow": (1 << 32) - 1}[kind(path)]
    if isinstance(value, str) and TEXT & set(path):
        yield "a\0b"


def changed(base, path, change):
    document = copy.deepcopy(base)
    node = document
    for step in path[:-1]:
        node = node[step]
    change(node, path[-1])
    return document


def rename(node, key):
    members = list(node.items())
    node.clear()
    for name, value in members:
        node[name[0].swapcase() + name[1:] if name == key else name] = value


tried = 0


def run(document, what, refused):
    """refused: the path that the message is to name; None: not for its shape."""
    global tried
    tried += 1
    r = subprocess.run([rootlet, "spec", "--map=self", "--runtime=crun", "-"], input=json.dumps(document), stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True, check=False)
    if refused is None:
        if r.returncode not in (0, 2):
            print("wrong", what, "refused:", r.stderr.strip())
    elif r.returncode != 3 or not any(line.startswith(f"rootlet spec: standard input: {refused}") for line in r.stderr.splitlines()):
        print("wrong", what, "status", r.returncode, r.stderr.strip()[:300], "wanted", refused)


for base in BASE, REST:
    for path, value in walk(base):
        for bad, place in bad_values(path, value):
            run(changed(base, path, lambda node, key, bad=bad: node.__setitem__(key, bad)), f"{show(path)} = {json.dumps(bad)}", place)
        if isinstance(path[-1], int):
            continue
        for good in good_values(path, value):
            run(changed(base, path, lambda node, key, good=good: node.__setitem__(key, good)), f"{show(path)} = {json.dumps(good)}", None)
        if len(path) < 2 or path[-2] not in NAMED:
            other = path[:-1] + (path[-1][0].swapcase() + path[-1][1:],)
            run(changed(base, path, rename), show(other), show(other) + ": ")
for name in FREE - {"vendor", "memoryPolicy"}:
    run({**BASE, name: [[1.5, "\0", {"Linux": 1e3}]]}, name, None)
print("tried", tried)
