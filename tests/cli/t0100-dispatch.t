#!/bin/bash
# Which applet is run, by which name; what rootlet says about itself; links under the names of other programs.
# shellcheck source=tests/lib/tap.sh disable=SC2016,SC2086
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
who=user

# --- the applets: files, lines of list.h, manuals and --list agree
cd "$TOP" || bail_out "no $TOP"
run rootlet --list
status_is 0 '--list'
applets=$stdout
is "$applets" "$(sed -n 's/^APPLET(\(.*\))$/\1/p' applets/list.h)" '--list is list.h, in its order'
is "$(sort <<<"$applets")" "$(basename -as .c applets/*.c | grep -vx main | sort)" 'each applet has a source file, and each source file is an applet'
is "$(sort <<<"$applets")" "$(basename -as .1 applets/*.1 | grep -vx rootlet | sort)" 'and a manual page'
ok 'the manual pages are sound' mandoc -T lint -W warning applets/*.1

for applet in $applets; do
    run rootlet "$applet" --help
    status_is 0 "$applet --help"
    err_is '' "$applet --help says nothing on stderr"
    isnt "$stdout" '' "$applet --help says something on stdout"
    missing=''
    for word in $(grep -oE '(^|[ ,])--[a-z][a-z0-9-]+' <<<"$stdout" | tr -d ' ,' | sort -u); do
        # In the manual's source a hyphen of an option may be written \- or -.
        grep -qF -- "${word#--}" <(sed 's/\\-/-/g' "applets/$applet.1" 2>/dev/null) || missing+=" $word"
    done
    is "$missing" '' "the manual page of $applet has every option of its --help"
    direct=$stdout
    run rootlet help "$applet"
    is "$stdout" "$direct" "rootlet help $applet is the same"
done

# --- rootlet about itself
run rootlet --version
out_like '^rootlet [0-9]+\.[0-9]+\.[0-9]+$' '--version'
for word in --help -h help; do
    run rootlet "$word"
    status_is 0 "rootlet $word"
    for applet in $applets; do out_like "$applet" "rootlet $word names $applet"; done
done
run rootlet
status_is 1 'rootlet alone is an error'
out_is '' 'and says nothing on stdout'
err_like 'Usage' 'but how to use it on stderr'
run rootlet --licenses
status_is 0 '--licenses'
for word in 'Apache License' 'Version 2.0' musl libslirp GLib zlib yyjson libmicrohttpd 'GNU LESSER GENERAL PUBLIC LICENSE'; do
    like "${stdout,,}" "${word,,}" "--licenses has: $word"
done
is "$stdout" "$(cat LICENSE)" '--licenses is the LICENSE file'
nok 'a full disk is noticed' bash -c 'rootlet --licenses >/dev/full'

# --- words that nobody knows
run rootlet rnu
status_is 1 'an unknown applet'
err_like "rnu.*did you mean 'run'" 'gets a suggestion'
run rootlet qqqqqq
err_unlike 'did you mean' 'but not any suggestion'
err_like 'list' 'then the list is named'
run rootlet --lits
status_is 1 'an unknown option of rootlet'
err_like -- "--lits.*did you mean '--list'" 'gets a suggestion'
while read -r applet wrong right; do
    run rootlet "$applet" "$wrong"
    status_is "$([ "$applet" = spec ] && echo 64 || echo 1)" "$applet $wrong: an unknown option" # spec has a status for each kind of error
    err_like "${wrong%%=*}.*did you mean '$right'" "is answered with $right"
    err_like "^rootlet $applet: " 'and the message says who speaks'
done <<-END
	run --copyup=/etc --copy-up
	run --porpagation=rslave --propagation
	run --pidsn --pidns
	netd --disable-host-loopbak --disable-host-loopback
	copyup --halp --help
	enter --tagret=1 --target
	ctl list-prots list-ports
	ctl --sokcet=/x --socket
	spec --rutnime=runc --runtime
END

# --- names of other programs
run rootlet --aliases
status_is 0 '--aliases'
like "$(tr '\n' ' ' <<<"$stdout")" 'rootlesskit run .*slirp4netns netd ' 'which name is which applet'
while read -r name pattern; do
    run $aliases/"$name" --version
    status_is 0 "$name --version"
    out_like "$pattern" "$name --version looks like $pattern"
done <<-'END'
	rootlesskit ^rootlesskit version [0-9]+\.[0-9]+\.[0-9]+
	rootlessctl ^rootlessctl version [0-9]+\.[0-9]+\.[0-9]+
	slirp4netns ^slirp4netns version [0-9]+\.[0-9]+\.[0-9]+
	specconv [0-9]+\.[0-9]+\.[0-9]+
	nsenter ^nsenter from util-linux [0-9]+\.[0-9]+\.[0-9]+
END
release=$(for part in major minor patch; do $aliases/rootlesskit --print-semver=$part; done | paste -sd.)
run sh -c "$aliases/rootlesskit --version; $aliases/rootlessctl --version; $aliases/rootlesskit --net=none sh -c 'curl -sS --unix-socket \$ROOTLESSKIT_STATE_DIR/api.sock http://x/v1/info | tr , \"\\n\" | grep version'"
out_is "rootlesskit version $release"$'\n'"rootlessctl version $release"$'\n'"\"version\":\"$release\"" 'under the names of one program all say the same version'
run $aliases/rootlesskit -v
out_like '^rootlesskit version ' 'rootlesskit -v'
run $aliases/rootlesskit --nte=none true
status_is 1 'an unknown option under the other name'
err_like '^rootlesskit: .*--nte.*--net' 'is answered under that name'
for part in major minor patch; do
    run $aliases/rootlesskit --print-semver=$part
    status_is 0 "--print-semver=$part"
    out_like '^[0-9]+$' 'prints one number'
done

# --- links
for who in root user; do
    dir=/tmp/$who.links
    mkdir $dir
    [ $who = root ] || chown tester $dir
    run rootlet --install -s $dir
    status_is 0 '--install -s'
    is "$(readlink $dir/rootlesskit)" "$ROOTLET" 'makes symbolic links to the executable'
    run $dir/rootlesskit --version
    out_like '^rootlesskit version' 'which work'
    is "$(find $dir -type l -printf '%f\n' | sort | tr '\n' ' ')" \
        "$( (echo rootlet && rootlet --aliases | cut -d' ' -f1) | sort | tr '\n' ' ')" 'one for each other name, and rootlet'
    run rootlet --install -s $dir
    status_is 0 'a second time is no error'
done
who=root
mkdir /run/rootlet/links
run rootlet --install /run/rootlet/links
status_is 0 '--install'
ok 'makes hard links where it can' test /run/rootlet/links/slirp4netns -ef "$ROOTLET"
mkdir /tmp/copied
run rootlet --install /tmp/copied
status_is 0 '--install on another file system'
ok 'makes one copy' cmp /tmp/copied/rootlet "$ROOTLET"
ok 'and links to it' test /tmp/copied/rootlessctl -ef /tmp/copied/rootlet
mkdir /tmp/taken
echo precious >/tmp/taken/rootlesskit
run rootlet --install -s /tmp/taken
status_is 1 "a file of somebody else's under such a name"
err_like "/tmp/taken/rootlesskit" 'is named'
is "$(cat /tmp/taken/rootlesskit)" precious 'and kept'
run rootlet --install -s /tmp/nowhere
status_is 1 'no such directory'
err_like "'/tmp/nowhere'" 'is named'
run rootlet --install
status_is 1 '--install without a directory'
done_testing
