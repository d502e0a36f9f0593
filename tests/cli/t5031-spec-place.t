#!/bin/bash
# spec -i: files with more names than one, of somebody else, in places where they may not be replaced; file systems that can do less.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
who=user
dir=/home/tester/place
install -d -o tester -g tester $dir
cd $dir || bail_out 'no folder'
runc spec -b /tmp
pristine=$(sha256sum </tmp/config.json)
fresh() { rm -rf "${dir:?}/"* "${dir:?}/".r* && install -o tester -g tester -m 640 /tmp/config.json config.json; }
leftovers() { is "$(find $dir /tmp/place -name '.rootlet*' 2>/dev/null)" '' 'no temporary file is left behind'; }
stays() { # WHAT REGEX [FILE]
    status_is 4 "$1: refused"
    err_like "$2" 'which is said'
    is "$(sha256sum <"${3:-config.json}")" "$pristine" 'the file is as it was'
    leftovers
}

fresh
ln config.json other.json
run rootlet spec -i config.json
status_is 0 'a file with two names is replaced'
err_like "'config.json' had other names \(hard links\): those keep what it was" 'the other name is spoken of'
is "$(sha256sum <other.json)" "$pristine" 'and keeps its content'
out_is '' 'nothing is written elsewhere'
run rootlet spec -i config.json
err_is '' 'a second time there is only one'
ln -sf other.json link.json
run rootlet spec -i link.json
stays 'a symbolic link' "'link.json' is a symbolic link: name the file itself" other.json
ok 'and still a link' test -L link.json

fresh
chown root config.json
chmod 644 config.json
run rootlet spec -i config.json
stays 'a file of somebody else' 'owner \(uid 0, gid 1001\).*Operation not permitted'
fresh
chmod 555 .
run rootlet spec -i config.json
stays 'in a folder that may not be written to' 'a folder that is writable: Permission denied'
chmod 755 .
fresh
mkdir /tmp/place && chmod 1777 /tmp/place && install -o tester -g tester -m 640 /tmp/config.json /tmp/place/config.json
run rootlet spec -i /tmp/place/config.json
status_is 0 "one's own file in a folder with the sticky bit is replaced"
is "$(stat -c %U:%a /tmp/place/config.json)" tester:640 'with owner and mode'
chown root /tmp/place && install -m 666 /tmp/config.json /tmp/place/config.json
run rootlet spec -i /tmp/place/config.json
stays "somebody else's there" 'Operation not permitted' /tmp/place/config.json
: >bound.json && mount --bind config.json bound.json
run rootlet spec -i bound.json
stays 'a file that is a mount point' '[Bb]usy \(something is mounted on it\)' bound.json
umount bound.json
mkdir image && mount -t tmpfs -o mode=777 tmpfs image && install -o tester -g tester -m 640 /tmp/config.json image/ && mount -o remount,ro image
run rootlet spec -i image/config.json
stays 'a read-only file system' 'Read-only file system' image/config.json
umount image

fresh
chattr +i config.json
run rootlet spec -i config.json
stays 'an immutable file' 'Operation not permitted \(it is immutable'
chattr -i config.json

# --- old kernels and file systems: no files without names, no exchange
tmpfile='openat:error=EOPNOTSUPP:when'
for errno in EINVAL ENOSYS; do
    fresh
    # which of the openat()s it is that wants a file without a name is seen first
    run sh -c "cp -p config.json copy.json; strace -e trace=openat -o /tmp/tester/trace rootlet spec -i copy.json; grep -n O_TMPFILE /tmp/tester/trace"
    number=${stdout%%:*}
    run strace -f -o /dev/null -e inject=$tmpfile=$number -e inject=renameat2:error=$errno:when=1 rootlet spec -i config.json
    status_is 0 "no O_TMPFILE, and $errno from an exchange: in place all the same"
    is "$(sha256sum <config.json)" "$(sha256sum <copy.json)" 'with the same outcome'
    is "$(stat -c %U:%a config.json)" tester:640 'owner and mode'
    leftovers
    for error in EIO ENOSPC; do
        fresh
        run strace -f -o /dev/null -e inject=$tmpfile=$number -e inject=renameat2:error=$errno:when=1 -e inject=fsync:error=$error:when=1 \
            rootlet spec -i config.json
        stays "and $error" 'cannot write a new'
    done
    fresh
    run strace -f -o /dev/null -e inject=$tmpfile=$number -e inject=renameat2:error=$errno:when=1 rootlet spec config.json -o new.json
    is "$status:$(sha256sum <new.json)" "0:$(rootlet spec --mode=outside --map-uid=0:1001:1 --map-uid=1:100000:65536 --map-gid=0:1001:1 --map-gid=1:100000:65536 config.json 2>/dev/null | sha256sum)" 'a new file'
    leftovers
done
rm -f /tmp/tester/trace
cd /
rm -rf $dir /tmp/place /tmp/config.json
nothing_left 'nothing is left'
done_testing
