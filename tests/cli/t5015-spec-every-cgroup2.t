#!/bin/bash
# spec: a config.json with every section there is is converted and run, with a cgroup v2 tree that the user may write to.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2
# shellcheck source=tests/lib/spec-run.sh
. "$TOP/tests/lib/spec-run.sh"
spec_runs_every
done_testing
