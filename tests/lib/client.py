#!/usr/bin/python3
"""Small clients for the tests; the counterpart of servers.py.

    client.py connect ADDRESS PORT           what connect() says: "connected", or the error's name (ECONNREFUSED...)
    client.py reset ADDRESS PORT             connect and wait, without a word: "ECONNRESET", "end" or what came; or ECONNREFUSED
    client.py tcp ADDRESS PORT [TEXT]        send TEXT, end that side, print what comes back
    client.py udp ADDRESS PORT [TEXT]        send TEXT, print the answer
    client.py from SOURCE_PORT ADDRESS PORT [TEXT]  the same from this port, which may be a server's that set SO_REUSEADDR
    client.py each TEXT PROTO,ADDRESS,PORT... the same for each of these, tcp or udp, one after the other; a line for each
    client.py dns SERVER NAME [A|AAAA] [tcp] the addresses, sorted, one a line; or NXDOMAIN, or TRUNCATED
    client.py dns SERVER NAME [A|AAAA] edns  the same over UDP, with room for an answer of 4096 bytes (RFC 6891)
    client.py asks SERVER NAME COUNT [tcp]   so many queries, 64 on their way at a time, lost ones again: "COUNT answers"
    client.py ra INTERFACE                   ask for a router advertisement; its options, one a line
    client.py unix PATH [TEXT]               like tcp; with TEXT "-", what comes in on standard input; with "--", nothing, and the side stays open
    client.py json EXPRESSION                standard input as `d`; prints the value of a Python expression
    client.py gone PID...                    wait until all of these processes are gone
    client.py whom PROTO/ADDRESS/PORT...     whom a server sees (servers.py's http by TCP, its peer by UDP), a line for each: the address, or an
                                             error's name, or "nothing"
    client.py takes PORT...                  bind these UDP ports on 0.0.0.0, without SO_REUSEADDR; those that can be had
    client.py listen PORT...                 bind these TCP ports on 0.0.0.0; say ready; hold them until standard input ends

Whatever waits has a deadline of 20 seconds ($CLIENT_DEADLINE), which is an error (status 1), and not part of what is tested.
"""
import errno
import json
import os
import random
import select
import socket
import struct
import sys

DEADLINE = int(os.environ.get("CLIENT_DEADLINE", 20))


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def exchange(sock, text):
    """Send, end that side, return everything that comes until the peer ends too."""
    if text != b"--":
        if text:
            sock.sendall(text)
        sock.shutdown(socket.SHUT_WR)
    data = b""
    while True:
        more = sock.recv(1 << 16)
        if not more:
            return data
        data += more


def show(data):
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def connect(address, port):
    sock = socket.socket(family(address), socket.SOCK_STREAM)
    sock.settimeout(DEADLINE)
    try:
        sock.connect((address, int(port)))
    except TimeoutError:
        print("timeout")
    except OSError as error:
        print(errno.errorcode[error.errno])
    else:
        print("connected")


def reset(address, port):
    try:
        with socket.create_connection((address, int(port)), DEADLINE) as sock:
            data = sock.recv(65536)
            print(data.decode() if data else "end")
    except ConnectionError as error:
        print(errno.errorcode[error.errno])


def tcp(address, port, text=""):
    with socket.create_connection((address, int(port)), DEADLINE) as sock:
        show(exchange(sock, text.encode()))


def udp_from(source, address, port, text="hello"):
    udp(address, port, text, int(source))


def udp(address, port, text="hello", source=0):
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    sock.settimeout(DEADLINE)
    if source:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", source))
    sock.connect((address, int(port)))
    sock.send(text.encode())
    show(sock.recv(65536))


def each(text, *words):
    for word in words:
        proto, address, port = word.split(",")
        {"tcp": tcp, "udp": udp}[proto](address, port, text)
        print(flush=True)


def dns(server, name, kind="A", how="udp"):
    number = {"A": 1, "AAAA": 28}[kind]
    ident = random.randrange(65536)
    query = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0)
    query += b"".join(bytes((len(part),)) + part.encode() for part in name.split(".")) + b"\0" + struct.pack(">HH", number, 1)
    end = len(query)
    if how == "edns":
        query = query[:11] + b"\1" + query[12:] + b"\0" + struct.pack(">HHIH", 41, 4096, 0, 0)
    sock = socket.socket(family(server), socket.SOCK_STREAM if how == "tcp" else socket.SOCK_DGRAM)
    sock.settimeout(DEADLINE)
    sock.connect((server, 53))
    if how == "tcp":
        sock.sendall(struct.pack(">H", len(query)) + query)
        reply = exchange(sock, b"")[2:]
    else:
        sock.send(query)
        reply = sock.recv(65536)
    got, flags, _, count = struct.unpack_from(">HHHH", reply)
    if got != ident:
        sys.exit("the answer is for another query")
    if flags & 0x0200:
        print("TRUNCATED")
        return
    if flags & 15:
        print({2: "SERVFAIL", 3: "NXDOMAIN"}.get(flags & 15, flags & 15))
        return
    at, found = end, []
    for _ in range(count):
        size = struct.unpack_from(">H", reply, at + 10)[0]
        data = reply[at + 12:at + 12 + size]
        found.append(socket.inet_ntop(socket.AF_INET if kind == "A" else socket.AF_INET6, data))
        at += 12 + size
    print("\n".join(sorted(found)))


