#include "rpc/access.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 4 };

struct access {
    atomic_int references;
    struct grant grants[ACCESS_TOKENS_MAX];
    int count;
    struct id *owners; /* of all grants, one after the other */
    size_t owner_count;
};

struct line {
    int number;
    struct bytes columns[COLUMNS_MAX];
    int count; /* one more than there may be, if there are more */
    char *why;
    size_t why_size;
};

__attribute__((format(printf, 2, 3))) static enum err wrong(const struct line *line,
                                                            const char *format, ...)
{
    va_list args;
    int len = snprintf(line->why, line->why_size, "line %d: ", line->number);

    assert(len > 0 && (size_t)len < line->why_size);
    va_start(args, format);
    vsnprintf(line->why + len, line->why_size - (size_t)len, format, args);
    va_end(args);
    return ERR_INVALID;
}

/* Cuts what stands before the separator off, and the separator with it. */
static struct bytes cut(struct bytes *rest, char separator)
{
    const uint8_t *end = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->data) : rest->len;
    struct bytes piece = bytes_of(rest->data, len);
    size_t skipped = end ? len + 1 : len;

    *rest = bytes_of(rest->data + skipped, rest->len - skipped);
    return piece;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void split(struct bytes text, struct line *line)
{
    line->count = 0;
    for (size_t at = 0; at < text.len && line->count <= COLUMNS_MAX;) {
        size_t from = at;
        while (at < text.len && !is_blank(text.data[at]))
            at++;
        if (at > from && line->count < COLUMNS_MAX)
            line->columns[line->count] = bytes_of(text.data + from, at - from);
        line->count += at > from;
        at++;
    }
}

static enum err read_name(const struct line *line, struct grant *g)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    struct bytes name = line->columns[0];

    if (name.len > ACCESS_NAME_MAX)
        return wrong(line, "the name must have at most %d characters", ACCESS_NAME_MAX);
    for (size_t i = 0; i < name.len; i++) {
        if (!name.data[i] || !strchr(allowed, name.data[i]))
            return wrong(line, "the name may have letters, digits, '.', '_' and '-' alone");
    }
    memcpy(g->name, name.data, name.len);
    g->name[name.len] = '\0';
    return ERR_OK;
}

static enum err read_token(const struct line *line, struct grant *g)
{
    if (digest_parse(line->columns[1], &g->token) == ERR_OK)
        return ERR_OK;
    return wrong(line, "after the name must stand the SHA-256 of the token as 64 hexadecimal "
                       "digits, as sha256sum prints it");
}

static enum err read_scopes(const struct line *line, struct grant *g)
{
    static const struct {
        const char *name;
        unsigned scope;
    } scopes[] = {{"read", SCOPE_READ}, {"write", SCOPE_WRITE}, {"catalog", SCOPE_CATALOG}};
    struct bytes rest = line->columns[2];

    do {
        struct bytes name = cut(&rest, ',');
        unsigned found = SCOPE_NONE;
        for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
            if (strlen(scopes[i].name) == name.len &&
                memcmp(scopes[i].name, name.data, name.len) == 0)
                found = scopes[i].scope;
        }
        if (found == SCOPE_NONE)
            return wrong(line, "the scopes must be read, write and catalog, one or more of them "
                               "with commas and without blanks between");
        g->scopes |= found;
    } while (rest.len > 0);
    return ERR_OK;
}

static int compare_ids(const void *a, const void *b)
{
    return id_compare(a, b);
}

static enum err read_owners(const struct line *line, struct access *a, struct grant *g)
{
    struct id *owners = a->owners + a->owner_count;
    struct bytes rest = line->columns[3];
    char text[ID_TEXT_LEN + 1];

