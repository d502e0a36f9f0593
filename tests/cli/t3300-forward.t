#!/bin/bash
# forward: published ports for namespaces of others. Which targets, how it begins and ends, its API, and what it says to wrong words.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
LIMIT=120

notify=$TOP/tests/lib/notify.py
# namespace NAME [WORD]: a network namespace of a user namespace of its own, with a server that says WORD.
namespace() {
    launch "$1" unshare -Urn sh -c 'ip link set lo up; exec "$@"' sh $servers --hello "${2:-inside}" http:127.0.0.1:80 echo:127.0.0.1:7 http:127.0.0.1:81 http:127.0.0.1:82
}
# forward NAME OPTION...: until `finish NAME`.
forward() {
    local name=$1
    shift
    launch "$name" $notify rootlet forward "$@"
    like "$line" '^ready ' "forward ${*//"$TOP"/}"
}
served() {
    run curl -sS http://127.0.0.1:${2:-8080}/
    out_is "${3:-inside}" "$1"
}
closed() {
    run $client connect 127.0.0.1 ${2:-8080}
    out_is ECONNREFUSED "$1"
}
# refused REGEX WHAT OPTION...: status 1, one line that says so.
refused() {
    local regex=$1 what=$2
    shift 2
    run rootlet forward "$@"
    status_is 1 "refused: $what"
    err_like "^rootlet forward: [^"$'\n'"]*${regex}[^"$'\n'"]*$" 'in one line'
}
portd_of() {
    local folder
    for folder in /proc/[0-9]*; do
        if [ "$(cat $folder/comm 2>/dev/null)" = rootlet-portd ]; then echo ${folder##*/}; fi
    done
}

for who in root user; do
    folder=/tmp/$([ $who = root ] && echo root || echo tester)
    api=$folder/api

    # --- a process
    namespace ns
    target=${pid[ns]}
    forward f --target $target -p 127.0.0.1:8080:80/tcp -p 127.0.0.1:8007:7/udp -p 127.0.0.1:8101-8102:81-82/tcp -p 127.0.0.1:8084:84/tcp -p '[::1]:0:80/tcp6'
    served 'a process'
    served 'a range' 8102
    run $client udp 127.0.0.1 8007 datagram
    out_is datagram 'UDP'
    run $client reset 127.0.0.1 8084
    out_is ECONNRESET 'nobody listens there: a reset, at once'
    launch late nsenter -t $target -U -n --preserve-credentials $servers --hello late http:127.0.0.1:84
    served 'and as soon as somebody does, a connection' 8084 late
    finish late
    is "$(portd_of | wc -l)" 1 'by one process beside it'
    portd=$(portd_of)
    kill -KILL $portd
    ok 'that one is killed' $client gone $portd
    served 'its successor goes on'
    finish ns
    await f
    status_is 0 'it ends with its target'
    err_like "process $target has ended" 'and says so'
    err_like 'published \[::1\]:[1-9][0-9]*:80/tcp6' 'port 0: the one that was chosen is told'
    closed 'the ports are closed'

    # --- paths
    namespace ns
    target=${pid[ns]}
    for how in --netns --target; do
        forward f $how /proc/$target/ns/net -p 127.0.0.1:8080:80/tcp
        served 'a path'
        finish f
        is "$status:$stderr" 0: 'ends by a signal, without a word'
    done
    launch f $notify sh -c 'exec rootlet forward --netns /proc/self/fd/7 -p 127.0.0.1:8080:80/tcp 7<'/proc/$target/ns/net
    served 'a descriptor'
    finish f
    run ln -s /proc/$target/ns/net $folder/link
    forward f --netns $folder/link -p 127.0.0.1:8080:80/tcp
    served 'a symlink'
    launch other nsenter -t $target -U -n --preserve-credentials $servers --hello outlived http:127.0.0.1:83
    run rm $folder/link
    finish ns
    launch more nsenter -t ${pid[other]} -U -n --preserve-credentials $servers --hello later http:127.0.0.1:80
    served 'the process by whose path it was found has ended: the namespace goes on' 8080 later
    finish f
    finish more
    finish other

    # --- signals
    namespace ns
    for signal in TERM INT HUP; do
        spawn f sh -c 'exec rootlet forward "$@" 3>&1' sh --target ${pid[ns]} --ready-fd 3 --api-socket $api -p 127.0.0.1:8080:80/tcp
        read -r -t $LIMIT -n 1 -u "${tap_from[f]}" line
        is "$line" 1 '--ready-fd'
        served 'says that it serves'
        kill -$signal ${pid[f]}
        await f
        is "$status:$stderr" 0: "SIG$signal ends it, without a word"
        closed 'and the port'
        ok 'the API socket is removed' test ! -e $api
    done
    run sh -c 'mkfifo $0/fifo; rootlet forward "$@" --ready-fd 3 3>$0/fifo 0<&- 1<&- 2<&- & cat $0/fifo; curl -sS http://127.0.0.1:8080/; kill $!; wait $!; rm $0/fifo' $folder --target ${pid[ns]} -p 127.0.0.1:8080:80/tcp
    is "$status:$stdout" 0:1inside 'without standard input, output and error; and the ready descriptor is closed'
    finish ns

    # --- the API
    namespace ns
    forward f --target ${pid[ns]} --api-socket $api
    is "$(stat -c %a $api)" 600 'the API socket is for its user alone'
    run curl -sS --unix-socket $api http://any/v1/info
    is "$(json '[d["childPID"], d.get("networkDriver"), d["portDriver"]["driver"]]' <<<"$stdout")" "[${pid[ns]}, null, \"builtin\"]" 'GET /v1/info'
    run curl -sS --unix-socket $api http://any/v1/ports -d '{"proto":"tcp","parentIP":"127.0.0.1","parentPort":8080,"childPort":80}'
    is "$(json 'd["id"]' <<<"$stdout")" 1 'a port by curl'
    served 'serves'
    run rootlet ctl --socket $api add-ports 127.0.0.1:8081:81/tcp
    out_is 2 'by our ctl'
    served 'serves' 8081
    run /usr/bin/rootlessctl --socket $api add-ports 127.0.0.1:8082:82/tcp
    out_is 3 "by rootlesskit's own rootlessctl"
    served 'serves' 8082
    run /usr/bin/rootlessctl --socket $api list-ports
    out_like '8080.*8081.*8082' 'which lists them'
    run /usr/bin/rootlessctl --socket $api remove-ports 3
    status_is 0 'and removes one'
    closed 'which is closed then' 8082
    refused "'$api' is in use by another program.*" 'a second one on the same socket' --target ${pid[ns]} --api-socket $api
    served 'the first one is none the worse'
    portd=$(portd_of)
    kill -KILL ${line#ready }
    finish f
    ok 'it is killed: its helper ends' $client gone $portd
    ok 'and its socket is left' test -S $api
    forward f --target ${pid[ns]} --api-socket $api -p 127.0.0.1:8080:80/tcp
    served 'the next one replaces that'
    run rootlet ctl --socket $api list-ports
    out_like '8080' 'and answers'
    run rm $api
    namespace ns2 second
    forward g --target ${pid[ns2]} --api-socket $api -p 127.0.0.1:8081:80/tcp
    finish f
    run rootlet ctl --socket $api list-ports
    out_like '8081' 'at its end it leaves the socket of somebody else'
    finish g

    # --- several at a time
    forward f --target ${pid[ns]} -p 127.0.0.1:8080:80/tcp
    forward g --target ${pid[ns]} -p 127.0.0.1:8081:81/tcp
    forward h --target ${pid[ns2]} -p 127.0.0.1:8082:80/tcp
    served 'two on one target'
    served 'both' 8081
    served 'and one on another' 8082 second
    run rootlet forward --target ${pid[ns]} -p 127.0.0.1:9000:80/tcp -p 127.0.0.1:8081:80/tcp
    status_is 1 'a port that is taken'
    err_like '8081' 'is named'
    closed 'and no other one is published' 9000
    finish g
    served 'the end of one is not the end of the other'
    finish h
    finish f
    finish ns2
    launch c rootlet run --state-dir $folder/state --net=slirp4netns --copy-up=/etc --port-driver=builtin -p 127.0.0.1:8080:80/tcp $servers --hello container http:127.0.0.1:80 http:10.0.2.100:81
    forward f --target "$(cat $folder/state/child_pid)" -p 127.0.0.1:8081:80/tcp -p 127.0.0.1:8082:10.0.2.100:81/tcp
    served "beside a running instance: the instance's" 8080 container
    served 'and ours' 8081 container
    served "at its link's address" 8082 container
    finish c
    await f
    status_is 0 'which ends with it'

    # --- few descriptors
    forward f --target ${pid[ns]} -p 127.0.0.1:8080:80/tcp
    launch g $notify sh -c 'ulimit -n 64; exec rootlet forward "$@"' sh --target ${pid[ns]} -p 127.0.0.1:8081:81/tcp -p 127.0.0.1:8007:7/udp
    run sh -c "for i in \$(seq 100); do $client udp 127.0.0.1 8007 x || exit 1; done"
    is "$status:${#stdout}" 0:100 '64 descriptors: more clients than that, one after the other'
    served 'and TCP' 8081
    finish g
    run sh -c 'ulimit -n 8; exec rootlet forward "$@"' sh --target ${pid[ns]} -p 127.0.0.1:8081:81/tcp
    status_is 1 'and with 8 of them'
    err_like 'Too many open files|No file descriptors available' 'it says why not'
    finish f

    # --- what does not work
    refused 'exactly one of --target and --netns.*' 'no target' -p 8080:80/tcp
    refused 'exactly one of --target and --netns.*' 'two' --target ${pid[ns]} --netns /proc/${pid[ns]}/ns/net -p 8080:80/tcp
    refused 'nothing to do.*--publish.*' 'nothing to publish' --target ${pid[ns]}
    refused "unexpected argument 'web'.*" 'an argument' --target ${pid[ns]} -p 8080:80/tcp web
    refused "unknown option '--publisch' .*--publish.*" 'an unknown option' --target ${pid[ns]} --publisch 8080:80/tcp
    for spec in 80 8080:80 8080:80/sctp 8080:80/http 0:0/tcp 65536:80/tcp 8080-8081:80/tcp 8080-:80/tcp 1.2.3:8080:80/tcp 127.0.0.1:8080:80/tcp6 ''; do
        refused "port spec '$spec': .+" "the port '$spec'" --target ${pid[ns]} -p "$spec"
    done
    for word in 0 -1 x 99999999999; do
        refused "'$word' is no process id.*" "process '$word'" --target=$word -p 8080:80/tcp
    done
    sh -c : & wait $!
    refused "cannot find process $!: No such process" 'a process that has ended' --target $! -p 8080:80/tcp
    refused "cannot open the network namespace '/nowhere/net': No such file.*" 'no such path' --netns /nowhere/net -p 8080:80/tcp
    refused "'web': No such file or directory .*/run/netns.*" 'a name' --netns web -p 8080:80/tcp
    refused "'/etc/passwd' is no network namespace.*" 'a file that is none' --netns /etc/passwd -p 8080:80/tcp
    refused "'/' is no network namespace.*" 'a folder' --target / -p 8080:80/tcp
    refused "'/proc/self/ns/user' is a user namespace.*" 'a namespace of another kind' --target /proc/self/ns/user -p 8080:80/tcp
    run mkfifo $folder/fifo
    refused "'$folder/fifo' is no network namespace.*" 'a FIFO, without waiting for its writer' --netns $folder/fifo -p 8080:80/tcp
    run rm $folder/fifo
    thread=$(printf '%s\n' /proc/${pid[ns]}/task/* | grep -v "/${pid[ns]}$" | head -n 1)
    thread=${thread##*/}
    refused "$thread is a thread .*process.*" 'a thread' --target $thread -p 8080:80/tcp
    refused 'cannot use --ready-fd 9 .*' 'a descriptor that is not open' --target ${pid[ns]} --ready-fd 9 -p 8080:80/tcp
    refused "--ready-fd.*'x'.*" 'one that is none' --target ${pid[ns]} --ready-fd x -p 8080:80/tcp
    for seconds in 0 x -1 100000; do
        refused "--udp-timeout.*'$seconds'.*" "a time limit of '$seconds'" --target ${pid[ns]} --udp-timeout=$seconds -p 8080:80/tcp
    done
    refused "'/nowhere/api'.*No such file.*" 'an API socket nowhere' --target ${pid[ns]} --api-socket /nowhere/api
    refused "'/etc/passwd' is there already and is no socket.*" 'in the place of a file' --target ${pid[ns]} --api-socket /etc/passwd
    refused 'API: .*too long.*' 'with a long name' --target ${pid[ns]} --api-socket "/tmp/$(printf '%0200d' 0)"
    refused 'API: .*empty.*' 'with none' --target ${pid[ns]} --api-socket ''
    refused "'203\.0\.113\.80' is not an address of this host" "an address that is somebody else's" --target ${pid[ns]} -p 203.0.113.80:8080:80/tcp
    run rootlet forward --help
    for word in --target --netns --publish --source-ip-transparent --udp-timeout --api-socket --ready-fd --debug; do
        out_like "$word" "--help tells of $word"
    done
    finish ns

    # --- a namespace whose loopback interface is down
    launch ns unshare -Urn sh -c 'echo up; exec cat'
    forward f --target ${pid[ns]} -p 127.0.0.1:8080:80/tcp
    run $client reset 127.0.0.1 8080
    like "$stdout" 'ECONN(RESET|REFUSED)' 'a namespace with lo down'
    finish f
    err_like 'lo.* is down.*ip link set lo up' 'is told, and what to do'
    finish ns
done

# --- a path without any process in it
who=root
run ip netns add web
run ip -n web link set lo up
forward f --netns /run/netns/web -p 127.0.0.1:8080:80/tcp
launch web ip netns exec web $servers --hello 'by name' http:127.0.0.1:80
served 'ip netns: a namespace that has a name and no process' 8080 'by name'
run ip netns del web
served 'it goes on when the name is gone' 8080 'by name'
finish f
finish web

# --- whoever may not
run ip netns add web
who=user
refused "'/run/netns/web'.* belongs to root .*" "root's namespace, by a user" --netns /run/netns/web -p 8080:80/tcp
refused 'process 1: Permission denied .*' "root's process" --target 1 -p 8080:80/tcp
refused "'/proc/self/ns/net'.* belongs to root .*" 'the one it is in, where it may do nothing' --netns /proc/self/ns/net -p 8080:80/tcp
run unshare -Ur rootlet forward --netns /run/netns/web -p 8080:80/tcp
is "$status:$(grep -c 'user namespace outside of this one' <<<"$stderr"):$(wc -l <<<"$stderr")" 1:1:1 "by a user namespace's root"
who=root
namespace ns
who=user
refused "process ${pid[ns]}: Permission denied .*" "a namespace of root's user namespace" --target ${pid[ns]} -p 8080:80/tcp
launch mine unshare -Urn sh -c 'ip link set lo up; exec "$@"' sh $servers --hello mine http:127.0.0.1:80
refused 'port 80 is privileged .*ip_unprivileged_port_start.*' 'a port below 1024' --target ${pid[mine]} -p 127.0.0.1:80:80/tcp
who=root
forward f --target ${pid[mine]} -p 127.0.0.1:80:80/tcp
served "root may, with a user's namespace" 80 mine
finish f
finish mine
finish ns
run unshare -m sh -c 'mount -t tmpfs none /proc; exec rootlet forward --target 1 -p 8080:80/tcp'
status_is 1 'without /proc'
err_like 'rootlet forward: cannot look for process 1: /proc is not mounted here' 'which is told'
run $TOP/tests/lib/deny.py setns=EPERM rootlet forward --netns /run/netns/web -p 8080:80/tcp
is "$status:$(grep -c 'setns is refused' <<<"$stderr"):$(wc -l <<<"$stderr")" 1:1:1 'setns(2) forbidden'
run ip netns del web
run umount /run/netns

# --- hosts without IPv6
namespace ns
for how in 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6; exec "$@"' 'exec "$0" socket-inet6=EAFNOSUPPORT "$@"'; do
    launch f unshare -n sh -c "ip link set lo up; $how" $TOP/tests/lib/deny.py $notify rootlet forward --target ${pid[ns]} -p 8080:80/tcp -p 8007:7/udp
    run nsenter -t ${line#ready } -n sh -c "curl -sS http://127.0.0.1:8080/; $client udp 127.0.0.1 8007 datagram"
    out_is $'inside\ndatagram' 'a host without IPv6 serves IPv4'
    finish f
    is "$status:$stderr" 0: 'without a word'
done
run unshare -n $TOP/tests/lib/deny.py socket-inet6=EAFNOSUPPORT rootlet forward --target ${pid[ns]} -p 8080:80/tcp6
status_is 1 'and IPv6 is refused'
err_like 'cannot publish .*8080:80/tcp6: .*IPv6' 'with a reason'
finish ns
nothing_left 'nothing is left'
done_testing
