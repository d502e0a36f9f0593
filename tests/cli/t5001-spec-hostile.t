#!/bin/bash
# spec: what is refused, with the status, the byte or the member, whichever way it comes in; and that no input costs memory, time or the file.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
LIMIT=120
who=user
dir=/tmp/tester/hostile
run mkdir $dir
cd $dir || bail_out 'no folder'

# bad WHAT STATUS INPUT REGEX           (INPUT as printf has it)
bad() {
    printf "$3" >bad.json
    chown tester: bad.json
    local before
    before=$(sha256sum <bad.json; stat -c '%i %y' bad.json)
    feed bad.json rootlet spec
    status_is $2 "$1"
    err_like "$4" 'says where'
    out_is '' 'and nothing else'
    run rootlet spec -i bad.json
    is "$status $(sha256sum <bad.json; stat -c '%i %y' bad.json)" "$2 $before" 'in place: the same, and the file is not touched'
    run rootlet spec --check bad.json
    is "$status" $2 '--check says the same'
}
whole='"ociVersion":"1.0.2","process":{"cwd":"/","args":["a"]},"root":{"path":"r"}'
deep() { printf "%0.s$1" $(seq "$2"); }

# --- no JSON: status 3 and the byte
bad 'nothing' 3 '' 'no JSON in an empty text at byte 0 \(line 1, column 1, in \.\)'
bad 'blanks' 3 ' \n\t' 'at byte 0'
bad 'a cut file' 3 '{"process":{"args":[' 'at byte 20 \(line 1, column 21, in \.process\.args\[0\]\)'
bad 'a cut string' 3 '{"process":{"args":["a' 'at byte 22 .*in \.process\.args\[0\]\)'
bad 'a duplicate key' 3 '{"linux":{},\n"linux":{}}' 'the same key a second time at byte 13 \(line 2, column 1, in \.linux\)'
bad 'a duplicate key, escaped' 3 '{"a":{"hooks":1,"hoo\\u006bs":1}}' 'at byte 16 .*in \.a\.hooks\)'
bad 'a duplicate key of many' 3 '{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"3":1}' \
    'at byte 103 .*in \.\["3"\]\)'
bad 'a duplicate key in what no rule is about' 3 '{"annotations":{"a":"1","a":"2"}}' 'at byte 24 .*in \.annotations\.a\)'
bad 'a byte order mark' 3 '\357\273\277{}' 'byte order mark.* at byte 0'
bad 'UTF-16' 3 '\377\376{\0}\0' 'at byte 0'
bad 'UTF-32' 3 '\377\376\0\0{\0\0\0' 'at byte 0'
bad 'a byte that is no UTF-8' 3 '{"a":"\377"}' 'at byte 6'
bad 'a sequence too long' 3 '{"a":"\300\257"}' 'at byte 6'
bad 'a cut sequence' 3 '{"a":"\342\202"}' 'at byte 6'
bad 'a surrogate in UTF-8' 3 '{"a":"\355\240\200"}' 'at byte 6'
bad 'beyond U+10FFFF' 3 '{"a":"\364\220\200\200"}' 'at byte 6'
bad 'a lone high surrogate' 3 '{"a":"\\ud800"}' 'at byte 12 .*in \.a\)'
bad 'a lone low surrogate' 3 '{"a":"\\udc00"}' 'in \.a\)'
bad 'two high ones' 3 '{"a":"\\ud800\\ud800"}' 'in \.a\)'
bad 'a high one and a letter' 3 '{"a":"\\ud83dx"}' 'in \.a\)'
bad 'a comment' 3 '{} // x' 'at byte 3'
bad 'a comment inside' 3 '{"a":/**/1}' 'at byte 5'
bad 'a trailing comma' 3 '{"a":1,}' 'at byte (6|7)'
bad 'a second value' 3 '{}\n{}' 'at byte 3 \(line 2, column 1'
bad 'a NUL behind' 3 '{}\0' 'at byte 2'
bad 'a NUL inside' 3 '{\0}' 'at byte 1'
bad 'a control character in a string' 3 '{"a":"\001"}' 'at byte 6'
bad 'an unknown escape' 3 '{"a":"\\x41"}' 'at byte 7 .*in \.a\)'
bad 'a leading zero' 3 '{"a":01}' 'at byte 5'
bad 'a plus' 3 '{"a":+1}' 'at byte 5'
bad 'hexadecimal' 3 '{"a":0x1}' 'at byte [56]'
bad 'Infinity' 3 '{"a":Infinity}' 'at byte 5'
bad 'no number' 3 '{"a":1.,"b":2}' 'at byte [5-8] '
bad 'single quotes' 3 "{'a':1}" 'at byte 1'
bad '129 levels' 3 "$(deep '[' 129)" 'more than 128 levels deep at byte 128'
bad '129 levels of objects' 3 "$(deep '{"a":' 129)" 'more than 128 levels deep at byte 640'

