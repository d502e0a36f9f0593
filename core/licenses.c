/* SPDX-License-Identifier: Apache-2.0 */
#include "core/licenses.h"

#include <errno.h>
#include <stdint.h>

/*
 * The assembler reads the file (from the top folder, where the compiler is started), so that there is no generated
 * copy; the Makefile knows of the dependency.
 */
__asm__(".pushsection .rodata.licenses, \"a\"\n"
        "licenses_text: .incbin \"LICENSE\"\n"
        "licenses_text_end:\n"
        ".popsection\n");

extern const char licenses_text[] __attribute__((visibility("hidden")));
extern const char licenses_text_end[] __attribute__((visibility("hidden")));

int licenses_print(FILE *out)
{
    size_t n = (size_t)((uintptr_t)licenses_text_end - (uintptr_t)licenses_text);

    errno = 0;
    if (fwrite(licenses_text, 1, n, out) != n || fflush(out) != 0)
        return errno ? -errno : -EIO;
    return 0;
}
