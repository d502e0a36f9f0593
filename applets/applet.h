/* SPDX-License-Identifier: Apache-2.0 */
/* What an applet is. Each applets/NAME.c ends with `const struct applet applet_NAME = {...}` and has a line in applets/list.h. */
#pragma once

#include "core/opt.h"

enum applet_flag {
    APPLET_HIDDEN = 1, /* not in --list */
};

struct applet {
    const char *name; /* "run" */
    const char *
        aliases; /* names of the programs it stands in for, blank-separated: "rootlesskit docker-rootlesskit" */
    const char *summary; /* one line for --list and --help */
    /**
     * main - the applet
     * @argc, @argv: argv[0] is the name it was called by: "run" or an alias ("rootlesskit"); compare with
     *               applet_is_alias() to keep a peer's habits under a peer's name
     * Return: the exit status.
     */
    int (*main)(int argc, char **argv);
    unsigned flags;
};

/* applet_is_alias - was the applet called by @called under an alias name (a peer's) rather than its own? */
static inline int applet_is_alias(const struct applet *a, const char *called)
{
    const char *n = a->name;
    while (*n && *n == *called)
        n++, called++;
    return *n || *called;
}
