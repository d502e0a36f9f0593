#!/usr/bin/python3
"""Both ends of a published port in one process: the client's out here, and the server's sockets from inside a network namespace.

    ends.py tcp PORT -- COMMAND...        what comes through 127.0.0.1:PORT, to a server on 127.0.0.1:80, as it was sent: ends, resets, urgent data
    ends.py udp PORT -- COMMAND...        datagrams, to a server on 127.0.0.1:7
    ends.py late PORT -- COMMAND...       servers on UDP port 9 that start after their client, on 127.0.0.1 and on ::1
    ends.py pending PID PORT -- COMMAND...    what clients do while their server, 10.9.9.9:81 in the namespace of PID, is being dialled
    ends.py flows PORT -- COMMAND...      whether a UDP client has one flow, which a server of the kind `peer` (servers.py) tells
    ends.py churn COUNT PORT -- COMMAND...    so many UDP clients, one after the other
    ends.py talk COUNT ADDRESS PORT -- COMMAND...   a UDP client in a conversation, and COUNT others that forge their addresses and ask once

COMMAND enters the namespace and runs what follows it (nsenter ... ); a socket made there belongs to it for ever and is passed out here.
Prints one line a case, "NAME: ok" or what was seen instead. Whatever waits has a deadline of 20 seconds.
"""
import array
import errno
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time

DEADLINE = 20
BIG = os.urandom(1 << 20)


# ---- sockets from inside

def give(spec):
    """Inside: KIND,ADDRESS,PORT[,BACKLOG], bound; its descriptor goes out through standard input."""
    kind, address, port, *backlog = spec.split(",")
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, int(port)))
    if kind == "tcp":
        sock.listen(int(backlog[0]) if backlog else 64)
    out = socket.socket(fileno=0)
    out.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))])


def inside(*words):
    ours, theirs = socket.socketpair()
    subprocess.run([*command, sys.executable, os.path.abspath(__file__), "give", ",".join(map(str, words))], stdin=theirs, check=True)
    _, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
    sock = socket.socket(fileno=struct.unpack("i", ancillary[0][2])[0])
    sock.settimeout(DEADLINE)
    return sock


def client(kind=socket.SOCK_STREAM, address="127.0.0.1", to=None):
    sock = socket.socket(socket.AF_INET, kind)
    sock.settimeout(DEADLINE)
    sock.connect((address, to or port))
    return sock


# ---- what may be seen

class Seen(Exception):
    """Something else than was expected."""


def see(got, want):
    if got != want:
        raise Seen(f"{got if len(repr(got)) < 200 else type(got)} instead of {want if len(repr(want)) < 200 else type(want)}")


