# spec-run.sh - the converter's runs with real runtimes, shared by the tests for each kind of cgroup tree.
# shellcheck shell=bash
# shellcheck disable=SC2016,SC2034,SC2154,SC2086 # `who` and others are tap.sh's; $wrap is meant to be split
# shellcheck source=tests/lib/oci.sh
. "$TOP/tests/lib/oci.sh"

bundle=/tmp/bundle
oci_bundle $bundle

# runtimes COMMAND...: COMMAND once for each, with `runtime` set. crun refuses any container where the v1 and v2 trees both have controllers:
# on a machine with hybrid cgroups the v2 one is taken out of its sight, after all of runc's turns.
runtimes() {
    for runtime in runc crun; do
        if [ $runtime = crun ] && [ -e /sys/fs/cgroup/unified/cgroup.controllers ]; then umount -l /sys/fs/cgroup/unified; fi
        "$@"
    done
}

# Where: the words before a command that make it run there, the converter's options, and the map that is to be seen.
declare -A wrap=(
    [outside]=''
    [inside]='rootlet run --net=host --'
    [own-net]='rootlet run --net=none --pidns --ipcns --'
    [nested]='rootlet run --net=host --'
)
declare -A option=([nested]=--mode=nested)
# A map is shown as the reader's own namespace sees it: the outer ids of `outside`, `inside` and `own-net` are the machine's.
declare -A map=([outside]='0 1001 1 1 100000 65536' [inside]='0 1001 1 1 100000 65536' [own-net]='0 1001 1 1 100000 65536'
    [nested]='0 0 1 1 1 65536')

# in_container NAME WHERE RUNTIME OPTION...: convert $bundle/in.json and run the result; stdout and status are the container's.
in_container() {
    local name=$1 where=$2 runtime=$3
    shift 3
    rm -f $bundle/rootfs/tmp/dirs
    feed /dev/null ${wrap[$where]} sh -euc 'runtime=$1; cd /tmp/bundle; shift
        rootlet spec --runtime=$runtime "$@" in.json -o config.json
        rootlet spec --runtime=$runtime "$@" --check config.json || { echo "not done after one conversion"; exit 99; }
        exec $runtime --root=$(mktemp -d) run $(mktemp -u cXXXXXX)' sh $runtime ${option[$where]:-} "$@"
}

# is_contained WHERE ID: what was run last saw what it should, and what it could not change it did not; it was that user.
is_contained() {
    local where=$1 id=$2 outer
    out_is "$(printf 'id %s\nuids %s\nproc\nsys\nowner 0:0\nmasked\nreadonly\ndone' "$id" "${map[$where]}")" \
        'ids are as mapped, /proc and /sys are there, with what is hidden and read-only, and no cgroup is writable'
    case $id in 0:0) outer=1001 ;; *) outer=$((100000 + ${id%:*} - 1)) ;; esac
    [ "${3:-}" = elsewhere ] || is "$(stat -c %u:%g $bundle/rootfs/tmp/dirs)" "$outer:$outer" 'what it made has the owner that it has outside'
    ok 'what was run is a valid config.json' "$TOP/build/$(uname -m)/tests/lib/ocivalid" $bundle/config.json
}

prepare() {
    (cd $bundle && rm -f config.json && "$1" spec && oci_edit config.json "$2" && mv config.json in.json && chown tester: in.json)
}

