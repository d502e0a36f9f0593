#!/usr/bin/python3
"""Bad clients of the API, of every kind:      api-hostile.py SOCKET PID [KIND]...

PID is the server's process. For each kind (all, unless some are named) it says "KIND ok", or what was wrong: a bad request is to be
answered with 4xx or 503, or its connection closed; a good one made while the bad clients hold on is to be answered with 200; and once
the bad clients are gone, the server has no more descriptors than before. What waits has a deadline of 60 seconds, and no other clock.
"""
import array
import json
import os
import select
import socket
import struct
import sys

DEADLINE = 60
PATH, PID = sys.argv[1], sys.argv[2]
INFO = b"GET /v1/info HTTP/1.1\r\nHost: x\r\n\r\n"
SLOTS = 128  # connections that the server has at a time


class Wrong(Exception):
    """What the server did that it should not."""


def dial():
    """A connection; waits for a place in the server's backlog, as connect() on a socket without Python's timeout does."""
    sock = socket.socket(socket.AF_UNIX)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", DEADLINE, 0))
    sock.connect(PATH)
    sock.settimeout(DEADLINE)
    return sock


def dial_many(count):
    """So many connections; those beyond the server's slots only as far as its backlog has room for them."""
    many = [dial() for _ in range(min(count, SLOTS))]
    while len(many) < count:
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        try:
            sock.connect(PATH)
        except BlockingIOError:
            sock.close()
            break
        many.append(sock)
    return many


def send(sock, data):
    """What the peer takes of it: it may close at any time."""
    try:
        sock.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def receive(sock, size=1 << 16):
    try:
        return sock.recv(size)
    except ConnectionResetError:
        return b""


def read_all(sock):
    """Everything until the server closes."""
    data = b""
    while True:
        more = receive(sock)
        if not more:
            return data
        data += more


def replies(sock, count):
    """The status of each of the next answers, which all have a Content-Length."""
    data, found = b"", []
    while len(found) < count:
        head, mark, rest = data.partition(b"\r\n\r\n")
        if mark:
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            length = int(fields[b"content-length"])
            if len(rest) >= length:
                found.append(int(head.split(b" ")[1]))
                data = rest[length:]
                continue
        more = receive(sock, 1 << 20)
        if not more:
            break
        data += more
    return found


def good():
    """Somebody who behaves, and has to be served whatever the others do. A connection that was closed for want of slots is tried again."""
    while True:
        with dial() as sock:
            send(sock, INFO)
            status = replies(sock, 1)
        if status:
            break
    if status != [200]:
        raise Wrong(f"a good client got {status}")


def is_refused(data):
    """Nothing, or answers of which none is a success."""
    return not data or (data.startswith(b"HTTP/1.1 ") and data[9:10] in b"45" and data[9:12] != b"500")


def refused(what, request):
    """One bad request: refused, whether the client goes on or closes its side."""
    for half in (False, True):
        with dial() as sock:
            send(sock, request)
            if half:
                try:
                    sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            data = read_all(sock)
            if not is_refused(data):
                raise Wrong(f"{what}: {data[:100]}")


def silent():
    held = dial_many(SLOTS * 3)
    if len(held) <= SLOTS:
        raise Wrong("there is no backlog")
    for _ in range(3):
        good()


