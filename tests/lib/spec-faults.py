#!/usr/bin/python3 -S
"""The walk through all faults of `rootlet spec` writing a file: each of its system calls fails once in each way, or meets a signal.

    spec-faults.py FAULTER ROOTLET CONFIG FOLDER          as root; FOLDER is an empty one of uid 1001's

What must hold of every run is in judge(). Prints a line `wrong ...` for each of which it does not, `hit CALL KIND` for each fault, and
`total TRIED WRONG` at the end.
"""
import os
import subprocess
import sys

faulter, rootlet, config, folder = sys.argv[1:]
USER = 1001
ATTRIBUTE = ("user.note", b"kept")
with open(config, "rb") as f:
    OLD = f.read()
# Where the temporary file has a name for that long, a killed process leaves it behind; it holds what is old or what is new.
NAMED = {"linkat", "renameat2", "newfstatat", "fstatat", "fsync", "unlinkat"}
# what is asked for, what was there, and the order of what is done
OVER = ["write", "fsync", "linkat", "renameat2", "fsync", "unlinkat"]
NEW = ["write", "fsync", "linkat", "fsync"]
VARIANTS = {
    "in place": (["-i", "config.json"], OLD, OVER),
    "over another": (["config.json", "-o", "out.json"], b"what was there\n", OVER),
    "to a new one": (["config.json", "-o", "out.json"], None, NEW),
    "a template": (["--new", "--rootless"], None, NEW),
}
MORE = {"write": ["ENOSPC", "EDQUOT"], "openat": ["ENOSPC", "EDQUOT", "EIO"], "linkat": ["ENOSPC", "EDQUOT"], "renameat2": ["EDQUOT"],
        "fsetxattr": ["EIO"], "fchmod": ["EIO"]}


def path(variant):
    return folder + ("/out.json" if "out.json" in VARIANTS[variant][0] else "/config.json")


def prepare(variant):
    for name in os.listdir(folder):
        os.unlink(folder + "/" + name)
    words, before, _ = VARIANTS[variant]
    contents = {path(variant): before}
    if "config.json" in words:
        contents[folder + "/config.json"] = OLD
    for file, content in contents.items():
        if content is not None:
            with open(file, "wb") as f:
                f.write(content)
            os.setxattr(file, *ATTRIBUTE)
            os.chown(file, USER, USER)
            os.chmod(file, 0o640)


def look(variant):
    try:
        with open(path(variant), "rb") as f:
            st = os.fstat(f.fileno())
            return {"text": f.read(), "inode": st.st_ino, "like": (st.st_uid, st.st_gid, st.st_mode, st.st_nlink),
                    "attributes": {name: os.getxattr(f.fileno(), name) for name in os.listxattr(f.fileno())}}
    except FileNotFoundError:
        return {"text": None}


def run(variant, *how):
    words = VARIANTS[variant][0]
    news = folder + "-news"
    argv = [faulter, *how, "--user", f"{USER}:{USER}", "--last", "nobody", "--out", news, "--", rootlet, "spec", "--map=self", *words]
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, text=True,
                       env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}, check=False)
    if r.returncode:
        sys.exit(f"{' '.join(argv)}: {r.stderr}")
    with open(news, encoding="utf-8") as f:
        lines = f.read().splitlines()
    return lines, r.stderr


def end(lines):
    return next(tuple(line.split()[1:]) for line in lines if line.startswith("end "))


def judge(variant, call, early, kind, before, want, lines, err):
    """None, or what is wrong: the file is the old one (the same, not one like it) or the new one, whole; it is known which; nothing is left."""
    how, value = end(lines)
    after = look(variant)
    left = [name for name in os.listdir(folder) if name.startswith(".rootlet")]
    killed = how == "signal"
    new = after["text"] == want["text"]
    if new and want["text"] is not None:
        if before["text"] is not None and (after["like"], after["attributes"]) != (want["like"], want["attributes"]):
            return f"another owner, mode or attribute: {after}"
    elif after != before:
        return f"neither the old file nor the new one: {after}"
    if killed:
        # glib's constructors, before main(), end a process that gets no memory
        if value not in ("9", "15") and not (early and call == "mmap"):
            return f"signal {value}"
    elif value == "0":
        if not new:
            return "success, and the file is the old one"
    elif new:
        return f"status {value}, and the file is the new one"
    elif not err.startswith("rootlet spec: ") or "\n" in err.rstrip("\n"):
        return f"status {value} and not one message: {err!r}"
    if left and not (kind == "KILL" and call in NAMED) and call != "unlinkat":
        return f"left behind: {left}"
    for name in left:
        with open(folder + "/" + name, "rb") as f:
            if f.read() not in (before["text"], want["text"]):
                return f"{name} is neither"
    return None


tried = wrong = 0
for variant in VARIANTS:
    prepare(variant)
    lines, err = run(variant, "--record")
    want = look(variant)
    calls = [line.split() for line in lines if line.startswith("call ")]
    if end(lines) != ("exit", "0") or not calls or [line for line in lines if line.startswith("unknown ")]:
        sys.exit(f"{variant}: {[line for line in lines if line.startswith('unknown ')]} {lines[-1]} {err}")
    order = [call[3] for call in calls if call[3] in OVER]
    if order != VARIANTS[variant][2]:
        sys.exit(f"{variant}: what is written is on the disk at another time: {order}")
    early = True
    for _, role, _, call, number, kinds in calls:
        early = early and call != "openat"
        for kind in [*[k for k in kinds.split(",") if k.isupper()], *MORE.get(call, []), "KILL", "TERM"]:
            prepare(variant)
            before = look(variant)
            lines, err = run(variant, "--fault", f"{role}:{call}:{number}:{kind}")
            what = judge(variant, call, early, kind, before, want, lines, err)
            if not any(line.startswith("hit ") for line in lines):
                what = "it did not take place"
            print("hit", call, kind)
            tried += 1
            if what:
                wrong += 1
                print("wrong", variant, call, number, kind, what)
print("total", tried, wrong)
