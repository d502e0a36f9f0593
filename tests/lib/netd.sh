# netd.sh - for tests of netd: somebody's network namespace, and netd for it. To be sourced after tap.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of tap.sh and for the tests

# The ways in which the tests of netd are done: who starts it, and the kind of link. A test that is done once for each is done on both links.
#     for way in "${ways[@]}"; do choose "$way"
ways=('root tap' 'user packet')
all_ways=('root tap' 'user tap' 'user packet' 'root packet')
link='' link_option=()
choose() {
    read -r who link <<<"$1"
    link_option=("--link=$link")
}

# no_fast: the option that keeps TCP on libslirp's path, where netd has another one.
no_fast() { if "$ROOTLET" netd --help | grep -q -- --tcp; then echo --tcp=slirp; fi; }

# hold: a process in new user and network namespaces, its process id in $target. It ends with `finish holder`.
hold() {
    launch holder unshare --user --map-root-user --net sh -c 'echo ready; exec cat'
    target=${pid[holder]}
}

# inside COMMAND...: a run in the held namespaces.
inside() {
    run nsenter --preserve-credentials -U -n -t "$target" -- "$@"
}

# start_netd NAME [ARG]...: netd under the name of slirp4netns, with a descriptor that tells when it is ready (in $ready: what it wrote) and one
#                           that ends it, which is its standard input as well (`finish NAME`).
start_netd() {
    local name=$1 fifo=$tap_dir/ready-$1
    shift
    rm -f "$fifo"
    mkfifo -m 666 "$fifo"
    # shellcheck disable=SC2016 # expanded by the inner shell
    spawn "$name" bash -c 'exec 5>"$1" 6<&0 && shift && exec "$@"' x "$fifo" "$aliases/slirp4netns" --ready-fd=5 --exit-fd=6 "${link_option[@]}" "$@"
    ready=$(timeout --foreground "$LIMIT" cat "$fifo")
}

# request PATH JSON: one request to netd's API socket; the answer is in $stdout.
request() {
    run $client unix "$1" "$2"
}
