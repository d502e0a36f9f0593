/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolv.h"

#include "tests/unit/tap.h"

static const char *server(const struct resolv *r, size_t i)
{
    static char text[64];
    return i < r->n ? ip_format(&r->servers[i], text, sizeof(text)) : "none";
}

static void test_parse(void)
{
    struct resolv r;
    is_int(resolv_parse("# comment\n"
                        "search a.example b.example\n"
                        "nameserver 192.0.2.1\n"
                        "nameserver\t2001:db8::1   # behind it\n"
                        "nameserver fe80::1%lo\r\n"
                        "nameserver 192.0.2.300\n"
                        "nameserverx 192.0.2.9\n"
                        "nameserver\n"
                        " nameserver 192.0.2.8\n"
                        "options ndots:2\n"
                        "sortlist 10.0.0.0\n"
                        "domain example\n"
                        "nameserver 127.0.0.53",
                        &r),
           0, "a resolv.conf");
    is_int(r.n, 4, "its four servers");
    is_str(server(&r, 0), "192.0.2.1:53", "the first");
    is_str(server(&r, 1), "[2001:db8::1]:53", "IPv6, with something behind it");
    ok(r.servers[2].in6.sin6_scope_id > 0, "an address with a zone");
    is_str(server(&r, 3), "127.0.0.53:53", "the last line, without newline");
    is_str(r.rest, "search a.example b.example\noptions ndots:2\ndomain example\n",
           "what the guest keeps of it");
    resolv_done(&r);
    resolv_done(&r);
    is_int(r.n, 0, "done twice is no harm");

    resolv_parse("", &r);
    is_str(server(&r, 0), "127.0.0.1:53", "no server is the own machine");
    is_str(r.rest, "", "and nothing to keep");
    resolv_done(&r);

    char many[2048] = "";
    for (int i = 0; i < 40; i++)
        strcat(many, "nameserver 192.0.2.1\n");
    resolv_parse(many, &r);
    is_int(r.n, RESOLV_MAX_SERVERS, "more servers than anybody asks");
    resolv_done(&r);
}

static void test_texts(void)
{
    struct addrplan p;
    char *text = NULL;
    addrplan_for(NET_SLIRP4NETNS, &p);
    is_int(resolv_conf_text(&p, false, &text), 0, "the guest's resolv.conf");
    ok(!strncmp(text, "nameserver 10.0.2.3\n", 20), "begins with the plan's server");
    ok(!strstr(text + 1, "nameserver"), "and has no other");
    free(text);
    resolv_conf_text(&p, true, &text);
    ok(strstr(text, "\nnameserver fd00::3\n"), "with IPv6 there is one more");
    free(text);
    is_int(resolv_hosts_text("machine", &text), 0, "the guest's hosts");
    ok(strstr(text, "\n127.0.0.1 machine\n::1 machine\n"), "know the own name");
    ok(strstr(text, "localhost"), "and localhost");
    free(text);
    resolv_hosts_text("", &text);
    ok(!strstr(text, "127.0.0.1 \n"), "without a name there is no line for it");
    free(text);
}

int main(void)
{
    test_parse();
    test_texts();
    return done_testing();
}
