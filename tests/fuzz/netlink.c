/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the kernel, as far as they could be anything: messages, attributes, links and addresses. */
#include "core/netlink.c" // NOLINT(bugprone-suspicious-include)
#include "core/rtnl.c"    // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reason why = {""};
    struct rtnl_link l = {0};
    struct addr_query q4 = {.family = AF_INET}, q6 = {.family = AF_INET6, .ifindex = 2};
    nl_parse(data, size, 1, NULL, NULL, &why);
    nl_parse(data, size, 1, take_link, &l, &why);
    nl_parse(data, size, 1, take_addr, &q4, NULL);
    nl_parse(data, size, 1, take_addr, &q6, NULL);
    return why.text[sizeof(why.text) - 1] || l.name[sizeof(l.name) - 1];
}
