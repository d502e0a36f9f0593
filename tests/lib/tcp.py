#!/usr/bin/python3
"""TCP as programs use it, for the tests of outbound connections.

    tcp.py many COUNT SIZE ADDRESS PORT        COUNT connections to an echo server at once, SIZE bytes through each; prints how many came back whole
    tcp.py hold COUNT ADDRESS PORT             the same with one byte; says "held N"; each line of input is sent through all of them; ends with input
    tcp.py reset ADDRESS PORT                  a server that resets (see serve-reset): what the client gets
    tcp.py serve-reset ADDRESS PORT            accept, read one byte, reset; says ready
    tcp.py serve-echo ADDRESS PORT             an echo server for thousands of connections; says ready
    tcp.py abort ADDRESS PORT                  connect, send one byte, reset
    tcp.py serve-abort ADDRESS PORT            accept, read one byte; prints what comes after it; says ready first
    tcp.py attempts ADDRESS... PORT            connect to all at once; says which connections stood within 1.5 seconds
    tcp.py same-port ADDRESS... PORT           connections from one and the same port to all addresses; prints what an HTTP server at each says
    tcp.py flood COUNT ADDRESS                 COUNT SYNs from forged ports, by a raw socket, then a normal connection each to the rest of the words (ADDRESS:PORT)
    tcp.py junk COUNT ADDRESS                  COUNT TCP packets of random bytes, with SYN flags, by a raw socket

Whatever waits has a deadline of 20 seconds.
"""
import errno
import os
import random
import resource
import select
import socket
import struct
import sys
import threading
import time

DEADLINE = 20


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connected(address, port, source=None):
    sock = socket.socket(family(address))
    sock.settimeout(DEADLINE)
    if source:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", source))
    sock.connect((address, int(port)))
    return sock


def many(count, size, address, port):
    good = []

    def one():
        data = os.urandom(int(size))
        with connected(address, port) as sock:
            sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
            sender.start()
            back = b""
            while more := sock.recv(1 << 16):
                back += more
            sender.join()
        if back == data:
            good.append(1)

    threads = [threading.Thread(target=one) for _ in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(good))


def hold(count, address, port):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    socks = [connected(address, port) for _ in range(int(count))]
    whole = b"x"
    while True:
        for sock in socks:
            sock.sendall(whole)
        good = 0
        for sock in socks:
            try:
                good += sock.recv(1 << 16) == whole
            except OSError as error:
                print(errno.errorcode[error.errno], flush=True)
                return
        print(f"held {good}", flush=True)
        whole = sys.stdin.readline().encode()
        if not whole:
            return


def linger(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def listener(address, port):
    sock = socket.socket(family(address))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, int(port)))
    sock.listen()
    print("ready", flush=True)
    return sock


def outcome(sock):
    try:
        return repr(sock.recv(1))
    except OSError as error:
        return errno.errorcode.get(error.errno, repr(error))


def reset(address, port):
    try:
        with connected(address, port) as sock:
            sock.sendall(b"x")
            print(outcome(sock))
    except ConnectionResetError:  # so soon
        print("ECONNRESET")


