/* An error as one line for people: "NOT_FOUND: no such customer [customer 42; reason NOT_FOUND]".
 */
#pragma once

#include <stdio.h>

#include "client/balances.h"

/* The status, the message, and in brackets what google.rpc's details say; no line break behind it.
 * Safe to print on a terminal, whatever the server sent. */
void explain(FILE *out, const struct balances_answer *answer);
