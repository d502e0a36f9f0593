#!/usr/bin/python3
"""What a guest with CAP_NET_RAW can do to the link, for the tests: frames of every bad kind, by a packet socket on the interface.

    hostile.py INTERFACE KIND COUNT [SEED]

KIND    garbage     frames of random bytes and lengths, with the types of IPv4, IPv6, ARP and others
        mutated     good frames (TCP, UDP, ICMP, NDP, ARP, DHCP, fragments) with some bytes changed, cut, or made longer
        fragments   pieces of datagrams that never become whole
        spoofed     TCP segments out of nowhere, from addresses that are nobody's: each asks for an answer
        syn         SYNs to addresses that do not answer (198.51.100.99)
        syn6        the same over IPv6 (2001:db8:dead::99)
        arp, ndp    requests for the gateway
        ports       UDP from COUNT different ports, to as many
        ping        echo requests to an address that does not answer
        poison      ARP and NDP that say that the guest is elsewhere

It says "sent COUNT" in the end. Frames that the interface's queue has no room for are sent again: none is left out.
"""
import fcntl
import os
import random
import select
import socket
import struct
import sys

GATEWAY = bytes.fromhex("52550a000202")
ROUTER6 = bytes.fromhex("525600000002")
GUEST, HOST, WORLD, DEAD = (socket.inet_aton(text) for text in ("10.0.2.100", "10.0.2.2", "203.0.113.80", "198.51.100.99"))
GUEST6, HOST6, WORLD6, DEAD6 = (socket.inet_pton(socket.AF_INET6, text) for text in ("fd00::100", "fd00::2", "2001:db8::80", "2001:db8:dead::99"))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(source, target, protocol, data, ident=0, fragment=0):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(data), ident, fragment, 64, protocol, 0, source, target)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + data


def ip6(source, target, protocol, data, hops=64):
    return struct.pack(">IHBB16s16s", 0x60000000, len(data), protocol, hops, source, target) + data


def summed(source, target, protocol, data, at):
    pseudo = source + target + (struct.pack(">BBH", 0, protocol, len(data)) if len(source) == 4 else struct.pack(">II", len(data), protocol))
    return data[:at] + struct.pack(">H", checksum(pseudo + data)) + data[at + 2:]


def tcp(source, target, sport, dport, seq, flags, data=b"", ack=0):
    return summed(source, target, 6, struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 65535, 0, 0) + data, 16)


def udp(source, target, sport, dport, data):
    return summed(source, target, 17, struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data, 6)


def echo(source, target, ident, number, data):
    if len(source) == 16:
        return summed(source, target, 58, struct.pack(">BBHHH", 128, 0, 0, ident, number) + data, 2)
    head = struct.pack(">BBHHH", 8, 0, 0, ident, number) + data
    return head[:2] + struct.pack(">H", checksum(head)) + head[4:]


def arp(op, mac, source, target):
    return struct.pack(">HHBBH6s4s6s4s", 1, 0x0800, 6, 4, op, mac, source, bytes(6), target)


def solicit(mac, source, target):
    group = bytes.fromhex("ff0200000000000000000001ff") + target[13:]
    return ip6(source, group, 58, summed(source, group, 58, struct.pack(">BBHI16sBB6s", 135, 0, 0, 0, target, 1, 1, mac), 2), 255)


def advert(mac, source):
    return ip6(source, HOST6, 58, summed(source, HOST6, 58, struct.pack(">BBHI16sBB6s", 136, 0, 0, 0x60000000, source, 2, 1, mac), 2), 255)


class Link:
    def __init__(self, name):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.bind((name, 0))
        self.mac = self.sock.getsockname()[4]
        request = fcntl.ioctl(self.sock, 0x8921, struct.pack("16sI12x", name.encode(), 0))  # SIOCGIFMTU
        self.mtu = struct.unpack_from("I", request, 16)[0]
        self.poll = select.poll()
        self.poll.register(self.sock, select.POLLOUT)

    def send(self, frame):
        while True:
            try:
                self.sock.send(frame)
                return
            except BlockingIOError:
                self.poll.poll()
            except OSError as error:
                if error.errno != 105:  # ENOBUFS: the queue is full
                    raise
                os.sched_yield()

    def ip(self, packet, mac=None):
        six = packet[0] >> 4 == 6
        self.send((ROUTER6 if six else GATEWAY) + (mac or self.mac) + (b"\x86\xdd" if six else b"\x08\0") + packet)

    def arp(self, packet, mac=None):
        self.send(b"\xff" * 6 + (mac or self.mac) + b"\x08\x06" + packet)


def garbage(link, count, rand):
    types = (b"\x08\0", b"\x86\xdd", b"\x08\x06", b"\x88\xf8", b"\x81\0")
    for _ in range(count):
        size = rand.choice((0, 1, 13, 20, 40, 60, 200, link.mtu))
        first = rand.choice((b"", b"\x45", b"\x60", b"\x4f"))
        link.send((GATEWAY + link.mac + rand.choice(types) + first + rand.randbytes(size))[:link.mtu + 14])


