/* SPDX-License-Identifier: Apache-2.0 */
/* The fast path's decisions: what is a SYN, what may be dialled, what a message of the packet queue says. */
#include <arpa/inet.h>

#include "core/nfqueue.h"
#include "net/fast_set.h"
#include "net/fast_syn.h"
#include "net/upstream.h"
#include "tests/unit/tap.h"

static const unsigned char syn4[] = {
    0x45, 0,    0, 44,  0, 0, 0x40, 0, 64, 6, 0, 0, 10,   0,    2,    100,  203, 0, 113, 80, /* IPv4 */
    0x9c, 0x40, 0, 80,  1, 2, 3,    4, 0,  0, 0, 0, 0x60, 0x02, 0xff, 0xff, 0,   0, 0,   0,  /* TCP */
    2,    4,    5, 180,                                                                      /* MSS */
};
static const unsigned char syn6[] = {
    0x60, 0,    0,    0,    0, 20, 6, 64, 0xfd, 0, 0, 0, 0,    0,    0,    0,    0, 0, 0, 0,
    0,    0,    1,    0,                                                         /* IPv6, source */
    0x20, 1,    0x0d, 0xb8, 0, 0,  0, 0,  0,    0, 0, 0, 0,    0,    0,    0x80, /* destination */
    0x9c, 0x40, 1,    0xbb, 1, 2,  3, 4,  0,    0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0,
};

static bool changed(size_t at, unsigned char value, size_t len)
{
    unsigned char p[sizeof(syn4) + 8] = {0};
    struct syn s;
    memcpy(p, syn4, sizeof(syn4));
    p[at] = value;
    return syn_parse(p, len, &s);
}

static void test_syn(void)
{
    struct syn s;
    char text[64];
    ok(syn_parse(syn4, sizeof(syn4), &s), "a SYN");
    is_str(ip_format(&s.src, text, sizeof(text)), "10.0.2.100:40000", "its source");
    is_str(ip_format(&s.dst, text, sizeof(text)), "203.0.113.80:80", "its destination");
    ok(s.packet == syn4 && s.len == sizeof(syn4), "and all of it");
    ok(syn_parse(syn6, sizeof(syn6), &s), "a SYN over IPv6");
    is_str(ip_format(&s.src, text, sizeof(text)), "[fd00::100]:40000", "its source");
    is_str(ip_format(&s.dst, text, sizeof(text)), "[2001:db8::80]:443", "its destination");
    ok(!changed(3, 45, 45), "data: no");
    ok(!changed(3, 48, 44), "more announced than there is: no");
    ok(!changed(0, 0x46, 44), "a longer IP header than there is room for: no");
    ok(!changed(0, 0x44, 44), "a shorter one than possible: no");
    ok(!changed(0, 0x55, 44), "IPv5: no");
    ok(!changed(6, 0x20, 44) && !changed(7, 1, 44), "a fragment: no");
    ok(!changed(9, 17, 44), "UDP: no");
    ok(!changed(33, 0x12, 44) && !changed(33, 0x03, 44) && !changed(33, 0x06, 44),
       "SYN with ACK, FIN or RST: no");
    ok(changed(33, 0xc2, 44), "SYN that asks for ECN: yes");
    ok(!changed(32, 0x50, 44) && !changed(32, 0x70, 44), "a TCP header that is not what is left: no");
    ok(!changed(23, 0, 44), "port 0: no");
    bool any = false;
    for (size_t len = 0; len < sizeof(syn4); len++)
        any |= syn_parse(syn4, len, &s) || (len < sizeof(syn6) && syn_parse(syn6, len, &s));
    ok(!any && !syn_parse(NULL, 0, &s), "cut short: no");
}

static const char *dial(const struct addrplan *p, bool closed, const char *address, uint16_t port)
{
    static char text[64];
    union sockaddr_ip dst, to;
    if (ip_parse(address, port, &dst) < 0)
        return "?";
    return upstream_dial(p, closed, &dst, &to) ? ip_format(&to, text, sizeof(text)) : "libslirp";
}

