# tap.sh - what a test in bash is made of. To be sourced first:
#
#     #!/bin/bash
#     . "$(dirname "$0")/../lib/tap.sh"
#     in_sandbox --root                     # the test starts anew, as root of a machine of its own; the words are options of tests/sandbox
#     for who in root user; do              # whom `run` and `launch` run a command as
#         run rootlet run -- id -u
#         status_is 0 'a command runs'
#         out_is 0 'and is root'
#     done
#     done_testing
#
# A check prints one line; one that fails shows what was run last, its status and its output. There is no way to skip.
# Commands have a deadline ($LIMIT seconds), which protects the run and is no part of what is tested.
# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for the tests

set -u
LIMIT=${LIMIT:-30}
who=root
tap_count=0
tap_failures=0
ran='' status='' stdout='' stderr=''

# ---------------------------------------------------------------------------------------------------------- the report

diag() {
    local line
    while IFS= read -r line; do printf '#   %s\n' "$line"; done <<<"$*"
}

# What was run last, when a check fails.
tap_show() {
    diag "$who ran: $ran"
    diag "exit status: $status"
    local name text
    for name in stdout stderr; do
        text=${!name}
        if [ -n "$text" ]; then
            diag "$name:"
            diag "$(head -n 40 <<<"${text:0:6000}" | sed 's/^/    /')"
        else
            diag "$name: empty"
        fi
    done
}

pass() {
    printf 'ok %d - %s\n' $((++tap_count)) "[$who] $1"
}

fail() {
    printf 'not ok %d - %s\n' $((++tap_count)) "[$who] $1"
    local frame=1 # the first caller outside this file
    while [ "${BASH_SOURCE[frame]}" = "${BASH_SOURCE[0]}" ]; do frame=$((frame + 1)); done
    diag "at ${BASH_SOURCE[frame]##*/}:${BASH_LINENO[frame - 1]}"
    tap_failures=$((tap_failures + 1))
    return 1
}

# bail_out WHY: this file cannot go on. TAP's own word for it would end all the others as well.
bail_out() {
    trap - EXIT
    fail "cannot be tested: $*" || :
    printf '1..%d\n' $tap_count
    exit 1
}

# What bash itself has to say, but for the news that a process was killed, which tests do: an error of the test.
tap_complaints() {
    [ -n "${tap_dir:-}" ] && grep -vE 'line [0-9]+: +[0-9]+ (Hangup|Killed|Terminated|Interrupt|Quit|User defined signal|Aborted)|warning: execute_coproc: ' "$tap_dir/shell"
}

done_testing() {
    trap - EXIT
    ok 'the test itself is without errors' eval '! tap_complaints' || :
    printf '1..%d\n' $tap_count
    exit $((tap_failures > 0 || tap_count == 0))
}

# ------------------------------------------------------------------------------------------------------------- checks

# is GOT WANT WHAT
is() {
    if [ "$1" = "$2" ]; then
        pass "$3"
    else
        fail "$3"
        diag "got:  $1"
        diag "want: $2"
        return 1
    fi
}

# isnt GOT UNWANTED WHAT
isnt() {
    if [ "$1" != "$2" ]; then
        pass "$3"
    else
        fail "$3"
        diag "got, and it should not be: $1"
        return 1
    fi
}

# like TEXT REGEX WHAT        (an extended regular expression, anywhere in the text)
like() {
    if [[ $1 =~ $2 ]]; then
        pass "$3"
    else
        fail "$3"
        diag "got:  ${1:0:3000}"
        diag "want something like: $2"
        return 1
    fi
}

unlike() {
    if [[ ! $1 =~ $2 ]]; then
        pass "$3"
    else
        fail "$3"
        diag "got:  ${1:0:3000}"
        diag "want nothing like: $2"
        return 1
    fi
}

# ok WHAT COMMAND...          (a command or function, in this shell; quiet unless it fails)
ok() {
    local what=$1 text
    shift
    if text=$("$@" 2>&1); then
        pass "$what"
    else
        fail "$what"
        diag "failed: $*"
        if [ -n "$text" ]; then diag "$text"; fi
        return 1
    fi
}

# nok WHAT COMMAND...         (it must fail)
nok() {
    local what=$1 text
    shift
    if ! text=$("$@" 2>&1); then
        pass "$what"
    else
        fail "$what"
        diag "did not fail: $*"
        if [ -n "$text" ]; then diag "$text"; fi
        return 1
    fi
}

# About the last `run` or `finish`.
tap_about() {
    "$@" || {
        tap_show
        return 1
    }
}
status_is() { tap_about is "$status" "$1" "$2"; }
status_isnt() { tap_about isnt "$status" "$1" "$2"; }
out_is() { tap_about is "$stdout" "$1" "$2"; }
out_like() { tap_about like "$stdout" "$1" "$2"; }
out_unlike() { tap_about unlike "$stdout" "$1" "$2"; }
err_is() { tap_about is "$stderr" "$1" "$2"; }
err_like() { tap_about like "$stderr" "$1" "$2"; }
err_unlike() { tap_about unlike "$stderr" "$1" "$2"; }

# --------------------------------------------------------------------------------------------------- running commands

# run COMMAND...     as $who, to its end; sets status, stdout and stderr (without their last newlines). Standard input is empty.
run() {
    feed /dev/null "$@"
}

