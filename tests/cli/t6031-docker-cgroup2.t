#!/bin/bash
# Debian's dockerd where there is a cgroup2 tree of the user's own.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2
# shellcheck source=tests/lib/docker.sh
. "$TOP/tests/lib/docker.sh"
who=user
image /tmp/small.tar
for flags in '' '--pidns --cgroupns --ipcns --utsns --evacuate-cgroup2=docker'; do
    start_dockerd d "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=$flags" --pidfile=/run/docker.pid
    like "$line" '^ready' "dockerd-rootless.sh $flags"
    docker info --format '{{.CgroupVersion}} {{.CgroupDriver}}'
    out_is '2 none' 'without systemd, dockerd of this version has no cgroup driver for ordinary users'
    docker import /tmp/small.tar small
    start_docker web run -i --rm -m 64m -p 8080:80 $bind_servers small $run_servers
    is "$line" ready 'so a limit is for nothing, and the container runs all the same'
    run curl -sS http://192.0.2.2:8080/
    out_is inside 'with its port'
    docker run --rm small sh -c 'cat /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs; wget -q -O - http://web.test/'
    out_like $'0::/\n1\n.*hello from outside' 'a container has a cgroup and a cgroup namespace of its own'
    finish web
    finish d
    status_is 0 'it ends'
    run $aliases/rootlesskit rm -rf /home/tester/.local/share/docker
    rm -rf "${runtime:?}"/*
    nothing_left 'and leaves nothing'
done
done_testing
