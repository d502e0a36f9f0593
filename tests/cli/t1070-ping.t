#!/bin/bash
# ICMP echo where the host lets anybody send it, and where it does not.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --ping

who=user
run rootlet run --net=slirp4netns --copy-up=/etc ping -c 1 -W 10 203.0.113.80
status_is 0 'an echo comes back'
out_like '1 received' 'ping says so'
run rootlet run --net=slirp4netns --copy-up=/etc cat /proc/sys/net/ipv4/ping_group_range
out_like $'^0\t[0-9]+$' 'in there root may send, too'
run rootlet run --net=slirp4netns --copy-up=/etc ping -c 1 -W 10 10.0.2.2
status_is 0 'the gateway answers'
echo '1 0' >/proc/sys/net/ipv4/ping_group_range
run rootlet run --net=slirp4netns --copy-up=/etc sh -c 'curl -sS http://web.test/'
out_is 'hello from outside' 'where the host forbids it, everything else works'
done_testing
