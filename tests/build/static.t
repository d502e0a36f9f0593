#!/bin/bash
# The executable that was built: static, small, with nothing of this folder in it, and up to date.
. "$(dirname "$0")/../lib/tap.sh"
cd "$(dirname "$0")/../.." || bail_out 'no folder'
arch=$(uname -m)
binary=build/$arch/rootlet
work=$(mktemp -d) || bail_out 'no temporary folder'
trap 'rm -rf "$work"' EXIT

ok 'it is a static position-independent executable' ./build-static.sh verify $binary
size=$(stat -c %s $binary)
ok "it has at most 1.2 MiB ($size bytes)" test "$size" -le $((12 * 1024 * 1024 / 10))
is "$(strings -a $binary | grep -cE "$PWD/(build|applets|core|net)/")" 0 'the name of this folder is not in it'
is "$(readelf -SW $binary | grep -cE '\.(symtab|debug_)')" 0 'it is stripped'
is "$(cmp $binary build/rootlet 2>&1)" '' 'build/rootlet is the same file'
is "$($binary --licenses | cmp - LICENSE 2>&1)" '' '--licenses prints LICENSE'
like "$($binary --version)" '^rootlet [0-9]+\.[0-9]+\.[0-9]+$|^rootlet version [0-9]+\.[0-9]+\.[0-9]+' '--version names a version'
is "$(env -i "$PWD/$binary" --list 2>&1 | grep -cx run)" 1 'it runs without any environment'
is "$(./build-static.sh deps 2>&1)" '' 'the libraries are up to date: a second run does nothing'
is "$(env -u MAKEFLAGS -u MAKELEVEL make 2>&1 | grep -v 'Nothing to be done')" '' 'and so is everything else'

# verify says no to what is not static.
for kind in '-pie:program interpreter' '-no-pie -static:position independent'; do
    echo 'int main(void) { return 0; }' >"$work/t.c"
    # shellcheck disable=SC2086 # words
    gcc ${kind%%:*} "$work/t.c" -o "$work/t" || bail_out 'gcc fails'
    like "$(./build-static.sh verify "$work/t" 2>&1)" "${kind#*:}" "verify refuses an executable made with ${kind%%:*}"
    nok 'with an exit status' ./build-static.sh verify "$work/t"
done
like "$(ARCH=aarch64 ./build-static.sh verify $binary 2>&1)" 'not for aarch64' 'verify refuses another machine'

# Installing: the files, the links, and nothing afterwards.
make -s install DESTDIR="$work/root" PREFIX=/usr >/dev/null || bail_out 'make install fails'
is "$(cmp "$work/root/usr/bin/rootlet" $binary 2>&1)" '' 'make install installs it'
links=$(find "$work/root/usr/bin" -type l -printf '%f\n' | sort)
is "$links" "$($binary --aliases | awk '$1 != "nsenter" { print $1 }' | sort)" "and a link for each alias, but leaves the machine's nsenter in front"
for name in $links; do
    ok "$name answers" "$work/root/usr/bin/$name" --help
done
is "$(find "$work/root" -name '*.1' -printf '%f\n' | sort)" "$(find applets -name '*.1' -printf '%f\n' | sort)" 'and the manual pages'
make -s uninstall DESTDIR="$work/root" PREFIX=/usr >/dev/null
is "$(find "$work/root" -not -type d)" '' 'make uninstall leaves no file'

done_testing
