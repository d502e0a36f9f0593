#!/bin/bash
# netd where no empty root can be had: under its own name it refuses, under slirp4netns' it warns, as that does.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

# A kernel that refuses what makes the empty root; the end of standard input is the end of netd.
without_root() { run bash -c 'exec 6< <(:) && exec strace -f -o /dev/null -e trace=pivot_root -e inject=pivot_root:error=EPERM "$@"' x "$@"; }
for who in root user; do
    hold
    without_root rootlet netd --exit-fd=6 "$target" tap0
    status_is 1 'no empty root, the own name: refused'
    err_like 'no sandbox: pivot_root.*--enable-sandbox=false' 'the message says what failed, and the way out'
    without_root rootlet netd --exit-fd=6 --enable-sandbox=false "$target" tap0
    status_is 0 'the way out'
    without_root $aliases/slirp4netns --exit-fd=6 "$target" tap0
    status_is 0 'the name of slirp4netns goes on'
    err_like 'warning: .*no sandbox' 'and warns'
    without_root $aliases/slirp4netns --exit-fd=6 --enable-sandbox "$target" tap0
    status_is 1 'unless a sandbox is asked for'
    finish holder
done
nothing_left 'nothing is left'
done_testing
