#!/bin/bash
# spec: templates of its own, a user without subordinate ids, fake root with a network, what is refused and what is not touched.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2
who=user

bundle=/tmp/tester/bundle
run sh -ec "mkdir -p $bundle/rootfs; cd $bundle/rootfs; mkdir bin proc sys dev; cp $(type -P busybox) bin/; for a in sh cat id ls grep; do ln -s busybox bin/\$a; done"
status_is 0 'a root file system'
cd $bundle || bail_out "no $bundle"
# Instead of a shell that waits at a terminal: show what there is, and end.
show='sed -i "s/\"terminal\": *true/\"terminal\": false/; s/\"sh\"/\"sh\", \"-c\", \"id -u; grep . \/proc\/self\/uid_map; ls \/sys; echo pid \$\$\"/" config.json'
start() { echo "$1 --root /run/user/1001/$1 run -b $bundle c$RANDOM"; }

for runtime in runc crun; do
    run sh -ec "cd $bundle; rm -f config.json; rootlet spec --new --rootless -b $bundle; $show; exec $(start $runtime)"
    status_is 0 "spec --new --rootless: $runtime runs it"
    like "$(tr -s ' ' <<<"$stdout")" '^0. ?0 1001 1. ?1 100000 65536.*kernel.*pid 1$' 'as root, with all ids and /sys'
    for how in '--net=slirp4netns --copy-up=/etc' '--net=slirp4netns --pidns'; do
        run sh -ec "cd $bundle; rm -f config.json; rootlet spec --new -b $bundle; $show"
        run rootlet run $how sh -ec "rootlet spec -i -b $bundle; exec $(start $runtime)"
        status_is 0 "run $how: the right mode is found, and $runtime runs it"
        out_like '^0..*kernel.*pid 1$' 'as root, with /sys'
    done
done
printf 'root:1000000:65536\n' >/etc/subuid
cp /etc/subuid /etc/subgid
for runtime in runc crun; do
    run sh -ec "cd $bundle; rm -f config.json; rootlet spec --new --rootless -b $bundle; $show; exec $(start $runtime)"
    like "$(tr -s ' ' <<<"$stdout")" '^0. ?0 1001 1.[^1]' "without subordinate ids $runtime runs it with one"
done
printf 'tester:100000:65536\n' >/etc/subuid
cp /etc/subuid /etc/subgid

# --- what is not touched
run runc spec -b /tmp/tester
edit() { python3 -c 'import json,sys; d=json.load(open("/tmp/tester/config.json")); exec(sys.argv[1]); json.dump(d, sys.stdout)' "$1" >/tmp/edited.json; }
edit 'd["annotations"]={"z":"1","a":"2"}; d["future"]={"b":[1,2.5,{"y":None}],"a":18446744073709551615}; d["linux"]["seccomp"]={"defaultAction":"SCMP_ACT_ALLOW"}'
sed -i 's/2\.5,/2.500,/' /tmp/edited.json
run rootlet spec /tmp/edited.json
out_like '"z": ?"1", *"a": ?"2"' 'the order of keys'
out_like '2\.500' 'the text of numbers'
out_like '18446744073709551615' 'the biggest one'
out_like 'SCMP_ACT_ALLOW' 'seccomp'

# --- what cannot be made rootless: status 2, and the path
while IFS='|' read -r what path text; do
    edit "$text"
    run rootlet spec /tmp/edited.json
    status_is 2 "$what"
    err_like "$path" "the message names $path"
    out_is '' 'and nothing is written'
done <<'END'
an unmapped user|process\.user\.uid|d["process"]["user"]["uid"]=4000000
an unmapped group|process\.user\.gid|d["process"]["user"]["gid"]=4000000
two different user namespaces|linux\.namespaces|d["linux"]["namespaces"]+=[{"type":"user"},{"type":"user","path":"/proc/1/ns/user"}]
real-time scheduling|process\.scheduler|d["process"]["scheduler"]={"policy":"SCHED_FIFO","priority":1}
END
feed /dev/zero rootlet spec
status_is 3 'an endless input is refused'
run sh -c 'rootlet spec /tmp/tester/config.json >/dev/full'
status_is 4 'a full disk is noticed'
run rootlet spec --nonsense /tmp/tester/config.json
status_is 64 'an unknown option'
cd /
run rm -rf $bundle /tmp/tester/config.json /run/user/1001/runc /run/user/1001/crun
nothing_left 'nothing is left'
done_testing
