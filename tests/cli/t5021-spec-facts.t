#!/bin/bash
# spec: what the kernel says decides: maps, owners of namespaces, delegated controllers, locked flags, scores and limits, each made for it.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2
# shellcheck source=tests/lib/oci.sh
. "$TOP/tests/lib/oci.sh"
config=/tmp/config.json
userns=$TOP/tests/lib/userns.py

# config PYTHON: a config.json with a mount of each kind, changed by that
config() {
    (cd /tmp && rm -f config.json && runc spec && oci_change config.json "$1")
    chmod 644 $config
}
# value PYTHON: of the output, as `c`
value() { python3 -c 'import json, sys; c = json.loads(sys.argv[1]); print(json.dumps(eval(sys.argv[2])))' "$stdout" "$1"; }
sys='[m for m in c["mounts"] if m["destination"] == "/sys"][0]["type"]'

# --- ids: uids and gids each from their own files
who=root
config ''
run "$userns" 0:1001:1,1:100000:10/0:1001:1,1:200000:20,30:300000:5 rootlet spec --mode=nested $config
status_is 0 'maps of a user namespace, uids and gids with different ones'
is "$(value 'c["linux"]["uidMappings"]')" '[{"containerID": 0, "hostID": 0, "size": 1}, {"containerID": 1, "hostID": 1, "size": 10}]' 'uids from uid_map'
is "$(value 'c["linux"]["gidMappings"]')" \
    '[{"containerID": 0, "hostID": 0, "size": 1}, {"containerID": 1, "hostID": 1, "size": 20}, {"containerID": 30, "hostID": 30, "size": 5}]' 'gids from gid_map'
config 'c["process"]["user"].update(uid=10, gid=10)'
run "$userns" 0:1001:1,1:100000:9/0:1001:1,1:200000:20 rootlet spec $config
status_is 2 'a uid that only gid_map has'
err_like '\.process\.user\.uid: uid 10 is not mapped' 'is not mapped'
err_unlike '\.process\.user\.gid' 'but the gid is'
run "$userns" 0:1001:1,1:100000:20/0:1001:1,1:200000:9 rootlet spec $config
err_like '\.process\.user\.gid: gid 10 is not mapped' 'and the other way round'
err_unlike '\.process\.user\.uid' 'as well'
who=user
printf 'tester:100000:65536\ntester:500000:7\n' >/etc/subuid
printf 'tester:200000:1000\n' >/etc/subgid
config ''
run rootlet spec $config
is "$(value '[(m["containerID"], m["hostID"], m["size"]) for m in c["linux"]["uidMappings"]]')" '[[0, 1001, 1], [1, 100000, 65536], [65537, 500000, 7]]' 'subordinate uids'
is "$(value '[(m["containerID"], m["hostID"], m["size"]) for m in c["linux"]["gidMappings"]]')" '[[0, 1001, 1], [1, 200000, 1000]]' 'subordinate gids'

# --- whose is the network namespace?
config 'c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "network"]'
for how in '' '--pidns --ipcns'; do
    run rootlet run --net=none $how rootlet spec $config
    is "$(value "$sys")" '"sysfs"' "run --net=none $how: our own: a sysfs stays"
    run rootlet run --net=host $how rootlet spec $config
    is "$(value "$sys")" '"none"' "run --net=host $how: somebody else's: the host's is bound"
done
run rootlet spec $config
is "$(value "$sys")" '"none"' "an ordinary user has none"
: >/run/netns-of-host && mount --bind /proc/self/ns/net /run/netns-of-host
config ''
for how in none host; do
    run rootlet run --net=$how rootlet spec --net=/run/netns-of-host $config
    is "$(value "$sys")" '"none"' "run --net=$how: one that is joined, the host's, is not ours"
    err_is '' 'which is known'
done
run rootlet run --net=none rootlet spec --net=/proc/self/ns/net $config
is "$(value "$sys")" '"sysfs"' 'one that is joined, our own, is'
run rootlet run --net=none rootlet spec --net=/run/nothing $config
err_like 'mounts\[5\]: sysfs is kept, but nobody here knows' 'one that is not there is nobody knows whose'
run sh -c "mkfifo /tmp/tester/fifo && rootlet run --net=none strace -o /tmp/tester/trace rootlet spec --net=/tmp/tester/fifo $config"
err_like 'mounts\[5\]: sysfs is kept, but nobody here knows' 'nor whose one is that is no namespace'
run grep -c '/tmp/tester/fifo.*= [0-9]' /tmp/tester/trace
out_like '^[1-9]' 'which is looked at'
run sh -c 'grep "open.*/tmp/tester/fifo" /tmp/tester/trace | grep -v O_PATH'
out_is '' 'without being opened: it may be a device, or a FIFO whose writer waits'
run rm /tmp/tester/fifo /tmp/tester/trace
for kind in pid ipc; do
    config "c['linux']['namespaces'] = [n for n in c['linux']['namespaces'] if n['type'] != '$kind']"
    place=$([ $kind = pid ] && echo /proc || echo /dev/shm)
    type="[m for m in c['mounts'] if m['destination'] == '$place'][0]['type']"
    run rootlet run --net=host rootlet spec $config
    is "$(value "$type")" '"none"' "$place is bound where the $kind namespace is the host's"
    run rootlet run --net=host --${kind}ns rootlet spec $config
    isnt "$(value "$type")" '"none"' "and stays where it is our own"
