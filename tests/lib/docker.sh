# docker.sh - Debian's dockerd and containerd, as tests/setup has unpacked them, with our executable in the place of RootlessKit and slirp4netns.
# To be sourced after tap.sh, in the sandbox.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2086,SC2154 # variables of tap.sh and for the tests; lists of words

peers=$TOP/build/peers
[ -e "$peers/complete" ] || bail_out 'build/peers is missing (tests/setup check)'
runtime=/run/user/1001
ln -s ../bin/rootlet "${aliases:?}"/rootlesskit-docker-proxy
# Nothing of the machine's own docker, and our executable before the machine's RootlessKit.
peer_env="env PATH=$aliases:$peers/usr/sbin:$peers/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin DOCKER_HOST=unix://$runtime/docker.sock"

# docker ARG...: a run of the client; start_docker NAME ARG...: in the background, until its first line.
docker() { run $peer_env docker "$@"; }
start_docker() {
    local name=$1
    shift
    launch "$name" $peer_env docker "$@"
}

# start_dockerd NAME [VARIABLE=VALUE]... [DOCKERD_OPTION]...: the launcher as its package has it; the process of rootlesskit is in $kit.
start_dockerd() {
    local name=$1 variables=()
    shift
    while [[ ${1:-} =~ ^[A-Z0-9_]+= ]]; do
        variables+=("$1")
        shift
    done
    launch "$name" $peer_env "${variables[@]}" "$TOP/tests/lib/notify.py" "$peers/usr/share/docker.io/contrib/dockerd-rootless.sh" "$@"
    kit=${line#ready }
}

# image FILE: a root file system as a tar archive: busybox, and the places for the machine's python to be bound to.
image() {
    local root=/tmp/image name
    mkdir -p $root/{bin,etc,proc,sys,dev,tmp,usr,tests,data}
    cp "$(type -P busybox)" $root/bin
    for name in sh cat echo env id ip ls mkdir mkfifo ping stat touch wget; do ln -s busybox $root/bin/$name; done
    ln -s usr/lib $root/lib
    ln -s usr/lib64 $root/lib64
    chmod 1777 $root/tmp
    tar -C $root -cf "$1" .
    chmod 644 "$1"
    rm -r $root
}
# What is bound into a container, and the command there, that serve what tests/lib/servers.py does.
bind_servers="-v /usr:/usr:ro -v $TOP/tests/lib:/tests:ro"
run_servers='/usr/bin/python3 -S /tests/servers.py --hello inside http:0.0.0.0:80 echo:0.0.0.0:7'