spec_runs() { runtimes spec_runs_by; }
spec_runs_by() {
    local template where
    who=user
    for template in runc crun; do
        prepare $template ''
        ok "the template of $template is valid" "$TOP/build/$(uname -m)/tests/lib/ocivalid" $bundle/in.json
        for where in outside inside own-net nested; do
            in_container plain $where $runtime
            status_is 0 "$where, the template of $template is run by $runtime"
            is_contained $where 0:0
        done
    done
    prepare runc "ns('network'); ns('pid'); ns('ipc'); mount('/sys/fs/cgroup')"
    for where in outside inside nested; do
        in_container shared $where $runtime
        status_is 0 "$where, with the host's network, processes and ipc, it is run by $runtime"
        is_contained $where 0:0
    done
    rm -f $bundle/rootfs/tmp/dirs
    run sh -euc 'cd /tmp/bundle; rootlet spec --mode=inside in.json -o config.json'
    status_is 0 'converted outside, for who will be inside'
    feed /dev/null rootlet run --net=host -- sh -euc 'cd /tmp/bundle; exec $1 --root=$(mktemp -d) run $(mktemp -u cXXXXXX)' sh $runtime
    status_is 0 "it is run there by $runtime"
    is_contained inside 0:0
    locked_binds
    prepare runc "c['process']['user'].update(uid=1000, gid=1000, additionalGids=[5])"
    in_container user outside $runtime
    status_is 0 "a user with subordinate ids, run by $runtime"
    is_contained outside 1000:1000
    in_container user outside $runtime --map=self
    status_is 2 'and is refused where only one id is mapped'
    err_like 'process.user.uid: uid 1000 is not mapped' 'which is said'
    in_container self outside $runtime --map=self --net=keep
    status_is 2 'whatever the network'
    prepare runc "c['process']['oomScoreAdj'] = -900; c['process']['rlimits'][0].update(hard=1<<40, soft=1<<40)"
    in_container limits outside $runtime --rlimits=clamp
    status_is 0 "limits that nobody may set are clamped for $runtime"
    in_container self outside $runtime --map=self --net=keep --rlimits=clamp
    status_is 0 'also with a single id and a network namespace of its own'
    out_like 'uids 0 1001 1'$'\n' 'of which the container sees one'
    joined
}

# Mounts whose flags are locked outside and, as they are inherited, inside; how accesses are noted is locked, too, whether it is what
# everybody has or not.
locked_binds() {
    local where
    mkdir -p /tmp/locked /tmp/atime
    mountpoint -q /tmp/locked || mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs /tmp/locked
    mountpoint -q /tmp/atime || mount -t tmpfs -o mode=755,nosuid,nodev,noatime tmpfs /tmp/atime
    prepare runc "c['mounts'].append({'destination': '/mnt', 'type': 'bind', 'source': '/tmp/locked', 'options': ['rbind', 'ro', 'defaults', 'uid=0']})
[c['mounts'].append({'destination': '/mnt', 'type': 'bind', 'source': s, 'options': o}) for s, o in
        (('/tmp/atime', ['rbind', 'relatime']), ('/tmp/atime', ['bind', 'ro', 'noatime']), ('/tmp/atime', ['bind', 'nodiratime', 'ro']),
        ('/tmp/locked', ['bind', 'ro', 'noatime']), ('/tmp/locked', ['bind', 'strictatime']), ('/tmp/locked', ['rbind', 'rnoatime']), ('/tmp/locked', ['bind', 'relatime']),
        ('/tmp/locked', ['bind', 'rw', 'exec', 'suid', 'dev']), ('/tmp/locked', ['rbind', 'exec', 'ro', 'rexec']), ('/tmp/locked', ['bind', 'nosuid', 'dev']))]"
    for where in outside inside nested; do
        in_container locked $where $runtime
        status_is 0 "$where, binds that ask for other flags than the locked ones are made by $runtime"
        err_like "mounts\[[0-9]+\].options: 'exec' is asked for, but '/tmp/locked' is mounted with 'noexec', which is locked" 'and it is said which cannot be had'
    done
}

# Somebody else's namespaces, by their paths.
joined() {
    local child
    launch holder rootlet run --net=none --state-dir=/tmp/tester/state -- sh -c 'echo ready; read line'
    child=$(cat /tmp/tester/state/child_pid)
    prepare runc "c['linux']['namespaces'].append({'type': 'user', 'path': '/proc/$child/ns/user'})
[n.update(path='/proc/$child/ns/net') for n in c['linux']['namespaces'] if n['type'] == 'network']
c['linux']['uidMappings'] = [{'containerID': 0, 'hostID': 1001, 'size': 1}, {'containerID': 1, 'hostID': 100000, 'size': 65536}]
c['linux']['gidMappings'] = c['linux']['uidMappings']"
    in_container joined outside $runtime
    status_is 0 "the user and network namespaces of another process are joined by $runtime"
    err_is '' 'whose owner is known'
    is_contained outside 0:0
    finish holder
}

