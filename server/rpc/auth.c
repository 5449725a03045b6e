#include "rpc/auth.h"

#include <stdbool.h>
#include <strings.h>

static const char scheme[] = "bearer";
enum { SCHEME_LEN = sizeof scheme - 1 };

static const struct refusal
    no_token = {ERR_UNAUTHENTICATED, "TOKEN_MISSING",
                "this method needs the metadata 'authorization: Bearer <token>'"},
    malformed = {ERR_UNAUTHENTICATED, "TOKEN_MALFORMED",
                 "the metadata authorization must be there once, as 'Bearer <token>'"},
    unknown = {ERR_UNAUTHENTICATED, "TOKEN_UNKNOWN",
               "the token in the metadata authorization is not one of those that this server "
               "knows: ask its operator for one"},
    no_read = {ERR_DENIED, "SCOPE_MISSING", "the token lacks the scope read"},
    no_write = {ERR_DENIED, "SCOPE_MISSING", "the token lacks the scope write"},
    no_catalog = {ERR_DENIED, "SCOPE_MISSING", "the token lacks the scope catalog"},
    no_write_or_catalog = {ERR_DENIED, "SCOPE_MISSING",
                           "the token lacks the scope write, or catalog for what belongs to all"},
    other_owner = {ERR_DENIED, "TOKEN_CONFINED",
                   "the token is confined to certain ids, and this is none of them"},
    all_owners = {ERR_DENIED, "TOKEN_CONFINED",
                  "the token is confined to certain ids, and this belongs to all of them"};

static const struct refusal *lacking(unsigned scopes)
{
    switch (scopes) {
    case SCOPE_READ:
        return &no_read;
    case SCOPE_WRITE:
        return &no_write;
    case SCOPE_CATALOG:
        return &no_catalog;
    default:
        return &no_write_or_catalog;
    }
}

/* "Bearer <token>", the scheme in any case, blanks between. False for anything else. */
static bool read_bearer(struct bytes value, struct bytes *ret)
{
    size_t at = SCHEME_LEN;

    if (value.len <= SCHEME_LEN || strncasecmp((const char *)value.data, scheme, SCHEME_LEN) != 0 ||
        value.data[at] != ' ')
        return false;
    while (at < value.len && value.data[at] == ' ')
        at++;
    *ret = bytes_of(value.data + at, value.len - at);
    return ret->len > 0 && !memchr(ret->data, ' ', ret->len);
}

static const struct refusal *find_token(const grpc_metadata_array *metadata, struct bytes *ret)
{
    const struct refusal *refusal = &no_token;

    for (size_t i = 0; i < metadata->count; i++) {
        const grpc_metadata *m = &metadata->metadata[i];
        if (grpc_slice_str_cmp(m->key, "authorization") != 0)
            continue;
        struct bytes value = bytes_of(GRPC_SLICE_START_PTR(m->value), GRPC_SLICE_LENGTH(m->value));
        if (refusal != &no_token || !read_bearer(value, ret))
            return &malformed;
        refusal = NULL;
    }
    return refusal;
}

const struct refusal *auth_check(const struct access *table, const grpc_metadata_array *metadata,
                                 unsigned scopes, const struct grant **ret)
{
    struct bytes token;

    *ret = NULL;
    if (!table || scopes == SCOPE_NONE)
        return NULL;
    const struct refusal *refusal = find_token(metadata, &token);
    if (refusal)
        return refusal;
    *ret = access_find(table, token);
    if (!*ret)
        return &unknown;
    return (*ret)->scopes & scopes ? NULL : lacking(scopes);
}

const struct refusal *auth_check_owner(const struct grant *g, unsigned scopes,
                                       const struct id *owner)
{
    if (scopes == (SCOPE_WRITE | SCOPE_CATALOG))
        scopes = owner ? SCOPE_WRITE : SCOPE_CATALOG;
    if (!(g->scopes & scopes))
        return lacking(scopes);
    if (owner)
        return grant_is_for(g, owner) ? NULL : &other_owner;
    return scopes == SCOPE_CATALOG && grant_is_confined(g) ? &all_owners : NULL;
}
