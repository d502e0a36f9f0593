/* SPDX-License-Identifier: Apache-2.0 */
/* ocivalid FILE: is this config.json valid? Says what is not, exit status 1; 2 when it cannot be read. */
#include "tests/lib/ocivalid.h"

#include <fcntl.h>
#include <stdlib.h>

#include "core/fd.h"

int main(int argc, char **argv)
{
    struct json_doc *doc json_auto = NULL;
    free_auto char *text = NULL;
    struct json_error err;
    const char *why;
    size_t len;

    if (argc != 2 || file_read(AT_FDCWD, argv[1], 16 << 20, &text, &len) < 0) {
        fprintf(stderr, "ocivalid: one FILE that can be read\n");
        return 2;
    }
    if (json_read(text, len, 16 << 20, &doc, &err) < 0) {
        printf("%s: %s at byte %zu\n", argv[1], err.text, err.offset);
        return 1;
    }
    why = oci_valid(json_root(doc));
    if (why)
        printf("%s: %s\n", argv[1], why);
    return why != NULL;
}
