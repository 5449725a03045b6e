/* The one place where PostgreSQL's error codes become ours. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

#define SQLSTATE_QUERY_CANCELED "57014"

/* `state` has five characters; NULL or another shape means that the connection failed. */
enum err sqlstate_err(const char *state);
/* Whether a statement that was sound when it was prepared cannot run any more, because the schema
 * has been migrated or restored since: a new session helps. */
bool sqlstate_is_outdated(const char *state);
