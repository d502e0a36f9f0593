#!/bin/bash
# Published ports: who reaches what, over which address and protocol, under each driver's name.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# in_container [OPTION]... -- SPEC...: a run with these options whose command serves SPECs (tests/lib/servers.py) until `finish c`.
in_container() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    launch c rootlet run --net=slirp4netns --copy-up=/etc "${options[@]}" $servers --hello inside "$@"
    is "$line" ready "up: ${options[*]}"
}
from_world() {
    local caller=$who
    who=root
    run in-world "$@"
    who=$caller
}
head -c 3000000 /dev/urandom >/tmp/upload
chmod 644 /tmp/upload
upload="$(sha256sum </tmp/upload | cut -d' ' -f1) 3000000"

for who in root user; do
    # --- one of each
    in_container --port-driver=builtin -p 127.0.0.1:8080:80/tcp -p 0.0.0.0:8081:80/tcp -p '[::1]:8082:80/tcp' -p 127.0.0.1:8007:7/udp -p 127.0.0.1:8008:7/tcp \
        -p 192.0.2.2:8083:80/tcp4 -p '[::]:8084:80/tcp6' -p 127.0.0.1:8085:10.0.2.100:85/tcp -p '127.0.0.1:8086:[::1]:86/tcp' -p 8087:80/tcp \
        -- http:127.0.0.1:80 echo:127.0.0.1:7 http:10.0.2.100:85 'http:[::1]:86' 'http:[::1]:80' http:10.0.2.100:80
    run curl -sS http://127.0.0.1:8080/
    out_is inside '127.0.0.1:8080 is published'
    run $client connect 192.0.2.2 8080
    out_is ECONNREFUSED 'on no other address'
    run curl -sS http://127.0.0.1:8081/ http://192.0.2.2:8081/ 'http://[::1]:8081/' 'http://[fd00::2]:8081/'
    out_is $'inside\ninside\ninside\ninside' '0.0.0.0 is every address, of both families'
    from_world curl -sS http://192.0.2.2:8081/ 'http://[fd00::2]:8081/'
    out_is $'inside\ninside' 'and the world comes in'
    from_world $client connect 192.0.2.2 8080
    out_is ECONNREFUSED 'where it may'
    run curl -sS 'http://[::1]:8082/'
    out_is inside '[::1]'
    run $client udp 127.0.0.1 8007 'a datagram'
    out_is 'a datagram' 'UDP'
    run $client tcp 127.0.0.1 8008 'half closed'
    out_is 'half closed' 'an end in one direction leaves the other one open'
    run sh -c "curl -sS http://192.0.2.2:8083/; $client connect fd00::2 8083"
    out_is $'inside\nECONNREFUSED' 'tcp4'
    run sh -c "curl -sS 'http://[fd00::2]:8084/'; $client connect 192.0.2.2 8084"
    out_is $'inside\nECONNREFUSED' 'tcp6 is not IPv4, even on [::]'
    run curl -sS http://127.0.0.1:8085/ http://127.0.0.1:8086/
    out_is $'inside\ninside' 'an address of the container is asked for, IPv6 from IPv4 too'
    run curl -sS http://127.0.0.1:8087/
    out_is inside 'a spec without an address'

    # --- what goes through it
    run sh -c 'curl -sS http://127.0.0.1:8080/bytes/5000000 | sha256sum; curl -sS http://203.0.113.80/sha256/5000000'
    is "${stdout%% *}" "${stdout##*$'\n'}" '5 MB out of the container'
    run curl -sS --data-binary @/tmp/upload http://127.0.0.1:8080/
    out_is "$upload" '3 MB into it'
    run sh -c 'for i in 1 2 3 4 5 6 7 8; do curl -sS http://127.0.0.1:8080/bytes/300000 | wc -c & done; wait'
    is "$(sort -u <<<"$stdout") $(wc -l <<<"$stdout")" '300000 8' 'eight at the same time'
    mapfile -t urls < <(printf 'http://127.0.0.1:8080/\n%.0s' {1..100})
    run curl -sS "${urls[@]}"
    is "$(sort <<<"$stdout" | uniq -c | tr -s ' ')" ' 100 inside' 'a hundred, one after the other'
    run sh -c "for i in 1 2 3 4 5 6 7 8 9 10; do $client udp 127.0.0.1 8007 \$i; done"
    out_is 12345678910 'ten datagrams from ten clients'
    from_world curl -sS http://192.0.2.2:8081/client
    out_like '^192\.0\.2\.1 ' "the server sees the client's address"
    finish c
    status_is 0 'it ends'
    run sh -c "for p in 8080 8081 8084; do $client connect 127.0.0.1 \$p; done"
    out_is $'ECONNREFUSED\nECONNREFUSED\nECONNREFUSED' 'and the ports are closed'

    in_container --port-driver=builtin --source-ip-transparent=false -p 0.0.0.0:8081:80/tcp -- http:127.0.0.1:80
    from_world curl -sS http://192.0.2.2:8081/client
    out_like '^127\.0\.0\.1 ' '--source-ip-transparent=false: the server sees a local client'
    finish c

    # --- what the peers do not have: any free port, ranges
    launch c rootlet run --state-dir "/tmp/$who.state" --net=slirp4netns --copy-up=/etc --port-driver=builtin -p 127.0.0.1:0:80/tcp -p 127.0.0.1:8100-8102:80-82/tcp \
        $servers --hello inside http:127.0.0.1:80 http:127.0.0.1:81 http:127.0.0.1:82
    run rootlet ctl --socket "/tmp/$who.state/api.sock" list-ports
    free=$(awk '$1 == 1 { print $4 }' <<<"$stdout")
    like "$free" '^[1-9][0-9]+$' 'port 0: a free one, which is told'
    run curl -sS "http://127.0.0.1:$free/" http://127.0.0.1:8100/ http://127.0.0.1:8101/ http://127.0.0.1:8102/
    out_is $'inside\ninside\ninside\ninside' 'it is open, and so is each port of a range'
    finish c
    err_like "$free" 'the free port is told on stderr, too'
    run rootlet run --net=slirp4netns --port-driver=builtin -p 127.0.0.1:8100-8102:80-81/tcp echo no
    status_is 1 'ranges of different lengths'
    err_like '8100-8102' 'are named'
    launch taken $client listen 8101
    run rootlet run --net=slirp4netns --port-driver=builtin -p 127.0.0.1:8100-8102:80-82/tcp echo no
    status_is 1 'a range with a port that is taken'
    err_like '8101' 'which is named'
    finish taken

    # --- nobody serves
    in_container --port-driver=builtin -p 127.0.0.1:8080:80/tcp -p 127.0.0.1:8081:81/tcp -- http:127.0.0.1:81
    run curl -sS http://127.0.0.1:8080/
    status_isnt 0 'a port that nobody serves inside'
    out_is '' 'gives nothing'
    run $client reset 127.0.0.1 8080
    out_is ECONNRESET 'the connection is reset, at once and not after a silence'
    run curl -sS http://127.0.0.1:8081/
    out_is inside 'the others are none the worse'
    finish c

    # --- every driver that publishes is the same one
    for driver in slirp4netns socat implicit gvisor-tap-vsock; do
        in_container --port-driver=$driver -p 127.0.0.1:8080:80/tcp -- http:127.0.0.1:80
        run curl -sS http://127.0.0.1:8080/
        out_is inside "--port-driver=$driver"
        finish c
    done
    for net in none pasta vpnkit; do
        launch c rootlet run --net=$net --port-driver=builtin -p 127.0.0.1:8080:80/tcp $servers --hello inside http:127.0.0.1:80
        run curl -sS http://127.0.0.1:8080/
        out_is inside "--net=$net"
        finish c
    done

    # --- what cannot be bound
    launch taken $client listen 8090
    run rootlet run --net=slirp4netns --port-driver=builtin -p 127.0.0.1:8090:80/tcp echo no
    status_is 1 'a port that is taken'
    err_like '8090' 'is named'
    out_is '' 'and nothing is run'
    finish taken
    run rootlet run --net=slirp4netns --port-driver=builtin -p 127.0.0.1:8091:80/tcp -p 127.0.0.1:8091:81/tcp echo no
    status_is 1 'the same port twice'
    err_like '8091' 'is named'
    run rootlet run --net=slirp4netns --port-driver=builtin -p 203.0.113.80:8092:80/tcp echo no
    status_is 1 "an address that is not the host's"
    err_like '203\.0\.113\.80' 'is named'

    # --- the driver slirp4netns: as from another machine, at the link's address; what listens on a loopback address alone is found as well
    in_container --port-driver=slirp4netns -p 0.0.0.0:8080:80/tcp -p 0.0.0.0:8081:81/tcp -p 0.0.0.0:8007:7/udp \
        --state-dir=/run/user/1001/state -- http:10.0.2.100:80 http:127.0.0.1:81 echo:10.0.2.100:7
    from_world curl -sS http://192.0.2.2:8080/client
    out_like '^192\.0\.2\.1 ' "slirp4netns: the link's address, and the client's own"
    from_world curl -sS http://192.0.2.2:8081/client
    out_like '^192\.0\.2\.1 ' 'or a loopback address'
    from_world $client udp 192.0.2.2 8007 'a datagram'
    out_is 'a datagram' 'UDP'
    run curl -sS --unix-socket /run/user/1001/state/api.sock http://any-host/v1/info
    is "$(json '[d["portDriver"]["protos"], d["portDriver"]["disallowLoopbackChildIP"], d["networkDriver"]["childIP"]]' <<<"$stdout")" \
        '[["tcp", "tcp4", "udp", "udp4"], true, "10.0.2.100"]' 'clients of the API are told so'
    finish c
done

who=user
run rootlet run --net=slirp4netns --port-driver=builtin -p 127.0.0.1:80:80/tcp echo no
status_is 1 'a port below 1024 is not for ordinary users'
err_like 'ip_unprivileged_port_start' 'the message names the sysctl'
err_like 'setcap|cap_net_bind_service' 'and the other way out'
echo 80 >/proc/sys/net/ipv4/ip_unprivileged_port_start
in_container --port-driver=builtin -p 127.0.0.1:80:80/tcp -- http:127.0.0.1:80
run curl -sS http://127.0.0.1/
out_is inside 'which opens it'
finish c
nothing_left 'nothing is left'
done_testing
