#!/bin/bash
# spec: the template of each runtime, converted, is run by both of them: by an ordinary user outside, and as fake root inside.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root --cg=v2
who=user

bundle=/tmp/tester/bundle
run sh -ec "mkdir -p $bundle/rootfs; cd $bundle/rootfs; mkdir bin proc sys dev; cp $(type -P busybox) bin/; for a in sh cat id ls grep; do ln -s busybox bin/\$a; done"
status_is 0 'a root file system'
# fresh RUNTIME: its template, whose shell is to show what it has instead of waiting at a terminal.
fresh() {
    run sh -ec 'cd '$bundle'; rm -f config.json; '$1' spec; sed -i "s/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"sh\", \"-c\", \"id -u; grep . \/proc\/self\/uid_map; ls \/sys \/sys\/class\/net; echo pid \$\$\"/" config.json; cp config.json template.json'
}

for template in runc crun; do
    fresh $template
    for runtime in runc crun; do
        start="$runtime --root /run/user/1001/$runtime run -b $bundle c$RANDOM"
        cp $bundle/template.json $bundle/config.json
        if [ $runtime = runc ]; then # crun has its own ideas of what to leave out
            run $start
            status_isnt 0 "$template's template is nothing for runc run by a user"
        fi

        run rootlet spec -b $bundle --runtime=$runtime -o $bundle/new.json
        status_is 0 "$template's template is converted for $runtime"
        err_is '' 'without a word'
        mv $bundle/new.json $bundle/config.json
        run $start
        status_is 0 "and $runtime runs it"
        like "$(tr -s ' ' <<<"$stdout")" '^0. ?0 1001 1. ?1 100000 65536?' 'as root, with all ids'
        out_like 'kernel.*lo.*pid 1$' '/sys is there, and an own pid namespace'
        cp $bundle/config.json $bundle/once.json
        run rootlet spec -i -b $bundle --runtime=$runtime
        ok 'converted once more it stays as it is' cmp $bundle/config.json $bundle/once.json

        for how in '--net=host' '--net=slirp4netns --copy-up=/etc' '--net=slirp4netns --pidns'; do
            for mode in inside nested; do
                cp $bundle/template.json $bundle/config.json
                run rootlet run $how sh -ec "rootlet spec -i -b $bundle --mode=$mode; $start" 2>&1
                status_is 0 "$template's template, run $how, --mode=$mode, $runtime"
                out_like '^0..*pid 1$' 'runs'
            done
        done
        cp $bundle/template.json $bundle/config.json
        run rootlet run sh -ec "rootlet spec -i -b $bundle; $start"
        out_like '^0..*pid 1$' 'the right mode is found inside'
    done
done

# What a user without subordinate ids can run.
fresh runc
printf 'root:1000000:65536\n' >/etc/subuid
cp /etc/subuid /etc/subgid
run rootlet spec -i -b $bundle
status_is 0 'without subordinate ids'
for runtime in runc crun; do
    run $runtime --root /run/user/1001/$runtime run -b $bundle single
    like "$(tr -s ' ' <<<"$stdout")" '^0. ?0 1001 1.[^1]' "$runtime runs it with a single id"
done
# The name it has elsewhere; a new template.
run sh -c "runc spec -b /tmp/tester; $aliases/specconv /tmp/tester/config.json"
status_is 0 'specconv'
is "$(json 'sorted(n["type"] for n in d["linux"]["namespaces"])' <<<"$stdout")" '["cgroup", "ipc", "mount", "pid", "user", "uts"]' 'converts, too' ||
    is "$(json 'sorted(n["type"] for n in d["linux"]["namespaces"])' <<<"$stdout")" '["ipc", "mount", "pid", "user", "uts"]' 'converts, too'
for runtime in runc crun; do
    run sh -ec "rm -f $bundle/config.json; rootlet spec --new --rootless -b $bundle; sed -i 's/\"terminal\": *true/\"terminal\": false/; s/\"sh\"/\"id\"/' $bundle/config.json; $runtime --root /run/user/1001/$runtime run -b $bundle new"
    status_is 0 "spec --new --rootless: $runtime runs it"
    out_like '^uid=0' 'as root'
done
run rm -rf $bundle /tmp/tester/config.json /run/user/1001/runc /run/user/1001/crun
nothing_left 'nothing is left'
done_testing
