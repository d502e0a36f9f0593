#!/bin/bash
# `run` where ids are hard to get: in somebody else's user namespace, without capabilities, with a newuidmap that does not do its work.
# Each ends in success or in one message with the cause and what to do.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
userns=$TOP/tests/lib/userns.py
net='rootlet run --pidns --net=slirp4netns --copy-up=/etc'
show='sed "s/^ *//; s/  */ /g" /proc/self/uid_map /proc/self/gid_map | tr "\n" ","; cat /proc/self/setgroups; id -u; id -g'

maps_are() { # UIDMAP [GIDMAP] SETGROUPS WHAT
    local what=${!#} uids=$1 gids=$1
    if [ $# = 4 ]; then gids=$2; shift; fi
    status_is 0 "$what: it runs"
    out_is "$uids,$gids,$2"$'\n0\n0' "$what: the maps"
}
# What was said is one line, and like this.
says() {
    err_like "$1" "$2"
    tap_about is "$(grep -c . <<<"$stderr")" 1 'in one line'
}
refused() { # REGEX WHAT COMMAND...
    local regex=$1 what=$2
    shift 2
    run "$@"
    status_is 1 "$what: refused"
    says "$regex" "$what: with the cause"
}

# --- three deep, of our own
for who in root user; do
    run rootlet run rootlet run rootlet run sh -c 'id -u; touch $TMPDIR/f; stat -c %u:%g $TMPDIR/f; rm $TMPDIR/f'
    out_is $'0\n0:0' 'three deep'
    run $net $net $net curl -sS http://web.test/
    out_is 'hello from outside' 'three deep, with networks and pid namespaces'
    err_is '' 'without a word'
    run rootlet run --pidns rootlet run --pidns rootlet run --pidns sh -c 'echo $$ $(ls -d /proc/[0-9]* | wc -l)'
    out_like '^2 [3-5]$' 'three deep, each with its own processes'
    port='--port-driver=builtin -p 127.0.0.1'
    launch c $net $port:8080:8081/tcp $net $port:8081:8082/tcp $net $port:8082:80/tcp $servers --hello 'far inside' http:127.0.0.1:80
    run curl -sS http://127.0.0.1:8080/
    out_is 'far inside' 'three deep, a port published through all of them'
    finish c
    status_is 0 'and its end'
    nothing_left 'nothing is left of it'
done

# --- root of a user namespace that somebody else made: the identity of what is there
who=root
for map in 0:100000:65536 0:100000:1 0:0:65536 0:100000:1000,1000:300000:500,5000:400000:10; do
    expected=$(tr , '\n' <<<"$map" | awk -F: '{ print $1, $1, $3 }' | paste -sd,)
    run $userns $map rootlet run sh -c "$show"
    maps_are "$expected" allow "the map $map"
    err_is '' 'nothing is said'
    run $userns $map $net curl -sS http://web.test/
    out_is 'hello from outside' 'with a network, too'
    err_is '' 'nothing is said'
done
run $userns 0:100000:1000/0:200000:1,5:300000:20 rootlet run sh -c "$show"
maps_are '0 0 1000' '0 0 1,5 5 20' allow 'groups that are mapped in another way than users'
run $userns --own=1001 0:1001:1,1:100000:65536 rootlet run sh -c "$show"
maps_are '0 0 1,1 1 65536' allow "a user's namespace, as podman makes it"
many=$(for i in {0..199}; do printf '%d:%d:1,' $((i * 2)) $((200000 + i)); done)
run $userns ${many%,} rootlet run sh -c 'wc -l </proc/self/uid_map'
out_is 200 'two hundred holes'
printf '%s\n' root:100:500 >/etc/subuid
cp /etc/subuid /etc/subgid
run $userns 0:100000:65536 rootlet run sh -c "$show"
maps_are '0 0 1,1 100 500' allow 'the ranges of root in there are taken when there are any'
printf '%s\n' root:100:500 root:70000:5 >/etc/subuid
run $userns 0:100000:65536 rootlet run sh -c "$show"
maps_are '0 0 1,1 100 500' allow 'as far as they exist in there'
printf '%s\n' root:1000000:65536 tester:100000:65536 >/etc/subuid
cp /etc/subuid /etc/subgid
run $userns 0:100000:65536 setpriv --reuid=1000 --regid=1000 --clear-groups --bounding-set=-all --inh-caps=-all rootlet run sh -c "$show"
maps_are '0 1000 1' deny 'another user in there, without capabilities'
says 'newuidmap cannot work: .*bounding set.*CAP_SETUID' 'the cause and what to do'
run $userns 0:100000:65536 setpriv --reuid=70000 --regid=0 --clear-groups true
status_isnt 0 '(a uid that is not mapped nobody can have)'

# --- root without what makes root: Kubernetes' "drop: ALL"
nothing='setpriv --bounding-set=-all --inh-caps=-all'
refused 'uid 0 cannot be mapped without CAP_SETFCAP.*add CAP_SETFCAP|uid 0 cannot be mapped.*another user' 'root without capabilities' $nothing rootlet run true
refused 'uid 0 cannot be mapped without CAP_SETFCAP' 'the same in a user namespace' $userns 0:100000:65536 $nothing rootlet run true
run setpriv --bounding-set=-all,+setfcap --inh-caps=-all rootlet run sh -c "$show"
maps_are '0 0 1' deny 'with CAP_SETFCAP only'
says 'warning: newuidmap cannot work.*bounding set' 'and why'
run setpriv --bounding-set=-setuid --inh-caps=-all rootlet run sh -c "$show"
maps_are '0 0 1' deny 'without CAP_SETUID'
says 'warning: newuidmap cannot work.*bounding set' 'and why'

# --- no_new_privs
run setpriv --no-new-privs $net curl -sS http://web.test/
out_is 'hello from outside' 'root under no_new_privs'
err_is '' 'which needs no newuidmap'
who=user
run setpriv --no-new-privs $net curl -sS http://web.test/
out_is 'hello from outside' 'a user under no_new_privs'
says 'warning: newuidmap cannot work under no_new_privs \(single-id map.*start it without' 'and why'
refused 'newuidmap cannot work under no_new_privs.*start it without' '--map=newuidmap under no_new_privs' setpriv --no-new-privs rootlet run --map=newuidmap true

# --- newuidmap as it should not be
helpers=/tmp/helpers
mkdir -m 755 $helpers
with="env PATH=$helpers:$PATH"
cp /usr/bin/newuidmap /usr/bin/newgidmap $helpers
chmod 755 $helpers/*
run $with rootlet run sh -c "$show"
maps_are '0 1001 1' deny 'newuidmap without the setuid bit'
says "'$helpers/newuidmap' has neither the setuid bit of root nor file capabilities.*reinstall uidmap" 'and why'
setcap cap_setuid=ep $helpers/newuidmap
setcap cap_setgid=ep $helpers/newgidmap
run $with rootlet run sh -c "$show"
maps_are '0 1001 1,1 100000 65536' allow 'newuidmap with file capabilities'
err_is '' 'which will do'
mount -t tmpfs -o nosuid,mode=755 tmpfs $helpers
cp -p /usr/bin/newuidmap /usr/bin/newgidmap $helpers
chmod 4755 $helpers/*
run $with rootlet run sh -c "$show"
maps_are '0 1001 1' deny 'newuidmap on a nosuid mount'
says "'$helpers/newuidmap' is on a nosuid mount.*without nosuid" 'and why'
umount $helpers
pretend() { # what stands in for both
    rm -f $helpers/*
    printf '#!/bin/sh\n%s\n' "$1" | tee $helpers/newuidmap >$helpers/newgidmap
    chmod 755 $helpers/*
}
pretend 'exit 0'
run $with rootlet run sh -c "$show"
maps_are '0 1001 1' deny 'newuidmap that writes nothing'
says 'newuidmap reported success, but wrote nothing.*reinstall uidmap' 'and why'
refused 'newuidmap reported success, but wrote nothing.*reinstall uidmap' '--map=newuidmap, and it writes nothing' $with rootlet run --map=newuidmap true
pretend 'echo strange weather >&2; exit 3'
run $with rootlet run sh -c "$show"
maps_are '0 1001 1' deny 'newuidmap that fails'
says 'newuidmap refused: strange weather' 'with its own words'
refused 'newuidmap refused: strange weather' '--map=newuidmap, and it fails' $with rootlet run --map=newuidmap true
pretend 'case $0 in */newuidmap) exec /usr/bin/newuidmap "$@" ;; esac; echo no groups >&2; exit 1'
refused 'newgidmap refused: no groups' 'newgidmap that fails when newuidmap is done: a map is not written twice' $with rootlet run true
pretend 'trap "" TERM; mkfifo -m 600 $TMPDIR/never 2>/dev/null; read -r x <$TMPDIR/never'
refused "'$helpers/newuidmap' did not end within [0-9]+ seconds.*reinstall uidmap" 'newuidmap that hangs' $with rootlet run --map=newuidmap true
rm /tmp/tester/never
pretend 'end=$TMPDIR/${0##*/}; mkfifo -m 600 $end; (read -r x <$end) & exec /usr/bin/${0##*/} "$@"'
run $with rootlet run sh -c "$show"
maps_are '0 1001 1,1 100000 65536' allow 'newuidmap that leaves a process behind with its streams'
err_is '' 'which is waited for by nobody'
for program in newuidmap newgidmap; do
    echo >/tmp/tester/$program
    rm /tmp/tester/$program
done

# --- ranges: fifty, a file that is a link (which newuidmap refuses, unless ids are written directly)
for i in {0..49}; do echo "tester:$((300000 + i * 1000)):100"; done | tee /etc/subuid >/etc/subgid
run rootlet run sh -c 'awk "{ n += \$3 } END { print NR, n }" /proc/self/uid_map'
out_is '51 5001' 'fifty ranges'
err_is '' 'all of which are there'
who=root
sed s/tester/root/ /etc/subuid >/etc/sub.real
rm /etc/subuid /etc/subgid
ln -s sub.real /etc/subuid
ln -s sub.real /etc/subgid
run rootlet run sh -c 'awk "{ n += \$3 } END { print NR, n }" /proc/self/uid_map'
out_is '51 5001' 'links instead of the files, for root'
err_is '' 'who needs no newuidmap'
printf '%s\n' root:200000:1000 root:200500:1000 >/etc/sub.real
run rootlet run --map=direct sh -c "$show"
maps_are '0 0 1,1 200000 1500' allow 'ranges in them that overlap'
rm /etc/subuid /etc/subgid
for file in /etc/subuid /etc/subgid; do printf '%s\n' root:1000000:65536 tester:100000:65536 >$file; done

# --- getsubids of the distribution
for who in root user; do
    first=$([ $who = root ] && echo 1000000 || echo 100000)
    own=$([ $who = root ] && echo 0 || echo 1001)
    ok 'getsubids is installed' test -x /usr/bin/getsubids
    run rootlet run --subid-source=dynamic sh -c "$show"
    maps_are "0 $own 1,1 $first 65536" allow '--subid-source=dynamic with the real getsubids'
    err_is '' 'nothing is said'
done
sed -i /tester/d /etc/subuid
refused "getsubids' has no ranges for 'tester'|getsubids.*tester" '--subid-source=dynamic without ranges' rootlet run --subid-source=dynamic true
echo tester:100000:65536 >>/etc/subuid

# --- bits on the executable
cp "$ROOTLET" /run/rootlet/marked
setcap cap_net_bind_service=ep /run/rootlet/marked
for who in root user; do
    run /run/rootlet/marked run --net=slirp4netns --copy-up=/etc curl -sS http://web.test/
    out_is 'hello from outside' 'file capabilities on the executable'
    err_is '' 'do no harm'
done
who=user
run /run/rootlet/marked run sh -c "$show"
maps_are '0 1001 1,1 100000 65536' allow 'with them, too, a user gets his own ids'
launch c /run/rootlet/marked run --net=slirp4netns --copy-up=/etc --port-driver=builtin -p 127.0.0.1:81:80/tcp $servers --hello inside http:127.0.0.1:80
run curl -sS http://127.0.0.1:81/
out_is inside 'and may publish a low port'
finish c
chmod 4755 /run/rootlet/marked
refused 'must not be setuid.*chmod' 'a setuid executable' /run/rootlet/marked run id -u
out_is '' 'runs nothing'
who=root
chmod 755 /run/rootlet/marked
chown root:tester /run/rootlet/marked
chmod 2755 /run/rootlet/marked
refused 'must not be setuid or setgid.*chmod' 'a setgid executable' /run/rootlet/marked run id -u
nothing_left 'nothing is left'
done_testing
