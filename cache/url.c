#include "cache/url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* Takes off what comes before the first of `ends`, which is left; all of it where there is none. */
static struct bytes take_until(const char **text, const char *ends)
{
    struct bytes part = bytes_of(*text, strcspn(*text, ends));

    *text += part.len;
    return part;
}

static bool take_prefix(const char **text, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(*text, prefix, len) != 0)
        return false;
    *text += len;
    return true;
}

/* Copies with %XX undone. False: too long, a broken %XX, or a character that is none. */
static bool copy_decoded(struct bytes in, char *ret, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        unsigned char byte = in.data[i];
        if (byte == '%') {
            if (i + 2 >= in.len || !isxdigit(in.data[i + 1]) || !isxdigit(in.data[i + 2]))
                return false;
            const char digits[] = {(char)in.data[i + 1], (char)in.data[i + 2], '\0'};
            byte = (unsigned char)strtoul(digits, NULL, 16);
            i += 2;
        }
        if (byte < ' ' || byte == 0x7f || len + 1 >= size)
            return false;
        ret[len++] = (char)byte;
    }
    ret[len] = '\0';
    return true;
}

static bool parse_number(struct bytes text, int min, int max, int *ret)
{
    int value = 0;

    if (text.len == 0 || text.len > 7)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit(text.data[i]))
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    if (value < min || value > max)
        return false;
    *ret = value;
    return true;
}

/* Takes off "[user]:password@", if it is there. */
static const char *take_credentials(const char **text, struct url *ret)
{
    const char *at = strchr(*text, '@');

    if (!at)
        return NULL;
    const char *colon = memchr(*text, ':', (size_t)(at - *text));
    if (!colon || colon + 1 == at)
        return "a URL with a password before the @, as in redis://user:password@host";
    if (!copy_decoded(bytes_of(*text, (size_t)(colon - *text)), ret->user, sizeof ret->user) ||
        !copy_decoded(bytes_of(colon + 1, (size_t)(at - colon) - 1), ret->password,
                      sizeof ret->password))
        return "a URL whose user and password are text, with special characters as %XX";
    *text = at + 1;
    return NULL;
}

static bool is_host(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!isalnum(text.data[i]) && !memchr("-._:%", text.data[i], 5))
            return false;
    }
    return text.len > 0 && text.len < URL_NAME_MAX;
}

static const char *parse_network(const char *text, struct url *ret)
{
    struct bytes host;

    if (take_prefix(&text, "[")) { /* an IPv6 address, which has colons in it */
        host = take_until(&text, "]");
        if (!take_prefix(&text, "]"))
            return "a URL whose [address] ends with ]";
    } else {
        host = take_until(&text, ":/?#");
    }
    if (!is_host(host))
        return "a URL with a host, as in redis://127.0.0.1:6379";
    memcpy(ret->host, host.data, host.len);
    ret->host[host.len] = '\0';
    ret->port = URL_PORT_DEFAULT;
    if (take_prefix(&text, ":") && !parse_number(take_until(&text, "/"), 1, 65535, &ret->port))
        return "a URL whose port is a number from 1 to 65535";
    if (take_prefix(&text, "/") && *text &&
        !parse_number(take_until(&text, ""), 0, URL_DATABASE_MAX, &ret->database))
        return "a URL whose database is a number, as in redis://host/0";
    return *text ? "a URL that ends with the database, as in redis://host:6379/0" : NULL;
}

static const char *parse_unix(const char *text, struct url *ret)
{
    struct bytes path = take_until(&text, "?");

    if (path.len == 0 || path.data[0] != '/')
        return "a URL with an absolute path, as in unix:///run/redis/redis.sock";
    if (!copy_decoded(path, ret->path, sizeof ret->path))
        return "a URL whose path is that of a socket: text of at most 107 bytes";
    if (*text && (!take_prefix(&text, "?db=") ||
                  !parse_number(bytes_text(text), 0, URL_DATABASE_MAX, &ret->database)))
        return "a URL that ends with the path, or with ?db= and the database's number";
    return NULL;
}

enum err url_parse(const char *text, struct url *ret, char *why, size_t why_size)
{
    struct url url = {0};
    const char *wrong = NULL;
    bool is_unix = take_prefix(&text, "unix://");

    url.tls = !is_unix && take_prefix(&text, "rediss://");
    if (!is_unix && !url.tls && !take_prefix(&text, "redis://"))
        wrong = "a URL that begins with redis://, rediss:// or unix://";
    if (!wrong)
        wrong = take_credentials(&text, &url);
    if (!wrong)
        wrong = is_unix ? parse_unix(text, &url) : parse_network(text, &url);
    if (wrong) {
        snprintf(why, why_size, "%s", wrong);
        return ERR_INVALID;
    }
    *ret = url;
    return ERR_OK;
}
