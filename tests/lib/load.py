#!/usr/bin/python3
"""Many connections at once, for the tests of load; more than servers.py and client.py are made for.

    load.py serve ADDRESS PORT          echo over TCP and UDP, any number of clients; "ready"; until standard input ends
    load.py tcp ADDRESS PORT COUNT      open COUNT connections, say "open COUNT"; then, for each line of input: a few bytes there
                                        and back on each of them, and "echoed COUNT"
    load.py udp ADDRESS PORT COUNT      the same with sockets of their own ports; a datagram that is lost is sent again
    load.py steady ADDRESS PORT         one connection; for each line of input: 64 exchanges of 8 KiB each, then "moved"

What cannot be done within 60 seconds ($LOAD_DEADLINE) is an error: a message, and exit status 1.
"""
import os
import select
import socket
import sys
import time

DEADLINE = float(os.environ.get("LOAD_DEADLINE", 60))
AT_ONCE = 256


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(address, port):
    poll, clients = select.epoll(), {}
    listener = socket.socket(family(address), socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    datagrams = socket.socket(family(address), socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    for sock in (listener, datagrams):
        sock.bind((address, int(port)))
        sock.setblocking(False)
        poll.register(sock, select.EPOLLIN)
    listener.listen(4096)
    poll.register(0, select.EPOLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in poll.poll():
            try:
                if fd == 0:
                    if not os.read(0, 4096):
                        return
                elif fd == listener.fileno():
                    conn, _ = listener.accept()
                    conn.setblocking(True)
                    clients[conn.fileno()] = conn
                    poll.register(conn, select.EPOLLIN)
                elif fd == datagrams.fileno():
                    while True:
                        data, peer = datagrams.recvfrom(65536)
                        datagrams.sendto(data, peer)
                else:
                    data = clients[fd].recv(65536)
                    if data:
                        clients[fd].sendall(data)
                    else:
                        clients.pop(fd).close()
            except BlockingIOError:
                pass
            except OSError:
                if fd in clients:
                    clients.pop(fd).close()


def wait(poll, what, end):
    left = end - time.monotonic()
    ready = poll.poll(max(left, 0))
    if not ready and left <= 0:
        sys.exit(f"load.py: {what} within {DEADLINE} s")
    return ready


def open_all(address, port, count, kind):
    """count connected sockets, at most AT_ONCE of them on their way at a time."""
    poll, going, done, end = select.epoll(), {}, [], time.monotonic() + DEADLINE
    left = count
    while left or going:
        while left and len(going) < AT_ONCE:
            sock = socket.socket(family(address), kind)
            sock.setblocking(False)
            left -= 1
            if sock.connect_ex((address, int(port))) == 0:
                done.append(sock)
                continue
            going[sock.fileno()] = sock
            poll.register(sock, select.EPOLLOUT)
        if not going:
            continue
        for fd, _ in wait(poll, f"only {len(done)} of {count} connected", end):
            sock = going.pop(fd)
            poll.unregister(fd)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                sys.exit(f"load.py: connection {len(done)}: {os.strerror(error)}")
            done.append(sock)
    return done


def echo_all(socks, again):
    """Something of its own on each there and back; again: seconds after which it is sent once more, or None."""
    poll, end = select.epoll(), time.monotonic() + DEADLINE
    left, todo = {}, list(enumerate(socks))
    todo.reverse()
    late = time.monotonic()
    while left or todo:
        while todo and len(left) < AT_ONCE:
            number, sock = todo.pop()
            word = b"number %d" % number
            sock.send(word)
            left[sock.fileno()] = (sock, word)
            poll.register(sock, select.EPOLLIN)
            late = time.monotonic()
        if again and time.monotonic() - late > again:
            for sock, word in left.values():
                sock.send(word)
            late = time.monotonic()
        left_s = min(end, late + again) - time.monotonic() if again else end - time.monotonic()
        ready = poll.poll(max(left_s, 0))
        if not ready and time.monotonic() > end:
            sys.exit(f"load.py: {len(left) + len(todo)} of {len(socks)} have no echo within {DEADLINE} s")
        for fd, _ in ready:
            sock, word = left[fd]
            if sock.recv(100) != word:
                sys.exit(f"load.py: the echo of {word} is something else")
            poll.unregister(fd)
            del left[fd]


def many(address, port, count, kind):
    socks = open_all(address, port, int(count), kind)
    print(f"open {len(socks)}", flush=True)
    for _ in sys.stdin:
        echo_all(socks, 1 if kind == socket.SOCK_DGRAM else None)
        print(f"echoed {len(socks)}", flush=True)


def steady(address, port):
    sock = socket.create_connection((address, int(port)), DEADLINE)
    print("open 1", flush=True)
    for _ in sys.stdin:
        for number in range(64):
            block = bytes((number,)) * 8192
            sock.sendall(block)
            got = b""
            while len(got) < len(block):
                more = sock.recv(65536)
                if not more:
                    sys.exit("load.py: the connection has ended")
                got += more
            if got != block:
                sys.exit("load.py: other bytes came back")
        print("moved", flush=True)


COMMANDS = {"serve": serve, "steady": steady,
            "tcp": lambda *words: many(*words, socket.SOCK_STREAM), "udp": lambda *words: many(*words, socket.SOCK_DGRAM)}
try:
    COMMANDS[sys.argv[1]](*sys.argv[2:])
except (OSError, ValueError, LookupError, TypeError) as problem:
    sys.exit(f"load.py {' '.join(sys.argv[1:])}: {problem!r}")
