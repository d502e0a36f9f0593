/* SPDX-License-Identifier: Apache-2.0 */
#include "core/parse.h"
#include "core/fd.h"
#include "tests/unit/tap.h"

int main(void)
{
    uint64_t v = 77;
    is_int(parse_uint("0", 0, 9, &v), 0, "zero");
    is_int(v, 0, "its value");
    is_int(parse_uint("18446744073709551615", 0, UINT64_MAX, &v), 0, "the largest number");
    ok(v == UINT64_MAX, "its value");
    v = 77;
    is_int(parse_uint("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE, "one more");
    is_int(parse_uint("99999999999999999999999999999", 0, UINT64_MAX, &v), -ERANGE, "far more");
    is_int(v, 77, "a failure leaves the result alone");
    static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1e3", "1.0", "a", "\xd9\xa1"};
    for (size_t i = 0; i < array_size(bad); i++)
        is_int(parse_uint(bad[i], 0, 9, &v), -EINVAL, "'%s' is no number", bad[i]);
    is_int(parse_uint("10", 0, 9, &v), -ERANGE, "over the maximum");
    is_int(parse_uint("1", 2, 9, &v), -ERANGE, "under the minimum");

    uint16_t p;
    is_int(parse_u16("65535", &p), 0, "the largest port");
    is_int(parse_u16("65536", &p), -ERANGE, "no port");
    pid_t pid;
    is_int(parse_pid("2147483647", &pid), 0, "the largest pid");
    is_int(parse_pid("2147483648", &pid), -ERANGE, "no pid");
    is_int(parse_pid("0", &pid), -ERANGE, "pid 0 is nobody");

    bool b = false;
    is_int(parse_bool("True", &b), 0, "True");
    ok(b, "is true");
    is_int(parse_bool("f", &b), 0, "f");
    ok(!b, "is false");
    is_int(parse_bool("yes", &b), -EINVAL, "yes is not Go's spelling");
    is_int(parse_bool("", &b), -EINVAL, "nor is nothing");
    return done_testing();
}
