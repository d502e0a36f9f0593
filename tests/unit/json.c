/* SPDX-License-Identifier: Apache-2.0 */
/* core/json: what is read, what is refused and where, what is written. */
#include "core/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

static struct json_error err;

static void writes(struct json_doc *doc, enum json_style style, const char *want, const char *what);

static struct json_doc *must_read(const char *text)
{
    struct json_doc *doc;

    if (json_read(text, strlen(text), 1 << 20, &doc, &err) < 0)
        bail_out("%s at byte %zu: %s", text, err.offset, err.text);
    return doc;
}

static void refused(const char *text, size_t len, size_t offset, const char *path, const char *what)
{
    struct json_doc *doc = NULL;
    int r = json_read(text, len, 1 << 20, &doc, &err);

    is_int(r, -EBADMSG, "%s is refused", what);
    is_int(err.offset, offset, "%s: the offset (%s)", what, err.text);
    is_str(err.path.text, path, "%s: the path", what);
    ok(doc == NULL, "%s: no document", what);
    if (r == 0)
        json_doc_free(doc);
}

#define refused_str(text, ...) refused(text, sizeof(text) - 1, __VA_ARGS__)

static void test_refusals(void)
{
    char deep[300], path[300] = ".";
    struct json_doc *doc = NULL;

    refused_str("", 0, ".", "nothing");
    refused_str("{\"a\":1,\"b\":{\"c\":2,\"c\":3}}", 18, ".b.c", "a duplicate key");
    refused_str("[0,{\"a\\u0062\":1,\"ab\":1}]", 16, ".[1].ab", "a duplicate key written otherwise");
    refused_str("{\"a\":[1,\"\xff\"]}", 9, ".a[1]", "invalid UTF-8");
    refused_str("\"\xed\xa0\x80\"", 1, ".", "a surrogate in UTF-8");
    refused_str("[\"\\ud800\"]", 8, ".[0]", "a lone surrogate");
    refused_str("\xef\xbb\xbf{}", 0, ".", "a byte order mark");
    refused_str("{} x", 3, ".", "trailing data");
    refused_str("{}\0", 2, ".", "a trailing NUL");
    refused_str("{\"a\":1,}", 6, ".a", "a trailing comma");
    refused_str("{\"linux\":{\"x y\": /* */ 1}}", 17, ".linux[\"x y\"]", "a comment");
    refused_str("[01]", 1, ".[0]", "a leading zero");
    refused_str("[NaN]", 1, ".[0]", "NaN");
    refused_str("{'a':1}", 1, ".", "single quotes");
    refused_str("\"a\nb\"", 2, ".", "a raw control character");
    refused_str("[1", 2, ".[0]", "a cut text");
    memset(deep, '[', sizeof(deep));
    for (size_t i = 0; i < 83; i++)
        strcat(path, "[0]");
    strcat(path, "...");
    refused(deep, 129, 128, path, "129 levels");
    memset(deep + 128, ']', 128);
    is_int(json_read(deep, 256, 256, &doc, &err), 0, "128 levels are read");
    json_doc_free(doc);
}

/* The first thing that is wrong is the x. */
static void placed(const char *text, const char *path)
{
    const char *x = strrchr(text, 'x'), *line = text;
    size_t lines = 1;

    for (const char *c = text; c < x; c++)
        if (*c == '\n') {
            lines++;
            line = c + 1;
        }
    refused(text, strlen(text), (size_t)(x - text), path, text);
    is_int(err.line, lines, "its line");
    is_int(err.column, x - line + 1, "its column");
}

static void test_places(void)
{
    placed("x", ".");
    placed("{\"k\":{\"a\":1,\"b\":[10,20],\"c\":{\"d\":x}}}", ".k.c.d");
    placed("[\"a,b\",{\"c:d\":[{},[],x]}]", ".[1][\"c:d\"][2]");
    placed("{\"a\":\"q\\\"r\",\"b\":x}", ".b");
    placed("{\"a\":[],\n\"b\":{},\r\n\"c\" :\tx}", ".c");
    placed("\n\n [1,\n2,x]", ".[2]");
    placed("{\"_a9Zz0\":{\"AZaz_09\":x}}", "._a9Zz0.AZaz_09");
    placed("{\"9a\":{\"b-c\":{\"\":{\"d e\x7f\xc3\xa9\":x}}}}", ".[\"9a\"][\"b-c\"][\"\"][\"d e???\"]");
    placed("[{\"a\":{}},[[]],[[],x]]", ".[2][1]");
    placed("{\"a\":1,\"a\\\"b\":x}", ".[\"a\\?b\"]");
}

