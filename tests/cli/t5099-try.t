#!/bin/bash
. "$(dirname "$0")/../lib/tap.sh"
in_sandbox --root
. "$TOP/tests/lib/spec-run.sh"
who=user
launch holder rootlet run --net=none --state-dir=/tmp/tester/state -- sh -c 'echo ready; read x'
pid=$(cat /tmp/tester/state/child_pid)
diag "$pid $(cat /proc/$pid/uid_map)"
for runtime in runc crun; do
for maps in 0 1; do
for netns in 0 1; do
prepare runc "c['linux']['namespaces'].append({'type':'user','path':'/proc/$pid/ns/user'})
if $netns: [n.update(path='/proc/$pid/ns/net') for n in c['linux']['namespaces'] if n['type']=='network']
if $maps: c['linux']['uidMappings']=[{'containerID':0,'hostID':1001,'size':1},{'containerID':1,'hostID':100000,'size':65536}]; c['linux']['gidMappings']=c['linux']['uidMappings']"
in_container joined outside $runtime
diag "== $runtime maps $maps netns $netns: $status $stdout // $stderr"
done; done; done
finish holder
done_testing
