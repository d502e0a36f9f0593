/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the guest. */
#include "net/frame.c" // NOLINT(bugprone-suspicious-include)

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct addrplan plan;
    struct frame_udp u;
    unsigned char out[2048];
    if (!plan.prefix) {
        addrplan_for(NET_SLIRP4NETNS, &plan);
        plan.ipv6 = true;
    }
    unsigned char *f = malloc(size ? size : 1);
    if (!f)
        return 0;
    if (size)
        memcpy(f, data, size);
    enum frame_verdict v = frame_check(&plan, true, f, size, &u);
    if (v == FRAME_DNS && u.len > size)
        abort();
    if (v == FRAME_DNS)
        frame_build_udp(&u, out, sizeof(out));
    if (v == FRAME_DNS_TCP && frame_dnat(f, size, 4444, 6666) &&
        frame_check(&plan, true, f, size, &u) != FRAME_DROP)
        abort(); /* a guest that sends this itself must not get through */
    if (size)
        memcpy(f, data, size);
    if (frame_snat(&plan, f, size, 4444, 6666) && frame_from_loopback(f, size))
        abort();
    free(f);
    return 0;
}
