/* SPDX-License-Identifier: Apache-2.0 */
#include "net/frame.h"

#include <arpa/inet.h>

#include "tests/unit/tap.h"

static struct addrplan plan;

/* The Internet checksum of @p, the slow and obvious way. */
static uint16_t checksum(const unsigned char *p, size_t len, uint32_t s)
{
    for (size_t i = 0; i < len; i++)
        s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

static void put(unsigned char *p, uint16_t v)
{
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
}

/* Does every checksum of this frame hold? */
static bool sums_hold(const unsigned char *f, size_t len)
{
    const unsigned char *ip = f + 14;
    bool v6 = ip[0] >> 4 == 6;
    size_t hdr = v6 ? 40 : 20, rest = len - 14 - hdr;
    uint32_t pseudo = (uint32_t)(v6 ? ip[6] : ip[9]) + (uint32_t)rest;
    pseudo += checksum(ip + (v6 ? 8 : 12), v6 ? 32 : 8, 0);
    return (v6 || checksum(ip, 20, 0) == 0xffff) && checksum(ip + hdr, rest, pseudo) == 0xffff;
}

/* A TCP or UDP packet with @n bytes of payload. */
static size_t packet(unsigned char *f, uint8_t proto, const char *src, const char *dst, uint16_t port,
                     size_t n)
{
    bool v6 = strchr(src, ':');
    size_t hdr = v6 ? 40 : 20, l4 = (proto == IPPROTO_TCP ? 20 : 8) + n;
    unsigned char *ip = f + 14, *p = ip + hdr;
    memset(f, 0, 14 + hdr + l4);
    memcpy(f, "\x52\x55\x0a\x00\x02\x03\x02\x00\x00\x00\x00\x01", 12);
    put(f + 12, v6 ? 0x86dd : 0x0800);
    if (v6) {
        ip[0] = 0x60;
        put(ip + 4, (uint16_t)l4);
        ip[6] = proto;
        inet_pton(AF_INET6, src, ip + 8);
        inet_pton(AF_INET6, dst, ip + 24);
    } else {
        ip[0] = 0x45;
        put(ip + 2, (uint16_t)(hdr + l4));
        ip[8] = 64;
        ip[9] = proto;
        inet_pton(AF_INET, src, ip + 12);
        inet_pton(AF_INET, dst, ip + 16);
        put(ip + 10, (uint16_t)~checksum(ip, 20, 0));
    }
    put(p, 40000);
    put(p + 2, port);
    if (proto == IPPROTO_UDP)
        put(p + 4, (uint16_t)l4);
    for (size_t i = 0; i < n; i++)
        p[l4 - n + i] = (unsigned char)i;
    uint32_t pseudo = proto + (uint32_t)l4 + checksum(ip + (v6 ? 8 : 12), v6 ? 32 : 8, 0);
    put(p + (proto == IPPROTO_TCP ? 16 : 6), (uint16_t)~checksum(p, l4, pseudo));
    return 14 + hdr + l4;
}

static enum frame_verdict check(const unsigned char *f, size_t len)
{
    struct frame_udp u;
    return frame_check(&plan, true, f, len, &u);
}

static void test_destinations(void)
{
    static const struct {
        const char *src, *dst;
        enum frame_verdict want;
    } t[] = {
        {"10.0.2.100", "203.0.113.1", FRAME_PASS}, {"10.0.2.100", "10.0.2.2", FRAME_PASS},
        {"10.0.2.100", "127.0.0.1", FRAME_DROP},   {"10.0.2.100", "127.255.0.1", FRAME_DROP},
        {"10.0.2.100", "0.0.0.0", FRAME_DROP},     {"10.0.2.100", "0.1.2.3", FRAME_DROP},
        {"fd00::100", "2001:db8::1", FRAME_PASS},  {"fd00::100", "::1", FRAME_DROP},
        {"fd00::100", "::", FRAME_DROP},           {"fd00::100", "::ffff:127.0.0.1", FRAME_DROP},
        {"fd00::100", "::127.0.0.1", FRAME_DROP},  {"fd00::100", "::ffff:192.0.2.1", FRAME_DROP},
        {"fd00::100", "ff02::2", FRAME_PASS},
    };
    unsigned char f[256];
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        is_int(check(f, packet(f, IPPROTO_TCP, t[i].src, t[i].dst, 80, 0)), t[i].want, "TCP to %s", t[i].dst);
        is_int(check(f, packet(f, IPPROTO_UDP, t[i].src, t[i].dst, 80, 4)), t[i].want, "UDP to %s", t[i].dst);
    }
    plan.ipv6 = false;
    is_int(check(f, packet(f, IPPROTO_TCP, "fd00::100", "2001:db8::1", 80, 0)), FRAME_DROP,
           "no IPv6 where there is none");
    plan.ipv6 = true;
}

