/* SPDX-License-Identifier: Apache-2.0 */
/* What the stack is told about the link, and what the guest is told about the network. */
#include "net/neighbor.h"

#include <arpa/inet.h>

#include "net/ra.h"
#include "tests/unit/tap.h"

static unsigned char f[200], hint[NEIGHBOR_FRAME];

static void frame(const char *src, unsigned char mac, int protocol)
{
    bool v6 = strchr(src, ':');
    memset(f, 0, sizeof(f));
    memcpy(f, "\x52\x55\x0a\x00\x02\x02\x02\x00\x00\x00\x00", 11);
    f[11] = mac;
    f[12] = v6 ? 0x86 : 8;
    f[13] = v6 ? 0xdd : 0;
    f[14] = v6 ? 0x60 : 0x45;
    f[14 + (v6 ? 6 : 9)] = (unsigned char)protocol;
    inet_pton(v6 ? AF_INET6 : AF_INET, src, f + 14 + (v6 ? 8 : 12));
}

static bool good_sum(const unsigned char *ip, size_t len)
{
    uint32_t s = 58 + (uint32_t)(len - 40);
    for (size_t i = 8; i < len; i++)
        s += i % 2 ? ip[i] : (uint32_t)ip[i] << 8;
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return s == 0xffff;
}

static void test_neighbor(void)
{
    struct neighbor n = {0};
    frame("10.0.2.100", 1, 6);
    is_int((int)neighbor_learn(&n, f, 60, hint), 42, "the first packet of a guest");
    ok(!memcmp(hint + 22, f + 6, 6) && !memcmp(hint + 28, f + 26, 4) && !memcmp(hint + 38, f + 26, 4),
       "says by ARP where it is");
    is_int((int)neighbor_learn(&n, f, 60, hint), 0, "the second says nothing new");
    f[11] = 2;
    is_int((int)neighbor_learn(&n, f, 60, hint), 42, "another hardware address does");
    frame("10.0.2.101", 2, 6);
    is_int((int)neighbor_learn(&n, f, 60, hint), 42, "or another address");
    frame("fd00::100", 1, 17);
    is_int((int)neighbor_learn(&n, f, 60, hint), 86, "IPv6");
    ok(!memcmp(hint + 14 + 40 + 8, f + 22, 16) && !memcmp(hint + 80, f + 6, 6) && good_sum(hint + 14, 72),
       "by an advertisement");
    is_int((int)neighbor_learn(&n, f, 60, hint), 0, "once");
    is_int((int)neighbor_insist(&n, f, 60, hint), 0, "after which there is nothing to insist on");
    frame("fd00::100", 7, 58);
    f[54] = 136;
    is_int((int)neighbor_learn(&n, f, 60, hint), 0, "NDP is not believed");
    is_int((int)neighbor_insist(&n, f, 60, hint), 86, "but contradicted");
    ok(hint[85] == 1 && good_sum(hint + 14, 72), "with what is known");
    f[54] = 128;
    is_int((int)neighbor_learn(&n, f, 60, hint), 86, "an echo request is a packet as others are");
    f[13] = 6;
    f[12] = 8;
    is_int((int)neighbor_learn(&n, f, 60, hint), 0, "ARP is not believed");
    is_int((int)neighbor_insist(&n, f, 60, hint), 42, "but contradicted");
    static const char *const nobody[] = {"0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1"};
    for (size_t i = 0; i < 5; i++) {
        frame(nobody[i], 1, 17);
        is_int((int)neighbor_learn(&n, f, 60, hint), 0, "%s is nobody's", nobody[i]);
    }
    frame("10.0.2.7", 1, 17);
    f[6] |= 1;
    is_int((int)neighbor_learn(&n, f, 60, hint), 0, "nor is a multicast hardware address");
    f[6] &= 0xfe;
    for (size_t len = 0; len < 34; len++)
        if (!is_int((int)neighbor_learn(&n, f, len, hint), 0, "a frame of %zu bytes", len))
            break;
}

static void test_ra(void)
{
    struct addrplan p;
    addrplan_for(NET_SLIRP4NETNS, &p);
    frame("fe80::2", 2, 58);
    f[19] = 16 + 8; /* with the source's link-layer address */
    f[54] = 134;
    f[70] = 1;
    f[71] = 1;
    ok(ra_is(f, 78), "a router advertisement");
    ok(!ra_is(f, 77) && !ra_is(f, 79), "of this length only");
    is_int((int)ra_complete(&p, true, f, 78), 78 + 8 + 24, "gets two options");
    ok(ra_is(f, 110) && good_sum(f + 14, 96), "and is one still, with a good checksum");
    ok(f[78] == 5 && f[79] == 1 && (f[84] << 8 | f[85]) == 65520, "the MTU");
    ok(f[86] == 25 && f[87] == 3 && !memcmp(f + 94, &p.dns6, 16), "the DNS server");
    is_int((int)ra_complete(&p, true, f, 110), 110, "not twice");
}

int main(void)
{
    test_neighbor();
    test_ra();
    return done_testing();
}
