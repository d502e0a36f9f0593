/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fragment.h"

#include <stdint.h>

#include "net/frame.h"
#include "tests/unit/tap.h"

enum { ETH = 14, IP = 20 };
static unsigned char data[65600];
static struct fragments *fr;
static unsigned char *whole;

static void put(unsigned char *p, size_t v)
{
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
}

/* A piece of the data: @n bytes from @at; what fragments_add() says. */
static size_t piece(unsigned id, size_t at, size_t n, bool more)
{
    static unsigned char f[FRAME_MAX];
    unsigned char *ip = f + ETH;
    memset(f, 0, ETH + IP);
    memcpy(f, "\x52\x55\x0a\x00\x02\x02\x02\x00\x00\x00\x00\x01\x08\x00", 14);
    ip[0] = 0x45;
    put(ip + 2, IP + n);
    put(ip + 4, id);
    put(ip + 6, at / 8 | (more ? 0x2000u : 0));
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, "\x0a\x00\x02\x64\xc0\x00\x02\x01", 8);
    if (n)
        memcpy(ip + IP, data + at, n);
    return fragments_add(fr, f, ETH + IP + n, &whole);
}

static bool is_whole(size_t len, size_t n)
{
    uint32_t s = 0;
    if (len != ETH + IP + n || memcmp(whole + ETH + IP, data, n) != 0)
        return false;
    for (size_t i = 0; i < IP; i += 2)
        s += (uint32_t)whole[ETH + i] << 8 | whole[ETH + i + 1];
    s = (s & 0xffff) + (s >> 16);
    return s == 0xffff && whole[ETH + 6] == 0 && whole[ETH + 7] == 0;
}

static void test_orders(void)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (unsigned i = 0; i < 6; i++) {
        size_t len = 0;
        for (int k = 0; k < 3; k++) {
            int at = orders[i][k];
            len = piece(i, (size_t)at * 1480, at == 2 ? 77 : 1480, at != 2);
            if (k < 2)
                is_int((int)len, 0, "piece %d of a datagram", at);
        }
        ok(is_whole(len, 2 * 1480 + 77), "three pieces make a whole");
    }
    piece(7, 0, 800, true);
    is_int((int)piece(7, 0, 800, true), 0, "the same piece twice");
    ok(is_whole(piece(7, 800, 8, false), 808), "does no harm");
}

static void test_spoilt(void)
{
    piece(20, 0, 800, true);
    piece(20, 792, 80, true);
    is_int((int)piece(20, 800, 8, false), 0, "pieces that overlap spoil the datagram");
    piece(21, 0, 800, true);
    piece(21, 1600, 8, false);
    piece(21, 1608, 80, true);
    is_int((int)piece(21, 800, 800, true), 0, "and one behind the end");
    piece(22, 1608, 80, true);
    piece(22, 0, 800, true);
    piece(22, 1600, 8, false);
    is_int((int)piece(22, 800, 800, true), 0, "also when it came before");
    piece(27, 1608, 800, true);
    piece(27, 0, 800, true);
    is_int((int)piece(27, 1600, 8, false), 0, "nor does one behind the end fill a hole before it");
    is_int((int)piece(23, 0, 801, true), 0, "a length that is no multiple of eight, and is not the last");
    is_int((int)piece(24, 65528, 60, false), 0, "more than a packet can have");
    is_int((int)piece(25, 65504, 11, false), 0, "the last bytes of the longest one");
    size_t len = 0;
    for (size_t at = 0; at < 65504; at += 1424)
        len = piece(25, at, at + 1424 > 65504 ? 65504 - at : 1424, true);
    ok(is_whole(len, 65515), "which is taken");
    is_int((int)piece(26, 0, 0, false), 0, "an empty one");
}

static void test_many(void)
{
    for (unsigned i = 0; i <= FRAGMENT_DATAGRAMS; i++)
        piece(100 + i, 0, 800, true);
    is_int((int)piece(100, 800, 8, false), 0, "the oldest has given way");
    ok(is_whole(piece(100 + FRAGMENT_DATAGRAMS, 800, 8, false), 808), "the newest has not");
}

int main(void)
{
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 7 ^ i >> 8);
    is_int(fragments_new(&fr), 0, "fragments");
    test_orders();
    test_spoilt();
    test_many();
    fragments_free(fr);
    fragments_free(NULL);
    return done_testing();
}