# Only where the user may write to the cgroup tree is it seen that the container may not.
spec_runs_cgroup2() { runtimes spec_runs_cgroup2_by; }
spec_runs_cgroup2_by() {
    local hole="mount('/sys/fs/cgroup'); [m.update(type='none', source='/sys', options=['rbind', 'nosuid', 'noexec', 'nodev', 'ro'])
        for m in c['mounts'] if m['destination'] == '/sys']"
    prepare runc "$hole"
    in_container hole outside $runtime
    status_is 0 "an rbind of /sys that somebody made by hand is run by $runtime"
    out_like 'WRITABLE /sys/fs/cgroup' "as it is: its hole shows that this test can see one"
    in_container hole outside $runtime --sys=rbind
    status_is 0 '--sys=rbind'
    out_unlike WRITABLE 'closes it'
    run sh -c "cd $bundle && rootlet spec in.json >/dev/null"
    err_like 'mounts\[5\]: the host.s cgroup tree stays writable.*CVE-2023-25809' 'and without, there is a warning'
    prepare runc "c['linux']['resources'].update(memory={'limit': 1 << 30}, unified={'hugetlb.2MB.max': '0'})"
    in_container limits outside $runtime --cgroup=delegated
    status_is 0 "limits whose controllers are delegated do not hurt $runtime"
}

