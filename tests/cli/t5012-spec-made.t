#!/bin/bash
# spec: what podman and buildah make for their runtime is converted and run, outside and inside a user namespace, with the machine's own cgroups.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
# shellcheck source=tests/lib/spec-run.sh
. "$TOP/tests/lib/spec-run.sh"
spec_runs_made runc rootless
done_testing