# --- JSON, and no config.json: status 3 and the member
bad 'a list' 3 '[]' ': \.: array where an object has to be'
bad 'a known key in another case' 3 '{"Linux":{}}' ": \.Linux: some runtimes would read this as 'linux'"
bad 'one further down' 3 '{"linux":{"Namespaces":[]}}' ': \.linux\.Namespaces: '
bad 'one that Go takes for it' 3 '{"linux":{"ma\305\277kedPaths":[]}}' ': \.linux\["ma\?\?kedPaths"\]: '
bad 'a NUL in a path' 3 '{"root":{"path":"\\u0000"}}' ': \.root\.path: .*NUL'
bad 'a NUL in an argument' 3 '{"process":{"args":["\\u0000"]}}' ': \.process\.args\[0\]: .*NUL'
bad 'a NUL in a mount' 3 '{"mounts":[{"destination":"/a\\u0000"}]}' ': \.mounts\[0\]\.destination: .*NUL'
bad 'an exponent' 3 '{"process":{"user":{"uid":1e3}}}' ': \.process\.user\.uid: 1e3 is not written as an integer'
bad 'a point' 3 '{"process":{"user":{"uid":1.0}}}' ': \.process\.user\.uid: 1\.0 is not written as an integer'
bad 'minus nothing' 3 '{"process":{"user":{"uid":-0}}}' ': \.process\.user\.uid: -0 is out of range'
bad '2^32 for a uid' 3 '{"process":{"user":{"uid":4294967296}}}' ': \.process\.user\.uid: 4294967296 is out of range'
bad '2^64' 3 '{"process":{"rlimits":[{"hard":18446744073709551616}]}}' ': \.process\.rlimits\[0\]\.hard: 18446744073709551616 is out of range'
bad 'a thousand digits' 3 "{\"process\":{\"rlimits\":[{\"hard\":$(deep 9 1000)}]}}" ': \.process\.rlimits\[0\]\.hard: 9{64} is out of range'
bad '2^63 with a sign' 3 '{"linux":{"resources":{"memory":{"limit":9223372036854775808}}}}' ': \.linux\.resources\.memory\.limit: .* out of range'
bad 'null in a list' 3 '{"mounts":[null]}' ': \.mounts\[0\]: null in an array'
bad '65 namespaces' 3 "{\"linux\":{\"namespaces\":[$(deep '{},' 64){}]}}" ': \.linux\.namespaces: more than 64 namespaces'

# --- every member that the specification knows
run "$TOP/tests/lib/spec-fields.py" "$ROOTLET" "$TOP/tests/spec/every.json"
status_is 0 'each member is given what it may not be'
is "$(grep -c '^wrong' <<<"$stdout")" 0 "of $(sed -n 's/^tried //p' <<<"$stdout") texts not one is taken or refused otherwise" || diag "$(grep '^wrong' <<<"$stdout" | head -n 40)"
ok 'which are more than a thousand' test "$(sed -n 's/^tried //p' <<<"$stdout")" -gt 1000

# --- a config.json that cannot be made rootless: status 2, the member, what a runtime would have said
bad 'no process' 2 '{"root":{"path":"r"}}' "\.process: missing \(runc: 'process property must not be empty'\)"
bad 'no root' 2 '{"process":{"cwd":"/","args":["a"]}}' "\.root\.path: missing \(runc: "
bad 'a relative cwd' 2 "{${whole/\"\/\"/\"a\"}}" "\.process\.cwd: 'a' is not an absolute path \(runc: "
bad 'a host name without uts' 2 "{$whole,\"hostname\":\"h\"}" '\.hostname: needs a uts namespace \(runc: '
bad 'time offsets without time' 2 "{$whole,\"linux\":{\"timeOffsets\":{\"monotonic\":{\"secs\":1}}}}" '\.linux\.timeOffsets: needs a time namespace \(runc: '
bad 'a namespace that is none' 2 "{$whole,\"linux\":{\"namespaces\":[{\"type\":\"net\"}]}}" "\.linux\.namespaces\[0\]\.type: 'net' is no type"

# --- what a document says is shown, but does nothing to a terminal
printf '{"ociVersion":"1.0.2","process":{"cwd":"a\\u001b[31m\\nb\\u009b\\u007f\302\233c\303\233","args":["a"]},"root":{"path":"r"}}' >odd.json
run rootlet spec odd.json
status_is 2 'control characters in what a message shows'
is "$(wc -l <<<"$stderr")" 1 'are on one line'
err_like "\.process\.cwd: 'a\?\[31m\?b\?\?\?\?\?c"$'\303\233' 'as question marks, other letters as they are'
printf '{%s,"linux":{"cgroupsPath":"\302\233\177x"}}' "$whole" >odd.json
run rootlet spec --check --explain --map=self odd.json
out_like 'C2 \.linux\.cgroupsPath: "\?\?\?x" -> nothing' 'and so in an explanation'

# --- what is no harm: numbers keep their text, wherever they are
printf '{%s,"x":[1e400,-0,1.0,1E+2,-1.5e-300,123456789012345678901234567890,0.1000]}' "$whole" >fine.json
run rootlet spec --map=self fine.json
status_is 0 'numbers in what no rule is about'
out_like '"x":\[1e400,-0,1\.0,1E\+2,-1\.5e-300,123456789012345678901234567890,0\.1000\]' 'keep their text'
printf '{%s,"deep":%s%s}' "$whole" "$(deep '[' 127)" "$(deep ']' 127)" >fine.json
run rootlet spec --map=self fine.json
status_is 0 '128 levels'

# --- much of it: at most 16 MiB, with 512 MiB of memory; the time is a protection only
LIMIT=120
run python3 "$TOP/tests/lib/spec-large.py" "$ROOTLET" $dir/large.json
status_is 0 'large inputs of all kinds end as they should'
out_like '^open 3 .*levels deep at byte 128' '16 MiB of brackets at the 129th'
is "$(grep -c '^wrong' <<<"$stdout")" 0 'none ends otherwise' || diag "$stdout"
feed /dev/zero rootlet spec
status_is 3 'an endless input is refused'
err_like 'larger than 16777216 bytes' 'which is said'
cd /
rm -rf $dir
nothing_left 'nothing is left'
done_testing