def asks(server, name, count, how="udp"):
    count = int(count)
    question = b"".join(bytes((len(part),)) + part.encode() for part in name.split(".")) + b"\0" + struct.pack(">HH", 1, 1)

    def query(number):
        return struct.pack(">HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + question

    if how == "tcp":  # each on a connection of its own
        for number in range(count):
            with socket.create_connection((server, 53), DEADLINE) as sock:
                sock.sendall(struct.pack(">H", len(question) + 12) + query(number))
                if exchange(sock, b"")[2:4] != struct.pack(">H", number & 0xFFFF):
                    sys.exit("no answer")
        print(f"{count} answers")
        return
    left, going = list(range(count)), {}
    sock = socket.socket(family(server), socket.SOCK_DGRAM)
    sock.connect((server, 53))
    while left or going:
        while left and len(going) < 64:
            number = left.pop()
            going[number & 0xFFFF] = number
            sock.send(query(number))
        if not select.select([sock], [], [], 1)[0]:
            for number in going.values():
                sock.send(query(number))
            continue
        going.pop(struct.unpack_from(">H", sock.recv(65536))[0], None)
    print(f"{count} answers")


def ra(interface):
    index = socket.if_nametoindex(interface)
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    sock.settimeout(DEADLINE)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    sock.sendto(struct.pack(">BBHI", 133, 0, 0, 0), ("ff02::2", 0, 0, index))
    data = b""
    while data[:1] != b"\x86":
        data = sock.recv(65536)
    print(f"lifetime {struct.unpack_from('>H', data, 6)[0]}")
    at = 16
    while at < len(data):
        kind, size = data[at], data[at + 1] * 8
        if kind == 3:
            print(f"prefix {socket.inet_ntop(socket.AF_INET6, data[at + 16:at + 32])}/{data[at + 2]}")
        elif kind == 5:
            print(f"mtu {struct.unpack_from('>I', data, at + 4)[0]}")
        elif kind == 25:
            print(f"rdnss {socket.inet_ntop(socket.AF_INET6, data[at + 8:at + 24])}")
        at += size


def unix(path, text=""):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(DEADLINE)
    sock.connect(path)
    show(exchange(sock, sys.stdin.buffer.read() if text == "-" else text.encode()))


def evaluate(expression):
    value = eval(expression, {"d": json.load(sys.stdin), "json": json})  # the tests' own expressions
    print(value if isinstance(value, str) else json.dumps(value))


def gone(*pids):
    poll, fds = select.poll(), {}
    for pid in pids:
        try:
            fd = os.pidfd_open(int(pid))
        except ProcessLookupError:
            continue
        fds[fd] = pid
        poll.register(fd, select.POLLIN)
    while fds:
        ready = poll.poll(DEADLINE * 1000)
        if not ready:
            sys.exit(f"still there: {' '.join(fds.values())}")
        for fd, _ in ready:
            poll.unregister(fd)
            del fds[fd]


def listen(*ports):
    held = []
    for port in ports:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", int(port)))
        sock.listen()
        held.append(sock)
    print("ready", flush=True)
    sys.stdin.read()


def whom(*servers):
    for server in servers:
        proto, address, port = server.split("/")
        sock = socket.socket(family(address), socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
        sock.settimeout(DEADLINE)
        try:
            sock.connect((address, int(port)))
            sock.sendall(b"GET /client HTTP/1.0\r\n\r\n")
            answer = b""
            while proto == "tcp" or not answer:
                more = sock.recv(65536)
                if not more:
                    break
                answer += more
        except OSError as error:
            print(server, errno.errorcode.get(error.errno, "nothing"))
        else:
            print(server, answer.decode().rpartition("\r\n")[2].split(" ")[0] or "nothing")
        sock.close()


def takes(*ports):
    had = []
    for port in ports:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind(("0.0.0.0", int(port)))
        except OSError:
            continue
        had.append(port)
    print(" ".join(had))


COMMANDS = {"connect": connect, "reset": reset, "tcp": tcp, "udp": udp, "from": udp_from, "each": each, "dns": dns, "asks": asks, "ra": ra, "unix": unix, "json": evaluate, "gone": gone, "listen": listen, "takes": takes, "whom": whom}
try:
    COMMANDS[sys.argv[1]](*sys.argv[2:])
except (OSError, struct.error, ValueError, LookupError, TypeError) as problem:
    sys.exit(f"client.py {' '.join(sys.argv[1:])}: {problem!r}")
