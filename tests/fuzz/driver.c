/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over its seeds, one TAP line a file, without libFuzzer: PROGRAM [FILE...]. Without files, all of
 * tests/fuzz/corpus/NAME/, where NAME is the program's own name. What the target or a sanitizer finds ends the process, and
 * the missing plan tells.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_seed(const char *path)
{
    FILE *f = fopen(path, "re");
    uint8_t *data = NULL;
    long size;
    int r = -1;

    /* The buffer has exactly the input's size, so that AddressSanitizer sees a read past its end. */
    if (!f || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) != 0)
        goto out;
    data = malloc(size > 0 ? (size_t)size : 1);
    if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
        goto out;
    LLVMFuzzerTestOneInput(data, (size_t)size);
    r = 0;
out:
    free(data);
    if (f)
        fclose(f);
    return r;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    struct dirent **seeds = NULL;
    char path[4096];
    int failures = 0, n, i;

    if (argc > 1) {
        n = argc - 1;
    } else {
        snprintf(path, sizeof(path), "tests/fuzz/corpus/%s", name);
        n = scandir(path, &seeds, visible, alphasort);
        if (n <= 0) {
            printf("1..1\nnot ok 1 - tests/fuzz/corpus/%s holds no seeds: %s\n", name,
                   n < 0 ? strerror(errno) : "empty");
            return 1;
        }
    }
    for (i = 0; i < n; i++) {
        if (seeds) {
            snprintf(path, sizeof(path), "tests/fuzz/corpus/%s/%s", name, seeds[i]->d_name);
            free(seeds[i]);
        } else {
            snprintf(path, sizeof(path), "%s", argv[i + 1]);
        }
        /* Printed before the run too, for the report of a crash. */
        printf("# %s\n", path);
        fflush(stdout);
        if (run_seed(path) != 0) {
            printf("not ok %d - %s: %s\n", i + 1, path, strerror(errno));
            failures++;
        } else {
            printf("ok %d - %s\n", i + 1, path);
        }
    }
    free(seeds);
    printf("1..%d\n", n);
    return failures > 0;
}