def serve(address, port, handler):
    accepting = listener(address, port)
    while True:
        ready, _, _ = select.select([accepting, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        sock, _ = accepting.accept()
        sock.settimeout(DEADLINE)
        with sock:
            sock.recv(1)
            handler(sock)


def serve_echo(address, port):
    """For thousands: one thread, no buffers (what comes in is a few bytes)."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    accepting, poll, socks = listener(address, port), select.epoll(), {}
    accepting.listen(4096)
    for sock in (accepting, sys.stdin):
        poll.register(sock, select.EPOLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == sys.stdin.fileno():
                return
            if fd == accepting.fileno():
                sock, _ = accepting.accept()
                socks[sock.fileno()] = sock
                poll.register(sock, select.EPOLLIN)
            elif data := socks[fd].recv(4096):
                socks[fd].sendall(data)
            else:
                poll.unregister(fd)
                socks.pop(fd).close()


def serve_reset(address, port):
    serve(address, port, linger)


def serve_abort(address, port):
    serve(address, port, lambda sock: print(outcome(sock), flush=True))


def abort(address, port):
    with connected(address, port) as sock:
        sock.sendall(b"x")
        linger(sock)


def attempts(*words):
    """Several connections to different addresses at once, for one and a half seconds: those that stood."""
    poll, socks = select.poll(), {}
    for address in words[:-1]:
        sock = socket.socket(family(address))
        sock.setblocking(False)
        if sock.connect_ex((address, int(words[-1]))) in (0, errno.EINPROGRESS):
            socks[sock.fileno()] = (sock, address)
            poll.register(sock, select.POLLOUT)
    end = time.monotonic() + 1.5
    while socks and (left := end - time.monotonic()) > 0:
        for fd, _ in poll.poll(left * 1000):
            poll.unregister(fd)
            sock, address = socks.pop(fd)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not error:
                print(f"{address} connected")
    print("tried")


def same_port(*words):
    port, source, socks = words[-1], random.randrange(20000, 30000), []
    for address in words[:-1]:
        socks.append(connected(address, port, source))
    for address, sock in zip(words, socks):
        sock.sendall(b"GET /client HTTP/1.0\r\n\r\n")
        reply = b""
        while more := sock.recv(1 << 16):
            reply += more
        print(address, sock.getsockname()[1] == source, reply.split(b"\r\n")[0].decode())


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp_packet(source, target, sport, dport, flags=2, options=b""):
    head = struct.pack(">HHIIBBHHH", sport, dport, random.getrandbits(32), 0, (5 + len(options) // 4) << 4, flags, 65535, 0, 0) + options
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack(">BBH", 0, 6, len(head))
    head = head[:16] + struct.pack(">H", checksum(pseudo + head)) + head[18:]
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(head), 0, 0, 64, 6, 0, socket.inet_aton(source), socket.inet_aton(target)) + head


def own_address(target):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((target, 9))
        return sock.getsockname()[0]


def raw(packets, target):
    """A packet that somebody holds fills its socket's buffer: then the next socket goes on."""
    socks = []
    for packet in packets:
        try:
            if not socks:
                raise BlockingIOError
            socks[-1].sendto(packet, socket.MSG_DONTWAIT, (target, 0))
        except BlockingIOError:
            socks.append(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
        except OSError:
            pass  # the kernel looks at it, too


def flood(count, target, *words):
    source = own_address(target)
    raw((tcp_packet(source, target, 1024 + n % 60000, 1 + n // 60000) for n in range(int(count))), target)
    for word in words:
        address, port = word.rsplit(":", 1)
        with connected(address, port) as sock:
            sock.sendall(b"alive")
            sock.shutdown(socket.SHUT_WR)
            print(sock.recv(10).decode())


def junk(count, target):
    source, rng = own_address(target), random.Random(1)

    def packets():
        for _ in range(int(count)):
            good = tcp_packet(source, target, rng.randrange(65536), rng.randrange(65536), rng.choice((2, 2, 2, 0xC2, 3, 6)),
                              rng.randbytes(4 * rng.randrange(11)))
            bad = bytearray(good)
            for _ in range(rng.randrange(4)):
                bad[rng.randrange(20, len(bad))] = rng.randrange(256)
            yield bytes(bad) + rng.randbytes(rng.choice((0, 0, 1, 100, 1000)))

    raw(packets(), target)


COMMANDS = {"many": many, "hold": hold, "reset": reset, "serve-reset": serve_reset, "abort": abort, "serve-abort": serve_abort, "serve-echo": serve_echo,
            "same-port": same_port, "attempts": attempts, "flood": flood, "junk": junk}
try:
    COMMANDS[sys.argv[1]](*sys.argv[2:])
except (OSError, ValueError, LookupError, TypeError) as problem:
    sys.exit(f"tcp.py {' '.join(sys.argv[1:])}: {problem!r}")
