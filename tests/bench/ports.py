"""Published ports: rootlet beside those who do the same, and the plain loopback. tests/lib/netload.c is both ends of everything."""
import os
import pathlib
import resource
import subprocess

from common import Process, fail, median

TOP = pathlib.Path(__file__).resolve().parents[2]
NETLOAD = str(TOP / "build" / os.uname().machine / "tests/lib/netload")
INSIDE = 5201  # the server's port, in each namespace its own
RENO = "echo reno >/proc/sys/net/ipv4/tcp_congestion_control"
SERVE = f"{RENO} 2>/dev/null; exec {NETLOAD} serve 127.0.0.1 {INSIDE}"
# rootlesskit has six descriptors a connection, and stops listening when there are no more.
CROWD = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 6 - 100)
ALL = 10000  # what the aim is; two workers have room for so many even where a process may open 20000 files
CLIENTS = 32
TICKS = os.sysconf("SC_CLK_TCK")


# ------------------------------------------------------------------------------------------------- who belongs to whom


def stat(pid):
    """Name and the words after it of /proc/PID/stat."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()


def family(pid):
    """This process and its descendants, but for the server that is measured through it."""
    children = {}
    names = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            names[int(folder.name)], words = stat(folder.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(words[1]), []).append(int(folder.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        todo += children.get(one, [])
        if names.get(one) != "netload":
            found.append(one)
    return found


def processor_time(pids):
    """Seconds, in the program and in the kernel."""
    total = 0
    for pid in pids:
        words = stat(pid)[1]
        total += int(words[11]) + int(words[12])
    return total / TICKS


def memory(pids):
    """Bytes: what is theirs alone, and their part of what is shared."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


# ---------------------------------------------------------------------------------------------------------- contenders


class Contender:
    """Somebody who leads connections to 127.0.0.1:PORT to a server in a namespace."""

    port = 5300

    def __init__(self, name):
        Contender.port += 1
        self.name, self.port = name, Contender.port
        self.pids, self.closing = [], []

    def end(self):
        for thing in reversed(self.closing):
            thing()


def launcher(name, command):
    """rootlet run and rootlesskit take the same words."""
    c = Contender(name)
    process = Process(["as-user", *command, "--net=slirp4netns", "--copy-up=/etc", "--pidns", "--port-driver=builtin",
                       "-p", f"127.0.0.1:{c.port}:{INSIDE}/tcp", "sh", "-c", SERVE], "listening")
    c.pids = family(process.process.pid)
    c.closing.append(process.kill)
    return c


def namespace(c):
    """A server in a namespace of its own; its process id."""
    holder = Process(["as-user", "unshare", "--user", "--map-root-user", "--net", "sh", "-c", f"ip link set lo up; {SERVE}"], "listening")
    c.closing.append(holder.kill)
    return str(holder.process.pid)


def forward(name, *options):
    c = Contender(name)
    target = namespace(c)
    ready, write_end = os.pipe()
    process = subprocess.Popen(["as-user", "rootlet", "forward", *options, "--target", target, "-p", f"127.0.0.1:{c.port}:{INSIDE}/tcp",
                                f"--ready-fd={write_end}"], pass_fds=[write_end], stdin=subprocess.DEVNULL)
    os.close(write_end)
    if os.read(ready, 1) != b"1":
        fail(f"{name} did not become ready")
    os.close(ready)
    c.pids = family(process.pid)
    c.closing.append(lambda: (process.terminate(), process.wait()))
    return c


