#!/bin/bash
# A cgroup namespace, and processes moved out of the root of a cgroup2 tree.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2

for who in root user; do
    group=/sys/fs/cgroup/$who.group
    as-user mkdir "$group"
    # Into the group first; who moves a process needs to write to the common ancestor, too.
    enter='echo $$ >'"$group"'/cgroup.procs && exec "$@"'
    run sh -c "$enter" x rootlet run --net=none sh -c 'grep ^0: /proc/self/cgroup; ls -d /sys/fs/cgroup/'"$who.group"
    out_is "0::/$who.group"$'\n'"/sys/fs/cgroup/$who.group" 'without --cgroupns the group has its outer name'
    run sh -c "$enter" x rootlet run --pidns --cgroupns --net=none grep ^0: /proc/self/cgroup
    out_is 0::/ '--cgroupns: it is the root of the tree'
    run sh -c "$enter" x rootlet run --pidns --cgroupns --net=none --evacuate-cgroup2=inner sh -c 'grep ^0: /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs | wc -l; ls -d /sys/fs/cgroup/inner'
    status_is 0 '--evacuate-cgroup2'
    out_is $'0::/inner\n0\n/sys/fs/cgroup/inner' 'nobody is left in the root of the tree'
    find $group -depth -type d -exec rmdir {} \;
done
done_testing