# What podman and buildah give to a runtime is saved by a runtime that is called instead of the real one, with the folder it is in.
spec_keeper='#!/bin/sh
bundle= before=
for word do
    case $before in --bundle | -b) bundle=$word ;; esac
    case $word in --bundle=*) bundle=${word#*=} ;; esac
    before=$word
done
[ -z "$bundle" ] || [ -e /tmp/bundle/in.json ] || {
    kept=$(mktemp -d /tmp/tester/keptXXXXXX)
    cp -a "$bundle/." $kept
    sed "s|$bundle|$kept|g" "$bundle/config.json" >/tmp/bundle/in.json
}
exec REAL "$@"
'

# keep WHOSE NAME: put what is in $bundle/in.json aside; the folder that it speaks of is a copy.
keep() {
    ok "there is a config.json of $1" test -s $bundle/in.json
    ok 'which is valid' "$TOP/build/$(uname -m)/tests/lib/ocivalid" $bundle/in.json
    mv $bundle/in.json "/tmp/tester/${2}.json"
}

# made_by WHOSE NAME ID OPTION...: what was kept is converted with these options, and run everywhere.
made_by() {
    local whose=$1 name=$2 id=$3 where
    shift 3
    cp "/tmp/tester/$name.json" $bundle/in.json
    for where in outside inside own-net nested; do
        in_container made $where $runtime "$@"
        status_is 0 "$where, the config.json of $whose is run by $runtime"
        is_contained $where "$id" "$(case $name in built | rich) echo elsewhere ;; esac)"
    done
}
made_by_all() {
    made_by podman plain 0:0
    made_by 'podman, with many options' rich 1000:1000
    made_by buildah built 0:0 --sys=rbind
}

# spec_runs_made REAL-RUNTIME ISOLATION
spec_runs_made() {
    local podman="podman --cgroup-manager=cgroupfs --runtime=/usr/local/keeper --storage-driver=vfs" buildah='buildah --storage-driver=vfs'
    mount --make-rshared / # what podman expects of the machine
    mount -t tmpfs tmpfs /usr/local
    printf %s "${spec_keeper/REAL/$1}" >/usr/local/keeper
    chmod 755 /usr/local/keeper
    who=user
    run mkdir /tmp/tester/volume
    run $podman create --name=plain --network=none --rootfs $bundle/rootfs /inside
    status_is 0 'podman create'
    run $podman init plain
    status_is 0 'podman init'
    keep podman plain
    run $podman create --name=rich --network=host --user=1000:1000 --read-only --tmpfs=/run --ulimit=nofile=512:1000 --cap-drop=all \
        --volume=/tmp/tester/volume:/mnt:ro --oom-score-adj=700 --device=/dev/fuse --pid=host --ipc=host --hostname=named \
        --security-opt=no-new-privileges --annotation=a=b --rootfs $bundle/rootfs /inside
    status_is 0 'podman create, with many options'
    run $podman init rich
    status_is 0 'podman init'
    keep 'podman, with many options' rich
    run sh -euc "$buildah from --name=built scratch; $buildah copy built $bundle/rootfs /
        $buildah run --isolation=$2 --network=none --runtime=/usr/local/keeper built /inside"
    status_is 0 "buildah run --isolation=$2"
    # its rbind of /sys is its own, with a hole for him who can write to the cgroup tree
    run rootlet spec $bundle/in.json
    err_like 'CVE-2023-25809' "buildah's rbind of /sys is left as it is, with a warning"
    keep buildah built
    runtimes made_by_all
}

# A config.json with every section that there is.
spec_runs_every() {
    who=user
    run mkdir /tmp/tester/volume
    ln -s busybox $bundle/rootfs/bin/true
    # crun connects to it whether a system call is to be notified of or not
    launch listener python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind("/tmp/tester/listener")
s.listen(64)
print("ready", flush=True)
sys.stdin.read()'
    runtimes spec_runs_every_by
    finish listener
}
spec_runs_every_by() {
    local where
    for where in outside inside own-net nested; do
        cp "$TOP/tests/spec/every.json" $bundle/in.json
        # crun 1.8 says 'out of memory' at any startContainer hook, now and then fails at others, and makes devices only where it is root
        if [ $runtime = crun ]; then oci_change $bundle/in.json "c.pop('hooks')"; fi
        if [ $runtime$where = crunoutside ]; then
            run rootlet spec --runtime=crun --lsm=drop $bundle/in.json
            err_like 'warning: .*: \.linux\.devices: .*unshare `CLONE_NEWNS`' "that crun does not make devices for a user is said"
            oci_change $bundle/in.json "c['linux'].pop('devices')"
        fi
        in_container every $where $runtime --lsm=drop
        status_is 0 "$where, every section is run by $runtime"
        is_contained $where 1000:1000
        timed $where
        idmapped $where
    done
}

# What runc 1.1 does not know. (crun 1.8 makes one for the user who makes the user namespace, too; inside, it fails by itself.)
timed() {
    prepare runc "c['linux']['namespaces'].append({'type': 'time'}); c['linux']['timeOffsets'] = {'boottime': {'secs': 1000000000}}"
    if [ $runtime = runc ]; then
        in_container time $1 $runtime
        status_is 1 "$1, a time namespace is beyond runc 1.1"
        err_like 'linux.namespaces\[[0-9]+\]: runc before 1.2 knows no time namespace' 'which is said before'
        err_like 'namespace \\*"time\\*" does not exist' 'in its words'
    elif [ $1 = outside ] || [ $1 = nested ]; then
        in_container time $1 $runtime
        status_is 0 "$1, a time namespace is made by crun"
        is_contained $1 0:0
    fi
}

# Only a file system of the user namespace that the runtime runs in can be mapped. runc 1.1 does not know such mounts and does without.
idmapped() {
    prepare runc "c['mounts'].append({'destination': '/mnt', 'type': 'bind', 'source': '/tmp/tester/volume', 'options': ['bind', 'idmap'],
    'uidMappings': [{'containerID': 0, 'hostID': 1, 'size': 1}], 'gidMappings': [{'containerID': 0, 'hostID': 1, 'size': 1}]})
c['process']['args'] = ['stat', '-c', '%u:%g', '/mnt']"
    in_container idmapped $1 $runtime
    if [ $1 = outside ]; then
        status_is 2 'an id-mapped mount is refused outside'
        err_like 'mounts\[7\]: an id-mapped mount needs root' 'with its place'
        return
    fi
    err_like 'mounts\[7\]: an id-mapped mount needs root .* mounted in here' "$1, it is warned of"
    [ $runtime = crun ] || return 0
    status_is 1 "$1, it is refused by crun for a file system from outside"
    err_like 'mount_setattr.*Operation not permitted' 'as was said'
    [ $1 = inside ] || return 0
    run rootlet run --net=host -- sh -euc 'mount -t tmpfs own /tmp/tester/volume; cd /tmp/bundle
        rootlet spec in.json -o config.json; exec crun --root=$(mktemp -d) run c$$'
    status_is 0 "$1, it is made by crun for one from inside"
    out_is 1:1 'with the ids mapped'
}
