/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <string.h>

#include "core/fd.h"
#include "net/portspec.h"

static void good(const char *text, const char *canonical)
{
    struct portspec s, again;
    struct reason why = {.text = ""};
    char buf[PORTSPEC_TEXT_MAX] = "";
    if (!is_int(portspec_parse(text, &s, &why), 0, "parse '%s'", text)) {
        diag("  %s", why.text);
        return;
    }
    is_int(portspec_format(&s, buf, sizeof(buf)), 0, "format it");
    is_str(buf, canonical, "as '%s'", canonical);
    memset(&again, 0, sizeof(again));
    is_int(portspec_parse(buf, &again, NULL), 0, "parse that");
    is_mem(&s, &again, sizeof(s), "and get the same");
}

static void bad(const char *text, const char *says)
{
    struct portspec s;
    struct reason why = {.text = ""};
    memset(&s, 0x55, sizeof(s));
    struct portspec before = s;
    ok(portspec_parse(text, &s, &why) < 0, "'%s' is refused", text);
    ok(strstr(why.text, says) != NULL, "because of '%s'", says);
    if (!strstr(why.text, says))
        diag("  it says: %s", why.text);
    is_mem(&s, &before, sizeof(s), "the result is untouched");
}

static void test_forms(void)
{
    good("8080:80/tcp", "8080:80/tcp");
    good("127.0.0.1:8080:80/tcp", "127.0.0.1:8080:80/tcp");
    good("0.0.0.0:8080:10.0.2.100:80/tcp4", "0.0.0.0:8080:10.0.2.100:80/tcp4");
    good("8080:10.0.2.100:80/udp", "8080:10.0.2.100:80/udp");
    good("8080:[::1]:80/tcp", "8080:[::1]:80/tcp");
    good("[::]:8080:[::1]:80/tcp6", "[::]:8080:[::1]:80/tcp6");
    good("[fe80::1]:53:127.0.0.1:53/udp6", "[fe80::1]:53:127.0.0.1:53/udp6");
    good("0:80/tcp", "0:80/tcp");
    good("65535:65535/udp4", "65535:65535/udp4");
}

static void test_refusals(void)
{
    bad("", "no protocol");
    bad("8080:80", "no protocol");
    bad("8080:80/", "unknown protocol");
    bad("8080:80/tcp5", "unknown protocol");
    bad("8080:80/TCP", "unknown protocol");
    bad("8080:80/sctp", "SCTP");
    bad("8080:80/sctp4", "SCTP");
    bad("80/tcp", "one port only");
    bad("8080:0/tcp", "cannot be 0");
    bad("65536:80/tcp", "no parent port");
    bad("8080:65536/tcp", "no child port");
    bad("+1:80/tcp", "no parent port");
    bad("8080: 80/tcp", "no child port");
    bad("8080:80 /tcp", "no child port");
    bad("localhost:8080:80/tcp", "names are not looked up");
    bad("127.0.0.1:80/tcp", "no parent port");
    bad("127.1:8080:80/tcp", "no parent address");
    bad("::1:8080:80/tcp6", "brackets");
    bad("[127.0.0.1]:8080:80/tcp", "no IPv6 address in brackets");
    bad("[::1:8080:80/tcp", "brackets");
    bad("[fe80::1%eth0]:8080:80/tcp", "no IPv6 address in brackets");
    bad("[::ffff:127.0.0.1]:8080:80/tcp", "as plain IPv4");
    bad("224.0.0.1:8080:80/udp", "multicast");
    bad("255.255.255.255:8080:80/udp", "multicast or broadcast");
    bad("[::1]:8080:80/tcp4", "does not fit");
    bad("127.0.0.1:8080:80/udp6", "does not fit");
    bad("8000-8001:80-81/tcp", "is a range");
    bad("[::1]", "no protocol");
    bad("]/tcp", "one port only");
    bad(":/tcp", "no parent port");
    bad("::/tcp", "address");
    char huge[400];
    memset(huge, '1', sizeof(huge));
    huge[sizeof(huge) - 1] = '\0';
    bad(huge, "longer than");
}

struct seen {
    struct portspec s[16];
    size_t n;
};

static int collect(const struct portspec *s, void *arg)
{
    struct seen *seen = arg;
    if (seen->n == array_size(seen->s))
        return 7;
    seen->s[seen->n++] = *s;
    return 0;
}

static void test_ranges(void)
{
    struct seen seen = {.n = 0};
    struct reason why = {.text = ""};
    is_int(portspec_parse_range("127.0.0.1:8000-8010:80-90/tcp", collect, &seen, &why), 0, "a range");
    is_int(seen.n, 11, "has eleven ports");
    is_int(seen.s[10].parent_port, 8010, "the last parent port");
    is_int(seen.s[10].child_port, 90, "the last child port");
    is_str(seen.s[10].parent_ip, "127.0.0.1", "the address is on each");
    seen.n = 0;
    is_int(portspec_parse_range("0:80-82/udp", collect, &seen, &why), 0, "free parent ports for a range");
    is_int(seen.n, 3, "has three ports");
    is_int(seen.s[2].parent_port, 0, "each to be picked");
    seen.n = 0;
    is_int(portspec_parse_range("65535:65535/tcp", collect, &seen, &why), 0, "a single one");
    is_int(seen.n, 1, "is one port");
    ok(portspec_parse_range("8000-8010:80-89/tcp", collect, &seen, &why) < 0 &&
           strstr(why.text, "differ in length"),
       "ranges of different length");
    ok(portspec_parse_range("8010-8000:80-90/tcp", collect, &seen, &why) < 0 &&
           strstr(why.text, "ends before"),
       "a range that ends before it begins");
    ok(portspec_parse_range("0-10:80-90/tcp", collect, &seen, &why) < 0, "a range from port 0");
    ok(portspec_parse_range("1-:1-/tcp", collect, &seen, &why) < 0, "an open range");
    ok(portspec_parse_range("1-2-3:1-3/tcp", collect, &seen, &why) < 0, "a range of three");
    seen.n = 0;
    is_int(portspec_parse_range("1-65535:1-65535/tcp", collect, &seen, &why), 7,
           "the callback's result ends and is returned");
}

int main(void)
{
    test_forms();
    test_refusals();
    test_ranges();
    return done_testing();
}
