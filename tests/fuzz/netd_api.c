/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the port forwarding API, one a line, to one server. No port is opened: the stack is a make-believe one. */
#include "net/netd_api.c" // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int stack_add_hostfwd(struct stack *s, bool udp, const union sockaddr_ip *host,
                      const union sockaddr_ip *guest)
{
    (void)s;
    (void)udp;
    (void)guest;
    return ip_port(host) == 99 ? -EADDRINUSE : 0;
}

int stack_remove_hostfwd(struct stack *s, bool udp, const union sockaddr_ip *host)
{
    (void)s;
    (void)udp;
    return ip_port(host) == 98 ? -ENOENT : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct addrplan plan;
    addrplan_for(NET_SLIRP4NETNS, &plan);
    plan.ipv6 = size % 2;
    struct netd_api a = {.plan = &plan};
    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end ? (size_t)(end - data) : size;
        char *reply = NULL;
        size_t reply_len = 0;
        if (netd_api_answer(&a, (const char *)data, len, &reply, &reply_len) == 0 &&
            (reply_len < 2 || reply[0] != '{'))
            abort();
        free(reply);
        data += len;
        size -= len;
        if (size) {
            data++;
            size--;
        }
    }
    free(a.forwards);
    return 0;
}
