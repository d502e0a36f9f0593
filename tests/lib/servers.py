#!/usr/bin/python3
"""Small servers for the tests: HTTP, DNS and echo, in one process that says when it is ready.

    servers.py [--hello TEXT] [--hold] KIND:ADDRESS:PORT...

KIND is http, dns, echo (echo and dns serve TCP and UDP) or peer (UDP: answers with the client's address and port, as seen
here); an IPv6 address stands in brackets, * is every address of both versions by one socket. Everything is bound before
the word "ready" is printed; it serves until standard input ends. With --hold the word "started" comes first, and nothing
is bound until a line comes in: time for somebody else to give this process's network namespace its interface.
Something cannot be bound: a message, and exit status 1.

HTTP (one request a connection):
    GET /            TEXT ("hello from outside" unless told otherwise)
    GET /client      the client's address and port, as seen here
    GET /bytes/N     N bytes of a fixed pattern        GET /sha256/N    their SHA-256
    GET /stall       the first half of an answer; the rest comes only when the client closes its side
    POST or PUT      "SHA-256 LENGTH" of what was sent
DNS:
    web.test         A 203.0.113.80, AAAA 2001:db8::80
    big.test         A, 100 addresses: cut short over UDP, whole over TCP, or where the query has room for it (EDNS)
    who.test         A, the address that this server is bound to; 0.0.0.6 when that is an IPv6 address
    any other name   NXDOMAIN
"""
import hashlib
import os
import socket
import struct
import sys
import threading

ADDRESSES = {
    ("web.test", 1): [socket.inet_pton(socket.AF_INET, "203.0.113.80")],
    ("web.test", 28): [socket.inet_pton(socket.AF_INET6, "2001:db8::80")],
    ("big.test", 1): [bytes((203, 0, 113, i + 1)) for i in range(100)],
}
BLOCK = bytes((i * i >> 4 ^ i >> 8) & 255 for i in range(1 << 16))
hello = "hello from outside"


def pattern(count):
    """The pattern's first count bytes, a block at a time; each block begins with its number, so that none passes for another."""
    for number in range((count + len(BLOCK) - 1) // len(BLOCK)):
        yield (struct.pack(">Q", number) + BLOCK[8:])[:count - number * len(BLOCK)]


def http_body(request):
    """The body's length that the head of a request announces."""
    for line in request.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def http(conn, peer):
    """One request, one answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(65536)
        if not more:
            return
        data += more
    head, _, data = data.partition(b"\r\n\r\n")
    method, path = head.split(b" ")[:2]
    length = None
    if method in (b"POST", b"PUT"):
        if b"100-continue" in head.lower():
            conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        digest, left = hashlib.sha256(), http_body(head)
        want = left
        while True:
            digest.update(data)
            left -= len(data)
            if left <= 0:
                break
            data = conn.recv(1 << 18)
            if not data:
                break
        parts = [f"{digest.hexdigest()} {want - left}\n".encode()]
    elif path.startswith(b"/bytes/"):
        length = int(path[7:])
        parts = pattern(length)
    elif path.startswith(b"/sha256/"):
        digest = hashlib.sha256()
        for part in pattern(int(path[8:])):
            digest.update(part)
        parts = [digest.hexdigest().encode() + b"\n"]
    elif path == b"/client":
        parts = [f"{peer[0].removeprefix('::ffff:')} {peer[1]}\n".encode()]
    elif path == b"/stall":
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        conn.recv(1)
        return
    elif path == b"/":
        parts = [hello.encode() + b"\n"]
    else:
        conn.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return
    if length is None:
        length = sum(map(len, parts))
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % length)
    if method != b"HEAD":
        for part in parts:
            conn.sendall(part)


def echo(conn, _peer):
    """What comes in goes out, until the client ends its side."""
    while True:
        data = conn.recv(1 << 18)
        if not data:
            return
        conn.sendall(data)


def dns_answer(query, limit, bound):
    """The answer to one query (RFC 1035) of a server at this address, cut to its head and the TC bit when it is longer than the limit."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii").lower())
        at += query[at] + 1
    kind = struct.unpack_from(">H", query, at + 1)[0]
    question = query[12:at + 5]
    name = ".".join(labels)
    if name == "who.test":
        records = [socket.inet_aton("0.0.0.6" if ":" in bound else bound)] if kind == 1 else []
    else:
        records = ADDRESSES.get((name, kind), [])
    known = name == "who.test" or any(name == other for other, _ in ADDRESSES)
    answers = b"".join(struct.pack(">HHHIH", 0xC00C, kind, 1, 60, len(data)) + data for data in records)
    if query[11] and limit == 512:
        limit = struct.unpack_from(">H", query, at + 8)[0]
    flags = 0x8180 if known else 0x8183
    count = len(records)
    if 12 + len(question) + len(answers) > limit:
        flags, count, answers = flags | 0x0200, 0, b""
    return query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) + question + answers


