#!/bin/bash
# check says what works, and when something does not, the reason that was arranged here and its fix.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root

names='kernel user-namespace id-maps newuidmap getsubids namespaces net-namespace tap-link packet-link tcp-fast-path empty-root seccomp
    resolv-conf ping low-ports state-dir runtime-dir proc sys overlayfs cgroups'

# probe NAME: its line of the last output, and what is below it.
probe() { awk -v name="$1" '/^(ok|partly|no) / { on = $2 == name } on && !/^run / { print }' <<<"$stdout"; }
probe_is() { like "$(probe "$1")" "$2" "$3" || tap_show; }

# ------------------------------------------------------------------------------------------------ a machine where all is well

for who in root user; do
    run rootlet check
    status_is 0 'the main job can work'
    err_is '' 'nothing goes to stderr'
    is "$(awk '/^(ok|partly|no) / { print $2 }' <<<"$stdout")" "$(printf '%s\n' $names)" 'a line for each probe'
    out_unlike $'\n(partly|no) +(user-namespace|id-maps|newuidmap|namespaces|net-namespace|tap-link|packet-link|tcp-fast-path|empty-root|seccomp|resolv-conf|state-dir|proc|sys) ' \
        'what is needed is ok'
    probe_is kernel "Linux $(uname -r) $(uname -m)" 'the kernel is named'
    probe_is resolv-conf '192\.0\.2\.1:53' 'the resolver is named'
    out_like $'\nrun with .* can work here$' 'the last line is the verdict'
    run rootlet check --json
    status_is 0 'as JSON, too'
    is "$(json '" ".join(p["name"] for p in d["probes"])' <<<"$stdout")" "$(echo $names)" 'a member for each probe'
    is "$(json 'd["works"], d["missing"], {p["state"] for p in d["probes"]} <= {"ok", "partly", "no"}' <<<"$stdout")" '[true, "", true]' 'and a verdict'
    is "$(json '[p["name"] for p in d["probes"] if p["state"] != "ok" and not p["means"]]' <<<"$stdout")" '[]' 'what is not ok says what that means'
    run rootlet check -q
    status_is 0 'quiet: the status is the same'
    out_is '' 'and nothing is printed'
done

who=root
run rootlet check
probe_is id-maps '^ok .*direct, 65537 uids and 65537 gids' 'root writes id maps itself'
probe_is low-ports '^ok ' 'and may bind low ports'
who=user
run rootlet check
probe_is id-maps '^ok .*newuidmap, 65537 uids.*not direct: no CAP_SETUID and CAP_SETGID' "newuidmap's map is in force, and why not a better one"
probe_is low-ports '^no .*ip_unprivileged_port_start is 1024' 'an ordinary user may not bind low ports'
probe_is low-ports 'fix: as root: sysctl -w net.ipv4.ip_unprivileged_port_start=0' 'and is told how to change that'
probe_is ping '^no .*ping_group_range is 1 0.*fix: as root: sysctl -w net.ipv4.ping_group_range' 'nor ping'

echo 1000 >/proc/sys/net/ipv4/ip_unprivileged_port_start
run rootlet check
probe_is low-ports '^partly .*from 1000 on' 'some low ports are open'
echo 1024 >/proc/sys/net/ipv4/ip_unprivileged_port_start
run env XDG_RUNTIME_DIR=/nowhere rootlet check
probe_is runtime-dir "^no .*'/nowhere': No such file" 'a runtime directory that is not there'
run env -u XDG_RUNTIME_DIR rootlet check
probe_is runtime-dir '^partly .*XDG_RUNTIME_DIR is not set' 'none at all'

run $TOP/tests/lib/no-netfilter.py rootlet check
probe_is tcp-fast-path '^no .*cannot open a netfilter socket: Protocol not supported.*run, netd: TCP goes by libslirp' 'a kernel without netfilter'
status_is 0 'is good enough'

run rootlet doctor --help
status_is 0 'the other name'
out_like '--json' 'has the help'
run rootlet check me
status_is 1 'an operand is refused'
err_like "takes no operand, and got 'me'" 'by name'
run rootlet check --jsno
status_is 1 'an unknown option is'
err_like "did you mean '--json'" 'with a suggestion'
nothing_left 'nothing is left of all this'

# ------------------------------------------------------------------------------------------------ ids

