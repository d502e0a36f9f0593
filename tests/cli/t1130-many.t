#!/bin/bash
# Many instances at the same time: all of them start, all of them end, and nothing is left. Where a limit is reached, it is named.
# shellcheck source=tests/lib/tap.sh disable=SC2016
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
many=$TOP/tests/lib/many.py
LIMIT=120
everything='--net=slirp4netns --copy-up=/etc --pidns --port-driver=builtin -p 127.0.0.1:0:80/tcp'
command='rootlet run --state-dir $TMPDIR/s$N '$everything' sh -c "echo ready; exec sleep 1000"'

all=()
# A hundred each of root and of an ordinary user.
for who in root user; do
    "as-$who" "$many" 100 "$command" >"$tap_dir/many-$who" 2>&1 &
    all[${#all[@]}]=$!
done
wait "${all[@]}"
for who in root user; do
    is "$(cat "$tap_dir/many-$who")" $'50 ready, -9\n50 ready, 143' 'a hundred of 200 instances: all are ready, and end by SIGTERM and SIGKILL'
done
ok 'and all of their processes end' $client gone $(strangers | cut -d' ' -f1)
who=root
is "$(awk '$8 ~ /api.sock/' /proc/net/unix)$(awk '$4 == "0A"' /proc/net/tcp)" '' 'no socket is left'
# What SIGKILL left is in nobody's way.
for who in root user; do
    run bash -c 'for dir in $TMPDIR/s*; do rootlet run --state-dir $dir echo $dir || echo failed; done'
    is "$(grep -c "^/tmp/" <<<"$stdout") $(grep -c failed <<<"$stdout")" '50 0' 'the next start works in each directory that was left'
done
nothing_left 'and nothing is left'

# --- limits
# one_of TEXT PATTERN WHAT: each line is `ready` or matches PATTERN, and both are there.
one_of() {
    local strange
    strange=$(grep -vE "^[0-9]+ ready, (-9|143)$|$2" <<<"$1")
    is "$strange" '' "$3"
    like "$1" "$2" "$3: and some do not start"
}
who=user
run "$many" 100 "prlimit --nproc=200 $command"
one_of "$stdout" '^[0-9]+ failed, 1: .*(ulimit -u)' 'RLIMIT_NPROC'
run bash -c 'rm -rf $TMPDIR/s*'
nothing_left 'nothing is left'

for kind in user net mnt; do
    # Only in a user namespace of its own may the limit be set without an effect on the rest of the machine.
    run rootlet run --pidns sh -c "echo 12 >/proc/sys/user/max_${kind}_namespaces && mount -t tmpfs t /tmp && mkdir \$TMPDIR && exec $many 30 '$command'"
    one_of "$stdout" "^[0-9]+ failed, 1: .*user[./]max_" "max_${kind}_namespaces"
    nothing_left 'nothing is left'
done
done_testing
