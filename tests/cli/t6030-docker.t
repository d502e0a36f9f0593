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
ports() { run rootlet ctl --socket "$(echo /tmp/tester/rootlet-*/api.sock)" list-ports; }

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
out_like '^172\.17\.0\.1 ' "a client of a loopback address seems to be the container's gateway"
want=$(in-world curl -sS http://203.0.113.80/sha256/20000000)
run sh -c 'curl -sS http://127.0.0.1:8080/bytes/20000000 | sha256sum | cut -d" " -f1'
out_is "$want" '20 MB come out as they are'
ports
is "$(awk 'NR > 1 { print $2, $3, $4, $5, $6 }' <<<"$stdout" | sort)" 'tcp4 0.0.0.0 8080 172.17.0.2 80
tcp4 127.0.0.1 8081 172.17.0.2 80
tcp6 :: 8080 172.17.0.2 80
udp4 0.0.0.0 8007 172.17.0.2 7
udp6 :: 8007 172.17.0.2 7' "they are ports of the instance, that lead to the container's address"
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
ports
is "$status $(tail -n +2 <<<"$stdout")" '0 ' 'no port is left'

# --- files and users
mkdir -p /tmp/tester/folder
echo outside >/tmp/tester/folder/a
chown -R tester: /tmp/tester/folder
docker run --rm -v /tmp/tester/folder:/data small sh -c 'cat /data/a; touch /data/root'
out_is outside 'a folder of the user is bound into a container'
is "$(stat -c %U /tmp/tester/folder/root)" tester 'whose root is the user'
docker run --rm --user 0 -v /tmp/tester/folder:/data small sh -c 'mkdir -m 777 /data/all'
docker run --rm --user 1000:1001 -v /tmp/tester/folder:/data small sh -c 'id -u; mkdir -m 700 /data/all/sub; touch /data/all/sub/file'
out_is 1000 'docker run --user 1000:1001'
is "$(stat -c %u:%g /tmp/tester/folder/all/sub/file)" 100999:101000 'whose files belong to subordinate ids'
run rm -rf /tmp/tester/folder
status_isnt 0 'which the user cannot remove'
run $aliases/rootlesskit rm -rf /tmp/tester/folder
status_is 0 'but by rootlesskit rm -rf'
nok 'it is gone' test -e /tmp/tester/folder
mkdir /tmp/tester/context
printf '%s\n' 'FROM small' 'COPY --chown=5:6 a /a' 'RUN wget -q -O /b http://web.test/ && id -u >>/b' 'CMD cat /b' >/tmp/tester/context/Dockerfile
echo a >/tmp/tester/context/a
docker build -q -t built /tmp/tester/context
status_is 0 'docker build'
docker run --rm built
out_is $'hello from outside\n0' 'with a RUN that uses the network'
rm -r /tmp/tester/context

# --- what is inside
inside="nsenter --preserve-credentials -U -m -n -t $(cat /tmp/tester/rootlet-*/child_pid)"
run $inside sh -c 'iptables -t nat -S; iptables-legacy -t nat -S >/dev/null && echo legacy; mountpoint -q /run; ls -d /run/docker/plugins /run/containerd/s; stat -c %U /run/xtables.lock'
out_like '-A DOCKER ' "iptables work, dockerd's rules are there"
out_like legacy 'the older kind, too'
out_like $'/run/containerd/s\n/run/docker/plugins\nroot$' "/run/docker, /run/containerd and /run/xtables.lock are the daemon's own"
is "$(ls -A /run/docker /run/containerd; stat -c %s /run/xtables.lock)" $'/run/containerd:\n\n/run/docker:\n0' 'those of the machine are untouched'
docker network create --ipv6=false net1
start_docker web run --name web -i --rm --network net1 $bind_servers small $run_servers
docker run --rm --network net1 small sh -c 'wget -q -O - http://web/; wget -q -O - http://web.test/; cat /etc/resolv.conf'
out_like $'^inside\nhello from outside\n.*nameserver 127\\.0\\.0\\.11' 'containers find each other by name, and the world'
finish web

finish d
status_is 0 'SIGTERM to rootlesskit ends dockerd, and it says so'
is "$(strangers)" '' 'no process is left'

# --- again on the same data, with other options
for variant in 'DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=slirp4netns DOCKERD_ROOTLESS_ROOTLESSKIT_MTU=1400 --mtu=1400 1400' \
    'DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=slirp4netns --userland-proxy-path=/usr/bin/rootlesskit-docker-proxy 1500' \
    'DOCKERD_ROOTLESS_ROOTLESSKIT_NET=pasta --debug 1500' \
    'DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=--ipv6 --iptables=false 1500' \
    'DOCKERD_ROOTLESS_ROOTLESSKIT_SLIRP4NETNS_SANDBOX=true DOCKERD_ROOTLESS_ROOTLESSKIT_SLIRP4NETNS_SECCOMP=true --storage-driver=vfs --userland-proxy-path=/usr/bin/rootlesskit-docker-proxy 1500'; do
    start_dockerd d ${variant% *}
    like "$line" '^ready' "dockerd with $variant"
    case $variant in *vfs*) docker import /tmp/small.tar small ;; esac
    start_docker web run -i --rm -p 8080:80 -p 8007:7/udp $bind_servers small $run_servers
    run curl -sS http://192.0.2.2:8080/
    out_is inside 'a published port works'
    run $client udp 127.0.0.1 8007 'a datagram'
    out_is 'a datagram' 'so does UDP'
    case $variant in
    *PORT_DRIVER=slirp4netns*)
        who=root
        run in-world curl -sS http://192.0.2.2:8080/client
        out_like '^192\.0\.2\.1 ' 'where it sees its clients'
        run in-world sh -c 'curl -sS http://192.0.2.2:8080/bytes/20000000 | sha256sum | cut -d" " -f1'
        out_is "$want" 'and sends them 20 MB'
        who=user
        ;;
    esac
    # Without docker's rules nobody translates the containers' addresses.
    case $variant in
    *iptables=false*) ;;
    *)
        docker run --rm small sh -c 'cat /sys/class/net/eth0/mtu; wget -q -O - http://web.test/'
        out_is "${variant##* }"$'\nhello from outside' 'and a container gets out'
        ;;
    esac
    docker run --rm --network host small wget -q -O - http://web.test/
    out_is 'hello from outside' "also on the instance's own network"
    finish web
    finish d
    status_is 0 'it ends'