/* Keys of objects with @n members, the first of which comes again as the last. */
static void test_duplicates(void)
{
    struct json_doc *doc json_auto = NULL;

    for (size_t n = 2; n < 40; n++) {
        char text[512] = "{", place[32];
        size_t len = 1, at = 0;

        for (size_t i = 0; i < n; i++) {
            at = len;
            len += (size_t)sprintf(text + len, "\"k%zu\":[%zu]%s", i + 1 == n ? 7 : (i * 7 + 7) % 64, i,
                                   i + 1 == n ? "}" : ",");
        }
        snprintf(place, sizeof(place), "%zu members", n);
        refused(text, len, at, ".k7", place);
    }
    refused_str("[{\"a\":1,\"b\":{\"c\":[{\"d\":1,\"d\":2}]}}]", 25, ".[0].b.c[0].d", "far down");
    refused_str("{\"a\":{\"b\":1,\"b\":2},\"a\":3}", 19, ".a", "the outer one first");
    refused_str("{\"a\\u0000\":1,\"a\\u0000\":2}", 13, ".[\"a?\"]", "keys with NULs");
    doc = must_read("{\"a\":1,\"a\\u0000\":2,\"aa\":3,\"A\":4}");
    writes(doc, JSON_COMPACT, "{\"a\":1,\"a\\u0000\":2,\"aa\":3,\"A\":4}", "keys that only begin alike");
}

static void writes(struct json_doc *doc, enum json_style style, const char *want, const char *what)
{
    char *text = NULL;
    size_t len = 0;

    is_int(json_write(doc, json_root(doc), style, &text, &len), 0, "%s: written", what);
    is_str(text, want, "%s: the text", what);
    is_int(len, strlen(want), "%s: its length", what);
    free(text);
}

static void test_round_trip(void)
{
    static const char text[] = "{\"z\":18446744073709551615,\"a\":[1.0,1e3,-0,123456789012345678901234567890,"
                               "0.1000],\"\":null,\"\u00e9\":{}}";
    struct json_doc *doc = must_read(text);

    writes(doc, JSON_COMPACT, text, "order and numbers");
    json_doc_free(doc);
}

static void ranged(const char *text, int want, const char *what)
{
    struct json_doc *doc json_auto = must_read(text);
    int64_t i;

    is_int(json_int(json_root(doc), -5, 5, &i), want, "%s", what);
}

static void test_ranges(void)
{
    ranged("5", 0, "the largest in a range");
    ranged("-5", 0, "the smallest");
    ranged("6", -ERANGE, "one more");
    ranged("-6", -ERANGE, "one less");
}

static void test_looking(void)
{
    struct json_doc *doc = must_read(
        "{\"u\":18446744073709551615,\"big\":18446744073709551616,\"n\":-9223372036854775808,"
        "\"f\":1.0,\"e\":1e3,\"t\":true,\"s\":\"x\",\"nul\":\"a\\u0000b\",\"l\":[1,[],{}],\"m0\":-0}");
    struct json *root = json_root(doc);
    uint64_t u = 7;
    int64_t i = 7;
    bool b = false;
    const char *s = NULL;
    size_t len = 0;

    is_int(json_get_uint(root, "u", 0, UINT64_MAX, &u), 0, "2^64-1 is read");
    ok(u == UINT64_MAX, "2^64-1 has its value");
    is_int(json_get_uint(root, "big", 0, UINT64_MAX, &u), -ERANGE, "2^64 is too large");
    is_int(json_get_uint(root, "n", 0, UINT64_MAX, &u), -ERANGE, "a negative number is not unsigned");
    is_int(json_get_int(root, "n", INT64_MIN, INT64_MAX, &i), 0, "-2^63 is read");
    ok(i == INT64_MIN, "-2^63 has its value");
    is_int(json_get_int(root, "u", INT64_MIN, INT64_MAX, &i), -ERANGE, "2^64-1 is not signed");
    is_int(json_get_uint(root, "f", 0, 9, &u), -EINVAL, "1.0 is not written as an integer");
    is_int(json_get_uint(root, "e", 0, 9999, &u), -EINVAL, "1e3 is not written as an integer");
    is_int(json_get_uint(root, "m0", 0, 9999, &u), -ERANGE, "-0 is not unsigned");
    is_int(json_get_uint(root, "s", 0, 9, &u), -EINVAL, "a string is no number");
    is_int(json_get_uint(root, "none", 0, 9, &u), -ENOENT, "a missing member");
    is_int(json_get_bool(root, "t", &b), 0, "a boolean");
    ok(b, "true is true");
    is_int(json_get_bool(root, "u", &b), -EINVAL, "a number is no boolean");
    is_int(json_get_str(root, "s", &s), 0, "a string");
    is_str(s, "x", "its text");
    is_int(json_get_str(root, "nul", &s), -EINVAL, "a string with a NUL is no C string");
    ok(json_strn(json_get(root, "nul"), &len) && len == 3, "but can be had with its length");
    is_int(json_count(json_get(root, "l")), 3, "elements");
    is_int(json_type(json_at(json_get(root, "l"), 2)), JSON_OBJECT, "the third is an object");
    is_int(json_type(json_at(json_get(root, "l"), 3)), JSON_NONE, "there is no fourth");
    ok(json_get(json_get(root, "no"), "way") == NULL, "looking into nothing gives nothing");
    is_str(json_type_name(NULL), "missing", "the name of nothing");
    json_doc_free(doc);
}