# feed FILE COMMAND...        the same with an input
feed() {
    local input=$1
    shift
    ran="$*"
    status=0
    timeout --foreground -k 5 "$LIMIT" "as-$who" "$@" <"$input" >"$tap_dir/out" 2>"$tap_dir/err" || status=$?
    stdout=$(tr -d '\0' <"$tap_dir/out")
    stderr=$(tr -d '\0' <"$tap_dir/err")
}

# spawn NAME COMMAND...       as $who, in the background, to be ended by `finish`; its process id is in pid[NAME].
#                             Bash marks a coprocess's ends of the pipes close-on-exec: nobody else gets hold of them.
# launch NAME COMMAND...      the same, and returns when its first line has come, which is in `line`: a command is expected to say so when
#                             it is ready, and to end when its input does.
declare -A pid=() tap_to=() tap_from=() tap_ran=()
spawn() {
    local name=$1 to_ from_ to from
    shift
    tap_ran[$name]="$*"
    # Not before our copies of the pipes' ends are made: when a coprocess is over, bash closes its own.
    eval "coproc tap_$name { read -r; exec as-\$who \"\$@\" 2>\$tap_dir/err-\$name; }"
    eval "from_=\${tap_${name}[0]} to_=\${tap_${name}[1]} pid[\$name]=\$tap_${name}_PID"
    exec {from}<&"$from_" {to}>&"$to_" {from_}<&- {to_}>&-
    tap_from[$name]=$from tap_to[$name]=$to
    tell "$name" ''
}
launch() {
    spawn "$@"
    hear "$1"
}

# hear NAME: its next line, in `line`.
hear() {
    line=''
    if ! IFS= read -r -t "$LIMIT" -u "${tap_from[$1]}" line; then
        ran=${tap_ran[$1]} status='still running, or over without this line' stdout=$line
        stderr=$(tr -d '\0' <"$tap_dir/err-$1")
        tap_show
        return 1
    fi
}

# tell NAME TEXT: a line to its standard input. (A command that is gone must not take the test along.)
trap : PIPE
tell() {
    printf '%s\n' "$2" >&"${tap_to[$1]}"
} 2>/dev/null

# finish NAME: its input ends; sets status, stdout (what it had not said yet) and stderr, as run does.
# await NAME: the same for one that ends by itself: its input stays open until then.
finish() { tap_end "$1" input first; }
await() { tap_end "$1" output first; }
tap_end() {
    local to=${tap_to[$1]} from=${tap_from[$1]}
    ran=${tap_ran[$1]}
    if [ "$2" = input ]; then exec {to}>&-; fi
    timeout --foreground "$LIMIT" cat <&"$from" >"$tap_dir/out"
    stdout=$(tr -d '\0' <"$tap_dir/out")
    if [ "$2" = output ]; then exec {to}>&-; fi
    status=0
    wait "${pid[$1]}" || status=$?
    exec {from}<&-
    stderr=$(tr -d '\0' <"$tap_dir/err-$1")
}

# ------------------------------------------------------------------------------------------------------- the sandbox

# in_sandbox --root [OPTION]...     this test starts anew, as root of a sandbox.
in_sandbox() {
    local lib
    if [ -z "${SANDBOX:-}" ]; then
        lib=$(dirname "${BASH_SOURCE[0]}")
        exec "$lib/../sandbox" --timeout="${TEST_DEADLINE:-240}" "$@" -- bash "tests/cli/${0##*/}"
    fi
    tap_dir=/run/rootlet/tap
    aliases=/run/rootlet/alias
    mkdir -p "$tap_dir" $aliases
    exec 2>"$tap_dir/shell"
    trap 'diag "the test ended too early. $(tap_complaints)"' EXIT
    [ -x "$ROOTLET" ] || bail_out "there is no executable to test: build/rootlet is missing (make, or set ROOTLET)"
    local name
    for name in rootlesskit rootlessctl slirp4netns specconv nsenter; do ln -s ../bin/rootlet $aliases/$name; done
    client=$TOP/tests/lib/client.py servers=$TOP/tests/lib/servers.py
    census
}

json() { $client json "$1"; }

# Processes that are not known: those of the machine, of the sandbox and of this test do not count.
declare -A tap_known=()
census() {
    local folder
    for folder in /proc/[0-9]*; do tap_known[${folder##*/}]=1; done
    mounts_before=$(mounts)
}
strangers() {
    local folder id parent words state
    for folder in /proc/[0-9]*; do
        id=${folder##*/}
        if [ -n "${tap_known[$id]:-}" ] || [ "$id" = $BASHPID ] || [ ! -e "$folder/stat" ]; then continue; fi
        read -r parent < <(sed 's/.*) [A-Z] //' "$folder/stat" 2>/dev/null) || continue
        if [ "${parent%% *}" = $BASHPID ]; then continue; fi
        { words=$(tr '\0' ' ' <"$folder/cmdline") state=$(grep State "$folder/status"); } 2>/dev/null || continue # it has just ended
        echo "$id $words $state"
    done
}

# The mount table without the numbers that a new mount elsewhere may change.
mounts() { cut -d' ' -f4- /proc/self/mountinfo; }

# nothing_left WHAT: no process, no mount, no file in the temporary folders that was not there at first.
nothing_left() {
    local left
    left=$(
        strangers
        diff <(echo "$mounts_before") <(mounts) | grep '^[<>]'
        find /tmp/root /tmp/tester /run/user/1001 -mindepth 1
    )
    is "$left" '' "$1"
}
