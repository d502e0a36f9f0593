# spec-run.sh - the converter's runs with real runtimes, shared by the tests for each kind of cgroup tree.
# shellcheck shell=bash
# shellcheck disable=SC2016,SC2034,SC2154,SC2086 # `who` and others are tap.sh's; $wrap is meant to be split
# shellcheck source=tests/lib/oci.sh
. "$TOP/tests/lib/oci.sh"

bundle=/tmp/bundle
oci_bundle $bundle

# crun refuses any container where the v1 and v2 trees both have controllers: take the v2 one out of its sight.
if [ -e /sys/fs/cgroup/unified/cgroup.controllers ]; then
    umount -l /sys/fs/cgroup/unified
fi

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
    feed /dev/null ${wrap[$where]} sh -euc 'runtime=$1; cd /tmp/bundle; shift
        rootlet spec --runtime=$runtime "$@" in.json -o config.json
        rootlet spec --runtime=$runtime "$@" --check config.json || { echo "not done after one conversion"; exit 99; }
        exec $runtime --root=$(mktemp -d) run $(mktemp -u cXXXXXX)' sh $runtime ${option[$where]:-} "$@"
}

prepare() {
    (cd $bundle && rm -f config.json && "$1" spec && oci_edit config.json "$2" && mv config.json in.json && chown tester: in.json)
}

spec_runs() {
    local template runtime where
    who=user
    for template in runc crun; do
        prepare $template ''
        for runtime in runc crun; do
            for where in outside inside own-net nested; do
                in_container plain $where $runtime
                status_is 0 "$where, the template of $template is run by $runtime"
                out_is "$(printf 'id 0:0\nuids %s\nproc\nsys\ndone' "${map[$where]}")" 'ids are as mapped, /proc and /sys are there, no cgroup is writable'
            done
        done
    done
    for where in outside inside nested; do
        prepare runc "ns('network'); ns('pid'); ns('ipc'); mount('/sys/fs/cgroup')"
        for runtime in runc crun; do
            in_container shared $where $runtime
            status_is 0 "$where, with the host's network, processes and ipc, it is run by $runtime"
            out_is "$(printf 'id 0:0\nuids %s\nproc\nsys\ndone' "${map[$where]}")" 'with /proc and /sys, and no writable cgroup'
        done
    done
    mkdir /tmp/locked && mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs /tmp/locked
    prepare runc "c['mounts'].append({'destination': '/mnt', 'type': 'bind', 'source': '/tmp/locked', 'options': ['rbind', 'ro', 'defaults', 'uid=0']})"
    for runtime in runc crun; do
        in_container locked outside $runtime
        status_is 0 "a bind of a mount whose flags are locked is made by $runtime"
    done
    # how accesses are noted is locked, too, whether it is what everybody has or not
    mkdir /tmp/atime && mount -t tmpfs -o mode=755,nosuid,nodev,noatime tmpfs /tmp/atime
    prepare runc "[c['mounts'].append({'destination': '/mnt', 'type': 'bind', 'source': s, 'options': o}) for s, o in
        (('/tmp/atime', ['rbind', 'relatime']), ('/tmp/atime', ['bind', 'ro', 'noatime']), ('/tmp/atime', ['bind', 'nodiratime', 'ro']),
        ('/tmp/locked', ['bind', 'ro', 'noatime']), ('/tmp/locked', ['bind', 'strictatime']), ('/tmp/locked', ['rbind', 'rnoatime']), ('/tmp/locked', ['bind', 'relatime']))]"
    for runtime in runc crun; do
        for where in outside nested; do
            in_container atime $where $runtime
            status_is 0 "$where, binds that ask for another atime mode are made by $runtime"
        done
    done
    prepare runc "c['process']['user'].update(uid=1000, gid=1000, additionalGids=[5])"
    for runtime in runc crun; do
        in_container user outside $runtime
        status_is 0 "a user with subordinate ids, run by $runtime"
        out_like '^id 1000:1000' 'has the ids that were asked for'
        in_container user outside $runtime --map=self
        status_is 2 'and is refused where only one id is mapped'
        err_like 'process.user.uid: uid 1000 is not mapped' 'which is said'
        in_container self outside $runtime --map=self --net=keep
        status_is 2 'whatever the network'
    done
    prepare runc "c['process']['oomScoreAdj'] = -900; c['process']['rlimits'][0].update(hard=1<<40, soft=1<<40)"
    for runtime in runc crun; do
        in_container limits outside $runtime --rlimits=clamp
        status_is 0 "limits that nobody may set are clamped for $runtime"
        in_container self outside $runtime --map=self --net=keep --rlimits=clamp
        status_is 0 'also with a single id and a network namespace of its own'
        out_like 'uids 0 1001 1'$'\n' 'of which the container sees one'
    done
}

# Only where the user may write to the cgroup tree is it seen that the container may not.
spec_runs_cgroup2() {
    local hole="mount('/sys/fs/cgroup'); [m.update(type='none', source='/sys', options=['rbind', 'nosuid', 'noexec', 'nodev', 'ro'])
        for m in c['mounts'] if m['destination'] == '/sys']"
    for runtime in runc crun; do
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
    done
}

# What podman and buildah give to a runtime is saved by a runtime that is called instead of the real one, with the folder it is in.
spec_keeper='#!/bin/sh
bundle= before=
for word do
    case $before in --bundle | -b) bundle=$word ;; esac
    case $word in --bundle=*) bundle=${word#*=} ;; esac
    before=$word
done
[ -z "$bundle" ] || [ -e /tmp/tester/kept ] || {
    cp -a "$bundle" /tmp/tester/kept
    sed "s|$bundle|/tmp/tester/kept|g" "$bundle/config.json" >/tmp/bundle/in.json
}
exec REAL "$@"
'

# made_by WHOSE ID OPTION...: what is in $bundle/in.json is converted with these options, and run everywhere, by everybody.
made_by() {
    local whose=$1 id=$2 runtime where
    shift 2
    ok "there is a config.json of $whose" test -s $bundle/in.json
    for runtime in runc crun; do
        for where in outside inside own-net nested; do
            in_container made $where $runtime "$@"
            status_is 0 "$where, the config.json of $whose is run by $runtime"
            out_is "$(printf 'id %s\nuids %s\nproc\nsys\ndone' "$id" "${map[$where]}")" 'ids are as mapped, /proc and /sys are there, no cgroup is writable'
        done
    done
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
    made_by podman 0:0
    run rm -rf /tmp/tester/kept $bundle/in.json
    run $podman create --name=rich --network=host --user=1000:1000 --read-only --tmpfs=/run --ulimit=nofile=512:1000 --cap-drop=all \
        --volume=/tmp/tester/volume:/mnt:ro --oom-score-adj=700 --device=/dev/fuse --pid=host --ipc=host --hostname=named \
        --security-opt=no-new-privileges --annotation=a=b --rootfs $bundle/rootfs /inside
    status_is 0 'podman create, with many options'
    run $podman init rich
    status_is 0 'podman init'
    made_by 'podman, with many options' 1000:1000
    run rm -rf /tmp/tester/kept $bundle/in.json
    run sh -euc "$buildah from --name=built scratch; $buildah copy built $bundle/rootfs /
        $buildah run --isolation=$2 --network=none --runtime=/usr/local/keeper built /inside"
    status_is 0 "buildah run --isolation=$2"
    # its rbind of /sys is its own, with a hole for him who can write to the cgroup tree
    run rootlet spec $bundle/in.json
    err_like 'CVE-2023-25809' "buildah's rbind of /sys is left as it is, with a warning"
    made_by buildah 0:0 --sys=rbind
}