    for (g->owner_count = 0; g->owner_count == 0 || rest.len > 0; g->owner_count++) {
        struct bytes one = cut(&rest, ',');
        struct id *id = &owners[g->owner_count];
        snprintf(text, sizeof text, "%.*s", (int)(one.len < sizeof text ? one.len : 0),
                 (const char *)one.data);
        if (id_parse(text, id) != ERR_OK || id_is_nil(id))
            return wrong(line,
                         "id %zu of those that the token is confined to must be a UUID in "
                         "lower-case canonical form; commas without blanks stand between two",
                         g->owner_count + 1);
    }
    qsort(owners, g->owner_count, sizeof *owners, compare_ids);
    g->owners = owners;
    a->owner_count += g->owner_count;
    return ERR_OK;
}

static enum err check_unique(const struct line *line, const struct access *a, const struct grant *g)
{
    for (int i = 0; i < a->count; i++) {
        if (strcmp(a->grants[i].name, g->name) == 0)
            return wrong(line, "the name %s stands on a line before", g->name);
        if (digest_equal(&a->grants[i].token, &g->token))
            return wrong(line, "the token of %s is that of %s", g->name, a->grants[i].name);
    }
    return ERR_OK;
}

static enum err read_line(const struct line *line, struct access *a)
{
    struct grant g = {.scopes = SCOPE_NONE};
    enum err err;

    if (line->count == 0)
        return ERR_OK;
    if (line->count < 3 || line->count > COLUMNS_MAX)
        return wrong(line, "a line has a name, a hash, scopes and, for a token that is confined, "
                           "ids, with blanks between");
    if (a->count == ACCESS_TOKENS_MAX)
        return wrong(line, "a file may have at most %d tokens", ACCESS_TOKENS_MAX);
    if ((err = read_name(line, &g)) != ERR_OK || (err = read_token(line, &g)) != ERR_OK ||
        (err = read_scopes(line, &g)) != ERR_OK || (err = check_unique(line, a, &g)) != ERR_OK)
        return err;
    if (line->count == COLUMNS_MAX && (err = read_owners(line, a, &g)) != ERR_OK)
        return err;
    a->grants[a->count++] = g;
    return ERR_OK;
}

enum err access_parse(struct bytes text, struct access **ret, char *why, size_t why_size)
{
    struct access *a = calloc(1, sizeof *a);
    struct line line = {.why = why, .why_size = why_size};
    enum err err = ERR_OK;

    assert(a);
    atomic_init(&a->references, 1);
    /* No text has more ids than this. */
    a->owners = calloc(text.len / ID_TEXT_LEN + 1, sizeof *a->owners);
    assert(a->owners);
    while (err == ERR_OK && text.len > 0) {
        struct bytes whole = cut(&text, '\n');
        line.number++;
        split(cut(&whole, '#'), &line);
        err = read_line(&line, a);
    }
    if (err == ERR_OK && a->count == 0) {
        snprintf(why, why_size, "there is no token in it");
        err = ERR_INVALID;
    }
    if (err != ERR_OK) {
        access_unref(a);
        return err;
    }
    *ret = a;
    return ERR_OK;
}

struct access *access_ref(struct access *a)
{
    atomic_fetch_add(&a->references, 1);
    return a;
}

void access_unref(struct access *a)
{
    if (!a || atomic_fetch_sub(&a->references, 1) > 1)
        return;
    free(a->owners);
    free(a);
}

int access_count(const struct access *a)
{
    return a->count;
}

const struct grant *access_find(const struct access *a, struct bytes token)
{
    struct digest presented = digest_of(token);
    const struct grant *found = NULL;

    for (int i = 0; i < a->count; i++) {
        if (digest_equal(&a->grants[i].token, &presented))
            found = &a->grants[i];
    }
    return found;
}

bool grant_is_confined(const struct grant *g)
{
    return g->owner_count > 0;
}

bool grant_is_for(const struct grant *g, const struct id *owner)
{
    return !grant_is_confined(g) ||
           bsearch(owner, g->owners, g->owner_count, sizeof *owner, compare_ids);
}
