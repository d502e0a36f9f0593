#!/bin/bash
# spec: where it reads from and writes to, what it says, and that no input and no failure costs anybody a file.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
who=user

dir=/home/tester/spec
install -d -o tester -g tester $dir
cd $dir || bail_out 'no folder'
runc spec -b $dir && chown tester: config.json
pristine=$(sha256sum <config.json)
same() { is "$(sha256sum <"${1:-config.json}")" "$pristine" "$2"; }
leftovers() { is "$(find $dir -name '.rootlet*')" '' 'no temporary file is left behind'; }

# ------------------------------------------------------------------------------------------------- input and output
run rootlet spec config.json
status_is 0 'a file is converted'
out_like '"type": "user"' 'to standard output'
err_is '' 'without a word'
same config.json 'and stays as it was'
converted=$stdout

feed config.json rootlet spec
out_is "$converted" 'a filter, without operands'
feed config.json rootlet spec -
out_is "$converted" 'a filter, asked for'
run $aliases/specconv config.json
out_is "$converted" 'as specconv'
run rootlet spec -b $dir
out_is "$converted" 'a bundle'
run rootlet spec config.json -o out.json
is "$(cat out.json)" "$converted" 'to a file'
is "$(stat -c %a:%U out.json)" 644:tester 'that is an ordinary one'
run rootlet spec out.json
out_is "$converted" 'converting again changes nothing'
ok 'a file that needs nothing is passed on byte for byte' sh -c 'rootlet spec --mode=outside out.json | cmp - out.json'
printf '{ "process":{"cwd":"/","args":["\\u0061"]} ,\n"root":{"path":"r"},"linux":null,"n":1.50e1}' >odd.json
run rootlet spec --map=self odd.json
out_like '^\{ "process":\{"cwd":"/","args":\["\\u0061"\]\} ,'$'\n''"root":\{"path":"r"\},"linux":\{.*\},"n":1.50e1\}$' 'what is not converted keeps its bytes'

run rootlet spec --check config.json
status_is 1 '--check: something would change'
out_is '' 'nothing is written'
run rootlet spec --check out.json
status_is 0 '--check: nothing to do'
run rootlet spec --diff config.json
status_is 0 '--diff'
out_like $'^--- config.json\n\\+\\+\\+ rootless\n@@ .*\n-\t*"type": "sysfs",' 'is a unified diff'
run sh -c 'rootlet spec --diff config.json | patch -s -o patched.json config.json && cmp patched.json out.json'
status_is 0 'that patch(1) takes'
run rootlet spec --check --explain config.json
out_like $'N1 .linux.namespaces\\[[0-9]+\\]: nothing -> \\{"type":"user"\\} \\(.*\nN2 .*\nN3 .*\nS2 .mounts\\[5\\].*\nC1 .linux.resources: ' '--explain has a line a change'
run rootlet spec --check --explain --json config.json
ok '--explain --json is JSON' python3 -c 'import json, sys; assert {c["rule"] for c in json.loads(sys.argv[1])} >= {"N1", "N2", "S2"}' "$stdout"
run rootlet spec --explain config.json
out_is "$converted" '--explain does not get into the output'
err_like '^N1 ' 'but onto standard error'

# --------------------------------------------------------------------------------------------------------- in place
cp config.json place.json && chown tester: place.json && chmod 640 place.json
run rootlet spec -i place.json
status_is 0 'in place'
is "$(cat place.json)" "$converted" 'the file is changed'
is "$(stat -c %a:%U place.json)" 640:tester 'with its mode and owner'
attributes='import os, struct, sys
def entry(tag, may, who=0xffffffff): return struct.pack("<HHI", tag, may, who) # posix_acl_xattr.h
acl = struct.pack("<I", 2) + entry(1, 6) + entry(2, 4, 1234) + entry(4, 0) + entry(16, 4) + entry(32, 0)
want = {"system.posix_acl_access": acl, "user.empty": b"", "user.note": bytes(range(256)) * 8}
for file in sys.argv[2:]:
    if sys.argv[1] == "set":
        for name, value in want.items(): os.setxattr(file, name, value)
    else:
        assert {name: os.getxattr(file, name) for name in os.listxattr(file)} == want, file'
