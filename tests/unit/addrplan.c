/* SPDX-License-Identifier: Apache-2.0 */
#include "net/addrplan.h"

#include <arpa/inet.h>

#include "net/ifconf.h"
#include "tests/unit/tap.h"

static const char *show(struct in_addr a)
{
    static char text[INET_ADDRSTRLEN];
    return inet_ntop(AF_INET, &a, text, sizeof(text));
}

static void test_plans(void)
{
    struct addrplan p;
    is_int(addrplan_for(NET_HOST, &p), -EINVAL, "host has no plan");
    is_int(addrplan_for(NET_NONE, &p), -EINVAL, "nor has none");
    is_int(addrplan_for(NET_DRIVER_MAX, &p), -EINVAL, "nor what is no driver");
    for (int d = NET_SLIRP4NETNS; d < NET_DRIVER_MAX; d++) {
        is_int(addrplan_for((enum net_driver)d, &p), 0, "%s has one", net_driver_names[d]);
        ok(p.gateway.s_addr == p.host.s_addr || p.gateway.s_addr == p.dns.s_addr,
           "its gateway is somebody who answers");
        ok(p.guest.s_addr != p.host.s_addr && p.guest.s_addr != p.dns.s_addr,
           "and the guest is somebody else");
        ok(p.mtu >= 1500 && p.ifname && p.prefix == 24, "it has an MTU and an interface");
    }
    addrplan_for(NET_SLIRP4NETNS, &p);
    is_str(show(p.guest), "10.0.2.100", "slirp4netns: the guest");
    is_str(show(p.gateway), "10.0.2.2", "the gateway");
    is_str(show(p.dns), "10.0.2.3", "the DNS server");
    is_str(show(p.dhcp_start), "10.0.2.15", "the first DHCP address");
    is_str(show(p.netmask), "255.255.255.0", "the netmask");
    addrplan_for(NET_VPNKIT, &p);
    is_str(show(p.guest), "192.168.65.3", "vpnkit: the guest");
    is_str(show(p.host), "192.168.65.2", "the host");
    is_str(show(p.dns), "192.168.65.1", "the DNS server");
}

static void test_cidr(void)
{
    static const struct {
        const char *cidr, *guest; /* NULL: refused */
        const char *says;
    } t[] = {
        {"10.0.5.0/24", "10.0.5.100", ""},
        {"10.0.0.0/8", "10.0.0.100", ""},
        {"128.0.0.0/1", "128.0.0.100", ""},
        {"10.128.0.0/9", "10.128.0.100", ""},
        {"192.168.1.0/25", "192.168.1.100", ""},
        {"192.168.1.128/25", "192.168.1.228", ""},
        {"192.168.1.0/26", NULL, "1..25"},
        {"10.0.0.0/0", NULL, "1..25"},
        {"10.0.5.1/24", NULL, "use 10.0.5.0/24"},
        {"10.0.2.0", NULL, "10.0.2.0/24"},
        {"10.0.2.0/33", NULL, "10.0.2.0/24"},
        {"10.0.2.0/+24", NULL, "10.0.2.0/24"},
        {"10.0.2.0/24 ", NULL, "10.0.2.0/24"},
        {"10.0.2/24", NULL, "10.0.2.0/24"},
        {"fd00::/64", NULL, "10.0.2.0/24"},
        {"", NULL, "10.0.2.0/24"},
        {"0.0.0.0/8", NULL, "private"},
        {"127.0.0.0/8", NULL, "private"},
        {"224.0.0.0/8", NULL, "private"},
        {"1111111111111111111111111111.0.0.0/8", NULL, "10.0.2.0/24"},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct addrplan p;
        struct reason why = {""};
        addrplan_for(NET_SLIRP4NETNS, &p);
        struct addrplan before = p;
        int r = addrplan_set_cidr(&p, t[i].cidr, &why);
        if (t[i].guest) {
            ok(r == 0 && !strcmp(show(p.guest), t[i].guest), "%s", t[i].cidr);
            continue;
        }
        ok(r == -EINVAL && strstr(why.text, t[i].says), "'%s' is refused: %s", t[i].cidr, why.text);
        ok(p.guest.s_addr == before.guest.s_addr && p.network.s_addr == before.network.s_addr &&
               p.prefix == before.prefix,
           "and changes nothing");
    }
    struct addrplan p;
    addrplan_for(NET_VPNKIT, &p);
    is_int(addrplan_set_cidr(&p, "10.9.0.0/27", NULL), 0, "vpnkit's guest fits in a /27");
    is_str(show(p.guest), "10.9.0.3", "as the third address");
    is_int(addrplan_set_cidr(&p, "10.9.0.0/28", NULL), -EINVAL,
           "but not in a /28, whose last address is the first of DHCP");
}

static void test_groups(void)
{
    is_int((long)ifconf_last_group("         0          0 4294967295\n"), 2147483647, "the whole machine");
    is_int((long)ifconf_last_group("0 1001 1\n"), 0, "one group");
    is_int((long)ifconf_last_group("0 1001 1\n1 100000 65536\n"), 65536, "and subordinate ones");
    is_int((long)ifconf_last_group("0 100000 65536\n"), 65535, "one extent");
    is_int((long)ifconf_last_group("0 500000 1\n1 100000 65536\n"), 0, "subordinate ones below the own");
    is_int((long)ifconf_last_group(""), 0, "no map");
    is_int((long)ifconf_last_group("garbage\n\n0 5"), 0, "no map at all");
}

int main(void)
{
    test_plans();
    test_cidr();
    test_groups();
    return done_testing();
}
