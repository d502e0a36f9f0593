#!/usr/bin/python3 -S
"""Inputs for `rootlet spec` as large as they may be, each of another kind.

    spec-large.py ROOTLET FILE          writes each to FILE, converts it, and prints NAME STATUS MESSAGE; `wrong ...` when it is not as expected

The address space is bounded, so that a conversion that takes more than it should ends with status 4.
"""
import os
import resource
import subprocess
import sys

rootlet, file = sys.argv[1:]
LIMIT = 16 << 20
MEMORY = 512 << 20
BASE = '{"ociVersion":"1.0.2","process":{"cwd":"/","args":["a"]},"root":{"path":"r"}'


def many(head, element, tail, most=1 << 30):
    """As many elements as fit; {} in one is its number."""
    size, parts = len(head) + len(tail), []
    while len(parts) < most:
        part = element.replace("{}", str(len(parts)), 1)
        size += len(part) + 1
        if size > LIMIT:
            break
        parts.append(part)
    return head + ",".join(parts) + tail


# name: status, text, what the message has
INPUTS = {
    "open": (3, lambda: "[" * LIMIT, "levels deep at byte 128 "),
    "objects": (3, lambda: '{"a":' * (LIMIT // 5), "levels deep at byte 640 "),
    "lists": (3, lambda: "[" + "[]," * (LIMIT // 3 - 2) + "1]", "more than 1048576 values"),
    "commas": (3, lambda: "[" + "," * (LIMIT - 2) + "]", "more than 1048576 values"),
    "string": (3, lambda: '"' + "x" * (LIMIT - 2) + '"', "string where an object"),
    "cut string": (3, lambda: '{"' + "\\u0001" * (LIMIT // 6 - 1), "at byte 16777"),
    "digits": (3, lambda: '{"process":{"user":{"uid":' + "1" * (LIMIT - 30) + "}}}", "out of range"),
    "blanks": (3, lambda: "\n" * LIMIT, "at byte 0 "),
    "more": (3, lambda: " " * (LIMIT + 1), "larger than 16777216 bytes"),
    "same key": (3, lambda: many("{", '"{}":0', ',"7":0}', 500000), "the same key a second time at byte"),
    "keys": (0, lambda: many(BASE + ',"x":{', '"{}":0', "}}", 500000), ""),
    "mounts": (0, lambda: many(BASE + ',"mounts":[', '{"type":"bind","source":"/","options":["bind","ro"]}', "]}", 100000), ""),
    "options": (0, lambda: BASE + ',"mounts":[{"type":"bind","source":"/","options":["' + "uid=1," * (LIMIT // 6 - 40) + '"]}]}', ""),
    "sysctls": (2, lambda: many(BASE + ',"linux":{"sysctl":{', '"k.{}":"0"', "}}}", 500000), "and 499900 messages more"),
    # what is looked for again and again stands behind very many other members
    "members, mounts": (0, lambda: BASE + "," + many('"mounts":[', '{"type":"proc"}', '],"linux":{', 100000)
                        + many("", '"x{}":0', ',"namespaces":[{"type":"ipc"}]}}', 200000), ""),
    "members, sysctls": (2, lambda: BASE + "," + many("", '"x{}":0', ",", 100000) + many('"linux":{', '"x{}":0', ",", 100000)
                         + many('"sysctl":{', '"net.{}":"0"', '},"namespaces":[{"type":"ipc"}]}}', 100000), "and 99900 messages more"),
    "groups": (0, lambda: many('{"root":{"path":"r"},"process":{"cwd":"/","args":["a"],"user":{"additionalGids":[', "{}", "]}}}", 1000000), ""),
    "maps": (0, lambda: many(BASE + ',"linux":{"uidMappings":[', '{"containerID":{},"hostID":1,"size":1}', "]}}", 140000), ""),
    "dots": (0, lambda: BASE + ',"mounts":[{"destination":"' + "/.." * (LIMIT // 3 - 60) + '/sys","type":"tmpfs"}]}', ""),
}


def bound():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


for name, (status, text, message) in INPUTS.items():
    with open(file, "w", encoding="ascii") as f:
        f.write(text())
    r = subprocess.run([rootlet, "spec", "--map=self", file], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=bound,
                       check=False)
    ok = r.returncode == status and message in r.stderr
    print(name if ok else f"wrong {name}", r.returncode, r.stderr[:400].replace("\n", " "))
os.unlink(file)
