/* `balanced verify`: recomputes everything that the database keeps for speed and reports drift. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

/* Reads everything and writes nothing; may run while the service runs. Prints one line per drift
 * and a summary to `out`, and why it failed to the log. `ret_drift`: whether there was any. */
MUST_CHECK enum err verify(const char *database_url, FILE *out, bool *ret_drift);
