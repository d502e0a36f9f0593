#!/usr/bin/python3 -S
"""Say what a conversion changed without saying so.

    spec-untouched.py BEFORE AFTER EXPLAINED      (EXPLAINED: the output of `rootlet spec --check --explain --json BEFORE`)

All values of both files, in order, numbers by their text, but for those at or below a path that is explained, are to be the same. No mount may have
been removed, so that a mount has the same number in both. Exit status 1 and a line for each difference.
"""
import difflib
import json
import re
import sys


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f, object_pairs_hook=lambda pairs: ("object", pairs), parse_int=lambda s: ("number", s),
                         parse_float=lambda s: ("number", s))


def values(node, path=()):
    if isinstance(node, tuple) and node[0] == "object":
        yield path, "{}"
        for key, value in node[1]:
            yield from values(value, path + (key,))
    elif isinstance(node, list):
        yield path, "[]"
        for i, value in enumerate(node):
            yield from values(value, path + (i,))
    else:
        yield path, repr(node)


def parse(path):
    """.mounts[5].options[0] or .linux.sysctl["net.x"], as a tuple."""
    steps = tuple(name or (json.loads(key) if key else int(index))
                  for name, index, key in re.findall(r'\.([^.\[]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]', path))
    # A mount that is replaced keeps its place and its other members; in other arrays the elements move up.
    if len(steps) == 2 and steps[0] == "mounts":
        return [steps + (member,) for member in ("type", "source", "options")]
    return [steps[:-1] if isinstance(steps[-1], int) else steps]


def main(before, after, explained):
    with open(explained, encoding="utf-8") as f:
        touched = {steps for change in json.load(f) for steps in parse(change["path"])}
    texts = []
    for file in before, after:
        texts.append(["%s: %s" % (path, value) for path, value in values(load(file))
                      if not any(path[:n] in touched for n in range(1, len(path) + 1))])
    wrong = [line for line in difflib.unified_diff(*texts, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]
    print("\n".join(wrong))
    return 1 if wrong or not texts[0] else 0


sys.exit(main(*sys.argv[1:]))
