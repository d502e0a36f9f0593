#!/bin/bash
# dockerproxy, alone: what dockerd gets to see of it, with a program of ours in the place of docker-proxy.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
ln -s ../bin/rootlet $aliases/rootlesskit-docker-proxy
mkdir /tmp/bin
# Says how it was called, and stays until its input ends, or as long as the file tells.
cat >/tmp/bin/docker-proxy <<'END_PROXY'
#!/bin/sh
echo 0 >&3
exec 3>&-
echo "docker-proxy $*"
[ ! -e "$TMPDIR/die" ] || exit 5
exec cat
END_PROXY
chmod 755 /tmp/bin/docker-proxy
# dockerd's part: a pipe as descriptor 3, what came out of it goes behind the rest.
proxy="env PATH=$aliases:/tmp/bin:/usr/bin:/bin bash -c"
call='rootlesskit-docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port=80'

for who in root user; do
    tmp=/tmp/$([ $who = root ] && echo root || echo tester)
    launch c rootlet run --state-dir=$tmp/state --net=slirp4netns --copy-up=/etc --port-driver=builtin sh -c 'echo ready; exec cat'
    ports() { run rootlet ctl --socket $tmp/state/api.sock list-ports; }
    state="export ROOTLESSKIT_STATE_DIR=$tmp/state;"

    for signal in INT TERM HUP; do
        launch p $proxy "$state exec $call 3>$tmp/report"
        is "$line" 'docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port 8080 -container-ip 172.17.0.2 -container-port 80' 'docker-proxy is started, on a loopback address'
        is "$(cat $tmp/report)" 0 'and speaks to dockerd'
        ports
        out_like $'1?[0-9] +tcp4 +0\\.0\\.0\\.0 +8080 +172\\.17\\.0\\.2 +80 ' "the port is published, to the container's own address"
        kill -$signal "${pid[p]}"
        await p
        status_is 0 "SIG$signal ends it"
        ports
        out_unlike 8080 'and the port is closed'
    done
    launch p $proxy "$state exec ${call/0.0.0.0/::} 3>$tmp/report"
    out=$line
    like "$out" '-host-ip ::1 -host-port 8080' 'IPv6'
    ports
    out_like 'tcp6 +:: +8080 ' 'is published as IPv6'
    run $proxy "$state exec ${call/0.0.0.0/::} 3>$tmp/report"
    status_is 1 'a port that is taken'
    like "$(cat $tmp/report)" $'^1\n.*8080' 'dockerd hears about it'
    kill -KILL "${pid[p]}"
    await p
    status_is 137 'killed'
    ports
    out_unlike 8080 'the port is closed all the same'
    launch p $proxy "$state exec $call 3>$tmp/report"
    ports
    out_like ' 8080 ' 'a port is published'
    keeper=$(strangers | while read -r id _; do if grep -qx docker-port /proc/$id/comm; then echo "$id"; fi; done)
    kill -KILL "$keeper"
    await p
    status_is 1 'the process that keeps it is killed'
    err_like 'killed \(signal 9\)' 'which is said'
    ports
    out_unlike 8080 'and the port is closed'
    run $proxy "$state exec ${call/tcp/sctp} 3>$tmp/report"
    like "$(cat $tmp/report)" $'^1\n.*sctp' 'a protocol that nobody does'
    touch $tmp/die
    run $proxy "$state exec ${call/8080/8081} 3>$tmp/report"
    status_is 1 'docker-proxy ends by itself'
    err_like 'docker-proxy has ended \(status 5\)' 'which is said'
    ports
    out_unlike 8081 'and the port is closed'
    run $proxy "$state exec 2> >(:); wait \$!; exec ${call/8080/8081} 3>$tmp/report"
    ports
    out_unlike 8081 'also when dockerd is gone, and nobody reads what is said'
    run $proxy "$state PATH=$aliases:/usr/bin:/bin; exec ${call/8080/8081} 3>$tmp/report"
    like "$(cat $tmp/report)" $'^1\n.*docker-proxy.*No such file' 'there is no docker-proxy'
    finish c

    run $proxy "$state exec $call 3>$tmp/report"
    like "$(cat $tmp/report)" $'^1\n.*api\.sock' 'there is no instance'
    run $proxy "unset ROOTLESSKIT_STATE_DIR; exec $call 3>$tmp/report"
    like "$(cat $tmp/report)" $'^1\n.*ROOTLESSKIT_STATE_DIR' 'nor any word of one'
    run $proxy "$call 3>&-"
    err_like 'descriptor 3' 'nobody listens'
    for wrong in "${call/0.0.0.0/moon}" "${call/172.17.0.2/sun}" "${call/8080/0}" "${call/=80/=}" "$call more"; do
        run $proxy "$state exec $wrong 3>$tmp/report"
        status_is 1 "$wrong"
    done

    for driver in none implicit; do
        net=slirp4netns
        [ $driver = none ] || net=pasta
        launch c rootlet run --state-dir=$tmp/state --net=$net --copy-up=/etc --port-driver=$driver sh -c 'echo ready; exec cat'
        run $proxy "$state exec $call 3>$tmp/report"
        out_is 'docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80' "--port-driver=$driver: it becomes docker-proxy"
        finish c
    done
    launch c rootlet run --state-dir=$tmp/state --net=slirp4netns --copy-up=/etc --port-driver=slirp4netns sh -c 'echo ready; exec cat'
    run $proxy "$state exec ${call/0.0.0.0/::} 3>$tmp/report"
    is "$status $stdout $(cat $tmp/report)" '0  0' '--port-driver=slirp4netns: IPv6 is left alone'
    finish c
    rm -f $tmp/die $tmp/report
    nothing_left 'nothing is left'
done
done_testing
