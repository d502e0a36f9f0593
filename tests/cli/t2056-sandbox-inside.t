#!/bin/bash
# Whoever takes netd or portd over: what the kernel still does for him.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/netd.sh
. "$(dirname "$0")/../lib/netd.sh"
in_sandbox --root

# from_inside NAME CALL...: these it needs, and nothing else is there. (Its own calls are root's: he may trace it.)
from_inside() {
    local process caller=$who
    process=$(pgrep -x "$1")
    who=root
    run "$TOP/tests/lib/inside.py" "$process"
    shift
    who=$caller
    status_is 0 "process $process is asked from inside"
    is "$(grep ': ok$' <<<"$stdout")" "$(printf '%s: ok\n' "$@")" 'what it needs is there'
    is "$(grep -v -e ': ok$' -e ': EPERM$' <<<"$stdout")" '' 'all else is refused'
    is "$(grep -c ': EPERM$' <<<"$stdout")" "$((42 - $#))" 'each of it'
}
for way in "${all_ways[@]}"; do
    choose "$way"
    launch c rootlet run --net=slirp4netns --link=$link --copy-up=/etc -p 127.0.0.1:8080:80/tcp $servers --hello inside http:0.0.0.0:80
    is "$line" ready "an instance ($way)"
    from_inside rootlet-netd 'socket AF_INET' 'socket AF_INET6' mmap 'its own limits'
    from_inside rootlet-portd 'socket AF_INET' 'socket AF_INET6' mmap
    run curl -sS http://127.0.0.1:8080/
    out_is inside 'the port goes on as if nothing had been'
    finish c
    status_is 0 'and so does the instance'
done
launch c rootlet run --net=none --workers=2 --port-driver=builtin -p 127.0.0.1:8080:80/tcp $servers --hello inside http:127.0.0.1:80
is "$line" ready 'an instance whose ports have several workers'
for number in 0 1; do from_inside rootlet-portd-$number 'socket AF_INET' 'socket AF_INET6' mmap; done
run curl -sS http://127.0.0.1:8080/ http://127.0.0.1:8080/ http://127.0.0.1:8080/
out_is $'inside\ninside\ninside' 'they go on'
finish c
nothing_left 'nothing is left'
done_testing
