/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: one const table an applet drives both parsing and --help.
 *
 *     struct my_opts { bool debug; const char *state_dir; struct strv publish; uint32_t mtu; int driver; };
 *     static const struct opt table[] = {
 *         {.help = "Network"},                                                        (a heading)
 *         {"debug", 0, OPT_FLAG, offsetof(struct my_opts, debug), NULL, "log every step"},
 *         {"publish", 'p', OPT_LIST, offsetof(struct my_opts, publish), "SPEC", "publish a port"},
 *         {"driver", 0, OPT_ENUM, offsetof(struct my_opts, driver), NULL, "port driver", .values = names},
 *         {0},                                                                        (the end)
 *     };
 *
 * Forms: --name value, --name=value, -n value, -nvalue, clustered flags (-cem), a flag as --name or
 * --name=true|false, and (as Go programs take it) -name for a long name.  --help/-h and --version are added
 * by the caller as ordinary OPT_FLAGs.  Strings are kept by reference into argv.
 * With OPT_GETOPT it is getopt_long(3)'s way: one dash is for letters only, and a long name may be cut short.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/strv.h"

enum opt_kind {
    OPT_HEADING, /* no name: .help is a heading in --help; no heading and no name: end of table */
    OPT_FLAG,    /* bool */
    OPT_STR,     /* const char * */
    OPT_OPTSTR, /* const char *; a value must be attached (-nVALUE, --name=VALUE), opt_no_value without one */
    OPT_LIST,   /* struct strv; repeatable */
    OPT_UINT,   /* uint32_t, .min..max */
    OPT_ENUM, /* int: index into .values (NULL-terminated); a value "" cannot be given: it stands for "not given" */
};

struct opt {
    const char *name; /* long name without dashes */
    char letter;      /* short name or 0 */
    enum opt_kind kind;
    size_t offset;   /* of the target in the applet's option struct */
    const char *arg; /* placeholder of the value in help ("DIR"); NULL: derived from the kind */
    const char *help;
    const char *const *values; /* OPT_ENUM */
    uint32_t min, max;         /* OPT_UINT; max 0 = UINT32_MAX */
    bool hidden;               /* parsed (an old spelling) but not shown */
    size_t seen_offset;        /* when not 0: offset of a bool that is set when the option was given */
};

enum {
    OPT_PERMUTE =
        1, /* options may follow operands (getopt_long's default); else parsing stops at the first operand */
    OPT_GETOPT =
        2, /* -name is no long name but the letters n, a, m, e; --na is --name if nothing else begins so */
};

/* What an OPT_OPTSTR that was given without a value points to (the address counts: a value may be empty). */
extern const char opt_no_value[];

/**
 * opt_parse - parse argv[1..] into @target
 * @argv: operands are moved behind the options when OPT_PERMUTE is set
 * @ret_first: index in @argv of the first operand ("--" skipped); argc when there is none
 *
 * On failure it has logged one message (with a suggestion for a misspelt name) and returns -EINVAL.
 */
int opt_parse(const struct opt *table, void *target, int argc, char **argv, unsigned flags, int *ret_first);

/* opt_help - print the table as aligned help lines ("  -p, --publish SPEC   publish a port"). */
void opt_help(FILE *out, const struct opt *table);

/* opt_suggest - the nearest of @n names to @word, or NULL when none is near enough to be meant. */
const char *opt_suggest(const char *word, const char *const *names, size_t n);