done

# --- killed: nothing survives its pid namespace, and the next one starts on what it left. (The file with dockerd's process id has to be one
#     that does not survive: the next dockerd has the same.)
restart() { start_dockerd d "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=--pidns --state-dir=$runtime/dockerd-rootless" --pidfile=/run/docker.pid; }
restart
docker run -d --name web --stop-signal KILL -p 8080:80 $bind_servers small sh -c "mkfifo /fifo; $run_servers <>/fifo"
docker run -d --user 1000 small sh -c 'mkfifo /tmp/fifo; cat /tmp/fifo'
run curl -sS --retry 5 --retry-all-errors http://127.0.0.1:8080/
out_is inside 'dockerd under --pidns'
all=$(strangers | grep -v notify.py | cut -d' ' -f1)
kill -KILL "$kit"
await d
status_is 137 'rootlesskit is killed'
ok 'all processes end, those of the containers included' $client gone $all
run $client connect 127.0.0.1 8080
out_is ECONNREFUSED 'no port stays open'
restart
like "$line" '^ready' 'the next one starts on the same folders'
docker ps -a --format '{{.Names}} {{.Status}}'
out_like 'web Exited' 'its containers have ended'
docker start web
status_is 0 'and start again'
run curl -sS --retry 5 --retry-all-errors http://127.0.0.1:8080/
out_is inside 'with their ports'
docker run small sh -c 'mkdir -p -m 700 /tmp/x; touch /tmp/x/y; chown -R 5:5 /tmp/x'
status_is 0 'a container leaves files of another user'
finish d
status_is 0 'it ends'

run rm -rf $data
status_isnt 0 "docker's data cannot be removed by the user"
run $aliases/rootlesskit rm -rf $data
status_is 0 'but by rootlesskit rm -rf'
nok 'they are gone' test -e $data
rm -rf "${runtime:?}"/*
nothing_left 'nothing is left'
done_testing