def mutated(link, count, rand):
    mac = link.mac
    good = [
        ip4(GUEST, WORLD, 6, tcp(GUEST, WORLD, 40000, 80, 1, 2)),
        ip4(GUEST, WORLD, 6, tcp(GUEST, WORLD, 40000, 80, 2, 16, b"data", 3)),
        ip4(GUEST, HOST, 6, tcp(GUEST, HOST, 40001, 80, 1, 2)),
        ip4(GUEST, WORLD, 17, udp(GUEST, WORLD, 40002, 7, b"hello")),
        ip4(GUEST, socket.inet_aton("10.0.2.3"), 17, udp(GUEST, socket.inet_aton("10.0.2.3"), 40003, 53, bytes(30))),
        ip4(GUEST, HOST, 17, udp(GUEST, HOST, 40004, 69, b"\0\1file\0octet\0")),
        ip4(bytes(4), b"\xff" * 4, 17, udp(bytes(4), b"\xff" * 4, 68, 67, b"\1\1\6\0" + bytes(232) + b"c\x82Sc5\1\1\xff")),
        ip4(GUEST, HOST, 1, echo(GUEST, HOST, 1, 1, b"ping")),
        ip4(GUEST, WORLD, 17, bytes(64), 7, 0x2000),
        ip4(GUEST, WORLD, 17, bytes(64), 7, 8),
        ip6(GUEST6, WORLD6, 6, tcp(GUEST6, WORLD6, 40005, 80, 1, 2)),
        ip6(GUEST6, WORLD6, 17, udp(GUEST6, WORLD6, 40006, 7, b"hello")),
        ip6(GUEST6, HOST6, 58, echo(GUEST6, HOST6, 1, 1, b"ping")),
        ip6(GUEST6, HOST6, 17, udp(GUEST6, HOST6, 546, 547, b"\x0b\1\2\3" + bytes(20))),
        solicit(mac, GUEST6, HOST6),
        advert(mac, GUEST6),
    ]
    for _ in range(count):
        packet = bytearray(rand.choice(good))
        for _ in range(rand.randrange(4)):
            packet[rand.randrange(len(packet))] = rand.randrange(256)
        how = rand.randrange(4)
        if how == 0:
            del packet[rand.randrange(len(packet)):]
        elif how == 1:
            packet += rand.randbytes(rand.choice((1, 7, 300)))
        six = len(packet) and packet[0] >> 4 == 6
        link.send((ROUTER6 if six else GATEWAY) + mac + (b"\x86\xdd" if six else b"\x08\0") + bytes(packet[:link.mtu]))


def fragments(link, count, rand):
    piece = bytes(1024)
    for number in range(count):
        link.ip(ip4(GUEST, WORLD, 17, piece, number & 0xFFFF, rand.choice((0x2000, 0x2000 | 128, 128, 0x2000 | 8000))))


def spoofed(link, count, rand):
    for _ in range(count):
        source = bytes((10, 0, 2, rand.randrange(4, 255))) if rand.randrange(2) else rand.randbytes(4)
        if source[0] in (0, 127) or source[0] >= 224:
            source = GUEST
        link.ip(ip4(source, WORLD, 6, tcp(source, WORLD, rand.randrange(1, 65536), 80, 1, 16, b"", 1)))


def syn(link, count, rand):
    for number in range(count):
        link.ip(ip4(GUEST, DEAD, 6, tcp(GUEST, DEAD, 1024 + number % 64000, 1 + number // 64000, rand.getrandbits(32), 2)))


def syn6(link, count, rand):
    for number in range(count):
        link.ip(ip6(GUEST6, DEAD6, 6, tcp(GUEST6, DEAD6, 1024 + number % 64000, 1 + number // 64000, rand.getrandbits(32), 2)))


def arps(link, count, _rand):
    request = arp(1, link.mac, GUEST, HOST)
    for _ in range(count):
        link.arp(request)


def ndps(link, count, _rand):
    request = solicit(link.mac, GUEST6, HOST6)
    for _ in range(count):
        link.ip(request)


def ports(link, count, _rand):
    for number in range(count):
        port = 1 + number % 65535
        link.ip(ip4(GUEST, DEAD, 17, udp(GUEST, DEAD, port, 65536 - port, b"x")))


def ping(link, count, _rand):
    for number in range(count):
        link.ip(ip4(GUEST, DEAD, 1, echo(GUEST, DEAD, number & 0xFFFF, 1, b"x")))


def poison(link, count, rand):
    for _ in range(count):
        other = b"\x02" + rand.randbytes(5)
        link.arp(arp(2, other, GUEST, HOST), other)
        link.ip(advert(other, GUEST6), other)


KINDS = {"garbage": garbage, "mutated": mutated, "fragments": fragments, "spoofed": spoofed, "syn": syn, "syn6": syn6, "arp": arps,
         "ndp": ndps, "ports": ports, "ping": ping, "poison": poison}
interface, kind, amount = sys.argv[1:4]
KINDS[kind](Link(interface), int(amount), random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1))
print(f"sent {amount}")
