#!/bin/bash
# copyup: copy-up alone, for one command.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

tree() { find /etc /var/lib/misc -printf '%p %y %m %U %G %s %l\n' | sort; }
before=$(tree)
for who in root user; do
    run rootlet copyup /etc -- sh -ec 'echo box >/etc/box; rm /etc/hostname; echo inside >/etc/hostname; cat /etc/box /etc/hostname; cmp /etc/passwd /etc/.ro*/passwd'
    status_is 0 'a directory that can be written to'
    out_is $'box\ninside' 'and is'
    err_is '' 'nothing is said'
    run rootlet copyup /etc /var/lib /run -- sh -ec 'touch /etc/x /var/lib/x /run/x'
    status_is 0 'three'
    run rootlet copyup /etc -- sh -c 'exit 42'
    status_is 42 "the status is the command's"
    run rootlet copyup /etc -- sh -c 'kill -KILL $$'
    status_is 137 'death by a signal, too'
    run rootlet copyup /etc -- /nowhere
    status_is 127 'not found'
    run rootlet copyup /etc -- sh -c 'id -u; readlink /proc/self/ns/user'
    like "$stdout" '^0' 'the command is root'
    if [ $who = root ]; then
        is "${stdout#*$'\n'}" "$(readlink /proc/self/ns/user)" 'and no user namespace is made for who needs none'
    else
        isnt "${stdout#*$'\n'}" "$(readlink /proc/self/ns/user)" 'of a user namespace'
    fi
    run sh -c 'echo $$; exec rootlet copyup /etc -- sh -c "echo \$\$"'
    is "${stdout%$'\n'*}" "${stdout#*$'\n'}" 'the command has the process id of who called'
    run bash -c 'exec 7</etc/passwd; exec rootlet copyup /etc -- /usr/bin/python3 -S -c "import os; print(*sorted(map(int, os.listdir(\"/proc/self/fd\"))))"'
    out_is '0 1 2 3' 'and no descriptors but the standard ones'
    run rootlet copyup /tmp -- true
    status_is 1 '/tmp'
    err_like '/tmp' 'is refused'
    run rootlet copyup /nowhere -- true
    status_is 1 'a directory that is not there'
    err_like '/nowhere' 'is named'
    run rootlet copyup
    status_is 1 'no directory is an error'
done
who=user
run rootlet copyup /etc -- sh -c 'rm -rf /etc/*'
is "$(diff <(echo "$before") <(tree))" '' 'whatever is done inside, outside nothing has changed'
nothing_left 'nothing is left'
done_testing
