/* The order of a ledger, and the names of its entry types on the wire and in the database. Stored
 * and derived entries are told apart by nothing here: sorted together, they are the ledger. Pure;
 * the names are static. */
#pragma once

#include "ledger/model.h"

/* By instant, then type, then id (domain.md B2): < 0, 0 or > 0. Only an entry itself compares as
 * equal, so a sort has one result. */
int entry_compare(const struct entry *a, const struct entry *b);

/* "CREDIT_MANUAL". */
const char *entry_type_name(enum entry_type t);
/* ERR_INVALID for any other text. */
MUST_CHECK enum err entry_type_parse(const char *name, enum entry_type *ret);
