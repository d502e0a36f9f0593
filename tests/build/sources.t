#!/bin/bash
# What build-static.sh says when something is missing or wrong.
. "$(dirname "$0")/../lib/tap.sh"
cd "$(dirname "$0")/../.." || bail_out 'no folder'
top=$PWD
work=$(mktemp -d) || bail_out 'no temporary folder'
trap 'rm -rf "$work"' EXIT
dist=${DISTDIR:-$top/build/distfiles}
unset DISTDIR

# A copy of the script with a build folder of its own, a chosen set of tools, and no package manager.
cp build-static.sh "$work/"
mkdir "$work/bin" "$work/dist"
for tool in awk basename bash cat cut date dirname env find gcc grep ar make mkdir mktemp mv nproc patch bzip2 xz gzip tar meson ninja pkg-config \
    python3 readelf rm sed sha256sum sh sort stat tail tee tr uname; do
    ln -s "$(command -v $tool)" "$work/bin/$tool"
done
build() { # name=value... -- words: what the script says, and its exit status as the last line
    env -i PATH="$work/bin" HOME="$work" "$@" 2>&1
    echo "status $?"
}
script=$work/build-static.sh

rm "$work/bin/meson" "$work/bin/xz"
said=$(build "$script" deps)
like "$said" 'not installed: xz meson' 'missing tools are named, all at once'
like "$said" 'apt-get install xz-utils meson' 'with the packages that have them'
like "$said" 'status 1' 'and the build fails'
ln -s "$(command -v meson)" "$(command -v xz)" "$work/bin/"

said=$(build "$script" deps)
like "$said" 'musl_1\.2\.5\.orig\.tar\.gz is missing' 'without sources and without a package manager, the missing file is named'
like "$said" 'a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4' 'with its sha256'
like "$said" 'https://musl\.libc\.org/releases/musl-1\.2\.5\.tar\.gz' 'and the upstream release'
like "$said" 'pass DISTDIR=FOLDER' 'and the way to give it'
like "$said" 'status 1' 'and the build fails'

echo 'not a tarball' >"$work/dist/musl_1.2.5.orig.tar.gz"
said=$(build DISTDIR="$work/dist" "$script" deps)
like "$said" "$work/dist/musl_1\.2\.5\.orig\.tar\.gz has the wrong sha256" 'a file with the wrong sha256 is refused by name'
like "$said" 'wanted is a9a118bbe84d8764' 'with the sum that was wanted'
like "$said" 'status 1' 'and the build fails'
nok 'nothing was unpacked' test -e "$work/build/deps/src/musl-$(uname -m)"
rm "$work/dist/musl_1.2.5.orig.tar.gz"

said=$(build DISTDIR="$dist" "$script" fetch)
is "$said" 'status 0' 'with all files in DISTDIR, nothing is fetched'
cp "$dist/musl_1.2.5.orig.tar.gz" "$work/dist/musl-1.2.5.tar.gz"
said=$(build DISTDIR="$work/dist" "$script" fetch)
like "$said" 'musl_1\.2\.5-[^ ]*\.debian\.tar\.xz is missing' "upstream's name of a file serves too"

said=$(build "$script" sources)
is "$(grep -cE '^[0-9a-f]{64}  [^ ]+$' <<<"$said")" 10 'the table of sources has ten files'
like "$(build ARCH=vax "$script" deps)" 'ARCH=vax is not known' 'an unknown architecture is refused'

done_testing
