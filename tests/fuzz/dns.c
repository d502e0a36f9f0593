/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages: what the guest asks (the first part of the input) and what a resolver says (the rest). */
#include "net/dns.c" // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t question, cut;
    if (size < 1)
        return 0;
    cut = data[0] < size - 1 ? data[0] : size - 1;
    const uint8_t *q = data + 1, *a = q + cut;
    if (dns_is_query(q, cut, &question)) {
        if (question > cut || question < HEADER + 5)
            abort();
        dns_is_answer(a, size - 1 - cut, q, question);
    }
    return 0;
}
