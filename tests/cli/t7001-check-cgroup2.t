#!/bin/bash
# check on another machine: a delegated cgroup of version 2, ping for everybody, no helpers of id maps, no tap device.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2 --ping --no-newuidmap --no-tun

probe() { awk -v name="$1" '/^(ok|partly|no) / { on = $2 == name } on && !/^run / { print }' <<<"$stdout"; }
probe_is() { like "$(probe "$1")" "$2" "$3" || tap_show; }

for who in root user; do
    run rootlet check
    status_is 0 'the main job can work'
    probe_is ping '^ok ' 'everybody may ping'
    probe_is tap-link '^no ' 'there is no tap device'
    probe_is packet-link '^ok ' 'but a packet link'
    probe_is cgroups "version 2.*children can be made in '/sys/fs/cgroup'" 'a child of the own cgroup can be made'
done
who=user
probe_is newuidmap '^no .*not installed' 'there is no newuidmap'
probe_is id-maps '^partly .*single' 'and so only one id'

chown root /sys/fs/cgroup
run rootlet check
probe_is cgroups "^partly .*no child can be made in '/sys/fs/cgroup': Permission denied.*fix: .*Delegate=yes" 'a cgroup that is not delegated'
is "$(find /sys/fs/cgroup -mindepth 1 -type d)" '' 'no cgroup is left'
nothing_left 'nothing else is left either'
done_testing
