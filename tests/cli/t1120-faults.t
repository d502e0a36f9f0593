#!/bin/bash
# Start-up, with every system call of every process failing in turn, or being the moment of a signal: it ends, soon, with the command
# having run or with a message that names what failed, and with nothing left. The rules are judge() of tests/lib/faults.py.
#
# FAULTS=all TEST_TIMEOUT=3600 make test T=tests/cli/t1120-faults.t makes all of them fail, in a quarter of an hour; without that it is a
# sample, always the same one (its rule is chosen()).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
TEST_DEADLINE=$([ "${FAULTS:-}" = all ] && echo 3000 || echo 400)
in_sandbox --root
LIMIT=$([ "${FAULTS:-}" = all ] && echo 2900 || echo 380)
faulter=$TOP/build/$(uname -m)/tests/lib/faulter
[ -x "$faulter" ] || bail_out "the tracer is missing: make $(realpath -m --relative-to="$TOP" "$faulter")"

quick=--quick
if [ "${FAULTS:-}" = all ]; then quick=''; fi
# shellcheck disable=SC2086 # no word if empty
run "$TOP/tests/lib/faults.py" "$faulter" "$ROOTLET" $quick
status_is 0 'the walk comes to its end'
read -r _ tried wrong unreached planned < <(grep '^total ' <<<"$stdout")
while read -r _ role kind count; do diag "$role: $kind: $count faults"; done < <(grep '^tried ' <<<"$stdout")
echo "# ${tried:-0} faults tried, ${wrong:-no count of those that} ended wrong"
if [ "${wrong:-1}" != 0 ]; then diag "$(grep -A8 '^wrong ' <<<"$stdout" | head -n 200)"; fi
is "${wrong:-}" 0 'not one of them ended wrong'
# Calls whose number depends on the order of events are not always reached.
ok "$tried of $planned took place ($unreached did not)" test "${tried:-0}" -ge $((planned * 95 / 100))
ok 'which are thousands' test "${tried:-0}" -ge 2500
for role in starter supervisor child netd portd; do
    for kind in error TERM KILL; do
        count=$(awk -v r=$role -v k=$kind '$1 == "tried" && $2 == r && $3 == k { print $4 }' <<<"$stdout")
        ok "$role: $kind: ${count:-0}" test "${count:-0}" -ge 5
    done
done
nothing_left 'nothing is left of all this'

# Whoever starts us may have chosen to ignore the end of its children; we want to know about ours.
for who in root user; do
    for how in '' '--pidns' '--net=slirp4netns --copy-up=/etc'; do
        # shellcheck disable=SC2086 # a list of words
        run env --ignore-signal=CHLD rootlet run $how sh -c 'exit 3'
        status_is 3 "SIGCHLD is ignored by the caller: run $how"
    done
done
# A program that closes nothing hands over nothing.
who=user
run strace -f -qq -o /tmp/tester/trace -e inject=close_range:error=ENOMEM -e trace=close_range \
    bash -c 'exec 7</etc/passwd; exec rootlet run --map=single ls /proc/self/fd'
unlike "$stdout" $'(^|\n)7($|\n)' 'close_range(2) fails: no descriptor leaks into the command all the same'
rm -f /tmp/tester/trace
done_testing