cp config.json marked.json && chown tester: marked.json && chmod 600 marked.json
run python3 -c "$attributes" set marked.json
status_is 0 'a file with an access control list and other attributes'
run rootlet spec -i marked.json
status_is 0 'in place'
is "$(cat marked.json)" "$converted" 'it is changed'
run python3 -c "$attributes" check marked.json
status_is 0 'and keeps them'
is "$(stat -c %a marked.json)" 640 'and the mode that goes with them'
before=$(stat -c %i:%y place.json)
run rootlet spec -i place.json
is "$(stat -c %i:%y place.json)" "$before" 'a file that needs nothing is not touched'
run rootlet spec -i -b $dir
is "$(cat config.json)" "$converted" 'a bundle in place'
runc spec -b /tmp && cat /tmp/config.json >config.json
ln -s config.json link.json
mkfifo fifo.json
for file in link.json fifo.json . /dev/null; do
    run rootlet spec -i $file
    status_is 4 "not on $file"
    err_like '^rootlet spec: .*(symbolic link|not a regular file|is no file)' 'which is said'
done
run rootlet spec -i -
status_is 64 'nor on standard input'
same config.json 'nothing was changed'

mkdir tiny && mount -t tmpfs -o size=8k,uid=1001 tmpfs tiny && cp config.json tiny/ && chown tester: tiny/config.json
dd if=/dev/zero of=tiny/rest bs=4k status=none 2>/dev/null
run rootlet spec -i tiny/config.json
status_is 4 'a full disk'
err_like 'No space left' 'is said'
same tiny/config.json 'and costs nothing'
leftovers
umount tiny

# ----------------------------------------------------------------------------------------------------------- errors
run rootlet spec none.json
status_is 4 'a missing file'
run rootlet spec --map-uid=1:2 config.json
status_is 64 'a bad map line'
run rootlet spec --check -i config.json
status_is 64 'options that exclude each other'
for option in mode={auto,outside,inside,nested} runtime={any,runc,crun} map={auto,self,subid,proc} net={auto,keep,host,/run/netns/a} \
    sys={auto,sysfs,rbind,remove,keep} cgroup={none,delegated,keep} groups={auto,drop,error} rlimits={keep,clamp} oom={clamp,keep} lsm={keep,drop}; do
    run rootlet spec --$option config.json
    isnt "$status" 64 "--$option is an option"
done
for option in mode runtime map sys cgroup groups rlimits oom lsm; do
    run rootlet spec --$option=other config.json
    status_is 64 "--$option=other is none"
    err_like "^rootlet spec: --$option: bad value 'other' \(one of: [a-z, ]+\)" 'and what there is is said'
done
run rootlet spec --check --diff config.json
status_is 1 '--check and --diff together'
out_like $'^--- config.json\n\\+\\+\\+ rootless' 'do both'
run rootlet spec --net=none config.json
err_like 'auto, keep and host' 'a network that is none'
who=root
run rootlet spec config.json
status_is 2 'the real root is asked what for'
err_like 'mode=outside' 'and told how to say it'
who=user

# -------------------------------------------------------------------------------------------------------- templates
run rootlet spec --new -b $dir
status_is 4 '--new does not overwrite'
run mkdir none
run sh -c "cd none && rootlet spec --new -b $(printf '%04100d' 0)"
status_is 64 'nor goes where it was not asked to, as for a folder with a name that is too long'
is "$(ls none)" '' 'it writes nothing'
run rootlet spec --new --rootless -o new.json
status_is 0 '--new --rootless'
run rootlet spec --check new.json
status_is 0 'is rootless'
run rootlet spec --new -o -
out_like '"type": "sysfs"' '--new alone is not'
run rootlet spec --rootless
status_is 64 '--rootless alone is no conversion'
done_testing
