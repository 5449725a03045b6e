/* Who a caller is, by the metadata `authorization: Bearer <token>`, and whether that is enough for
 * what is called. Without a table of tokens everyone may do everything. */
#pragma once

#include <grpc/grpc.h>

#include "base/err.h"
#include "rpc/access.h"

struct refusal {
    enum err err;
    const char *reason;  /* of ErrorInfo */
    const char *message; /* says what to send */
};

/* Whether this caller has one of `scopes`; NULL if so, with the caller's grant, borrowed from the
 * table, or NULL where there is none. */
const struct refusal *auth_check(const struct access *table, const grpc_metadata_array *metadata,
                                 unsigned scopes, const struct grant **ret);
/* Whether a grant is for what belongs to `owner`; NULL as owner: to nobody. Scopes that
 * are enough where there is an owner may not be where there is none. */
const struct refusal *auth_check_owner(const struct grant *g, unsigned scopes,
                                       const struct id *owner);
