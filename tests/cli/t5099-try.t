#!/bin/bash
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2
. "$TOP/tests/lib/spec-run.sh"
who=user
cat >> $bundle/rootfs/inside <<'X'
grep ' /sys' /proc/self/mountinfo | cut -d' ' -f5,6
ls -ld /proc/kcore /sys/firmware; ls -A /sys/firmware | head -2
grep  ' /proc' /proc/self/mountinfo | cut -d' ' -f5,6,9-
X
ln -s busybox $bundle/rootfs/bin/ls;  ln -s busybox $bundle/rootfs/bin/grep;  ln -s busybox $bundle/rootfs/bin/cut;ln -s busybox $bundle/rootfs/bin/head
prepare runc ""
for runtime in runc crun; do
for where in outside own-net; do
in_container x $where $runtime
diag "== $runtime $where: $status $stdout // $stderr"
done; done; 
done_testing