def read(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise Seen(f"the end after {len(data)} of {count} bytes")
        data += more
    return data


def carries(source, sink, data):
    """All of the data, in both at the same time: more than buffers hold."""
    got, at = bytearray(), 0
    poll = select.poll()
    poll.register(source, select.POLLOUT)
    poll.register(sink, select.POLLIN)
    while len(got) < len(data):
        events = dict(poll.poll(DEADLINE * 1000))
        if not events:
            raise Seen(f"a stall after {len(got)} bytes")
        if source.fileno() in events and at < len(data):
            at += source.send(data[at:at + 65536], socket.MSG_DONTWAIT)
            if at == len(data):
                poll.unregister(source)
        if sink.fileno() in events:
            more = sink.recv(1 << 18)
            if not more:
                raise Seen(f"the end after {len(got)} bytes")
            got += more
    see(bytes(got) == data, True)


def see_end(sock):
    see(sock.recv(1), b"")


def see_reset(sock):
    """Not by reading: after the peer's end there is nothing to read but that (tcp_reset() in the kernel says EPIPE then)."""
    poll = select.poll()
    poll.register(sock, 0)
    if not poll.poll(DEADLINE * 1000):
        raise Seen("no reset")
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error not in (errno.ECONNRESET, errno.EPIPE):
        raise Seen(f"{errno.errorcode.get(error, 'an end')} instead of a reset")


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def fill(sock):
    """Until no more is taken: the other end does not read."""
    sock.setblocking(False)
    try:
        while True:
            sock.send(BIG)
    except BlockingIOError:
        sock.settimeout(DEADLINE)


def one(name, function, *args):
    try:
        function(*args)
        print(f"{name}: ok", flush=True)
    except (Seen, OSError) as problem:
        print(f"{name}: {problem!r}", flush=True)


# ---- TCP: every case with the client as the first one to act, and with the server

def pair(swap):
    c = client()
    s, _ = listener.accept()
    s.settimeout(DEADLINE)
    return (s, c) if swap else (c, s)


def case_data(a, b):
    a.sendall(b"hello")
    see(read(b, 5), b"hello")
    carries(a, b, BIG * 8)
    carries(b, a, BIG * 8)


def case_end(a, b):
    a.close()
    see_end(b)
    b.close()


def case_end_after_data(a, b):
    a.sendall(b"last words")
    a.close()
    see(read(b, 10), b"last words")
    see_end(b)


def case_half(a, b):
    a.sendall(b"question")
    a.shutdown(socket.SHUT_WR)
    see(read(b, 8), b"question")
    see_end(b)
    carries(b, a, BIG * 4)
    b.close()
    see_end(a)


def case_both_ends(a, b):
    a.shutdown(socket.SHUT_WR)
    b.shutdown(socket.SHUT_WR)
    see_end(a)
    see_end(b)


def case_reset(a, b):
    reset(a)
    see_reset(b)


def case_reset_after_data(a, b):
    a.sendall(b"x")
    see(read(b, 1), b"x")
    b.sendall(b"y")
    see(read(a, 1), b"y")
    reset(a)
    see_reset(b)


def case_reset_unread(a, b):
    """A close with unread bytes is a reset (RFC 2525, 2.17)."""
    b.sendall(b"not wanted")
    a.sendall(b"x")
    see(read(b, 1), b"x")
    poll = select.poll()
    poll.register(a, select.POLLIN)
    poll.poll(DEADLINE * 1000)
    a.close()
    see_reset(b)


def case_reset_blocked(a, b):
    """In mid-stream, with all buffers full in one direction."""
    fill(b)
    reset(a)
    see_reset(b)


def case_reset_full(a, b):
    """The one that resets is the one that nobody reads."""
    fill(a)
    reset(a)
    see_reset(b)


def case_reset_after_half(a, b):
    a.shutdown(socket.SHUT_WR)
    see_end(b)
    b.sendall(b"more")
    see(read(a, 4), b"more")
    reset(a)
    see_reset(b)


def case_reset_after_other_half(a, b):
    b.shutdown(socket.SHUT_WR)
    see_end(a)
    a.sendall(b"more")
    see(read(b, 4), b"more")
    reset(a)
    see_reset(b)


def case_urgent(a, b):
    """Urgent data arrives as such, at its place in the stream."""
    a.sendall(b"abc")
    a.send(b"!", socket.MSG_OOB)
    a.sendall(b"def")
    poll = select.poll()
    poll.register(b, select.POLLPRI)
    see(bool(poll.poll(DEADLINE * 1000)), True)
    see(b.recv(1, socket.MSG_OOB), b"!")
    see(read(b, 3), b"abc")
    see(read(b, 3), b"def")
    a.close()
    see_end(b)


def case_urgent_bulk(a, b):
    """In the midst of much data, which all comes through."""
    b.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    data = BIG * 4
    carries(a, b, data)
    a.send(b"!", socket.MSG_OOB)
    see(read(b, 1), b"!")
    carries(a, b, data)
    fill(a)
    a.setblocking(False)
    poll = select.poll()
    poll.register(a, select.POLLOUT)
    poll.register(b, select.POLLIN)
    sent = False
    while not sent:
        for fd, _ in poll.poll(DEADLINE * 1000):
            if fd == b.fileno():
                b.recv(1 << 16)
            elif not sent:
                try:
                    a.send(b"!", socket.MSG_OOB)
                    sent = True
                except BlockingIOError:
                    pass
    a.shutdown(socket.SHUT_WR)
    last = b""
    while more := b.recv(1 << 18):
        last = more
    see(last[-1:], b"!")


def tcp():
    global listener
    listener = inside("tcp", "127.0.0.1", 80)
    for name, case in list(globals().items()):
        if name.startswith("case_"):
            one(f"{name[5:]} client", lambda: case(*pair(False)))
            one(f"{name[5:]} server", lambda: case(*pair(True)))


def pending(pid):
    """The server's address answers nobody, until it is given to the namespace: then the kernel's next SYN, after 1 or 3 seconds, arrives."""

    def under_way():
        with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
            return sum(line.split()[3] == "02" for line in table)

    def until(count):
        end = time.monotonic() + DEADLINE
        while under_way() != count:
            if time.monotonic() > end:
                raise Seen(f"{under_way()} connections under way instead of {count}")

    listening = inside("tcp", "0.0.0.0", 81)
    gone, ended, patient = client(), client(), client()
    until(3)
    reset(gone)
    until(2)
    ended.sendall(b"ended")
    ended.shutdown(socket.SHUT_WR)
    patient.sendall(b"patient")
    subprocess.run([*command, "ip", "addr", "add", "10.9.9.9/32", "dev", "lo"], check=True)
    said = set()
    for _ in range(2):
        sock, _ = listening.accept()
        sock.settimeout(DEADLINE)
        word = sock.recv(7)
        said.add(word)
        if word == b"ended":
            see_end(sock)
        sock.sendall(b"answer")
        sock.close()
    see(said, {b"ended", b"patient"})
    for sock in (ended, patient):
        see(read(sock, 6), b"answer")
        see_end(sock)


# ---- UDP

def udp_sizes(server):
    c = client(socket.SOCK_DGRAM)
    sizes = [1, 0, 512, 1472, 1473, 0, 9000, 65507, 3]
    for size in sizes:
        c.send(BIG[:size])
        data, peer = server.recvfrom(1 << 17)
        see(data, BIG[:size])
        server.sendto(data, peer)
        see(c.recv(1 << 17), BIG[:size])


def udp_boundaries(server):
    c = client(socket.SOCK_DGRAM)
    for size in range(1, 60):
        c.send(BIG[:size])
    see([len(server.recv(1 << 17)) for _ in range(59)], list(range(1, 60)))


def udp_clients(server):
    """Each gets its own answers, also late and several ones."""
    clients = [client(socket.SOCK_DGRAM) for _ in range(50)]
    peers = {}
    for number, c in enumerate(clients):
        c.send(str(number).encode())
        data, peer = server.recvfrom(100)
        peers[int(data)] = peer
    see(len(set(peers.values())), 50)
    for number in random.sample(range(50), 50):
        for word in (b"a", b"b"):
            server.sendto(word + str(number).encode(), peers[number])
    for number, c in enumerate(clients):
        see([c.recv(100), c.recv(100)], [b"a%d" % number, b"b%d" % number])


def udp_strangers(server):
    """Nobody but the server may answer, and nobody but the client gets it."""
    c = client(socket.SOCK_DGRAM)
    c.send(b"who")
    _, peer = server.recvfrom(100)
    stranger = inside("udp", "127.0.0.1", 0)
    stranger.sendto(b"me", peer)
    server.sendto(b"I", peer)
    see(c.recv(100), b"I")
    c.setblocking(False)
    try:
        see(c.recv(100), None)
    except BlockingIOError:
        pass


def udp_order(server):
    """Much in both directions at the same time, as much under way as buffers hold: all there, in order."""
    c, count, window = client(socket.SOCK_DGRAM), 20000, 64
    c.send(b"begin")
    _, peer = server.recvfrom(100)
    server.connect(peer)
    sent, seen = [0, 0], [0, 0]
    ends = (c, server)
    c.setblocking(False)
    server.setblocking(False)
    poll = select.poll()
    for sock in ends:
        poll.register(sock, select.POLLIN)
    while min(seen) < count:
        for i in (0, 1):
            while sent[i] < count and sent[i] - seen[1 - i] < window:
                ends[i].send(struct.pack(">I", sent[i]) + BIG[:sent[i] % 1400])
                sent[i] += 1
        ready = poll.poll(DEADLINE * 1000)
        if not ready:
            raise Seen(f"{seen} of {sent}")
        for fd, _ in ready:
            i = 0 if fd == c.fileno() else 1
            while True:
                try:
                    data = ends[i].recv(1 << 16)
                except BlockingIOError:
                    break
                see((struct.unpack(">I", data[:4])[0], len(data)), (seen[i], seen[i] % 1400 + 4))
                seen[i] += 1


def udp():
    for name, case in list(globals().items()):
        if name.startswith("udp_"):
            with inside("udp", "127.0.0.1", 7) as server:
                one(name[4:], case, server)


def late():
    """The same client goes on asking; and each answer that comes is for the question before it."""
    c = client(socket.SOCK_DGRAM)
    for address in ("127.0.0.1", "::1"):
        c = client(socket.SOCK_DGRAM)
        for _ in range(7):
            c.send(b"anybody?")
        with inside("udp", address, 9) as server:
            c.send(b"now?")
            data, peer = server.recvfrom(100)
            see(data, b"now?")
            server.sendto(b"yes", peer)
            see(c.recv(100), b"yes")
        c.send(b"gone?")
        with inside("udp", address, 9) as server:
            c.send(b"again?")
            see(server.recvfrom(100)[0], b"again?")


def flows():
    def told(sock):
        sock.send(b"who am I?")
        return sock.recv(100)

    c, other = client(socket.SOCK_DGRAM), client(socket.SOCK_DGRAM)
    first = told(c)
    see(told(other) == first, False)
    see(told(c), first)


def churn(count):
    server = inside("udp", "127.0.0.1", 7)
    good = 0
    for number in range(int(count)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.settimeout(DEADLINE)
            c.bind((f"127.0.1.{1 + number // 10000}", 20000 + number % 10000))
            c.connect(("127.0.0.1", port))
            c.send(b"%d" % number)
            data, peer = server.recvfrom(100)
            server.sendto(data, peer)
            good += c.recv(100) == b"%d" % number
    print(f"{good} clients")


def talk(count, address):
    server = inside("udp", "0.0.0.0", 7)
    c = client(socket.SOCK_DGRAM, address)
    peers = []
    for _ in range(3):
        c.send(b"hello")
        data, peer = server.recvfrom(100)
        peers.append(peer)
        server.sendto(data, peer)
        see(c.recv(100), b"hello")
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for number in range(int(count)):
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 32, 0, 0, 64, 17, 0, struct.pack(">I", 0xC6120000 + number % 50000), socket.inet_aton(address))
        raw.sendto(head + struct.pack(">HHHH", 1024 + number % 60000, port, 12, 0) + b"fake", (address, 0))
        if number % 32 == 31:  # no faster than they are carried
            for _ in range(32):
                see(server.recvfrom(100)[0], b"fake")
    c.send(b"still")
    data, peer = server.recvfrom(100)
    see(data, b"still")
    see(peer, peers[0])
    server.sendto(b"there", peer)
    see(c.recv(100), b"there")


words = sys.argv[1:]
if words[0] == "give":
    give(words[1])
    sys.exit()
command = words[words.index("--") + 1:]
words = words[:words.index("--")]
port = int(words[-1])
COMMANDS = {"tcp": tcp, "udp": udp, "pending": lambda pid: one("pending", pending, pid), "late": lambda: one("late", late), "churn": churn, "flows": lambda: one("flows", flows),
            "talk": lambda count, address: one("talk", talk, count, address)}
try:
    COMMANDS[words[0]](*words[1:-1])
except (Seen, OSError, subprocess.SubprocessError, ValueError) as problem:
    sys.exit(f"ends.py {' '.join(words)}: {problem!r}")
