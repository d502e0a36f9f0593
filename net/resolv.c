/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "core/fd.h"
#include "core/strv.h"

static const char blanks[] = " \t\r";

/* Next line of *@at into a piece of text without its newline; false at the end. */
static bool next_line(const char **at, const char **ret, size_t *ret_len)
{
    if (!**at)
        return false;
    size_t n = strcspn(*at, "\n");
    *ret = *at;
    *ret_len = n;
    *at += n + ((*at)[n] == '\n');
    return true;
}

/* Does the line begin with this keyword and a blank? Returns what follows, or NULL. */
static const char *after_word(const char *line, size_t len, const char *word, size_t *ret_len)
{
    size_t n = strlen(word);
    if (len <= n || memcmp(line, word, n) || !strchr(blanks, line[n]))
        return NULL;
    while (n < len && strchr(blanks, line[n]))
        n++;
    *ret_len = len - n;
    return line + n;
}

/* "192.0.2.1", "2001:db8::1", "fe80::1%eth0"; what stands behind it on the line is ignored. */
static int parse_server(const char *s, size_t len, union sockaddr_ip *ret)
{
    char text[INET6_ADDRSTRLEN + 1 + IFNAMSIZ];
    size_t n = 0;
    while (n < len && !strchr(blanks, s[n]))
        n++;
    if (n == 0 || n >= sizeof(text))
        return -EINVAL;
    memcpy(text, s, n);
    text[n] = '\0';
    char *zone = strchr(text, '%');
    if (zone)
        *zone++ = '\0';
    union sockaddr_ip a;
    int r = ip_parse(text, 53, &a);
    if (r < 0)
        return r;
    if (zone && a.sa.sa_family == AF_INET6)
        a.in6.sin6_scope_id = if_nametoindex(zone);
    *ret = a;
    return 0;
}

int resolv_parse(const char *text, struct resolv *ret)
{
    static const char *const kept[] = {"search", "domain", "options"};
    struct resolv out = {.n = 0};
    struct strbuf rest = {0};
    const char *line;
    size_t len, vlen;
    strbuf_adds(&rest, "");
    while (next_line(&text, &line, &len)) {
        const char *v = after_word(line, len, "nameserver", &vlen);
        if (v) {
            if (out.n < RESOLV_MAX_SERVERS && parse_server(v, vlen, &out.servers[out.n]) == 0)
                out.n++;
            continue;
        }
        for (size_t i = 0; i < array_size(kept); i++)
            if (after_word(line, len, kept[i], &vlen)) {
                strbuf_add(&rest, line, len);
                strbuf_adds(&rest, "\n");
            }
    }
    if (rest.err) {
        strbuf_done(&rest);
        return -ENOMEM;
    }
    if (out.n == 0)
        ip_parse("127.0.0.1", 53, &out.servers[out.n++]);
    out.rest = rest.s;
    *ret = out;
    return 0;
}

int resolv_read(struct resolv *ret)
{
    free_auto char *text = NULL;
    int r = file_read(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX_SIZE, &text, NULL);
    if (r < 0 && r != -ENOENT)
        return r;
    return resolv_parse(text ? text : "", ret);
}

void resolv_done(struct resolv *r)
{
    free(r->rest);
    r->rest = NULL;
    r->n = 0;
}

static int finish_text(struct strbuf *b, char **ret)
{
    int r = b->err;
    if (r < 0)
        strbuf_done(b);
    else
        *ret = b->s;
    return r;
}

int resolv_render(const struct resolv *r, char **ret)
{
    struct strbuf b = {0};
    char addr[INET6_ADDRSTRLEN], zone[IFNAMSIZ];
    for (size_t i = 0; i < r->n; i++) {
        const union sockaddr_ip *a = &r->servers[i];
        const void *in =
            a->sa.sa_family == AF_INET6 ? (const void *)&a->in6.sin6_addr : (const void *)&a->in.sin_addr;
        inet_ntop(a->sa.sa_family, in, addr, sizeof(addr));
        strbuf_addf(&b, "nameserver %s", addr);
        if (a->sa.sa_family == AF_INET6 && a->in6.sin6_scope_id && if_indextoname(a->in6.sin6_scope_id, zone))
            strbuf_addf(&b, "%%%s", zone);
        strbuf_adds(&b, "\n");
    }
    return finish_text(&b, ret);
}

int resolv_conf_text(const struct addrplan *p, bool ipv6, char **ret)
{
    struct resolv host resolv_auto = {.n = 0};
    struct strbuf b = {0};
    char addr[INET6_ADDRSTRLEN];
    int r = resolv_read(&host);
    if (r < 0)
        log_debug("resolv: cannot read the host's resolv.conf: %s",
                  strerror(-r)); /* its search lines are a comfort only */
    strbuf_addf(&b, "nameserver %s\n", inet_ntop(AF_INET, &p->dns, addr, sizeof(addr)));
    if (ipv6)
        strbuf_addf(&b, "nameserver %s\n", inet_ntop(AF_INET6, &p->dns6, addr, sizeof(addr)));
    if (host.rest)
        strbuf_adds(&b, host.rest);
    return finish_text(&b, ret);
}

int resolv_hosts_text(const char *hostname, char **ret)
{
    free_auto char *host = NULL;
    struct strbuf b = {0};
    size_t len = 0;
    if (file_read(AT_FDCWD, "/etc/hosts", 1 << 20, &host, &len) < 0) {
        strbuf_adds(&b, "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
    } else {
        strbuf_add(&b, host, len);
        if (len && host[len - 1] != '\n')
            strbuf_adds(&b, "\n");
    }
    if (hostname && *hostname)
        strbuf_addf(&b, "127.0.0.1 %s\n::1 %s\n", hostname, hostname);
    return finish_text(&b, ret);
}
