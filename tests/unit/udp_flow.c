/* SPDX-License-Identifier: Apache-2.0 */
/* Which UDP flow is found, which one has to go, and when. */
#include "tests/unit/tap.h"

#include <string.h>
#include <arpa/inet.h>

#include "core/fd.h"
#include "core/loop.h"
#include "net/udp_flow.h"

enum { MAX = 64 };

struct owner {
    struct udp_flow f;
    bool here;
};

static struct udp_flows *table;
static struct loop *loop;
static unsigned ended;

static void on_end(struct udp_flow *f)
{
    struct owner *o = container_of(f, struct owner, f);
    udp_flows_remove(table, f);
    o->here = false;
    ended++;
}

static void on_last(struct udp_flow *f)
{
    on_end(f);
    if (udp_flows_count(table) == 0)
        loop_quit(loop, 7);
}

static struct udp_flow_key key(uint32_t port, const char *ip, uint16_t client_port)
{
    struct udp_flow_key k;
    memset(&k, 0, sizeof(k));
    k.port = port;
    ip_parse(ip, client_port, &k.client);
    return k;
}

static void insert(struct owner *o, const struct udp_flow_key *k)
{
    udp_flows_make_room(table);
    o->f.key = *k;
    o->here = true;
    udp_flows_insert(table, &o->f);
}

/* From here on its client has sent something after an answer. */
static void prove(struct owner *o)
{
    udp_flows_heard(table, &o->f, true);
    udp_flows_heard(table, &o->f, false);
}

static void insert_many(struct owner *o, unsigned n, uint16_t client_port)
{
    for (unsigned i = 0; i < n; i++) {
        struct udp_flow_key k = key(1, "192.0.2.1", (uint16_t)(client_port + i));
        insert(&o[i], &k);
    }
}

static unsigned here(const struct owner *o, unsigned n)
{
    unsigned count = 0;
    for (unsigned i = 0; i < n; i++)
        count += o[i].here;
    return count;
}

static void test_find(void)
{
    struct owner o[8] = {{.here = false}};
    struct udp_flow_key k[8] = {
        key(1, "192.0.2.1", 1000), key(2, "192.0.2.1", 1000), key(1, "192.0.2.1", 1001),
        key(1, "192.0.2.2", 1000), key(1, "fd00::1", 1000),   key(1, "::ffff:192.0.2.1", 1000),
        key(1, "fd00::1", 1000),   key(1, "192.0.2.1", 1000),
    };
    struct udp_flow_key other = key(3, "192.0.2.1", 1000);
    unsigned found = 0;
    k[6].ifindex = 2;
    inet_pton(AF_INET, "192.0.2.9", &k[7].local.s6_addr[12]);
    udp_flows_new(loop, MAX, 1000000000, on_end, &table);
    for (unsigned i = 0; i < array_size(o); i++)
        insert(&o[i], &k[i]);
    for (unsigned i = 0; i < array_size(o); i++)
        found += udp_flows_find(table, &k[i]) == &o[i].f;
    is_int(found, array_size(o), "flows that differ in one thing are told apart");
    ok(udp_flows_find(table, &other) == NULL, "another one is not found");
    udp_flows_remove(table, &o[3].f);
    ok(udp_flows_find(table, &k[3]) == NULL, "nor one that was removed");
    udp_flows_end_port(table, 1);
    ok(ended == 6 && o[1].here && udp_flows_find(table, &k[1]),
       "a port ends with its flows, and with no other's");
    udp_flows_free(table);
    ok(ended == 7 && !o[1].here, "the end ends the rest");
}

static void test_bound(void)
{
    static struct owner talking[MAX], forged[1000];
    udp_flows_new(loop, MAX, 1000000000, on_end, &table);
    insert_many(talking, 40, 1000);
    for (unsigned i = 0; i < 40; i++)
        prove(&talking[i]);
    insert_many(forged, 1000, 10000);
    is_int((long)udp_flows_count(table), MAX, "the number of flows is bounded");
    is_int(here(talking, 40), 40, "clients in a conversation outlast any number of forged ones");
    is_int(here(forged, 1000 - 24), 0, "of which the oldest go first");
    is_int(here(&forged[1000 - 24], 24), 24, "and the newest stay");

    for (unsigned i = 0; i < 24; i++)
        prove(&forged[1000 - 24 + i]);
    insert_many(&talking[40], 1, 2000);
    is_int(here(talking, 40), 39, "all are in a conversation: the one that was silent for the longest goes");
    ok(!talking[0].here, "that is the first");
    udp_flows_heard(table, &talking[1].f, true);
    insert_many(&talking[41], 7, 2001);
    is_int(here(&talking[40], 8), 8, "newcomers have an eighth of the table before they replace each other");
    ok(talking[1].here && !talking[2].here, "an answer counts as a sign of life");
    insert_many(&talking[48], 1, 3000);
    is_int(here(&talking[40], 9), 9, "one more");
    insert_many(&talking[49], 1, 3001);
    ok(!talking[40].here && here(&talking[41], 9) == 9, "and then they do");
    udp_flows_free(table);
    is_int(here(talking, MAX) + here(forged, 1000), 0, "the end ends all");
    table = NULL;
    udp_flows_free(NULL);
}

static void test_expiry(void)
{
    static struct owner o[3];
    struct udp_flow_key k = key(1, "192.0.2.1", 1);
    udp_flows_new(loop, MAX, 2000000, on_last, &table);
    ended = 0;
    insert_many(o, 3, 5000);
    prove(&o[1]);
    is_int(loop_run(loop), 7, "idle flows end");
    is_int(ended, 3, "all of them, of both kinds");
    insert(&o[0], &k);
    is_int(loop_run(loop), 7, "and so does the next one");
    udp_flows_free(table);
}

int main(void)
{
    if (!ok(loop_new(&loop) == 0, "a loop"))
        return done_testing();
    test_find();
    test_bound();
    test_expiry();
    loop_free(loop);
    return done_testing();
}
