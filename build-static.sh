#!/usr/bin/env bash
# build-static.sh -- make build/$ARCH/rootlet, one static-pie musl executable, from source.
#
#   ./build-static.sh            the libraries, then the executable (through make)
#   ./build-static.sh deps       only the libraries: build/deps/$ARCH/{include,lib,bin/musl-cc}
#   ./build-static.sh verify F   fail unless F is a static-pie executable of $ARCH
#   ./build-static.sh sources    print the table of source files
#   ./build-static.sh fetch      put the source files into build/distfiles, check them, and stop
#
# Environment:
#   ARCH     x86_64 or aarch64           (default: this machine's)
#   DISTDIR  folder that holds the source files; what is there is not fetched
#   JOBS     compilers at the same time  (default: number of processors)
#
# Everything lives under build/. What is up to date is not made again: a library is rebuilt when its own recipe below,
# the flags, one of its source files or a library under it changes.
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")"
TOP=$PWD
MACHINE=$(uname -m)
ARCH=${ARCH:-$MACHINE}
JOBS=${JOBS:-$(nproc 2>/dev/null || echo 2)}
CROSS=''
[ "$ARCH" = "$MACHINE" ] || CROSS=$ARCH-linux-gnu-
DL=$TOP/build/distfiles
APT=$TOP/build/apt
SRC=$TOP/build/deps/src
OUT=$TOP/build/deps/$ARCH

# Nothing of the caller's environment may reach the bytes that come out.
unset CFLAGS CPPFLAGS CXXFLAGS LDFLAGS LIBS CC CPP AR AS LD NM RANLIB STRIP CPATH C_INCLUDE_PATH LIBRARY_PATH
unset PKG_CONFIG_PATH PKG_CONFIG_LIBDIR CONFIG_SITE MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=1700000000

# ---------------------------------------------------------------- what is built
# Two kinds of file: the upstream release (orig), and Debian's patch series on top of it (patch: security fixes).
# Debian repacks a few releases without binaries or documentation; the sha256 is that of the file named here, which is
# in the named source package of the named Debian release. A file under upstream's name serves too where it is the same.
SOURCES='
# library      package        release   kind   file                                      upstream release
# sha256
musl           musl           trixie    orig   musl_1.2.5.orig.tar.gz                    https://musl.libc.org/releases/musl-1.2.5.tar.gz
a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4
musl           musl           trixie    patch  musl_1.2.5-3.1~deb13u1.debian.tar.xz      -
46fdfb271edc2f035d8d4063ff2e299734409693e781e69e4b77e0a9a495072e
zlib           zlib           bookworm  orig   zlib_1.2.13.dfsg.orig.tar.bz2             https://zlib.net/fossils/zlib-1.2.13.tar.gz
71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1
zlib           zlib           bookworm  patch  zlib_1.2.13.dfsg-1.debian.tar.xz          -
f66cf3d4f2d7defcd4d1fd1fb0a11ee39f1e01b42ec7d059c9dc5c1695133c44
glib           glib2.0        bookworm  orig   glib2.0_2.74.6.orig.tar.xz               https://download.gnome.org/sources/glib/2.74/glib-2.74.6.tar.xz
069cf7e51cd261eb163aaf06c8d1754c6835f31252180aff5814e5afc7757fbc
glib           glib2.0        bookworm  patch  glib2.0_2.74.6-2+deb12u9.debian.tar.xz    -
ccfe76a05463099331f31fc2fde1677ce3c5e0d054112890541b511c0b3321ff
libslirp       libslirp       trixie    orig   libslirp_4.8.0.orig.tar.bz2              https://gitlab.freedesktop.org/slirp/libslirp/-/tags/v4.8.0
1c2e3d30e41a055ed41f9d0b3234d0d143bc28f5ad84bb101413f830844df757
libslirp       libslirp       trixie    patch  libslirp_4.8.0-1+deb13u1.debian.tar.xz    -
16e68a7297ba8867ee694db31c38b4444515f31f552408f110897bf3731ce201
yyjson         yyjson         trixie    orig   yyjson_0.10.0+ds.orig.tar.xz             https://github.com/ibireme/yyjson/releases/tag/0.10.0
ae6fde69a193e10afab426ef13f113d6903446405f9db9ee98bfb572bd6c961a
libmicrohttpd  libmicrohttpd  trixie    orig   libmicrohttpd_1.0.1.orig.tar.gz          https://ftp.gnu.org/gnu/libmicrohttpd/libmicrohttpd-1.0.1.tar.gz
a89e09fc9b4de34dde19f4fcb4faaa1ce10299b9908db1132bbfa1de47882b94
'
LIBRARIES='musl zlib glib libslirp yyjson libmicrohttpd'

