/* SPDX-License-Identifier: Apache-2.0 */
#include "core/opt.h"
#include "core/fd.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <unistd.h>

static const char *const colours[] = {"", "red", "green", NULL};

struct target {
    bool flag, all, seen;
    const char *str, *maybe;
    struct strv list;
    uint32_t num;
    int colour;
};

#define AT(f) offsetof(struct target, f)
static const struct opt table[] = {
    {.help = "Things"},
    {"flag", 'f', OPT_FLAG, AT(flag), .help = "a flag"},
    {"all", 'a', OPT_FLAG, AT(all), .help = "another"},
    {"strict", 0, OPT_FLAG, AT(all), .help = "one more"},
    {"str", 's', OPT_STR, AT(str), "TEXT", "a string"},
    {"list", 'l', OPT_LIST, AT(list), "ITEM", "a list"},
    {"num", 'n', OPT_UINT, AT(num), "N", "a number", .min = 1, .max = 10, .seen_offset = AT(seen)},
    {"colour", 0, OPT_ENUM, AT(colour), NULL, "a choice", .values = colours},
    {"maybe", 'm', OPT_OPTSTR, AT(maybe), "TEXT", "a string or none"},
    {"old-flag", 0, OPT_FLAG, AT(flag), .hidden = true},
    {0},
};

static struct target t;
static int first;
static char stderr_text[1024];

/* Parse the words (the last is NULL) and keep what was said on stderr. */
static int parse(unsigned flags, char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    strv_done(&t.list);
    t = (struct target){0};
    first = -1;
    int saved = dup(2);
    int fds[2];
    if (saved < 0 || pipe(fds) < 0 || dup2(fds[1], 2) < 0)
        bail_out("pipe");
    close(fds[1]);
    int r = opt_parse(table, &t, argc, argv, flags, &first);
    dup2(saved, 2);
    close(saved);
    ssize_t n = read(fds[0], stderr_text, sizeof(stderr_text) - 1);
    stderr_text[n > 0 ? n : 0] = 0;
    close(fds[0]);
    return r;
}
#define PARSE(flags, ...) parse(flags, (char *[]){(char[]){"prog"}, __VA_ARGS__, NULL})
#define W(s)              ((char[]){s})

static void test_forms(void)
{
    is_int(PARSE(0, W("--str=x"), W("--num"), W("7"), W("cmd"), W("--flag")), 0, "long options");
    is_str(t.str, "x", "attached");
    is_int(t.num, 7, "separate");
    ok(t.seen, "seen is noted");
    ok(!t.flag, "options stop at the first word that is none");
    is_int(first, 4, "which is the first operand");

    is_int(PARSE(0, W("-fas"), W("x"), W("-n3"), W("--"), W("-f")), 0, "short options");
    ok(t.flag && t.all, "clustered flags");
    is_str(t.str, "x", "value after a cluster");
    is_int(t.num, 3, "attached to the letter");
    is_int(first, 5, "'--' is skipped");

    is_int(PARSE(0, W("--flag=false"), W("-str"), W("go"), W("-num=2")), 0, "the spelling of Go programs");
    ok(!t.flag, "a flag switched off");
    is_str(t.str, "go", "-name value");
    is_int(t.num, 2, "-name=value");
    is_int(first, 5, "no operand: argc");

    is_int(PARSE(0, W("-l"), W("1"), W("--list=2"), W("--list"), W("")), 0, "a list");
    is_int(t.list.n, 3, "all of it, the empty word too");
    is_int(PARSE(0, W("--colour=green")), 0, "a choice");
    is_int(t.colour, 2, "its index");
    is_int(PARSE(0, W("--old-flag")), 0, "an old spelling");
    ok(t.flag, "sets the same");
    is_int(PARSE(0, W("-"), W("-f")), 0, "a lone dash is an operand");
    is_int(first, 1, "the first");
}

static void test_optional(void)
{
    is_int(PARSE(0, W("--maybe"), W("x")), 0, "a value that is left out");
    ok(t.maybe == opt_no_value, "is told apart");
    is_int(first, 2, "the next word is an operand");
    is_int(PARSE(0, W("--maybe=x")), 0, "an attached one");
    is_str(t.maybe, "x", "is taken");
    is_int(PARSE(0, W("--maybe=")), 0, "an empty one");
    ok(t.maybe != opt_no_value && !*t.maybe, "is one");
    is_int(PARSE(0, W("-fm"), W("x")), 0, "the same with letters");
    ok(t.flag && t.maybe == opt_no_value, "left out");
    is_int(PARSE(0, W("-fmaf")), 0, "what follows the letter");
    is_str(t.maybe, "af", "is the value");
    ok(!t.all, "and nothing else");
}

