#!/bin/bash
# --copy-up: a directory that can be written to, over one that cannot; nothing that is done inside reaches what is outside.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

# Names that a careless copy trips over; links of every kind; a mount below.
mkdir -p /etc/odd.d/sub /etc/-dash /etc/..two /run/docker /run/containerd
touch "/etc/with blank" /etc/new$'\n'line /etc/-rf '/etc/*' /etc/.hidden /run/xtables.lock
ln -s odd.d/sub /etc/relative
ln -s /nowhere/at/all /etc/dangling
ln -s /etc/passwd /etc/absolute
ln -s ../proc/self/mounts /etc/mtab 2>/dev/null
mkdir /etc/below
mount -t tmpfs tmpfs /etc/below
echo deep >/etc/below/file
chmod 700 /etc/-dash
tree() { find /etc /run /var/lib/misc -printf '%p %y %m %U %G %s %l\n' 2>/dev/null | grep -vE '^/run/rootlet/(src|tap)' | sort; }
before=$(tree)
changes() { diff <(echo "$before") <(tree); }

for who in root user; do
    run rootlet run --copy-up=/etc sh -c 'ls -A /etc | grep -v "^\.ro" | LC_ALL=C sort'
    status_is 0 '--copy-up=/etc'
    is "$stdout" "$(find /etc -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort)" 'every entry is there, and no other'
    run rootlet run --copy-up=/etc sh -c 'stat -c "%a %u %F" /etc; stat -f -c %T /etc; ls -d /etc/.ro*; readlink "/etc/with blank" /etc/-rf /etc/passwd'
    out_like '^755 0 directory.tmpfs./etc/(\.ro[^/]+).\.ro[^/]+/with blank.\.ro[^/]+/-rf.\.ro[^/]+/passwd$' 'a tmpfs, mode 755, of links into a folder .ro...'
    run rootlet run --copy-up=/etc sh -c 'readlink /etc/relative /etc/dangling /etc/absolute'
    out_is $'odd.d/sub\n/nowhere/at/all\n/etc/passwd' 'links are copied as they are'
    run rootlet run --copy-up=/etc cat /etc/below/file
    out_is deep 'what is mounted below is there'
    run rootlet run --copy-up=/etc sh -ec 'echo new >/etc/new; rm /etc/group; echo mine >/etc/group; cat /etc/new /etc/group; cmp /etc/passwd /etc/.ro*/passwd; mkdir /etc/folder; rmdir /etc/folder'
    out_is $'new\nmine' 'it can be written to'
    run rootlet run --copy-up=/etc cat /etc/mtab
    like "$stdout" 'tmpfs /etc tmpfs' '/etc/mtab shows the mounts inside'
    run rootlet run --copy-up=/etc --copy-up=/run --copy-up=/var/lib sh -ec 'rm -f /run/docker /run/containerd /run/xtables.lock; mkdir /run/docker; touch /var/lib/x /etc/y; ls -d /run/docker /var/lib/x'
    status_is 0 'three of them, with what launchers remove'
    out_is $'/run/docker\n/var/lib/x' 'can all be written to'
    run rootlet run --copy-up=/etc --copy-up=/run sh -c 'rm -rf /etc/* /run/*; ls /etc /run'
    status_is 0 'rm -rf inside'
    run rootlet run --copy-up=/etc --copy-up-mode=tmpfs+symlink true
    status_is 0 '--copy-up-mode=tmpfs+symlink'
    run rootlet run --copy-up=/run/ cat /run/rootlet/src/LICENSE
    like "$stdout" Apache 'a slash at the end; mounts below /run'
    run rootlet run --copy-up=/etc --copy-up=/etc true
    status_is 0 'the same directory twice'
    run rootlet run --copy-up=/etc/odd.d sh -c 'touch /etc/odd.d/x && ls /etc/odd.d'
    out_like 'sub.x' 'not a directory of the root'
    run rootlet run --propagation=rslave --copy-up=/etc sh -c 'echo ok >/etc/ok; cat /etc/ok'
    out_is ok 'with --propagation=rslave'
done
is "$(changes)" '' 'all this left the files outside as they were'

# A shared root (systemd's default), which the moves of mounts must not trip over.
mount --make-rshared /
for who in root user; do
    for how in '' --propagation=rprivate --propagation=rslave --propagation=private --propagation=slave; do
        run rootlet run $how --copy-up=/etc --copy-up=/run sh -c 'echo ok >/etc/ok; cat /etc/ok'
        status_is 0 "shared mounts outside, run $how"
        out_is ok "shared mounts outside, run $how: it can be written to"
    done
done
mount --make-rprivate /
is "$(changes)" '' 'and still nothing has changed outside'

who=user
run sh -c 'cd /etc && exec rootlet run --copy-up=/etc sh -c "pwd; touch here; ls -l /etc/here"'
out_like '^/etc.*/etc/here' 'the working folder is the new directory'
umount /etc/below
nothing_left 'nothing is left'
done_testing