run setpriv --no-new-privs rootlet check
status_is 0 'no_new_privs: the main job can work'
probe_is id-maps '^partly .*single, the own uid and gid alone.*newuidmap cannot work under no_new_privs' 'with one id, and the reason'
run env PATH=/run/rootlet/bin:/nowhere rootlet check
status_is 0 'no newuidmap: the main job can work'
probe_is id-maps '^partly .*single, .*newuidmap is not installed.*install uidmap' 'with one id, the reason and the fix'
probe_is newuidmap '^no .*not installed.*fix: install' 'newuidmap is not installed'
probe_is getsubids '^no .*not installed' 'neither is getsubids'
mv /etc/subuid /etc/subuid.away
run rootlet check
probe_is id-maps "^partly .*single.*add 'tester:100000:65536' to /etc/subuid" 'no ranges: one id, and the line to add'
mv /etc/subuid.away /etc/subuid
run unshare -Urn rootlet check
status_is 0 'inside unshare -Urn the main job can work'
probe_is user-namespace '^ok .*inside another' 'in a user namespace in another'
probe_is id-maps '^partly .*derived, the own uid and gid alone' 'whose one id is all there is'

# ------------------------------------------------------------------------------------------------ no user namespace, and why

run unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec rootlet check'
status_is 1 'without user namespaces the main job cannot work'
probe_is user-namespace '^no .*user.max_user_namespaces is 0.*fix: as root: sysctl -w user.max_user_namespaces=' 'the limit is the reason'
probe_is net-namespace '^no .*not tried' 'what needs one is not tried'
out_like 'cannot work here: user-namespace$' 'and the verdict names the cause alone'
run unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec rootlet check --json'
is "$(json 'd["works"], d["missing"], [p["tried"] for p in d["probes"] if p["name"] == "tap-link"]' <<<"$stdout")" \
    '[false, "user-namespace", [false]]' 'as JSON, too'
run unshare -U rootlet check
probe_is user-namespace '^no .*uid 65534 or gid 65534 is not mapped' 'an unmapped user cannot make one'

# Filters that answer a call with an errno, or kill: NUMBER-OF-CALL ACTION [ARGUMENT0-BITS]...
cat >"$tap_dir/filter.py" <<'END'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
code = [(0x20, 0, 0, 0)]                                      # load the call's number
rules = sys.argv[1].split(",")
for rule in rules:
    call, action, bits = (int(word, 0) for word in rule.split(":"))
    if bits:                                                  # only when the first argument has one of these bits
        code += [(0x15, 0, 4, call), (0x20, 0, 0, 16), (0x45, 0, 1, bits), (0x06, 0, 0, action), (0x20, 0, 0, 0)]
    else:
        code += [(0x15, 0, 1, call), (0x06, 0, 0, action)]
code += [(0x06, 0, 0, 0x7fff0000)]
text = b"".join(struct.pack("HBBI", *c) for c in code)
buffer = ctypes.create_string_buffer(text)
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0):
    sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[2], sys.argv[2:])
END
case $(uname -m) in
x86_64) clone=56 clone3=435 unshare=272 sethostname=170 ;;
*) clone=220 clone3=435 unshare=97 sethostname=161 ;;
esac
newuser=0x10000000 eperm=0x00050001 enosys=0x00050026 kill=0x80000000
run python3 "$tap_dir/filter.py" "$clone3:$enosys:0,$clone:$eperm:$newuser,$unshare:$eperm:0" rootlet check
status_is 1 "under a container engine's filter the main job cannot work"
probe_is user-namespace '^no .*a seccomp filter of the container around.*fix: .*seccomp=unconfined' 'the filter is the reason'
run python3 "$tap_dir/filter.py" "$unshare:$eperm:0" rootlet check
probe_is user-namespace '^no .*one can be made, but its root has no power' 'a namespace without power is none'
run python3 "$tap_dir/filter.py" "$sethostname:$kill:0" rootlet check
status_is 1 'a filter that kills'
probe_is user-namespace '^no .*killed by signal 31 .*seccomp' 'is found out, and survived'