static void test_getopt(void)
{
    is_int(PARSE(OPT_GETOPT, W("-str"), W("x")), 0, "with OPT_GETOPT, one dash is for letters");
    is_str(t.str, "tr", "-str is -s tr");
    is_int(PARSE(OPT_GETOPT, W("--may=y"), W("--nu"), W("7")), 0, "long names cut short");
    is_str(t.maybe, "y", "a string");
    is_int(t.num, 7, "a number");
    is_int(PARSE(OPT_GETOPT, W("--fl"), W("--flag")), 0, "a name that is whole is no abbreviation");
    is_int(PARSE(OPT_GETOPT, W("--st=x")), -EINVAL, "two names that begin so");
    ok(strstr(stderr_text, "'--strict' or '--str'") != NULL, "both are named");
    is_int(PARSE(OPT_GETOPT, W("--str=x")), 0, "but one of them whole");
    is_int(PARSE(OPT_GETOPT, W("--=x")), -EINVAL, "nothing is no name");
    is_int(PARSE(OPT_GETOPT, W("--a"), W("--")), 0, "one letter may do");
    ok(t.all, "if only one name begins so");
}

static void test_permute(void)
{
    char *argv[] = {W("prog"), W("one"), W("-f"), W("two"), W("--str"), W("x"), W("--"), W("-a"), NULL};
    is_int(parse(OPT_PERMUTE, argv), 0, "options between operands");
    ok(t.flag, "the flag");
    is_str(t.str, "x", "the string");
    ok(!t.all, "nothing after '--'");
    is_int(first, 5, "operands come last");
    is_str(argv[5], "one", "in order");
    is_str(argv[6], "two", "in order");
    is_str(argv[7], "-a", "and what follows '--'");
}

static void said(const char *part)
{
    if (!ok(strstr(stderr_text, part) != NULL, "the message says what it should"))
        diag("it said: %s", stderr_text);
}

static void test_errors(void)
{
    is_int(PARSE(0, W("--flga")), -EINVAL, "a misspelt option");
    said("did you mean '--flag'?");
    is_int(PARSE(0, W("--zzzzzz")), -EINVAL, "an unknown option");
    said("unknown option '--zzzzzz' (see --help)");
    is_int(PARSE(0, W("-fz")), -EINVAL, "an unknown letter");
    said("'-z'");
    is_int(PARSE(0, W("--str")), -EINVAL, "no value");
    said("--str needs a value");
    is_int(PARSE(0, W("--num=11")), -EINVAL, "a number out of range");
    said("from 1 to 10");
    is_int(PARSE(0, W("--num=x")), -EINVAL, "no number");
    is_int(PARSE(0, W("--flag=perhaps")), -EINVAL, "no boolean");
    is_int(PARSE(0, W("--colour=gren")), -EINVAL, "no such choice");
    said("did you mean 'green'? one of: red, green");
    is_int(PARSE(0, W("--colour=")), -EINVAL, "the empty choice cannot be made");
    is_int(PARSE(OPT_GETOPT, W("--ol")), 0, "an abbreviation of a hidden one");
    is_int(PARSE(0, W("--fla")), -EINVAL, "an abbreviation is not guessed at");
}

static void test_help(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    opt_help(f, table);
    fclose(f);
    ok(strstr(text, "\nThings:\n") != NULL, "the heading");
    for (const struct opt *o = table; o->name || o->help; o++) {
        if (!o->name)
            continue;
        char word[32];
        snprintf(word, sizeof(word), "--%s", o->name);
        ok(!!strstr(text, word) == !o->hidden, "%s: shown unless hidden", word);
    }
    ok(strstr(text, "-m, --maybe[=TEXT]") != NULL, "an optional value");
    ok(strstr(text, "-n, --num=N") != NULL, "letter, name and placeholder");
    free(text);
}

int main(void)
{
    test_forms();
    test_optional();
    test_getopt();
    test_permute();
    test_errors();
    test_help();
    strv_done(&t.list);
    return done_testing();
}