done

# --- controllers: those of our own group, where we may write
limits='c["linux"]["resources"] = {"memory": {"limit": 1 << 30}, "pids": {"limit": 99}, "cpu": {"shares": 2, "cpus": "0"},
    "blockIO": {"weight": 10}, "hugepageLimits": [{"pageSize": "2MB", "limit": 0}], "rdma": {"a": {"hcaHandles": 1}},
    "devices": [{"allow": False}], "network": {"classID": 1},
    "unified": {"memory.high": "1", "pids.max": "9", "cpuset.mems": "0", "hugetlb.2MB.max": "0", "misc.max": "a 1", "cgroup.max.depth": "3"}}'
config "$limits"
want() { # FILE: what should stay, by its words
    python3 -c 'import sys
have = set(open(sys.argv[1]).read().split())
of = {"memory": "memory", "pids": "pids", "blockIO": "io", "hugepageLimits": "hugetlb", "rdma": "rdma", "cpu/shares": "cpu", "cpu/cpus": "cpuset",
    "unified/memory.high": "memory", "unified/pids.max": "pids", "unified/cpuset.mems": "cpuset", "unified/hugetlb.2MB.max": "hugetlb", "unified/misc.max": "misc"}
print(sorted([k for k, v in of.items() if v in have] + ["unified/cgroup.max.depth"]))' "$1"
}
left() { python3 -c 'import json, sys
r = json.loads(sys.argv[1])["linux"].get("resources")
print(None if r is None else sorted(k if k not in ("cpu", "unified") else k + "/" + s for k, v in r.items() for s in (v if k in ("cpu", "unified") else " ")))' "$stdout"; }
run rootlet spec --cgroup=delegated $config
is "$(left)" "$(want /sys/fs/cgroup/cgroup.controllers)" 'limits stay whose controllers the own group has'
# Which ones the machine hands on is its own affair: here it is these, by the file where the kernel says so.
echo 'cpuset memory pids' >/tmp/controllers
mount --bind /tmp/controllers /sys/fs/cgroup/cgroup.controllers
run rootlet spec --cgroup=delegated $config
is "$(left)" "$(want /tmp/controllers)" 'some of them'
like "$(left)" "'cpu/cpus', 'memory', 'pids', 'unified/cgroup.max.depth', 'unified/cpuset.mems', 'unified/memory.high', 'unified/pids.max'" 'these'
run rootlet run --net=host rootlet spec --cgroup=delegated $config
is "$(left)" "$(want /tmp/controllers)" 'inside as well'
mkdir /sys/fs/cgroup/below && chown -R tester: /sys/fs/cgroup/below
in_group() { sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"' sh "$@"; }
run_in() { # GROUP COMMAND...
    local group=$1
    shift
    ran="in $group: $*" status=0
    in_group "/sys/fs/cgroup/$group" as-user "$@" >"$tap_dir/out" 2>"$tap_dir/err" || status=$?
    stdout=$(<"$tap_dir/out") stderr=$(<"$tap_dir/err")
}
run_in below rootlet spec --cgroup=delegated $config
is "$(left)" "$(want /sys/fs/cgroup/below/cgroup.controllers)" 'a group below has fewer'
is "$(cat /sys/fs/cgroup/below/cgroup.controllers)" '' 'none, in fact'
chown root: /sys/fs/cgroup/cgroup.subtree_control
run rootlet spec --cgroup=delegated $config
is "$(left)" "['unified/cgroup.max.depth']" 'controllers that we may not hand on are not delegated'
chown tester: /sys/fs/cgroup/cgroup.subtree_control
run rootlet spec --cgroup=keep $config
is "$(left)" "$(python3 -c "print(sorted(['memory','pids','blockIO','hugepageLimits','rdma','devices','network','cpu/shares','cpu/cpus']+['unified/'+k for k in ('memory.high','pids.max','cpuset.mems','hugetlb.2MB.max','misc.max','cgroup.max.depth')]))")" '--cgroup=keep keeps all'
run rootlet spec --cgroup=keep --cgroups-path=/below/mine $config
status_is 0 'a group that may be made'
chown root: /sys/fs/cgroup/below
run rootlet spec --cgroup=keep --cgroups-path=/below/mine $config
status_is 2 'one that may not'
err_like "linux\.cgroupsPath: the cgroup '/below/mine' cannot be made" 'is refused'
run rootlet spec --cgroup=keep --cgroups-path=/none/../below/./mine $config
status_is 2 'nor by way of a group that is not there'
run rootlet spec --cgroup=keep --cgroups-path=../../etc/../mine $config
status_is 0 'and ".." does not lead out of the tree'
rmdir /sys/fs/cgroup/below
umount /sys/fs/cgroup/cgroup.controllers /sys/fs/cgroup
run rootlet spec --cgroup=delegated $config
is "$(left)" None 'without a cgroup file system nothing is delegated'
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup && mkdir /sys/fs/cgroup/{unified,pids}
run rootlet spec --cgroup=delegated $config
is "$(left)" None 'nor with v1'
mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
run rootlet spec --cgroup=delegated $config
is "$(left)" None 'nor with hybrid ones, where runtimes use v1'
umount /sys/fs/cgroup/unified /sys/fs/cgroup

# --- flags of mounts
bind() { config "c['mounts'] = [{'destination': '/t', 'type': 'bind', 'source': '$1', 'options': $2}]"; }
options='c["mounts"][0]["options"]'
mkdir /tmp/flags && mount -t tmpfs -o mode=777,nosuid,nodev,noatime tmpfs /tmp/flags
bind /tmp/flags "['bind', 'ro']"
run rootlet spec $config
is "$(value "$options")" '["bind", "ro", "nosuid", "nodev"]' 'outside, what is set will be locked'
run rootlet run --net=host rootlet spec $config
is "$(value "$options")" '["bind", "ro", "nosuid", "nodev"]' 'inside, what is inherited is locked'
own='mount -t tmpfs -o nosuid,nodev own /tmp/flags && exec rootlet spec "$@"'
run rootlet run --net=host sh -c "$own" sh $config
is "$(value "$options")" '["bind", "ro"]' 'what was mounted there is not'
run rootlet run --net=host sh -c "$own" sh --mode=nested $config
is "$(value "$options")" '["bind", "ro", "nosuid", "nodev"]' 'but will be for one more user namespace'
bind /tmp/flags "['bind', 'suid', 'relatime']"
run rootlet run --net=host rootlet spec $config
is "$(value "$options")" '["bind"]' 'a locked flag and a locked atime mode cannot be changed inside'
err_like "'suid' is asked for, but '/tmp/flags' is mounted with 'nosuid', which is locked" 'which is said'
run rootlet run --net=host sh -c "$own" sh $config
is "$(value "$options")" '["bind", "suid", "relatime"]' 'those of our own mount can'
err_is '' 'without a word'
umount /tmp/flags
# read-only by its file system, not as a mount: since Linux 6.8 the kernel tells one from the other
mount -t tmpfs -o ro,mode=777 tmpfs /tmp/flags && mount -o remount,bind,rw /tmp/flags
bind /tmp/flags "['bind', 'rw', 'nosuid']"
run rootlet spec $config
if printf '%s\n' 6.8 "$(uname -r)" | sort -VC; then
    is "$(value "$options")" '["bind", "rw", "nosuid"]' 'a medium that is read-only locks nothing'
else
    is "$(value "$options")" '["bind", "nosuid", "ro"]' 'a medium that is read-only is taken for a mount that is'
fi
umount /tmp/flags && rmdir /tmp/flags

# --- score and limits
config 'c["process"]["oomScoreAdj"] = 100; c["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": 4096, "soft": 2048}]'
for score in 99 100 101 1000; do
    run sh -c "echo $score >/proc/self/oom_score_adj; exec rootlet spec --rlimits=clamp $config"
    is "$(value 'c["process"]["oomScoreAdj"]')" $((score > 100 ? score : 100)) "a score of our own of $score"
done
for limit in 1024 2048 3000 4096; do
    run prlimit --nofile=$((limit < 1024 ? limit : 1024)):$limit rootlet spec --rlimits=clamp $config
    is "$(value '[c["process"]["rlimits"][0][k] for k in ("hard", "soft")]')" "[$limit, $((limit < 2048 ? limit : 2048))]" "a limit of our own of $limit"
done
run prlimit --nofile=1024:1024 rootlet spec $config
is "$(value 'c["process"]["rlimits"][0]["hard"]')" 4096 'without --rlimits=clamp it stays'
err_like 'rlimits\[0\]\.hard: 4096 is above the hard limit in force here \(1024\)' 'with a warning'

# --- what there is to bind
config 'c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "ipc"]'
mqueue='[m["type"] for m in c["mounts"] if m["destination"] == "/dev/mqueue"]'
run rootlet spec $config
is "$(value "$mqueue")" '[]' 'a host without message queues has none to bind'
mount -t mqueue mqueue /dev/mqueue
run rootlet spec $config
is "$(value "$mqueue")" '["none"]' 'one with them has'
umount /dev/mqueue
config 'c["linux"]["devices"] = [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}, {"path": "/dev/nothing", "type": "c", "major": 1, "minor": 99}]'
run rootlet spec $config
status_is 2 'a device that the host does not have'
err_like "linux\.devices\[1\]: the host has no '/dev/nothing'" 'is refused'
err_unlike 'devices\[0\]' 'one that it has is not'
done_testing
