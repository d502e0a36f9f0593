#!/bin/bash
# spec: a config.json with every section there is: it is converted and run, and what no rule is about stays, with its order and its text.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
# shellcheck source=tests/lib/spec-run.sh
. "$TOP/tests/lib/spec-run.sh"
every=$TOP/tests/spec/every.json
who=user

# --- what is touched is said, and nothing else is touched
untouched() { # WHAT OPTION...
    local what=$1
    shift
    run sh -euc 'rootlet spec "$@" >/tmp/tester/out.json; rootlet spec --check --explain --json "$@" >/tmp/tester/why.json || [ $? = 1 ]' sh "$@" $every
    status_is 0 "$what"
    ok 'no value changes that the explanation does not name' "$TOP/tests/lib/spec-untouched.py" $every /tmp/tester/out.json /tmp/tester/why.json
    run cat /tmp/tester/out.json
    out_like '"future": \{"z": \[1\.50, 1e3, 18446744073709551615, -0\], "a": \{"Linux": null\}, "": "empty"\}' 'numbers keep their text'
    out_like '"\\u0065\\u00e9\\ud83d\\ude00"' 'and strings theirs'
    ok 'a second conversion changes no byte' sh -c 'as-user rootlet spec "$@" /tmp/tester/out.json | cmp - /tmp/tester/out.json' sh "$@"
}
untouched 'outside, for any runtime'
untouched 'outside, for crun' --runtime=crun
untouched 'outside, with a network namespace' --net=keep
untouched 'outside, with all there is to change' --groups=drop --rlimits=clamp --lsm=drop --sys=rbind --net=host
ok 'and there is something that would be noticed' sh -c "sed 's/1\.50/1.5/' /tmp/tester/out.json >/tmp/tester/bad.json
    ! $TOP/tests/lib/spec-untouched.py $every /tmp/tester/bad.json /tmp/tester/why.json"
for rule in N1 N2 N3 S2 M1 M2 C1 C2 U1 L1 L2; do
    ok "$rule is among the changes" grep -q "\"$rule\"" /tmp/tester/why.json
done
rm -f /tmp/tester/*.json

# --- it runs
spec_runs_every
done_testing