# Two kinds of chroot: into a folder, which can be proved, and into the root of a mount, where sysctls are looked at before.
who=root
mkdir -p /tmp/root/plain/proc /tmp/root/mount
install -D "$ROOTLET" /tmp/root/plain/bin/rootlet
mount -t tmpfs -o mode=755 tmpfs /tmp/root/mount
mkdir -p /tmp/root/mount/proc
install -D "$ROOTLET" /tmp/root/mount/bin/rootlet
mount -t proc proc /tmp/root/plain/proc
mount -t proc proc /tmp/root/mount/proc
run chroot --userspec=1001:1001 /tmp/root/plain /bin/rootlet check
status_is 1 'in a chroot the main job cannot work'
probe_is user-namespace "^no .*'/' is a chroot.*fix: .*pivot_root" 'the chroot is the reason'
probe_is resolv-conf '^partly .*cannot be read: No such file' 'there is no resolv.conf'
probe_is cgroups '^no .*no cgroup file system is mounted' 'and no cgroup'
run chroot --userspec=1001:1001 /tmp/root/mount /bin/rootlet check
probe_is user-namespace '^no .*a chroot into the root of a mount, or a security module' 'a chroot that cannot be told from others'
mount -t tmpfs tmpfs /tmp/root/mount/proc/sys/kernel
echo 0 >/tmp/root/mount/proc/sys/kernel/unprivileged_userns_clone
run chroot --userspec=1001:1001 /tmp/root/mount /bin/rootlet check
probe_is user-namespace '^no .*unprivileged_userns_clone is 0.*fix: as root: sysctl -w kernel.unprivileged_userns_clone=1' "Debian's sysctl"
echo 1 >/tmp/root/mount/proc/sys/kernel/unprivileged_userns_clone
echo 1 >/tmp/root/mount/proc/sys/kernel/apparmor_restrict_unprivileged_userns
run chroot --userspec=1001:1001 /tmp/root/mount /bin/rootlet check
probe_is user-namespace '^no .*AppArmor.*fix: as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0' "Ubuntu's sysctl"
umount -R /tmp/root/mount /tmp/root/plain/proc
rm -r /tmp/root/mount /tmp/root/plain

# ------------------------------------------------------------------------------------------------ devices and mounts

who=user
mv /dev/net/tun /dev/net/away
run rootlet check
status_is 0 'without /dev/net/tun the main job can work'
probe_is tap-link '^no .*No such file or directory' 'the tap is missing'
probe_is tap-link 'the packet link is taken instead.*fix: as root: .*(mknod|modprobe|kernel)' 'what that means, and the fix'
probe_is packet-link '^ok ' 'the packet link works'
mv /dev/net/away /dev/net/tun
chmod 600 /dev/net/tun
run rootlet check
probe_is tap-link '^no .*Permission denied.*fix: as root: chmod 666 /dev/net/tun' 'a tap that only root may open'
chmod 666 /dev/net/tun

# The kernel's configuration explains: a pretended one, with no module of that name loaded.
printf '# CONFIG_TUN is not set\n' >"$tap_dir/config"
gzip <"$tap_dir/config" >"$tap_dir/config.gz"
cat >"$tap_dir/pretend" <<'END'
mount -t tmpfs -o mode=755 tmpfs /sys/module && mount -t tmpfs -o mode=755 tmpfs /dev/net && mount -t tmpfs -o mode=755 tmpfs /boot || exit 9
if [ -e /proc/config.gz ]; then mount --bind "$1" /proc/config.gz || exit 9; fi
if [ -n "$2" ]; then printf '%s\n' "$2" >"/boot/config-$(uname -r)"; fi
exec as-user rootlet check
END
who=root
if [ -e /proc/config.gz ]; then
    run unshare --mount sh "$tap_dir/pretend" "$tap_dir/config.gz" ''
    probe_is tap-link 'fix: take a kernel with CONFIG_TUN \(/proc/config.gz says that it is off\)' 'a kernel without CONFIG_TUN'
fi
run unshare --mount sh "$tap_dir/pretend" "$tap_dir/config" 'CONFIG_TUN=m'
probe_is kernel '^ok .*configuration in /boot/config-' 'a configuration in /boot, and one in /proc that is no gzip'
probe_is tap-link 'fix: as root of the machine: modprobe tun \(CONFIG_TUN is a module\)' 'a kernel with CONFIG_TUN as a module'
run unshare --mount sh "$tap_dir/pretend" "$tap_dir/config" ''
probe_is kernel '^ok .*configuration not readable' 'no configuration'
probe_is tap-link 'fix: as root of the machine: modprobe tun \(or the kernel lacks CONFIG_TUN\)' 'and what may be, then'

# A /proc with something over it, as container engines have it: nobody below gets a fresh one. All of them have to be like that.
cat >"$tap_dir/mask" <<'END'
umount -l /proc && mount -t tmpfs tmpfs /proc/sys && mount -t proc proc /proc && mount -t tmpfs tmpfs /proc/sys && exec as-user rootlet check
END
who=root
run unshare --mount sh "$tap_dir/mask"
probe_is proc '^no .*cannot mount a fresh /proc.*fix: .*procMount: Unmasked' 'a masked /proc'
status_is 0 'and the main job can work'

chmod 600 /etc/resolv.conf
who=user
run rootlet check
status_is 1 'with a resolv.conf that is closed the main job cannot work'
probe_is resolv-conf '^no .*Permission denied' 'and that is the reason'
chmod 644 /etc/resolv.conf
nothing_left 'nothing is left of all that'
done_testing