def pasta(name):
    """It goes to the background when it is ready, and ends with the namespace."""
    c = Contender(name)
    target = namespace(c)
    pid_file = f"/tmp/tester/pasta-{c.port}"
    subprocess.run(["as-user", "pasta", "--config-net", "-q", "-t", f"127.0.0.1/{c.port}:{INSIDE}", "-u", "none", "-T", "none", "-U", "none",
                    "--pid", pid_file, target], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    c.pids = [int(pathlib.Path(pid_file).read_text(encoding="ascii"))]
    return c


def loopback(name):
    c = Contender(name)
    server = Process(["as-user", NETLOAD, "serve", "127.0.0.1", str(c.port)], "listening")
    c.closing.append(server.kill)
    return c


# ------------------------------------------------------------------------------------------------------------ measures


def load(c, what, *numbers):
    """What the client says, and the seconds of processor time of those in between."""
    before = processor_time(c.pids)
    reply = subprocess.run(["as-user", NETLOAD, what, "127.0.0.1", str(c.port), *map(str, numbers)], capture_output=True, text=True, check=False)
    if reply.returncode != 0:
        fail(f"{c.name}: {what}: {reply.stderr}")
    return [int(word) for word in reply.stdout.split()], processor_time(c.pids) - before


def one_round(c, seconds):
    figures = {}
    for what, way in (("send", "in"), ("receive", "out")):
        for streams in (1, 4):
            (moved, spent), used = load(c, what, seconds, streams)
            kind = f"{way}, {streams} stream{'s' if streams > 1 else ''}"
            figures[f"Gbit/s {kind}"] = moved * 8 / spent
            figures[f"CPU s/GB {kind}"] = used / (moved / 1e9)
    (done, spent), used = load(c, "connect", seconds, CLIENTS)
    figures["connections/s"] = done / spent * 1e9
    figures["CPU us/connection"] = used / done * 1e6
    for clients in (1, CLIENTS):
        (done, p50, p99), used = load(c, "ask", seconds, clients)
        kind = f"{clients} client{'s' if clients > 1 else ''}"
        figures[f"p50 us, {kind}"] = p50 / 1e3
        figures[f"p99 us, {kind}"] = p99 / 1e3
        figures[f"CPU us/request, {kind}"] = used / done * 1e6
    return figures


def crowd(c, size):
    """Bytes of those in between for each idle connection of a crowd; each has carried a byte both ways before."""
    before = memory(c.pids)
    holder = Process(["as-user", NETLOAD, "hold", "127.0.0.1", str(c.port), str(size)], "open")
    used = memory(c.pids) - before
    holder.end()
    return used / size


def digits(value):
    return 3 if value < 1 else 2 if value < 100 else 0


def table(contenders, results):
    """Rows of figures; behind them how the first one compares: a ratio over 1 means that it is better."""
    names = [c.name for c in contenders]
    width = max(len(name) for name in names) + 2
    peers = [i for i, name in enumerate(names) if not name.startswith(("rootlet ", "rootlet,", "loopback"))]
    reference = names.index("loopback") if "loopback" in names else None
    head = "".join(name.rjust(width) for name in names) + "".join(f"{names[i]:>13}" for i in peers)
    print("    " + " " * 24 + head + ("" if reference is None else f"{'loopback':>13}"))
    for row in dict.fromkeys(row for r in results for row in r):
        values = [median(r[row]) if row in r else None for r in results]
        print(f"    {row:24}" + "".join("-".rjust(width) if v is None else f"{v:{width}.{digits(v)}f}" for v in values), end="")
        for i in peers + ([] if reference is None else [reference]):
            if values[0] is None or values[i] is None or 0 in (values[0], values[i]):
                print(f"{'-':>13}", end="")
            else:
                better = values[0] / values[i] if row.startswith(("Gbit", "connections")) else values[i] / values[0]
                print(f"{better:11.2f} x", end="")
        print()


def bench(seconds, rounds, only=()):
    """only: names of contenders."""
    subprocess.run(["sh", "-c", RENO], check=True)
    makers = {"rootlet run": lambda name: launcher(name, ["rootlet", "run"]), "rootlet forward": forward,
              "rootlet, 2 workers": lambda name: forward(name, "--workers=2"),
              "rootlesskit": lambda name: launcher(name, ["rootlesskit"]), "pasta": pasta, "loopback": loopback}
    contenders = [make(name) for name, make in makers.items() if not only or name in only]
    results = [{} for _ in contenders]
    for _ in range(rounds):
        for c, figures in zip(contenders, results):
            for row, value in one_round(c, seconds).items():
                figures.setdefault(row, []).append(value)
    for c, figures in zip(contenders, results):
        if c.name != "loopback":
            figures[f"bytes/idle of {CROWD}"] = [crowd(c, CROWD)]
        if c.name.endswith("workers"):
            figures[f"bytes/idle of {ALL}"] = [crowd(c, ALL)]
    for c in reversed(contenders):
        c.end()
    print(f"\nThrough a published port (in: into the container; CPU: of the processes in between): median of {rounds} runs of {seconds} s")
    table(contenders, results)