static void test_malformed(void)
{
    unsigned char f[256];
    size_t len = packet(f, IPPROTO_UDP, "10.0.2.100", "203.0.113.1", 80, 10);
    for (size_t n = 0; n < len; n++)
        if (!is_int(check(f, n), FRAME_DROP, "the first %zu bytes", n))
            break;
    f[14] = 0x44;
    is_int(check(f, len), FRAME_DROP, "a header shorter than a header");
    f[14] = 0x4f;
    is_int(check(f, len), FRAME_DROP, "one longer than the packet");
    f[14] = 0x65;
    is_int(check(f, len), FRAME_DROP, "another version than the frame says");
    packet(f, IPPROTO_UDP, "10.0.2.100", "203.0.113.1", 80, 10);
    put(f + 12, 0x88f8);
    is_int(check(f, len), FRAME_DROP, "no other protocol (NC-SI)");
    put(f + 12, 0x0806);
    is_int(check(f, len), FRAME_PASS, "but ARP");
    len = packet(f, IPPROTO_UDP, "fd00::100", "2001:db8::1", 80, 10);
    for (size_t n = 0; n < len; n++)
        if (!is_int(check(f, n), FRAME_DROP, "IPv6: the first %zu bytes", n))
            break;
}

static void test_dns(void)
{
    unsigned char f[256], g[256];
    static const char *const ends[][2] = {{"10.0.2.100", "10.0.2.3"}, {"fd00::100", "fd00::3"}};
    for (int i = 0; i < 2; i++) {
        struct frame_udp u = {0}, back;
        size_t len = packet(f, IPPROTO_UDP, ends[i][0], ends[i][1], 53, 33);
        is_int(frame_check(&plan, true, f, len, &u), FRAME_DNS, "a query to %s", ends[i][1]);
        ok(u.v6 == (i == 1) && u.src_port == 40000 && u.dst_port == 53 && u.len == 33,
           "its ports and length");
        ok(u.data[0] == 0 && u.data[32] == 32 && u.src_mac[5] == 1, "its bytes, and who sent it");
        is_int(frame_check(&plan, false, f, len, &back), FRAME_PASS, "is the stack's where DNS is off");
        f[len - 1] ^= 1;
        is_int(check(f, len), FRAME_DROP, "with a wrong checksum it is nobody's");
        f[len - 1] ^= 1;
        size_t sum = i ? 14 + 40 + 6 : 14 + 20 + 6;
        put(f + sum, 0);
        is_int(check(f, len), i ? FRAME_DROP : FRAME_DNS, "without one it %s",
               i ? "is nobody's" : "is taken");
        is_int(check(f, packet(f, IPPROTO_UDP, ends[i][0], ends[i][1], 54, 33)), FRAME_PASS,
               "another port is the stack's");

        u.data = (const unsigned char *)"answer!";
        u.len = 7;
        int n = frame_build_udp(&u, g, sizeof(g));
        is_int(n, (i ? 40 : 20) + 14 + 8 + 7, "a frame is built");
        ok(sums_hold(g, (size_t)n), "with good checksums");
        is_int(frame_check(&plan, true, g, (size_t)n, &back), FRAME_DNS, "which reads");
        ok(back.len == 7 && !memcmp(back.data, "answer!", 7), "the same");
        is_int(frame_build_udp(&u, g, (size_t)n - 1), -EMSGSIZE, "but not into less room");
    }
    size_t len = packet(f, IPPROTO_UDP, "10.0.2.100", "10.0.2.3", 53, 33);
    f[20] = 0x20; /* more fragments */
    is_int(check(f, len), FRAME_DROP, "a fragment whose header's sum is wrong");
    put(f + 24, 0);
    put(f + 24, (uint16_t)~checksum(f + 14, 20, 0));
    is_int(check(f, len), FRAME_FRAGMENT, "a fragment");
    f[14 + 16] = 127;
    is_int(check(f, len), FRAME_DROP, "none for a loopback address");
}

