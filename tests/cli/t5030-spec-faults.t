#!/bin/bash
# spec: while it writes a file every system call fails in turn, in each of its ways, or is the moment of a signal: the file is the old one or
# the new one, whole, and nothing is left behind. The rules are judge() of tests/lib/spec-faults.py.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
LIMIT=200
faulter=$TOP/build/$(uname -m)/tests/lib/faulter
[ -x "$faulter" ] || bail_out "the tracer is missing: make $(realpath -m --relative-to="$TOP" "$faulter")"

runc spec -b /tmp
mkdir /tmp/walk && chown tester:tester /tmp/walk
run "$TOP/tests/lib/spec-faults.py" "$faulter" "$ROOTLET" /tmp/config.json /tmp/walk
status_is 0 'the walk comes to its end'
read -r _ tried wrong < <(grep '^total ' <<<"$stdout")
is "${wrong:-}" 0 "of ${tried:-no} faults not one ended wrong" || diag "$(grep '^wrong ' <<<"$stdout" | head -n 100)"
for call in write fsync fchmod linkat renameat2 unlinkat flistxattr fgetxattr fsetxattr openat read; do
    for kind in EIO KILL TERM; do
        case $call$kind in renameat2KILL | *EIO) kind=${kind/EIO/E} ;; esac
        ok "$call: $kind took place" grep -q "^hit $call $kind" <<<"$stdout"
    done
done
for kind in ENOSPC EDQUOT; do ok "$kind took place" grep -q "^hit write $kind" <<<"$stdout"; done
done_testing
