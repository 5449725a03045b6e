/* `balanced migrate`: brings a database to the schema that this program was built with. */
#pragma once

#include <stdio.h>

#include "base/err.h"

/* Applies what is missing, forward only, each migration in a transaction of its own. Waits for its
 * turn where another one is at work. Prints one line per step to `out`, and why it failed to the
 * log.
 *
 * ERR_PRECONDITION and nothing changed: the database is newer than this program, or its record of
 * migrations is not the beginning of ours. Any other error is the database's; what was applied
 * before it stays, and the next run goes on from there. */
MUST_CHECK enum err migrate(const char *database_url, FILE *out);