# How the libraries and our own sources are compiled. A section for each function and --gc-sections leave out what
# nobody calls (502 KB of glib become 49). No unwind tables: nothing here unwinds. -ffile-prefix-map keeps the name of
# this folder out of the result.
COPT="-O2 -fPIE -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables"
COPT="$COPT -fstack-protector-strong -ffile-prefix-map=$TOP=."

die() {
    echo "build-static.sh: $*" >&2
    exit 1
}

step() {
    printf '[%3d s] %s\n' "$SECONDS" "$*"
}

# ---------------------------------------------------------------- tools
check_tools() {
    local tool package missing=() packages=() headers
    while read -r tool package; do
        command -v "$tool" >/dev/null 2>&1 && continue
        missing+=("$tool")
        packages+=("$package")
    done <<END
${CROSS}gcc ${CROSS:+gcc-${CROSS%-}}${CROSS:-gcc}
${CROSS}ar ${CROSS:+binutils-${CROSS%-}}
make make
patch patch
xz xz-utils
bzip2 bzip2
meson meson
ninja ninja-build
pkg-config pkg-config
END
    [ ${#missing[@]} -eq 0 ] || die "not installed: ${missing[*]} (on Debian: apt-get install ${packages[*]})"
    headers=linux-libc-dev
    [ -z "$CROSS" ] || headers=linux-libc-dev-arm64-cross
    LINUX_H=$(header_path linux/version.h) || die "the kernel's header linux/version.h is missing for $ARCH (on Debian: apt-get install $headers)"
    ASM_H=$(header_path asm/unistd.h) || die "the kernel's header asm/unistd.h is missing for $ARCH (on Debian: apt-get install $headers)"
}

header_path() { # name: where the compiler finds it
    echo "#include <$1>" | "${CROSS}gcc" -M -x c - 2>/dev/null | tr ' ' '\n' | grep -m1 "/$1\$"
}

# ---------------------------------------------------------------- source files
sha256_of() {
    sha256sum <"$1" | cut -d' ' -f1
}

table() { # [library]: its files, one a line, with the sha256 last
    awk -v want="${1:-}" '/^#|^$/ { next } NF > 1 { line = $0; name = $1; next } want == "" || name == want { print line, $1 }' <<<"$SOURCES"
}

# In DISTDIR or among what was fetched before, under Debian's name or upstream's. Sets FOUND.
locate() { # file sha256 upstream
    local dir name
    for dir in ${DISTDIR:+"$DISTDIR"} "$DL"; do
        for name in "$1" "${3##*/}"; do
            FOUND=$dir/$name
            [ -f "$FOUND" ] || continue
            [ "$(sha256_of "$FOUND")" = "$2" ] && return
            die "$FOUND has the wrong sha256: it is $(sha256_of "$FOUND"), wanted is $2. Remove it, or put the right file there."
        done
    done
    return 1
}

# apt with a private state: the machine's own lists are neither needed nor changed. The mirror is the one this machine
# uses already. apt checks each file against the mirror's signed index, and then its sha256 is checked here.
apt_do() { # command arguments...
    "$1" -q -o Dir::Etc::sourcelist="$APT/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$APT/lists" \
        -o Dir::Cache="$APT/cache" -o APT::Sandbox::User=root "${@:2}"
}

apt_index() {
    local sites main security keyring=/usr/share/keyrings/debian-archive-keyring.gpg signed='' release
    [ ! -e "$APT/ready" ] || return 0
    command -v apt-get >/dev/null 2>&1 || return 1
    # shellcheck disable=SC2016 # $(SITE) is apt's own syntax
    sites=$(apt-get indextargets --format '$(SITE)' 2>/dev/null | sed 's,/*$,,' | sort -u)
    main=$(grep -m1 '/debian$' <<<"$sites") || return 1
    security=$(grep -m1 '/debian-security$' <<<"$sites") || security=$main-security
    [ ! -f "$keyring" ] || signed="[signed-by=$keyring]"
    mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial" "$APT/get"
    for release in bookworm trixie; do
        echo "deb-src $signed $main $release main"
        echo "deb-src $signed $security $release-security main"
    done >"$APT/sources.list"
    step "reading the source index of the machine's package mirror"
    apt_do apt-get update >"$APT/log" 2>&1 || true # a suite that is missing is no reason to stop: what counts is the file
    touch "$APT/ready"
}

fetch() { # library package release kind file upstream sha256: leaves the file in $DL
    local package=$2 kind=$4 file=$5 sum=$7 origin version newer
    apt_index || return 1
    # The source package's version is the one whose list of files holds ours, else the last one built on the same release.
    origin=$(table "$1" | awk '$4 == "orig" { print $7 }')
    version=$(apt_do apt-cache showsrc "$package" 2>>"$APT/log" | awk -v sum="$sum" -v origin="$origin" '
        /^Version:/ { v = $2 } $1 == sum { exact = v } $1 == origin { same = v } END { print exact ? exact : same }')
    [ -n "$version" ] || return 1
    step "fetching $file"
    if [ "$kind" = orig ]; then kind=--tar-only; else kind=--diff-only; fi
    (cd "$APT/get" && apt_do apt-get source --download-only $kind "$package=$version") >>"$APT/log" 2>&1 || return 1
    mkdir -p "$DL"
    if [ -f "$APT/get/$file" ]; then
        mv "$APT/get/$file" "$DL/"
        return
    fi
    # Mirrors keep the newest revision of a patch series only. Its index is signed, so a newer series of the same
    # release (more security fixes) is better than no build; but the bytes are not the pinned ones: say so.
    newer=$(find "$APT/get" -name "${package}_*.debian.tar.*" | sort | tail -n 1)
    [ "$4" = patch ] && [ -n "$newer" ] || return 1
    echo "build-static.sh: warning: the mirror has ${newer##*/} in place of the pinned $file; it is used." \
        "The result is not the pinned one; put this file's sha256 into the table: $(sha256_of "$newer")" >&2
    mv "$newer" "$DL/$file.newer"
}

# Sets FILES to the paths of a library's source files, fetched when they are not there.
sources_of() { # library
    local line package release kind file upstream sum
    FILES=()
    while read -r line; do
        read -r _ package release kind file upstream sum <<<"$line"
        # shellcheck disable=SC2086 # a line of the table is a list of words
        if locate "$file" "$sum" "$upstream" || { [ ! -f "$DL/$file.newer" ] && fetch $line && locate "$file" "$sum" "$upstream"; }; then
            FILES+=("$FOUND")
        elif [ "$kind" = patch ] && [ -f "$DL/$file.newer" ]; then
            FILES+=("$DL/$file.newer")
        else
            die "$file is missing and could not be fetched. Put it (sha256 $sum; from the source package $package of Debian" \
                "$release$([ "$upstream" = - ] || echo ", or upstream: $upstream")) into ${DISTDIR:-a folder and pass DISTDIR=FOLDER}." \
                "'./build-static.sh sources' lists all files.$([ ! -f "$APT/log" ] || echo " What apt said: $APT/log")"
        fi
    done < <(table "$1")
}

unpack() { # library files...: upstream's release with the patch series applied, in $SRC/library
    local dir=$SRC/$1 patch
    rm -rf "$dir"
    mkdir -p "$dir"
    tar -xf "$2" -C "$dir" --strip-components=1 --no-same-owner
    [ $# -gt 2 ] || return 0
    tar -xf "$3" -C "$dir" --no-same-owner
    cd "$dir"
    sed 's/#.*//; s/[[:space:]]*$//; /^$/d' debian/patches/series | while read -r patch; do
        echo "patch $patch"
        patch -s -p1 <"debian/patches/$patch"
    done
}

# ---------------------------------------------------------------- recipes
# Each runs in a shell of its own with -e, in an empty folder $W, with the sources in $S and the result going to $OUT.
build_musl() {
    CC=${CROSS}gcc AR=${CROSS}ar RANLIB=${CROSS}ranlib CFLAGS="$COPT" "$S/configure" --target="$ARCH-linux-musl" \
        --prefix="$OUT" --syslibdir="$OUT/lib" --disable-shared --enable-wrapper=gcc
    make -j"$JOBS"
    make install
    # musl has no linux/*.h. All of /usr/include would let the C library's headers of this machine in: only these three.
    mkdir -p "$OUT/kernel"
    ln -sfn "$(dirname "$LINUX_H")" "$OUT/kernel/linux"
    ln -sfn "$(dirname "$LINUX_H")/../asm-generic" "$OUT/kernel/asm-generic"
    ln -sfn "$(dirname "$ASM_H")" "$OUT/kernel/asm"
    # glib can convert character sets, which pulls in 157 KB of tables. Nothing here does: refuse every conversion.
    cat >iconv.c <<'END'
#include <errno.h>
#include <iconv.h>
iconv_t iconv_open(const char *to, const char *from) { (void)to; (void)from; errno = EINVAL; return (iconv_t)-1; }
size_t iconv(iconv_t cd, char **restrict in, size_t *restrict inb, char **restrict out, size_t *restrict outb)
{ (void)cd; (void)in; (void)inb; (void)out; (void)outb; errno = EBADF; return (size_t)-1; }
int iconv_close(iconv_t cd) { (void)cd; return 0; }
END
    cat >"$OUT/bin/musl-cc" <<END
#!/bin/sh
exec ${CROSS}gcc -specs "$OUT/lib/musl-gcc.specs" -idirafter "$OUT/kernel" "\$@"
END
    chmod +x "$OUT/bin/musl-cc"
    # shellcheck disable=SC2086 # COPT is a list of words
    "$OUT/bin/musl-cc" $COPT -c iconv.c -o iconv.o
    "${CROSS}ar" d "$OUT/lib/libc.a" iconv.lo iconv_close.lo
    "${CROSS}ar" rcsD "$OUT/lib/libc.a" iconv.o
    [ "$("${CROSS}nm" "$OUT/lib/libc.a" 2>/dev/null | grep -c ' T iconv$')" = 1 ]
}

compile() { # library flags... -- files...: an archive of the files
    local name=$1 flags=()
    shift
    while [ "$1" != -- ]; do
        flags+=("$1")
        shift
    done
    shift
    # shellcheck disable=SC2016,SC2086 # the inner shell expands; COPT is a list of words
    printf '%s\0' "$@" | xargs -0 -P"$JOBS" -I{} sh -c 'f=$1; shift; exec "$@" -c "$f" -o "$(basename "$f" .c).o"' sh {} "$OUT/bin/musl-cc" $COPT "${flags[@]}"
    rm -f "$OUT/lib/$name.a" # or the order of its members would tell of the build before
    "${CROSS}ar" rcsD "$OUT/lib/$name.a" ./*.o
}

build_zlib() {
    compile libz -DHAVE_UNISTD_H -- "$S"/*.c
    cp "$S/zlib.h" "$S/zconf.h" "$OUT/include/"
}

build_yyjson() {
    compile libyyjson -- "$S/src/yyjson.c"
    # A folder of its own: the build with sanitizers uses this library from here, and nothing else.
    mkdir -p "$OUT/include/yyjson"
    cp "$S/src/yyjson.h" "$OUT/include/yyjson/"
    cp "$S/src/yyjson.c" "$OUT/lib/"
}

# glib's meson.build wants libffi, zlib and pcre2 for its other libraries and for gregex.c. libslirp needs libglib-2.0.a
# alone and nothing in it needs gregex.c: all of that is taken out of the recipe, so that nothing more must be installed.
build_glib() {
    local name words
    sed -i -E "/^subdir\('(gobject|gthread|gmodule|gio|fuzzing|tools)'\)/d" "$S/meson.build"
    sed -i "/^  'gregex.c',/d" "$S/glib/meson.build"
    mkdir pc
    for name in libpcre2-8 libffi zlib; do
        printf 'Name: %s\nDescription: asked for, never used\nVersion: 99\n' "$name" >"pc/$name.pc"
    done
    # shellcheck disable=SC2086 # COPT is a list of words
    words=$(printf "'%s', " $COPT)
    # A cross file even for this machine's own kind: it keeps this machine's pkg-config and compiler settings out. The
    # properties answer the checks that would have to run a program.
    cat >machine.ini <<END
[binaries]
c = '$OUT/bin/musl-cc'
ar = '${CROSS}ar'
ranlib = '${CROSS}ranlib'
strip = '${CROSS}strip'
pkgconfig = 'pkg-config'
[built-in options]
c_args = [$words]
[host_machine]
system = 'linux'
cpu_family = '$ARCH'
cpu = '$ARCH'
endian = 'little'
[properties]
needs_exe_wrapper = true
have_c99_vsnprintf = true
have_c99_snprintf = true
have_unix98_printf = true
va_val_copy = true
growing_stack = false
have_strlcpy = true
have_proc_self_cmdline = true
END
    PKG_CONFIG_LIBDIR=$W/pc meson setup out "$S" --cross-file machine.ini --prefix=/usr --libdir=lib --buildtype=plain \
        --default-library=static --wrap-mode=nodownload -Dnls=disabled -Dselinux=disabled -Dxattr=false -Dlibmount=disabled \
        -Dlibelf=disabled -Dtests=false -Dglib_debug=disabled -Dglib_assert=false -Dglib_checks=false -Dbsymbolic_functions=false
    ninja -C out -j"$JOBS" glib/libglib-2.0.a
    cp out/glib/libglib-2.0.a "$OUT/lib/"
    mkdir -p "$OUT/include/glib-2.0/glib"
    cp -r "$S"/glib/*.h "$S/glib/deprecated" out/glib/*.h "$OUT/include/glib-2.0/glib/"
    cp "$S"/glib/glib.h "$S"/glib/glib-*.h out/glib/glibconfig.h "$OUT/include/glib-2.0/"
}

# G_DISABLE_ASSERT must stay undefined: libslirp checks what the guest sends with g_assert().
build_libslirp() {
    local version a b c
    version=$(sed -n "s/^  version : '\(.*\)',/\1/p" "$S/meson.build")
    IFS=. read -r a b c <<<"$version"
    mkdir -p "$OUT/include/slirp"
    sed "s/@SLIRP_MAJOR_VERSION@/$a/; s/@SLIRP_MINOR_VERSION@/$b/; s/@SLIRP_MICRO_VERSION@/$c/; s/@SLIRP_VERSION_STRING@/\"$version\"/" \
        "$S/src/libslirp-version.h.in" >"$OUT/include/slirp/libslirp-version.h"
    cp "$S/src/libslirp.h" "$OUT/include/slirp/"
    compile libslirp -std=gnu99 '-DG_LOG_DOMAIN="Slirp"' -DBUILDING_LIBSLIRP "-I$OUT/include/glib-2.0" "-I$OUT/include/slirp" -- "$S"/src/*.c
}

# All that a server on a unix socket inside somebody else's event loop does not need is off.
# (Threads stay: without them 1.0.1 leaves out a function that its timeouts need.)
build_libmicrohttpd() {
    CC=$OUT/bin/musl-cc AR=${CROSS}ar RANLIB=${CROSS}ranlib CFLAGS="$COPT" LDFLAGS=-static-pie "$S/configure" \
        --build="$MACHINE-linux-gnu" --host="$ARCH-linux-musl" --prefix="$OUT" --disable-shared --enable-static \
        --disable-dependency-tracking --disable-doc --disable-examples --disable-tools --disable-curl --disable-https \
        --disable-bauth --disable-dauth --disable-md5 --disable-sha256 --disable-sha512-256 --disable-postprocessor \
        --disable-cookie --disable-httpupgrade --disable-thread-names --enable-epoll --disable-poll --with-threads=posix
    make -j"$JOBS" -C src/microhttpd libmicrohttpd.la
    cp src/microhttpd/.libs/libmicrohttpd.a "$OUT/lib/"
    cp "$S/src/include/microhttpd.h" "$OUT/include/"
}

# ---------------------------------------------------------------- building what is out of date
# What decides whether a library is out of date: its recipe, flags and source files, and the library it is built with.
key_of() { # library base-key files...
    {
        declare -f "build_$1" build_one compile unpack
        printf '%s\n' "$ARCH" "$TOP" "$COPT" "$2" "$LINUX_H" "$ASM_H"
        "${CROSS}gcc" --version
        sha256sum "${@:3}" | cut -d' ' -f1
    } | tee "$OUT/log/$1.key" | sha256sum | cut -d' ' -f1
}

build_one() { # library key files...: quiet; what it prints is kept
    local name=$1 key=$2 start=$SECONDS log=$OUT/log/$1
    shift 2
    S=$SRC/$name-$ARCH W=$OUT/scratch/$name
    # In the background, because bash ignores -e inside anything whose status is tested.
    (
        unpack "$name-$ARCH" "$@"
        rm -rf "$W"
        mkdir -p "$W"
        cd "$W"
        # Every packet goes through musl and libslirp; the others are for control and error paths.
        case $name in musl | libslirp) ;; *) COPT=${COPT/-O2/-Os} ;; esac
        "build_$name"
    ) >"$log" 2>&1 </dev/null &
    if ! wait $!; then
        tail -n 20 "$log" >&2
        die "building $name failed; the whole log is $log"
    fi
    rm -rf "$W" "$S"
    echo "$key" >"$OUT/stamp/$name"
    step "$name ($((SECONDS - start)) s)"
}

build_libraries() { # [fetch]
    local name base failed=0 lanes=()
    declare -A keys files
    check_tools
    mkdir -p "$OUT/log" "$OUT/stamp" "$OUT/include" "$OUT/lib" "$OUT/bin" "$SRC"
    for name in $LIBRARIES; do
        sources_of "$name"
        case $name in
        musl) base='' ;;
        libslirp) base=${keys[glib]} ;;
        *) base=${keys[musl]} ;;
        esac
        keys[$name]=$(key_of "$name" "$base" "${FILES[@]}")
        files[$name]=$(printf '%s\n' "${FILES[@]}")
    done
    [ "${1:-}" != fetch ] || return 0
    build_stale musl
    # Two lanes side by side, because configure steps use one processor only.
    build_stale glib libslirp &
    lanes[0]=$!
    build_stale zlib yyjson libmicrohttpd &
    lanes[1]=$!
    # Both are waited for, also when one fails: nothing may still be building when this script is over.
    wait "${lanes[0]}" || failed=1
    wait "${lanes[1]}" || failed=1
    [ $failed = 0 ] || exit 1
}

build_stale() { # libraries...: those that are out of date, of build_libraries' keys and files
    local name paths
    for name; do
        [ "$(cat "$OUT/stamp/$name" 2>/dev/null)" != "${keys[$name]}" ] || continue
        rm -f "$OUT/stamp/$name"
        mapfile -t paths <<<"${files[$name]}"
        build_one "$name" "${keys[$name]}" "${paths[@]}"
    done
}

# ---------------------------------------------------------------- the result
verify() { # file
    local machine header
    [ -f "$1" ] || die "$1 does not exist"
    header=$(readelf -hlW "$1") || die "$1 is not an ELF file"
    machine=$(sed -n 's/^ *Machine: *//p' <<<"$header")
    case $ARCH:$machine in
    x86_64:*X86-64* | aarch64:AArch64) ;;
    *) die "$1 is for $machine, not for $ARCH" ;;
    esac
    grep -q '^ *Type: *DYN' <<<"$header" || die "$1 is not position independent"
    if grep -q '^ *INTERP' <<<"$header"; then die "$1 is dynamic: it asks for a program interpreter"; fi
    if readelf -dW "$1" | grep -E '\(NEEDED\)|\(TEXTREL\)'; then die "$1 is dynamic, or has text relocations"; fi
    if grep -E '^ *GNU_STACK' <<<"$header" | grep -q 'RWE'; then die "$1 has an executable stack"; fi
    grep -q '^ *GNU_RELRO' <<<"$header" || die "$1 has no RELRO segment"
}

case $TOP in *[[:space:]]*) die "the name of this folder has white space in it, which make cannot handle: $TOP" ;; esac
case $ARCH in
x86_64 | aarch64) ;;
*) die "ARCH=$ARCH is not known (x86_64 or aarch64)" ;;
esac
case ${1:-all} in
all)
    build_libraries
    make --no-print-directory -j"$JOBS" ARCH="$ARCH" all
    step "build/$ARCH/rootlet: $(stat -c %s "build/$ARCH/rootlet") bytes"
    ;;
deps) build_libraries ;;
fetch) build_libraries fetch ;;
verify) verify "${2:?file}" ;;
sources)
    echo "Put these files into a folder and pass DISTDIR=FOLDER:"
    table | while read -r _ package release _ file upstream sum; do
        printf '%s  %s\n    Debian %s, source package %s%s\n' "$sum" "$file" "$release" "$package" "$([ "$upstream" = - ] || echo "; upstream $upstream")"
    done
    ;;
*) die "unknown word '$1' (all, deps, fetch, sources or verify FILE)" ;;
esac
