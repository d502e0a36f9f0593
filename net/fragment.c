/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fragment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <linux/if_ether.h>

#include "core/loop.h"
#include "net/frame.h"

enum {
    HEADER = ETH_HLEN + 60, /* the longest: an IP header with all its options */
    MAX_DATA = 65535 - 20,
    UNITS = (MAX_DATA + 7) / 8, /* fragments are counted in eights */
    MORE = 0x2000,
};

struct datagram {
    unsigned char key[12]; /* source, destination, identification, protocol */
    uint64_t born;         /* 0: free */
    size_t header_len;     /* of Ethernet and IP; 0: the first piece is missing */
    size_t data_len;       /* 0: the last piece is missing */
    size_t reach;          /* where the farthest piece ends */
    size_t got;            /* units */
    uint8_t seen[UNITS / 8 + 1];
    /* The header of the first piece ends where the data begins. */
    unsigned char buf[HEADER + UNITS * 8];
};

struct fragments {
    struct datagram *d[FRAGMENT_DATAGRAMS];
};

static unsigned get16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

int fragments_new(struct fragments **ret)
{
    struct fragments *f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    *ret = f;
    return 0;
}

void fragments_free(struct fragments *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < FRAGMENT_DATAGRAMS; i++)
        free(f->d[i]);
    free(f);
}

static void begin(struct datagram *d, const unsigned char *key, uint64_t now)
{
    memcpy(d->key, key, sizeof(d->key));
    d->born = now;
    d->header_len = d->data_len = d->reach = d->got = 0;
    memset(d->seen, 0, sizeof(d->seen));
}

/* The datagram that a piece belongs to; NULL: no memory. */
static struct datagram *find(struct fragments *f, const unsigned char *key)
{
    uint64_t now = now_ns();
    size_t oldest = 0;
    for (size_t i = 0; i < FRAGMENT_DATAGRAMS; i++) {
        struct datagram *d = f->d[i];
        if (!d) {
            oldest = i;
            break;
        }
        if (d->born && !memcmp(d->key, key, sizeof(d->key))) {
            if (now - d->born >= FRAGMENT_TIMEOUT_S * 1000000000ull)
                begin(d, key, now); /* the number has come round */
            return d;
        }
        if (d->born < f->d[oldest]->born)
            oldest = i;
    }
    if (!f->d[oldest])
        f->d[oldest] = malloc(sizeof(struct datagram));
    if (f->d[oldest])
        begin(f->d[oldest], key, now);
    return f->d[oldest];
}

/* Mark units as there. false: some of them, but not all, were; *ret_all: all of them. */
static bool mark(struct datagram *d, size_t first, size_t n, bool *ret_all)
{
    size_t known = 0;
    for (size_t i = first; i < first + n; i++)
        known += d->seen[i / 8] >> i % 8 & 1;
    *ret_all = known == n;
    if (known)
        return known == n;
    for (size_t i = first; i < first + n; i++)
        d->seen[i / 8] |= (uint8_t)(1u << i % 8);
    d->got += n;
    return true;
}

/* As one packet: its length, no fragment, the header's sum. */
static size_t finish(struct datagram *d, unsigned char **ret_frame)
{
    unsigned char *frame = d->buf + HEADER - d->header_len, *ip = frame + ETH_HLEN;
    size_t hdr = d->header_len - ETH_HLEN, total = hdr + d->data_len;
    d->born = 0;
    if (total > 65535)
        return 0;
    ip[2] = (unsigned char)(total >> 8);
    ip[3] = (unsigned char)total;
    ip[6] = ip[7] = 0;
    ip[10] = ip[11] = 0;
    uint32_t sum = 0;
    for (size_t i = 0; i < hdr; i += 2)
        sum += get16(ip + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    ip[10] = (unsigned char)(~sum >> 8);
    ip[11] = (unsigned char)~sum;
    *ret_frame = frame;
    return ETH_HLEN + total;
}

size_t fragments_add(struct fragments *f, const void *frame, size_t len, unsigned char **ret_frame)
{
    const unsigned char *ip = (const unsigned char *)frame + ETH_HLEN;
    size_t hdr = (size_t)(ip[0] & 15) * 4, total = get16(ip + 2), at = (get16(ip + 6) & 0x1fff) * 8u;
    bool more = get16(ip + 6) & MORE, known;
    if (ETH_HLEN + total > len || hdr >= total)
        return 0;
    size_t n = total - hdr, units = (n + 7) / 8;
    if ((more && n % 8) || at + n > MAX_DATA)
        return 0;
    unsigned char key[12];
    memcpy(key, ip + 12, 8);
    memcpy(key + 8, ip + 4, 2);
    key[10] = ip[9];
    key[11] = 0;
    struct datagram *d = find(f, key);
    if (!d)
        return 0;
    size_t end = at + n;
    /* Nothing may lie behind the end, whichever came first: it would be counted for a hole before it. */
    if ((d->data_len && (end > d->data_len || (!more && end != d->data_len))) || (!more && d->reach > end) ||
        !mark(d, at / 8, units, &known)) {
        d->born = 0;
        return 0;
    }
    if (known)
        return 0; /* once more the same */
    memcpy(d->buf + HEADER + at, ip + hdr, n);
    if (end > d->reach)
        d->reach = end;
    if (!more)
        d->data_len = end;
    if (at == 0) {
        d->header_len = ETH_HLEN + hdr;
        memcpy(d->buf + HEADER - d->header_len, frame, d->header_len);
    }
    if (!d->header_len || !d->data_len || d->got < (d->data_len + 7) / 8)
        return 0;
    return finish(d, ret_frame);
}
