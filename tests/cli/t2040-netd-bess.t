#!/bin/bash
# netd for User Mode Linux: a socket instead of a namespace. The machine is played by a few frames.
# shellcheck source=tests/lib/tap.sh disable=SC2016
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# Connects to the socket as a machine does, asks who has the gateway's address, prints what the answer says, and holds the line.
machine='
import socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(20)
s.connect(sys.argv[1])
mac = bytes((2, 0, 0, 0, 0, 1))
ask = struct.pack(">HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, socket.inet_aton("10.0.2.100"), bytes(6), socket.inet_aton("10.0.2.2"))
s.send(b"")                       # nothing, rubbish and too much do no harm
s.send(bytes(5))
s.send(bytes(range(256)) * 256)
s.send(b"\xff" * 6 + mac + b"\x08\x06" + ask)
answer = s.recv(65536)
print("answer", ":".join("%02x" % b for b in answer[22:28]), socket.inet_ntoa(answer[28:32]), flush=True)
sys.stdin.read()
'
appears() { timeout "$LIMIT" sh -c 'until [ -S "$1" ]; do :; done' x "$1"; }
for who in root user; do
    folder=$tap_dir/$who
    mkdir -m 777 "$folder"
    spawn netd bash -c 'exec 6<&0 && exec "$@"' x "$aliases/slirp4netns" --exit-fd=6 --target-type=bess "$folder/bess.sock"
    ok 'there is a socket' appears "$folder/bess.sock"
    launch machine python3 -c "$machine" "$folder/bess.sock"
    is "$line" 'answer 52:55:0a:00:02:02 10.0.2.2' 'the gateway answers'
    nok 'nobody else can connect' test -e "$folder/bess.sock"
    finish machine
    finish netd
    status_is 0 'the end of the machine is the end of netd'
    err_like 'the interface is gone' 'which says so'

    spawn netd bash -c 'exec 6<&0 && exec "$@"' x "$aliases/slirp4netns" --exit-fd=6 --target-type=bess "$folder/bess.sock"
    ok 'there is a socket again' appears "$folder/bess.sock"
    finish netd
    status_is 0 'it can be ended before a machine comes'
    nok 'and leaves no socket' test -e "$folder/bess.sock"
done
run "$aliases/slirp4netns" -c --target-type=bess "$folder/bess.sock"
status_is 1 'there is nothing to configure'
nothing_left 'nothing is left'
done_testing
