#!/bin/bash
# The id-map ladder of `run`: direct, newuidmap, what is there, a single entry; and what each rung says when it cannot be.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# The maps of a run, each line's fields with one blank between them, lines with commas.
show='sed "s/^ *//; s/  */ /g" /proc/self/uid_map /proc/self/gid_map | tr "\n" ","; cat /proc/self/setgroups; id -u; id -g'
maps_are() { # MAP [GIDMAP] SETGROUPS WHAT
    local what=${!#} uids=$1 gids=$1
    if [ $# = 4 ]; then gids=$2; shift; fi
    status_is 0 "$what: it runs"
    out_is "$uids,$gids,$2"$'\n0\n0' "$what: the maps"
}
subids() { # LINE...
    printf '%s\n' "$@" >/etc/subuid
    cp /etc/subuid /etc/subgid
}

# --- root: written directly
run rootlet run sh -c "$show"
maps_are '0 0 1,1 1000000 65536' allow 'root with subordinate ids'
err_is '' 'and nothing is said'
run rootlet run --map=direct sh -c "$show"
maps_are '0 0 1,1 1000000 65536' allow '--map=direct'
subids tester:100000:65536
run rootlet run sh -c "$show"
maps_are '0 0 4294967295' allow 'root without subordinate ids: what is there'
err_like 'root' 'with a warning'
run rootlet run --map=single sh -c "$show"
maps_are '0 0 1' deny 'root, --map=single'
run setpriv --bounding-set=-setfcap --inh-caps=-setfcap rootlet run true
status_is 1 'root without CAP_SETFCAP may not map its own uid'
err_like 'CAP_SETFCAP' 'and is told so'

# --- an ordinary user: through newuidmap
who=user
run rootlet run sh -c "$show"
maps_are '0 1001 1,1 100000 65536' allow 'a user with subordinate ids'
err_is '' 'and nothing is said'
run rootlet run --map=newuidmap sh -c "$show"
maps_are '0 1001 1,1 100000 65536' allow '--map=newuidmap'
run rootlet run sh -c 'touch $HOME/f && chown 33:44 $HOME/f && stat -c %u:%g $HOME/f'
out_is 33:44 'files may be given to the other ids'
is "$(stat -c %u:%g /home/tester/f)" 100032:100043 'which are the subordinate ones'

subids 1001:100000:65536
run rootlet run sh -c "$show"
maps_are '0 1001 1,1 100000 65536' allow 'the file has the uid instead of the name'
subids tester:200000:1000 root:0:1 tester:300000:500 other:1:1
run rootlet run sh -c "$show"
maps_are '0 1001 1,1 200000 1000,1001 300000 500' allow 'two ranges'
subids tester:200000:1000 tester:201000:1000
run rootlet run sh -c "$show"
maps_are '0 1001 1,1 200000 2000' allow 'ranges that touch are one'
subids tester:200000:1000 tester:200500:1000
run rootlet run sh -c "$show"
maps_are '0 1001 1,1 200000 1500' allow 'ranges that overlap are one'
subids tester:200000:1000 tester:200000:1000 tester:200100:10
run rootlet run sh -c "$show"
maps_are '0 1001 1,1 200000 1000' allow 'a range that is there twice counts once'
printf 'tester:200000:1000\n' >/etc/subuid
printf 'tester:300000:700' >/etc/subgid
run rootlet run sh -c "$show"
maps_are '0 1001 1,1 200000 1000' '0 1001 1,1 300000 700' allow 'users and groups differ; a last line without its newline'
mapfile -t many < <(for i in {1..400}; do echo "tester:$((200000 + i * 100)):50"; done)
subids "${many[@]}"
run rootlet run sh -c 'wc -l </proc/self/uid_map'
status_is 0 'more ranges than the kernel takes'
out_is 270 'become as many as it takes: a map is one write of less than a page'
err_like 'left out' 'and what does not fit is told'
subids tester:200000:1000 'tester:x:y' 'tester:5' ':::' 'tester:4294967295:5' 'tester:300000:0' "$(printf 'tester:%070d:1' 1)"
run rootlet run sh -c "$show"
maps_are '0 1001 1,1 200000 1000' allow 'lines that are no ranges are left out'

cat >/tmp/getsubids <<-'END'
	#!/bin/sh
	[ "$1" = -g ] && echo "0: tester 600000 300" || echo "0: tester 500000 300"
END
chmod 755 /tmp/getsubids
subids tester:100000:65536 tester:500000:300 tester:600000:300 # newuidmap reads the files
run env GETSUBIDS=/tmp/getsubids rootlet run --subid-source=dynamic sh -c "$show"
maps_are '0 1001 1,1 500000 300' '0 1001 1,1 600000 300' allow '--subid-source=dynamic asks getsubids'
run env GETSUBIDS=/tmp/getsubids rootlet run sh -c "$show"
maps_are '0 1001 1,1 500000 300' '0 1001 1,1 600000 300' allow 'so does auto'
subids tester:100000:65536
run env GETSUBIDS=/nowhere/getsubids rootlet run --subid-source=dynamic true
status_is 1 '--subid-source=dynamic without getsubids is an error'
err_like 'getsubids' 'that names it'
run env GETSUBIDS=/tmp/getsubids rootlet run --subid-source=static sh -c "$show"
maps_are '0 1001 1,1 100000 65536' allow '--subid-source=static reads the files'
run env GETSUBIDS=/nowhere/getsubids rootlet run --subid-source=auto sh -c "$show"
maps_are '0 1001 1,1 100000 65536' allow '--subid-source=auto falls back to the files'

# --- no name for this uid
cp /etc/passwd /etc/passwd.whole
sed -i /^tester:/d /etc/passwd
subids 1001:100000:65536
nobody=(setpriv --reuid=1001 --regid=1001 --clear-groups --inh-caps=-all env -u USER -u LOGNAME)
who=root
run "${nobody[@]}" rootlet run sh -c "$show"
maps_are '0 1001 1' deny 'a uid without a name in /etc/passwd, which newuidmap refuses'
err_like '/etc/passwd' 'with the cause'
cp /etc/passwd.whole /etc/passwd
mv /etc/subuid /etc/subuid.real && ln -s subuid.real /etc/subuid
who=user
run rootlet run sh -c "$show"
maps_are '0 1001 1' '0 1001 1' deny 'a symlink instead of /etc/subuid, which newuidmap refuses'
err_like '/etc/subuid.*symlink' 'with the cause'
rm /etc/subuid

# --- a single entry, and why
subids root:1000000:65536
run rootlet run sh -c "$show"
maps_are '0 1001 1' deny 'a user without subordinate ids'
err_like '/etc/subuid' 'is told which file lacks what'
err_like 'usermod|tester:[0-9]+:65536' 'and the command that mends it'
run rootlet run --map=newuidmap true
status_is 1 '--map=newuidmap is not replaced by another rung'
err_like '/etc/subuid' 'and says why it cannot be'
subids tester:100000:65536
rm /etc/subgid
run rootlet run sh -c "$show"
maps_are '0 1001 1' deny 'no /etc/subgid'
err_like '/etc/subgid' 'is told so'
subids tester:100000:65536
few=$(mktemp -d /tmp/few.XXXXXX)
chmod 755 "$few"
for program in sh sed tr cat id true; do cp -s "$(type -P $program)" "$few"; done
cp -s "$ROOTLET" "$few"
run env PATH="$few" rootlet run sh -c "$show"
maps_are '0 1001 1' deny 'no newuidmap'
err_like 'newuidmap' 'is named'
err_like 'uidmap' 'with the package that has it'
cat >"$few/newuidmap" <<-END
	#!/bin/sh
	kill -9 \$\$
END
cp "$few/newuidmap" "$few/newgidmap"
chmod 755 "$few"/new*
run env PATH="$few" rootlet run --map=newuidmap true
status_is 1 'a newuidmap that is killed has not succeeded'
err_like 'newuidmap.*(signal|SIGKILL|killed)' 'and the message says so'
run setpriv --no-new-privs rootlet run sh -c "$show"
maps_are '0 1001 1' deny 'with no_new_privs newuidmap cannot work'
err_like 'no_new_privs' 'and the message says so'
run rootlet run --map=single sh -c "$show"
maps_are '0 1001 1' deny '--map=single'
run rootlet run --map=0:1001:1 sh -c "$show"
maps_are '0 1001 1' deny '--map=C:H:N, what a user may write himself'
run rootlet run --map=direct true
status_is 1 '--map=direct needs privileges'
err_like 'CAP_SETUID' 'and says which'
run rootlet run --map=up true
status_is 1 'a map that is none'
err_like "up" 'is named'

# --- inside of what is mapped already
for who in root user; do
    run rootlet run rootlet run sh -c "id -u; wc -l </proc/self/uid_map"
    status_is 0 'once more inside'
    out_like '^0' 'is root there, too'
    run rootlet run --net=slirp4netns --copy-up=/etc rootlet run --net=slirp4netns --copy-up=/etc curl -sS http://203.0.113.80/
    out_is 'hello from outside' 'and has a network through the outer one'
done
nothing_left 'nothing is left'
done_testing