static void test_parse_tcp(void)
{
    unsigned char f[256];
    struct frame_tcp t;
    for (int i = 0; i < 2; i++) {
        size_t len =
            packet(f, IPPROTO_TCP, i ? "fd00::100" : "10.0.2.100", i ? "2001:db8::1" : "192.0.2.1", 443, 5);
        unsigned char *tcp = f + 14 + (i ? 40 : 20);
        put(tcp + 4, 0x1234);
        put(tcp + 6, 0x5678);
        tcp[13] = 0x02;
        ok(frame_parse_tcp(f, len, &t), "a TCP segment");
        ok(t.v6 == (i == 1) && t.dst_port == 443 && t.seq == 0x12345678 && t.flags == 2, "is read");
        for (size_t n = 0; n < len - 5; n++)
            if (!ok(!frame_parse_tcp(f, n, &t), "cut to %zu bytes it is none", n))
                break;
    }
    packet(f, IPPROTO_UDP, "10.0.2.100", "192.0.2.1", 443, 50);
    ok(!frame_parse_tcp(f, 100, &t), "a datagram is none");
    packet(f, IPPROTO_TCP, "10.0.2.100", "192.0.2.1", 443, 50);
    f[21] = 1;
    ok(!frame_parse_tcp(f, 100, &t), "nor a later fragment");
}

static void test_dns_tcp(void)
{
    unsigned char f[256], g[256];
    static const char *const ends[][2] = {{"10.0.2.100", "10.0.2.3"}, {"fd00::100", "fd00::3"}};
    for (int i = 0; i < 2; i++) {
        size_t hdr = i ? 40 : 20, len = packet(f, IPPROTO_TCP, ends[i][0], ends[i][1], 53, 5);
        is_int(check(f, len), FRAME_DNS_TCP, "TCP to port 53 of %s", ends[i][1]);
        memcpy(g, f, len);
        ok(!frame_dnat(g, len, i ? 4000 : 0, i ? 0 : 4000) && !memcmp(f, g, len),
           "without a port nothing is changed");
        ok(frame_dnat(g, len, 4444, 6666), "is led to the loopback");
        ok(sums_hold(g, len), "with good checksums");
        is_int(g[14 + hdr + 2] << 8 | g[14 + hdr + 3], i ? 6666 : 4444, "to the port of that family");
        is_int(check(g, len), FRAME_DROP, "where the guest itself could not go");

        /* The answer: the ends change places. */
        packet(g, IPPROTO_TCP, i ? "::1" : "127.0.0.1", ends[i][0], 40000, 5);
        size_t check_at = 14 + hdr + 16;
        uint16_t sum = (uint16_t)(g[check_at] << 8 | g[check_at + 1]);
        put(g + 14 + hdr, i ? 6666 : 4444);
        uint32_t fixed = (uint16_t)~sum + (uint16_t)~40000u + (i ? 6666u : 4444u);
        put(g + check_at, (uint16_t)~checksum(NULL, 0, fixed));
        ok(sums_hold(g, len) && frame_from_loopback(g, len), "an answer from there");
        memcpy(f, g, len);
        ok(!frame_snat(&plan, f, len, 4445, 6667) && !memcmp(f, g, len), "from another port it stays");
        ok(frame_snat(&plan, g, len, 4444, 6666), "gets its source back");
        ok(sums_hold(g, len) && !frame_from_loopback(g, len), "with good checksums");
        is_int(g[14 + hdr] << 8 | g[14 + hdr + 1], 53, "port 53");
        ok(!memcmp(g + 14 + (i ? 8 : 12), i ? (const void *)&plan.dns6 : (const void *)&plan.dns, i ? 16 : 4),
           "of the DNS server");
    }
}

int main(void)
{
    addrplan_for(NET_SLIRP4NETNS, &plan);
    plan.ipv6 = true;
    test_destinations();
    test_malformed();
    test_dns();
    test_parse_tcp();
    test_dns_tcp();
    return done_testing();
}
