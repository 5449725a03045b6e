/* Who may call: a table of bearer tokens, as a file has it, one on each line:
 *
 *     # name     SHA-256 of the token, in hexadecimal   scopes        only for these
 *     billing    9f86d081884c7d65…(64 digits)           read,write
 *     portal     60303ae22b998861…                      read          2714e483-4ff1-48e4-…,8b5f…
 *
 * Made once and never changed. Every worker has a reference to the one in force. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/limits.h"

/* What a token may be good for. Methods say which one they need, or, as a sum, of which any. */
enum {
    SCOPE_NONE = 0,
    SCOPE_READ = 1,
    SCOPE_WRITE = 2,
    SCOPE_CATALOG = 4, /* what belongs to no owner, and the owners themselves */
};

struct grant {
    char name[ACCESS_NAME_MAX + 1];
    struct digest token;
    unsigned scopes;
    const struct id
        *owners; /* whose things it may see and change, ascending; if none: everyone's */
    size_t owner_count;
};

struct access;

/* On failure `why` names the line and what it must be; never what it is, which may be a token that
 * was put there by mistake. */
MUST_CHECK enum err access_parse(struct bytes text, struct access **ret, char *why,
                                 size_t why_size);
struct access *access_ref(struct access *a);
/* Takes NULL. From any thread. */
void access_unref(struct access *a);

int access_count(const struct access *a);
/* The grant of a token, borrowed from the table; NULL for an unknown one. Looks at all, so that the
 * time it takes says nothing. */
const struct grant *access_find(const struct access *a, struct bytes token);
bool grant_is_confined(const struct grant *g);
bool grant_is_for(const struct grant *g, const struct id *owner);
