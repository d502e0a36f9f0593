#!/bin/bash
# The same bytes from another folder, from nothing.
. "$(dirname "$0")/../lib/tap.sh"
cd "$(dirname "$0")/../.." || bail_out 'no folder'
arch=$(uname -m)
work=$(mktemp -d) || bail_out 'no temporary folder'
trap 'rm -rf "$work"' EXIT
other=$work/a-folder/with-another-name
mkdir -p "$other"
cp -r Makefile build-static.sh LICENSE applets core net "$other/"
ok 'it builds in another folder, from nothing, with a single processor and another umask' \
    bash -c "umask 077; cd '$other' && DISTDIR=${DISTDIR:-$PWD/build/distfiles} JOBS=1 CFLAGS=-Oops LC_ALL=POSIX ./build-static.sh"
ok 'and the result has the same bytes' cmp "$other/build/$arch/rootlet" "build/$arch/rootlet"
done_testing