def unfinished():
    held = dial_many(SLOTS)
    for sock in held:
        send(sock, b"POST /v1/ports HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    good()


def drip():
    """Good requests, a byte of each at a time; then such that have no end, in little pieces."""
    many = dial_many(60)
    for byte in INFO:
        for sock in many:
            send(sock, bytes((byte,)))
    for sock in many:
        if replies(sock, 1) != [200]:
            raise Wrong("a slow client was not answered")
        sock.close()
    many = dial_many(SLOTS)
    poll, left = select.poll(), {}
    for sock in many:
        send(sock, b"GET /v1/info HTTP/1.1\r\nX: ")
        poll.register(sock, select.POLLIN | select.POLLHUP)
        left[sock.fileno()] = sock
    served = 0
    while left:
        for sock in left.values():
            send(sock, b"x" * 50)
        for number, _ in poll.poll(0):
            if not is_refused(read_all(left[number])):
                raise Wrong("an endless head was answered")
            poll.unregister(number)
            left.pop(number).close()
        if served < 3:
            good()
            served += 1


def half_closed():
    with dial() as sock:
        send(sock, INFO)
        sock.shutdown(socket.SHUT_WR)
        if replies(sock, 1) != [200]:
            raise Wrong("one who closed his sending side was not answered")


def malformed():
    for request in (b"GARBAGE\r\n\r\n", b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"GET /v1/info\r\n\r\n", b"GET /v1/info HTTP/9.9\r\nHost: x\r\n\r\n",
                    b"GET /v1/info HTTP/1.1\r\n\r\n", b"GET /v1/info HTTP/1.1\r\nHost x\r\n\r\n", b"GET  /v1/info  HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"\0" * 100 + b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes(range(256)) * 20 + b"\r\n\r\n", b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                    b"GET http://x/../v1/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                    b"GET /v1/ports%2f1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"get /v1/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                    b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"POST /v1/ports HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
        refused(request[:60], request)


def heads():
    refused(b"a long line", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    refused(b"a long header", b"GET /v1/info HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1000000 + b"\r\n\r\n")
    refused(b"many headers", b"GET /v1/info HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(50000)) + b"\r\n")
    refused(b"many lines of one header", b"GET /v1/info HTTP/1.1\r\nHost: x\r\nX: a\r\n" + b" b\r\n" * 50000 + b"\r\n")


def post(headers, body):
    return b"POST /v1/ports HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + b"\r\n" + body


def lengths():
    for length in (b"99999999999", b"18446744073709551615", b"18446744073709551616", b"-1", b"0x10", b"1 2", b"", b"1, 1", b"+5"):
        refused(length, post(b"Content-Length: " + length + b"\r\n", b"{}"))
    refused(b"two lengths", post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}x"))
    refused(b"a length and chunks", post(b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"))
    refused(b"more than was said", b"POST /v1/ports HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" + b"y" * 100000 + b"\r\n\r\n")
    with dial() as sock:
        send(sock, post(b"Content-Length: 100\r\n", b"{}"))
    refused(b"2 MB of blanks", post(b"Content-Length: 2000002\r\n", b" " * 2000000 + b"{}"))


def chunks():
    head = b"Transfer-Encoding: chunked\r\n"
    for body in (b"xyz\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n", b"2\r\n{}x\r\n0\r\n\r\n", b"2" + b"0" * 100000 + b"\r\n", b"0\r\n" + b"X: y\r\n" * 50000 + b"\r\n"):
        refused(b"chunks " + body[:20], post(head, body))
    with dial() as sock:  # a line that the server has no room for: it waits for its end until it has had enough
        send(sock, post(head, b"2;" + b"x" * 100000 + b"\r\n{}\r\n0\r\n\r\n"))
        good()
    refused(b"another encoding", post(b"Transfer-Encoding: gzip\r\n", b"{}"))
    with dial() as sock:  # without an end, until the server has enough
        send(sock, post(head, b""))
        block, sent = b"10000\r\n" + b" " * 65536 + b"\r\n", 0
        try:
            while sent < 1000:
                sock.sendall(block)
                sent += 1
        except (BrokenPipeError, ConnectionResetError):
            pass
        if sent == 1000:
            raise Wrong("64 MB of one body were taken")
        if not is_refused(read_all(sock)):
            raise Wrong("a body without an end was answered")


def bodies():
    """All slots with a body that is almost there."""
    held = dial_many(SLOTS)
    for sock in held:
        send(sock, post(b"Content-Length: 1048576\r\n", b" " * 1048000))
    good()
    for sock in held:
        sock.setblocking(False)
        try:
            data = sock.recv(4096)
        except BlockingIOError:
            continue
        except ConnectionResetError:
            continue
        if not is_refused(data):
            raise Wrong(f"half a body was answered: {data[:100]}")


def documents():
    for body in (b"[" * 1000000, b'{"a":' * 100000, b'"' + b"\\u0000" * 100000 + b'"', b"[" + b"0," * 400000 + b"0]", b"1" * 1000000, b"\xff" * 1000):
        refused(body[:10], post(b"Content-Length: %d\r\n" % len(body), body))


def pipeline():
    with dial() as sock:
        send(sock, INFO * 500)
        if replies(sock, 500) != [200] * 500:
            raise Wrong("500 requests at once")
        for turn in range(100):
            send(sock, INFO * 100)
            if replies(sock, 100) != [200] * 100:
                raise Wrong(f"10,000 requests on one connection: the end came after {turn * 100}")


def deaf():
    """Requests whose answers nobody reads."""
    held = []
    for _ in range(8):
        sock = dial()
        sock.setblocking(False)
        held.append(sock)
        try:
            for _ in range(2000):
                sock.sendall(INFO * 10)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
    for _ in range(3):
        good()


def crowd():
    """Hundreds that all have a request, and some that go at once."""
    for _ in range(500):
        dial().close()
    for _ in range(4):
        many = dial_many(SLOTS)
        for sock in many:
            send(sock, INFO)
        for sock in many:
            if replies(sock, 1) not in ([200], []):
                raise Wrong("one of many was refused")
            sock.close()


def lists():
    """All slots with a long answer that nobody reads."""
    spec = json.dumps([{"proto": "tcp", "parentIP": "127.0.0.1", "childPort": 80}] * 4096).encode()
    with dial() as sock:
        send(sock, post(b"Content-Length: %d\r\n" % len(spec), spec))
        ids = [port["id"] for port in json.loads(read_all(sock).partition(b"\r\n\r\n")[2])]
    held = [dial() for _ in range(SLOTS - 8)]
    status = []
    for sock in held:
        send(sock, b"GET /v1/ports HTTP/1.1\r\nHost: x\r\n\r\n")
        status.append(receive(sock, 12)[9:])
    if not set(status) <= {b"200", b"503", b""} or status[0] != b"200":  # who does not read for long enough is disconnected
        raise Wrong(f"long answers: {sorted(set(status))}")
    while held:
        held.pop().close()
    with dial() as sock:
        for at in range(0, len(ids), 64):
            some = ids[at:at + 64]
            send(sock, b"".join(b"DELETE /v1/ports/%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in some))
            if replies(sock, len(some)) != [200] * len(some):
                raise Wrong("a port was not removed")


def descriptors():
    """Who sends descriptors along."""
    null = os.open("/dev/null", os.O_RDONLY)
    with dial() as sock:
        for _ in range(50):
            sock.sendmsg([INFO], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * 100))])
        if 200 not in replies(sock, 1):
            raise Wrong("descriptors that nobody asked for")
    os.close(null)


def watchers():
    """Watchers that do not read, while things happen, and such that send on and on."""
    held = [dial() for _ in range(32)]
    for sock in held:
        send(sock, b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        receive(sock, 12)
    for sock in held[:8]:
        sock.setblocking(False)
        try:
            for _ in range(100):
                sock.sendall(b"x" * 65536)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
    spec = json.dumps([{"proto": "tcp", "parentIP": "127.0.0.1", "childPort": 80}] * 300).encode()
    for _ in range(5):
        with dial() as sock:
            send(sock, post(b"Content-Length: %d\r\n" % len(spec), spec))
            ids = [port["id"] for port in json.loads(read_all(sock).partition(b"\r\n\r\n")[2])]
        with dial() as sock:
            for number in ids:
                send(sock, b"DELETE /v1/ports/%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
                if replies(sock, 1) != [200]:
                    raise Wrong("a port was not removed")
    good()


def descriptors_of_server():
    return len(os.listdir(f"/proc/{PID}/fd"))


KINDS = {function.__name__: function for function in (silent, unfinished, drip, half_closed, malformed, heads, lengths, chunks, bodies, documents,
                                                      pipeline, deaf, crowd, lists, descriptors, watchers)}
good()
before = descriptors_of_server()
for kind in sys.argv[3:] or KINDS:
    try:
        KINDS[kind]()
        good()
        print(f"{kind} ok", flush=True)
    except (Wrong, OSError, ValueError, LookupError) as problem:
        print(f"{kind}: {problem!r}", flush=True)
for _ in range(5000):  # until the server has seen the last of them go
    if descriptors_of_server() <= before:
        print("no descriptors are left")
        break
    good()
else:
    print(f"{descriptors_of_server() - before} descriptors are left")
