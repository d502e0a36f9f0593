#!/bin/bash
# spec: input and output, what is kept byte for byte, what is refused and how that is said.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
who=user

cd /tmp/tester || bail_out 'no /tmp/tester'
run runc spec -b /tmp/tester
in=/tmp/tester/config.json
spec() { run rootlet spec "$@"; }

# --- ways in and out
spec $in
status_is 0 'FILE to stdout'
converted=$stdout
feed $in rootlet spec
is "$stdout" "$converted" 'stdin to stdout'
feed $in rootlet spec -
is "$stdout" "$converted" '-'
spec -b /tmp/tester
is "$stdout" "$converted" '-b'
spec -o /tmp/tester/out.json $in
out_is '' '-o prints nothing'
is "$(cat out.json)" "$converted" 'and writes the file'
cp $in place.json
chown tester:tester place.json
chmod 640 place.json
inode=$(stat -c %i place.json)
spec -i place.json
status_is 0 '-i'
is "$(cat place.json)" "$converted" 'changes the file'
is "$(stat -c '%a %U' place.json)" '640 tester' 'mode and owner stay'
isnt "$(stat -c %i place.json)" "$inode" 'by a new one in its place'
inode=$(stat -c %i place.json)
spec -i place.json
is "$(stat -c %i place.json)" "$inode" 'what needs no change is not written'
ln -s place.json link.json
spec -i link.json
status_is 4 '-i through a link is refused'
spec $in -o /nowhere/x
status_is 4 'a folder that is not there'
err_like '/nowhere/x' 'is named'
spec /nowhere/config.json
status_is 4 'a file that is not there'
err_like '/nowhere/config.json' 'is named'
nok 'a full disk is noticed' sh -c "as-user rootlet spec $in >/dev/full"
ok 'no temporary file is left' test "$(find /tmp/tester -name '*.json*' | wc -l)" = 4
rm out.json link.json

# --- --check, --diff, --explain
spec --check $in
status_is 1 '--check: would change'
out_is '' 'and writes nothing on stdout'
spec --check place.json
status_is 0 '--check: nothing to do'
spec --diff $in
status_is 0 '--diff'
out_like $'^--- .*\n\\+\\+\\+ .*\n@@ ' 'is a unified diff'
printf '%s\n' "$stdout" >/tmp/patch
cp $in patched.json
ok 'that patch(1) takes' patch -s patched.json /tmp/patch
is "$(cat patched.json)" "$converted" 'and makes of it what is converted'
spec --explain $in -o /dev/null
like "$stdout$stderr" '(N1|N3).*linux\.namespaces' '--explain: rule and path'
spec --explain --json $in -o /dev/null
like "$stdout$stderr" '"rule"' 'as JSON'

# --- what is not touched
edit() { python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); exec(sys.argv[2]); json.dump(d, sys.stdout)' $in "$1" >edited.json; }
edit 'd["annotations"]={"z":"1","a":"2"}; d["future"]={"b":[1,2.50,{"y":None}],"a":18446744073709551615}; d["linux"]["seccomp"]={"defaultAction":"SCMP_ACT_ALLOW"}'
sed -i 's/2\.5,/2.500,/' edited.json
spec edited.json
like "$stdout" '"z": ?"1", *"a": ?"2"' 'the order of keys'
like "$stdout" '2\.500' 'the text of numbers'
like "$stdout" '18446744073709551615' 'the biggest one'
like "$stdout" 'SCMP_ACT_ALLOW' 'seccomp'
printf '%s\n' "$stdout" >edited2.json
spec edited2.json
is "$stdout" "$(cat edited2.json)" 'converting twice is converting once'
printf '{ "ociVersion" : "1.0.2",\n\t"x":1e0 , "process":{"cwd":"/","args":["x"]},"root":{"path":"r"}}' >odd.json
spec --mode=inside odd.json
is "$stdout" "$(cat odd.json)" 'nothing changed: the very bytes'

# --- what is no config.json: status 3, and where
refused() { # WHAT TEXT, with escapes as in C
    printf %b "$2" >bad.json
    cp bad.json bad.copy
    spec -i bad.json
    status_is 3 "refused: $1"
    err_like 'bad.json' 'the file is named'
    ok 'and not touched' cmp bad.json bad.copy
}
refused 'no JSON' 'hello'
refused 'nothing' ''
refused 'an array' '[]'
refused 'a duplicate key' '{"ociVersion":"1.0.2","ociVersion":"1.0.2"}'
refused 'a known key in other letters' '{"ociVersion":"1.0.2","Linux":{}}'
refused 'trailing data' '{"ociVersion":"1.0.2"} x'
refused 'a comment' '{"ociVersion":"1.0.2" /* x */}'
refused 'a byte order mark' '\0357\0273\0277{"ociVersion":"1.0.2"}'
refused 'bytes that are no UTF-8' '{"ociVersion":"1.0.2","hostname":"\0377"}'
refused 'half a surrogate pair' '{"ociVersion":"1.0.2","hostname":"\\ud800"}'
refused 'a NUL in a path' '{"ociVersion":"1.0.2","root":{"path":"a\\u0000b"}}'
refused 'a string for a number' '{"ociVersion":"1.0.2","process":{"user":{"uid":"0","gid":0},"cwd":"/","args":["x"]}}'
refused 'an exponent' '{"ociVersion":"1.0.2","process":{"user":{"uid":1e3,"gid":0},"cwd":"/","args":["x"]}}'
refused 'a number over 2^64' '{"ociVersion":"1.0.2","process":{"user":{"uid":18446744073709551616,"gid":0},"cwd":"/","args":["x"]}}'
python3 -c 'print("[" * 200 + "]" * 200)' >deep.json
spec deep.json
status_is 3 'too deep'
python3 -c 'print("{\"a\":\"" + "x" * (17 << 20) + "\"}")' >big.json
spec big.json
status_is 3 'over 16 MiB'
feed /dev/zero rootlet spec
status_is 3 'endless'

# --- what cannot be made rootless: status 2, the path, and what to do
while IFS='|' read -r what path text; do
    edit "$text"
    spec edited.json
    status_is 2 "$what"
    err_like "$path" "the message names $path"
    out_is '' 'and nothing is written'
done <<'END'
an unmapped user|process\.user\.uid|d["process"]["user"]["uid"]=4000000
an unmapped group|process\.user\.gid|d["process"]["user"]["gid"]=4000000
two different user namespaces|linux\.namespaces|d["linux"]["namespaces"]+=[{"type":"user"},{"type":"user","path":"/proc/1/ns/user"}]
real-time scheduling|process\.scheduler|d["process"]["scheduler"]={"policy":"SCHED_FIFO","priority":1}
END
spec --nonsense $in
status_is 64 'an unknown option'
spec --mode=moon $in
status_is 64 'an unknown value'
who=root
run rootlet spec $in
status_is 2 "the machine's root needs none"
err_like -- '--mode' 'and is told what to ask for'
rm -rf /tmp/tester/*.json /tmp/tester/bad.copy /run/user/1001/runc
nothing_left 'nothing is left'
done_testing
