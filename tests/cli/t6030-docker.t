#!/bin/bash
# A real caller: Debian's dockerd, started by its own dockerd-rootless.sh, with our executable as rootlesskit and slirp4netns.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
# shellcheck source=tests/lib/docker.sh
. "$TOP/tests/lib/docker.sh"
who=user
data=/home/tester/.local/share/docker
image /tmp/small.tar
# What the launcher removes inside.
mkdir -p /run/docker /run/containerd
touch /run/xtables.lock

start_dockerd d
like "$line" '^ready [0-9]+$' 'dockerd-rootless.sh gets to a dockerd that is ready'
docker info --format '{{.Driver}} {{.SecurityOptions}} {{.Warnings}}'
status_is 0 'the client speaks to it'
out_like '^overlay2 .*name=rootless' 'storage is the overlay of the kernel'
docker import /tmp/small.tar small
status_is 0 'docker import'
run $aliases/rootlesskit stat -c '%u' $data
out_is 0 'its data belong to the root inside'

# --- a container's network
docker run --rm small sh -c 'id -u; cat /sys/class/net/eth0/mtu; wget -q -O - http://203.0.113.80/; wget -q -O - http://web.test/; wget -q -O - http://203.0.113.80/client'
status_is 0 'docker run'
out_like $'^0\n1500\nhello from outside\nhello from outside\n192\\.0\\.2\\.2 [0-9]+$' 'which gets out, by address and by name'
docker run --rm --network host small sh -c 'cat /sys/class/net/tap0/mtu; wget -q -O - http://web.test/'
out_is $'65520\nhello from outside' "--network host: the network is the instance's"
docker run --rm small sh -c 'exit 7'
status_is 7 'the exit status comes out'

# --- published ports
start_docker web run --name web -i -p 8080:80 -p 8007:7/udp -p 127.0.0.1:8081:80 $bind_servers small $run_servers
is "$line" ready 'a container with published ports'
for url in 127.0.0.1:8080 192.0.2.2:8080 '[::1]:8080' '[fd00::2]:8080' 127.0.0.1:8081; do
    run curl -sS "http://$url/"
    out_is inside "http://$url"
done
who=root
for url in 192.0.2.2:8080 '[fd00::2]:8080'; do
    run in-world curl -sS "http://$url/"
    out_is inside "the world comes to http://$url"
done
run in-world $client udp 192.0.2.2 8007 'a datagram'
out_is 'a datagram' 'and with UDP'
run in-world $client connect 192.0.2.2 8081
out_is ECONNREFUSED 'but not to what is published on a loopback address'
who=user
run $client udp 127.0.0.1 8007 'a datagram'
out_is 'a datagram' 'UDP from this side'
run curl -sS http://127.0.0.1:8080/client
out_like '^172\.17\.0\.1 ' "the client is docker's proxy, as it is with RootlessKit"
want=$(in-world curl -sS http://203.0.113.80/sha256/20000000)
run sh -c 'curl -sS http://127.0.0.1:8080/bytes/20000000 | sha256sum | cut -d" " -f1'
out_is "$want" '20 MB come out as they are'
run rootlet ctl --socket "$(echo /tmp/tester/rootlet-*/api.sock)" list-ports
is "$(awk 'NR > 1 { print $2, $3, $4, $NF }' <<<"$stdout" | sort)" 'tcp4 0.0.0.0 8080 8080
tcp4 127.0.0.1 8081 8081
tcp6 :: 8080 8080
udp4 0.0.0.0 8007 8007
udp6 :: 8007 8007' 'they are ports of the instance'
docker run --rm -p 8080:80 small true
status_is 125 'a port that is taken cannot be had twice'
launch taken $client listen 8082
docker run --rm -p 8082:80 small true
status_is 125 'nor one of another program'
err_like '8082.*(in use|already)' 'which is said'
finish taken
docker exec web sh -c 'echo "$(id -u) $(cat /proc/1/comm)"; wget -q -O - http://127.0.0.1/'
out_is $'0 python3\ninside' 'docker exec'
docker stop -t 1 web
await web
status_is 137 'docker stop'
for port in 8080 8081; do
    run $client connect 127.0.0.1 $port
    out_is ECONNREFUSED "port $port is closed"
done
docker start web
status_is 0 'docker start'
docker rm -f web
status_is 0 'docker rm -f'
run rootlet ctl --socket "$(echo /tmp/tester/rootlet-*/api.sock)" list-ports
is "$(tail -n +2 <<<"$stdout")" '' 'no port is left'

finish d
status_is 0 'dockerd ends'
run $aliases/rootlesskit rm -rf $data
rm -rf $runtime/*
nothing_left 'nothing is left'
done_testing
