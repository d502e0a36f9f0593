# oci.sh - bundles for tests of the config.json converter, run by real runtimes. To be sourced after tap.sh, in the sandbox.
# shellcheck shell=bash
# shellcheck disable=SC2016,SC2154 # the programs below are for other shells; status and stdout are tap.sh's

# In the container: what it can see and do, a line each.
oci_inside='#!/bin/sh
echo "id $(id -u):$(id -g)"
echo "uids" $(cat /proc/self/uid_map)
[ -d /proc/1 ] && [ -e /proc/self/status ] && echo proc
[ -d /sys/class ] && [ -d /sys/kernel ] && echo sys
echo "owner $(stat -c %u:%g /inside)"
[ -z "$(ls -A /sys/firmware)" ] && echo masked
grep -q " /proc/sys ro" /proc/self/mountinfo && echo readonly
find /sys/fs/cgroup -maxdepth 3 -type d >/tmp/dirs 2>/dev/null
while read -r dir; do
    [ -e "$dir/cgroup.procs" ] || continue
    mkdir "$dir/by-accident" 2>/dev/null && rmdir "$dir/by-accident" && echo "WRITABLE $dir"
    { echo 0 >"$dir/cgroup.procs"; } 2>/dev/null && echo "WRITABLE $dir/cgroup.procs"
done </tmp/dirs
echo done
'

# oci_bundle DIR: a folder with a small root file system, for anybody to run.
oci_bundle() {
    local applet
    mkdir -p "$1"/rootfs/{bin,dev,etc,proc,sys,tmp}
    cp "$(command -v busybox)" "$1/rootfs/bin/busybox"
    for applet in sh cat id find mkdir rmdir echo '[' stat ls grep; do ln -s busybox "$1/rootfs/bin/$applet"; done
    printf %s "$oci_inside" >"$1/rootfs/inside"
    chmod 755 "$1/rootfs/inside"
    chmod 1777 "$1/rootfs/tmp"
    chown -R "$(id -u tester):$(id -g tester)" "$1"
}

# oci_edit FILE PYTHON: change a config.json, which the program finds as `c`; ns(TYPE) and mount(PLACE) remove that one.
oci_edit() {
    python3 - "$1" "$2" <<'END'
import json, sys
c = json.load(open(sys.argv[1]))
def ns(t): c['linux']['namespaces'] = [n for n in c['linux']['namespaces'] if n['type'] != t]
def mount(d): c['mounts'] = [m for m in c['mounts'] if m['destination'] != d]
c['process']['terminal'] = False
c['process']['args'] = ['/inside']
c['root']['readonly'] = False
exec(sys.argv[2])
json.dump(c, open(sys.argv[1], 'w'), indent=1)
END
}

# oci_change FILE PYTHON: the same, and nothing else is changed.
oci_change() {
    python3 -c 'import json, sys
c = json.load(open(sys.argv[1]))
exec(sys.argv[2])
json.dump(c, open(sys.argv[1], "w"), indent=1)' "$1" "$2"
}
