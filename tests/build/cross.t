#!/bin/bash
# The other architecture: it builds, and the program answers under an emulator.
. "$(dirname "$0")/../lib/tap.sh"
cd "$(dirname "$0")/../.." || bail_out 'no folder'
case $(uname -m) in
x86_64) other=aarch64 ;;
*) other=x86_64 ;;
esac
binary=build/$other/rootlet
ok "it builds for $other" env ARCH=$other ./build-static.sh
ok 'it is a static position-independent executable' env ARCH=$other ./build-static.sh verify $binary
ok "it has at most 1.2 MiB ($(stat -c %s $binary) bytes)" test "$(stat -c %s $binary)" -le $((12 * 1024 * 1024 / 10))
emulate() { qemu-$other-static "$binary" "$@"; }
is "$(emulate --version)" "$(build/rootlet --version)" '--version'
is "$(emulate --list)" "$(build/rootlet --list)" '--list'
is "$(emulate --licenses | cmp - LICENSE 2>&1)" '' '--licenses'
for applet in $(build/rootlet --list); do
    is "$(emulate "$applet" --help 2>&1)" "$(build/rootlet "$applet" --help 2>&1)" "$applet --help"
done
done_testing