def exactly(conn, count):
    """count bytes, or fewer when the peer ends first."""
    data = b""
    while len(data) < count:
        more = conn.recv(count - len(data))
        if not more:
            break
        data += more
    return data


def dns(conn, _peer):
    """Queries over TCP, each with its length before it."""
    while True:
        head = exactly(conn, 2)
        if len(head) < 2:
            return
        reply = dns_answer(exactly(conn, struct.unpack(">H", head)[0]), 65535, conn.getsockname()[0])
        conn.sendall(struct.pack(">H", len(reply)) + reply)


def one(conn, peer, handler):
    """One connection in a thread of its own; a client that goes away is no news."""
    with conn:
        try:
            handler(conn, peer)
        except (OSError, ValueError, IndexError, struct.error):
            pass


def accept(listener, handler):
    """Every connection in its own thread."""
    while True:
        conn, peer = listener.accept()
        threading.Thread(target=one, args=(conn, peer, handler), daemon=True).start()


def datagrams(sock, handler):
    """One answer a datagram, to whoever sent it."""
    while True:
        data, peer = sock.recvfrom(65536)
        try:
            sock.sendto(handler(data, peer), peer)
        except (OSError, ValueError, IndexError, struct.error):
            pass


def bind(kind, address, port, family):
    """A bound socket that serves its own family only, unless the address is *."""
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # UDP: so that `client.py from` can send from this port
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "*")
    sock.bind((address.replace("*", "::"), port))
    if kind == socket.SOCK_STREAM:
        sock.listen(256)
    return sock


def start(spec):
    """The sockets and their threads' functions for one KIND:ADDRESS:PORT."""
    kind, _, rest = spec.partition(":")
    address, _, port = rest.rpartition(":")
    family = socket.AF_INET6 if address.startswith(("[", "*")) else socket.AF_INET
    address = address.strip("[]")
    port = int(port)
    if kind == "peer":
        return [(datagrams, bind(socket.SOCK_DGRAM, address, port, family), lambda _data, peer: f"{peer[0].removeprefix('::ffff:')} {peer[1]}".encode())]
    handler = {"http": http, "echo": echo, "dns": dns}[kind]
    work = [(accept, bind(socket.SOCK_STREAM, address, port, family), handler)]
    if kind == "dns":
        work.append((datagrams, bind(socket.SOCK_DGRAM, address, port, family), lambda query, _peer: dns_answer(query, 512, address)))
    if kind == "echo":
        work.append((datagrams, bind(socket.SOCK_DGRAM, address, port, family), lambda data, _peer: data))
    return work


def main(args):
    """Bind everything, say so, serve until killed."""
    global hello
    while args and args[0].startswith("--"):
        option = args.pop(0)
        if option == "--hello":
            hello = args.pop(0)
        elif option == "--hold":
            print("started", flush=True)
            sys.stdin.readline()
        else:
            sys.exit(f"servers.py: unknown option '{option}'")
    try:
        work = [item for spec in args for item in start(spec)]
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"servers.py: cannot serve {' '.join(args)}: {error!r}")
    for function, sock, handler in work:
        threading.Thread(target=function, args=(sock, handler), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


main(sys.argv[1:])
