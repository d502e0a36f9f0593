#!/bin/bash
# All that is checked without running the program: TAP, one line a tool, then the rules of the house one by one.
# CFLAGS_LINT says how the sources are to be compiled; the Makefile sets it.
cd "$(dirname "$0")/../.." || exit 1
jobs=$(nproc)
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
count=0 failed=0

check() { # name command...: what the command says is shown when it fails
    local name=$1 no=''
    shift
    count=$((count + 1))
    if ! "$@" >"$out" 2>&1 </dev/null; then
        no='not ' failed=1
    fi
    echo "${no}ok $count - $name"
    [ -z "$no" ] || head -n 300 "$out" | sed 's/^/#   /'
}

mapfile -t sources < <(find applets core net tests/unit tests/fuzz tests/lib -name '*.c' | sort)
mapfile -t headers < <(find applets core net tests/unit tests/fuzz -name '*.h' | sort)
mapfile -t manuals < <(find applets -name '*.1' | sort)
mapfile -t scripts < <(find build-static.sh .ci tests -type f -not -path '*/corpus/*' \
    -exec grep -lE -m1 '^#!/(usr/)?bin/(env )?(ba|da)?sh' {} + | sort)
read -ra flags <<<"${CFLAGS_LINT:?is set by make lint}"

# shellcheck disable=SC2317 # called through check
each_source() { # command...: with each file as its last word, several at the same time
    printf '%s\0' "${sources[@]}" | xargs -0 -n1 -P"$jobs" "$@"
}

check 'clang-format (make format mends it)' clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}"
check 'clang compiles it with the same warnings as gcc' each_source clang -fsyntax-only "${flags[@]}"
check 'clang-tidy' each_source tests/lint/tidy
# Not the tests: it takes each macro that stops a test for one that goes on. Off: what takes the cleanup attribute, a fd that is returned,
# or a function with a static buffer (there are no threads) for a mistake.
suppress=$(printf -- '--suppress=%s ' missingIncludeSystem readdirCalled getpwuidCalled getpwnamCalled legacyUninitvar resourceLeak \
    leakReturnValNotUsed memleak invalidFunctionArgBool)
# shellcheck disable=SC2046,SC2086 # lists of words
check 'cppcheck' cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --std=c11 -j"$jobs" \
    $suppress -D_GNU_SOURCE -D__linux__ -D__x86_64__ '-DROOTLET_VERSION="0"' -I. \
    $(printf '%s\n' "${sources[@]}" | grep -v ^tests/)
check 'shellcheck' shellcheck -x -P SCRIPTDIR -S warning -e SC2046 "${scripts[@]}"
[ ${#manuals[@]} -eq 0 ] || check 'manual pages (mandoc)' mandoc -T lint -W warning "${manuals[@]}"

# The rules' own TAP, numbered on from here.
rules=$(tests/lint/rules) || failed=1
while read -r line; do
    case $line in
    'ok '* | 'not ok '*)
        count=$((count + 1))
        sed -E "s/ok [0-9]+/ok $count/" <<<"$line"
        ;;
    '#'*) echo "$line" ;;
    esac
done <<<"$rules"
echo "1..$count"
exit $failed
