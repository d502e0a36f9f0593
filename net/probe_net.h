/* SPDX-License-Identifier: Apache-2.0 */
/* The probes of the network; what a probe is: core/probe.h. No packet leaves the machine, or the namespaces of the probe. */
#pragma once

#include "core/probe.h"

void probe_netns(struct probe_env *env, struct probe *p); /* a network namespace with its own loopback */
void probe_tap(struct probe_env *env,
               struct probe *p); /* each link: made, configured, and a frame taken out of it */
void probe_packet(struct probe_env *env, struct probe *p);
void probe_fast(struct probe_env *env, struct probe *p); /* the TCP fast path: a SYN comes out of the queue */
void probe_low_ports(struct probe_env *env, struct probe *p); /* ports below 1024, on the host's loopback */
void probe_ping(struct probe_env *env, struct probe *p);
void probe_resolv_conf(struct probe_env *env, struct probe *p);