static void test_upstream(void)
{
    static const char *const never[] = {
        "127.0.0.1",
        "127.255.0.9",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.2.3",
        "10.0.2.50",
        "10.0.2.255",
        "10.0.2.0",
        "10.0.2.100",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:203.0.113.80",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "fd00::3",
        "fd00::50",
        "fe80::1",
        "ff02::1",
    };
    struct addrplan p;
    is_int(addrplan_for(NET_SLIRP4NETNS, &p), 0, "a plan");
    p.ipv6 = true;
    for (int closed = 0; closed < 2; closed++)
        for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
            is_str(dial(&p, closed, never[i], 80), "libslirp", "never %s", never[i]);
    is_str(dial(&p, true, "10.0.2.2", 80), "libslirp", "the gateway, closed");
    is_str(dial(&p, true, "fd00::2", 80), "libslirp", "in IPv6");
    is_str(dial(&p, false, "10.0.2.2", 80), "127.0.0.1:80", "the gateway, open");
    is_str(dial(&p, false, "fd00::2", 80), "[::1]:80", "in IPv6");
    is_str(dial(&p, true, "203.0.113.80", 80), "203.0.113.80:80", "the world");
    is_str(dial(&p, true, "10.0.3.2", 80), "10.0.3.2:80", "a neighbour of the plan's network");
    is_str(dial(&p, true, "2001:db8::80", 80), "[2001:db8::80]:80", "the world in IPv6");
    is_str(dial(&p, true, "fd00:0:0:1::2", 80), "[fd00:0:0:1::2]:80", "a neighbour in IPv6");
    p.ipv6 = false;
    is_str(dial(&p, true, "2001:db8::80", 80), "libslirp", "IPv6 that is not wanted");
    is_int(addrplan_for(NET_GVISOR, &p), 0, "a plan whose gateway is the name server");
    is_str(dial(&p, false, "10.0.2.1", 80), "127.0.0.1:80", "its port 80 is the host's");
    is_str(dial(&p, false, "10.0.2.1", 53), "libslirp", "its port 53 is the name server");
}

static void take(const struct nfq_packet *p, void *arg)
{
    *(struct nfq_packet *)arg = *p;
}

static void test_queue(void)
{
    /* struct nlmsghdr, struct nfgenmsg, NFQA_PACKET_HDR (id 7, hook 3), NFQA_MARK 0x0a, NFQA_PAYLOAD "abc" */
    unsigned char m[] = {
        56, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0,  0, 0, 0,  0, 2,   0,   0x72, 0x6c, 11, 0, 1,  0, 0, 0, 0, 7,
        8,  0, 3, 0, 8, 0, 3, 0, 0, 0, 0, 10, 7, 0, 10, 0, 'a', 'b', 'c',  0,    8,  0, 13, 0, 0, 0, 9, 9,
    };
    struct nfq_packet p = {.id = 0};
    nfq_parse(m, 48, take, &p);
    is_int(p.id, 0, "a message longer than the datagram is none");
    m[0] = 48;
    nfq_parse(m, 48, take, &p);
    ok(p.id == 7 && p.hook == NF_HOOK_OUTPUT && p.mark == 10 && !p.cut, "a packet");
    ok(p.len == 3 && !memcmp(p.data, "abc", 3), "and its bytes");
    m[0] = 56;
    nfq_parse(m, sizeof(m), take, &p);
    ok(p.cut, "one that is longer than what was asked for");
    p.id = 0;
    m[20] = 10;
    nfq_parse(m, sizeof(m), take, &p);
    is_int(p.id, 0, "a header of the wrong size makes none");
    m[20] = 3;
    nfq_parse(m, sizeof(m), take, &p);
    is_int(p.id, 0, "nor does a broken attribute");
    m[20] = 11;
    m[8] = 1;
    nfq_parse(m, sizeof(m), take, &p);
    is_int(p.id, 0, "nor an answer to a request");
}

static void test_message(void)
{
    struct fast_set s = FAST_SET_NONE, back = FAST_SET_NONE;
    struct fast_message m = fast_set_pack(&s);
    is_int(m.n_fds, 0, "no fast path has no descriptors");
    is_int(fast_set_unpack(&m, NULL, 0, &back), 0, "which is fine");
    ok(!fast_set_is_there(&back), "and none at the other end");
    int fds[FAST_FDS] = {100, 101, 102, 103, 104};
    m = (struct fast_message){.n_fds = 3, .number = 5, .port = 6};
    is_int(fast_set_unpack(&m, fds, 2, &back), -EPROTO,
           "a number of descriptors that is not the announced one");
    is_int(fast_set_unpack(&m, fds, 3, &back), 0, "three: IPv4 alone");
    ok(back.fd[FAST_RAW4] == 102 && back.fd[FAST_LISTEN6] == -1 && fds[0] == -1 && back.port == 6,
       "are taken over");
    m.n_fds = 4;
    is_int(fast_set_unpack(&m, fds, 4, &back), -EPROTO, "four are none");
}

int main(void)
{
    test_syn();
    test_upstream();
    test_queue();
    test_message();
    return done_testing();
}