static void test_removing(void)
{
    struct json_doc *doc = must_read("{\"a\":[0,1,2,3,4,5],\"b\":1,\"c\":2}");
    struct json *root = json_root(doc);

    json_foreach (it, json_get(root, "a"))
        if (it.index % 2 == 0)
            json_it_remove(&it);
        else
            json_it_replace(&it, json_new_uint(doc, it.index * 10));
    json_foreach (it, root)
        if (it.index == 0)
            json_it_replace(&it, json_copy(doc, it.value));
        else
            json_it_remove(&it);
    writes(doc, JSON_COMPACT, "{\"a\":[10,30,50]}", "what is left");
    json_foreach (it, json_get(root, "a"))
        json_it_remove(&it);
    json_insert(doc, json_get(root, "a"), 5, json_new_str(doc, "end"));
    json_insert(doc, json_get(root, "a"), 0, json_new_str(doc, "start"));
    json_set(doc, root, "b", json_new_null(doc));
    json_set(doc, root, "a", json_copy(doc, json_get(root, "a")));
    writes(doc, JSON_COMPACT, "{\"a\":[\"start\",\"end\"],\"b\":null}", "emptied and filled");
    ok(json_remove(root, "a") != NULL && json_remove(root, "a") == NULL, "a member goes once");
    writes(doc, JSON_INDENT, "{\n  \"b\": null\n}\n", "indented");
    json_doc_free(doc);
}

static void test_building(void)
{
    struct json_doc *doc json_auto = NULL, *bad json_auto = NULL;
    struct json *o, *a;
    char *text = NULL;

    if (json_doc_new(&doc) < 0 || json_doc_new(&bad) < 0)
        bail_out("no memory");
    o = json_new_object(doc);
    a = json_new_array(doc);
    json_add_str(doc, o, "s", "a\"\\\n");
    json_add_uint(doc, o, "u", UINT64_MAX);
    json_add_int(doc, o, "i", INT64_MIN);
    json_add_bool(doc, o, "b", true);
    json_add_null(doc, o, "n");
    json_append_str(doc, a, "x");
    json_append(doc, a, json_new_raw(doc, "1.50"));
    json_add(doc, o, "a", a);
    is_int(json_write(doc, o, JSON_COMPACT, &text, NULL), 0, "an object is built");
    is_str(
        text,
        "{\"s\":\"a\\\"\\\\\\n\",\"u\":18446744073709551615,\"i\":-9223372036854775808,\"b\":true,\"n\":null,"
        "\"a\":[\"x\",1.50]}",
        "and written");
    free(text);
    text = NULL;
    o = json_new_object(bad);
    json_add_str(bad, o, "s", "\xff");
    is_int(json_write(bad, o, JSON_COMPACT, &text, NULL), -EILSEQ, "invalid UTF-8 is not written");
    json_append(bad, o, json_new_null(bad));
    is_int(json_write(bad, o, JSON_COMPACT, &text, NULL), -EINVAL, "appending to an object sticks");
    ok(text == NULL, "and nothing is returned");
}

static void like(const char *text, void (*change)(struct json_doc *, struct json *), const char *want,
                 const char *what)
{
    struct json_doc *doc = must_read(text);
    char *out = NULL;
    size_t len = 0;

    if (change)
        change(doc, json_root(doc));
    is_int(json_write_like(doc, text, strlen(text), &out, &len), 0, "%s: written", what);
    is_str(out, want, "%s: the text", what);
    is_int(len, strlen(want), "%s: its length", what);
    free(out);
    json_doc_free(doc);
}

