#!/bin/bash
# Debian's dockerd: which address a container sees behind a published port, with docker's proxy and without.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
# shellcheck source=tests/lib/docker.sh
. "$TOP/tests/lib/docker.sh"
who=user
image /tmp/small.tar
from_world() {
    who=root
    run in-world "$@"
    who=user
}
# sees WANT TEXT COMMAND...: the container at the other end says that it is WANT who asks.
sees() {
    local want=$1 text=$2
    shift 2
    "$@"
    out_like "^$want [0-9]+" "$text"
}
serve='/usr/bin/python3 -S /tests/servers.py --hello inside http:0.0.0.0:80 http:[::]:80 peer:0.0.0.0:1 peer:[::]:1'
v6='--experimental --ipv6 --ip6tables --fixed-cidr-v6=fd17::/64'
ports() { run rootlet ctl --socket "$(echo /tmp/tester/rootlet-*/api.sock)" "$@"; }

for driver in builtin slirp4netns; do
    start_dockerd d DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=$driver DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=--ipv6 $v6
    docker import /tmp/small.tar small
    docker network create other
    start_docker web run -i --rm --name web -p 8080:80 -p 8001:1/udp $bind_servers small $serve
    start_docker web2 run -i --rm --network other -p 192.0.2.2:8082:80 -p 192.0.2.2:8002:1/udp $bind_servers small $serve
    is "$line" ready "containers on two networks, $driver, userland-proxy on"
    sees '192\.0\.2\.1' 'the world: TCP' from_world curl -sS http://192.0.2.2:8080/client
    sees '192\.0\.2\.1' 'UDP' from_world $client udp 192.0.2.2 8001
    if [ $driver = builtin ]; then # RootlessKit's slirp4netns knows no IPv6, and dockerd asks for none then
        sees 'fd00::1' 'TCP, IPv6' from_world curl -sS 'http://[fd00::2]:8080/client'
        sees 'fd00::1' 'UDP, IPv6' from_world $client udp fd00::2 8001
    fi
    sees '192\.0\.2\.1' 'another network, another address: TCP' from_world curl -sS http://192.0.2.2:8082/client
    sees '192\.0\.2\.1' 'UDP' from_world $client udp 192.0.2.2 8002
    sees '192\.0\.2\.2' "the host's own address: TCP" run curl -sS http://192.0.2.2:8080/client
    sees '192\.0\.2\.2' 'UDP' run $client udp 192.0.2.2 8001
    sees '172\.17\.0\.1' 'the host by a loopback address: TCP' run curl -sS http://127.0.0.1:8080/client
    sees '172\.17\.0\.1' 'UDP' run $client udp 127.0.0.1 8001
    docker run --rm --network host small wget -q -O - http://127.0.0.1:8080/
    out_is inside 'from inside, by a loopback address'
    docker run --rm small wget -q -O - http://192.0.2.2:8080/
    out_is inside "from a container, by the host's address"
    finish web2
    finish web
    finish d
    is "$status" 0 'the end'

    # --- dockerd starts nothing that publishes: what its rules lead to a container can be published by hand
    start_dockerd d DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=$driver DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=--ipv6 --userland-proxy=false $v6
    start_docker web run -i --rm -p 8080:80 -p 8001:1/udp $bind_servers small $serve
    is "$line" ready "userland-proxy off"
    run $client connect 192.0.2.2 8080
    out_is ECONNREFUSED 'nothing is published on the host'
    ports add-ports 0.0.0.0:8080:8080/tcp 0.0.0.0:8001:8001/udp
    status_is 0 'but it can be, by hand'
    sees '192\.0\.2\.1' 'the world: TCP' from_world curl -sS http://192.0.2.2:8080/client
    sees '192\.0\.2\.1' 'UDP' from_world $client udp 192.0.2.2 8001
    sees 'fd00::1' 'TCP, IPv6' from_world curl -sS 'http://[fd00::2]:8080/client'
    sees 'fd00::1' 'UDP, IPv6' from_world $client udp fd00::2 8001
    sees '192\.0\.2\.2' "the host's own address: TCP" run curl -sS http://192.0.2.2:8080/client
    sees '(172\.17\.0\.1|10\.0\.2\.100)' 'the host by a loopback address: TCP' run curl -sS http://127.0.0.1:8080/client
    docker run --rm --network host small wget -q -O - http://127.0.0.1:8080/
    out_is inside 'from inside, by a loopback address'
    finish web
    finish d
    is "$status" 0 'the end'
done

# --- not wanted
start_dockerd d DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=--source-ip-transparent=false
start_docker web run -i --rm -p 8080:80 -p 8001:1/udp $bind_servers small $serve
sees '172\.17\.0\.1' '--source-ip-transparent=false: TCP' from_world curl -sS http://192.0.2.2:8080/client
sees '172\.17\.0\.1' 'UDP' from_world $client udp 192.0.2.2 8001
finish web
finish d

# --- a proxy that is killed
start_dockerd d
start_docker web run -i --rm --name web -p 8080:80 $bind_servers small $serve
proxies=$(pgrep -f '^/[^ ]*rootlesskit-docker-proxy ' | tr '\n' ' ')
keepers=$(pgrep -x docker-port | tr '\n' ' ')
kill -KILL $proxies
ok "docker's proxies are killed" $client gone $keepers
ports list-ports
is "$status $(tail -n +2 <<<"$stdout")" '0 ' 'no port stays published'
finish web
docker run --rm -p 8080:80 small id -u
out_is 0 'and they can be had again'
ports list-ports
is "$status $(tail -n +2 <<<"$stdout")" '0 ' 'and none is left'
finish d
run $aliases/rootlesskit rm -rf /home/tester/.local/share/docker
rm -rf "${runtime:?}"/*
nothing_left 'nothing is left'
done_testing