static void change_members(struct json_doc *doc, struct json *root)
{
    json_remove(root, "gone");
    json_set(doc, root, "set", json_new_uint(doc, 2));
    json_append_str(doc, json_get(root, "list"), "new");
    json_add(doc, json_get(root, "none"), "k\"", json_new_null(doc));
    json_add(doc, root, "more", json_copy(doc, json_get(root, "none")));
}

static void test_like(void)
{
    static const char *const same[] = {
        "{}",
        " [ ] \n",
        "\"a\\u0041\\/\"",
        "{ \"a\" : 1 , \"b\" : [ ] ,\n\"c\":{\"d\" :\t[1 ,2 , 3 ]\r\n} }\n\n",
        "-0.0e+0",
        "[[[]],{},\"]\"]",
    };

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        like(same[i], NULL, same[i], "unchanged");
    like("{\n\t\"gone\": [1],\n\t\"set\" : 1,\n\t\"list\": [\n\t\t\"\\u003c\"\n\t],\n\t\"none\": "
         "{},\n\t\"f\": 1.00\n}\n",
         change_members,
         "{\n\t\"set\" : 2,\n\t\"list\": [\n\t\t\"\\u003c\",\n\t\t\"new\"\n\t],\n\t\"none\": "
         "{\n\t\t\"k\\\"\": null\n\t},\n\t"
         "\"f\": 1.00,\n\t\"more\": {\n\t\t\"k\\\"\": null\n\t}\n}\n",
         "changed, with tabs");
    like("{\"gone\":[1],\"set\":1,\"list\":[],\"none\":{}}", change_members,
         "{\"set\":2,\"list\":[\"new\"],\"none\":{\"k\\\"\":null},\"more\":{\"k\\\"\":null}}",
         "changed, on one line");
    like("{\"set\" : 1, \"list\" : [], \"none\" : {}, \"gone\" : [1]}", change_members,
         "{\"set\" : 2, \"list\" : [\"new\"], \"none\" : {\"k\\\"\" : null}, \"more\" : {\"k\\\"\" : null}}",
         "changed, with blanks around colons");
    like("{\n                \"set\": 1,\n                \"list\": [],\n                \"none\": {}\n}",
         change_members,
         "{\n                \"set\": 2,\n                \"list\": [\n                                "
         "\"new\"\n                ],\n"
         "                \"none\": {\n                                \"k\\\"\": null\n                },\n"
         "                \"more\": {\n                                \"k\\\"\": null\n                }\n}",
         "changed, with the widest indentation");
    like("{\n                 \"set\": 1,\n                 \"list\": [],\n                 \"none\": {}\n}",
         change_members,
         "{\n                 \"set\": 2,\n                 \"list\": [\"new\"],\n                 \"none\": "
         "{\"k\\\"\": null},\n"
         "                 \"more\": {\"k\\\"\": null}\n}",
         "changed, with a wider one");
    like("{\"set\"         : 1, \"list\": [], \"none\": {}}", change_members,
         "{\"set\"         : 2, \"list\": [\"new\"], \"none\": {\"k\\\"\": null}, \"more\": {\"k\\\"\": "
         "null}}",
         "changed, with a colon far away");
}

static void test_limits(void)
{
    struct json_doc *doc = NULL;
    size_t n = 2 * (JSON_MAX_VALUES + 1);
    char *many = malloc(n);

    is_int(json_read("[1,2]", 5, 4, &doc, &err), -EFBIG, "larger than the caller allows");
    is_int(json_read("[1,2]", 5, 4, &doc, NULL), -EFBIG, "the error is optional");
    is_int(json_read("[1,2", 4, 4, &doc, NULL), -EBADMSG, "also for bad JSON");
    if (!many)
        bail_out("no memory");
    for (size_t i = 0; i < n; i += 2)
        memcpy(many + i, "0,", 2);
    many[0] = '[';
    is_int(json_read(many, n, n, &doc, &err), -EBADMSG, "too many values");
    is_str(err.text, "more than 1048576 values", "says so");
    free(many);
}

int main(void)
{
    test_refusals();
    test_places();
    test_duplicates();
    test_ranges();
    test_round_trip();
    test_looking();
    test_removing();
    test_building();
    test_like();
    test_limits();
    return done_testing();
}
