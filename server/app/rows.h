/* What several statements answer with, as values of the domain. */
#pragma once

#include "base/arena.h"
#include "ledger/use.h"
#include "sql/cell.h"

/* ERR_INTERNAL for a label that this program does not know: the database is newer. */
MUST_CHECK enum err kind_parse(struct bytes label, enum balance_kind *ret);

/* Reads role, starting_at, ending_before, amount and the four totals; the id is not among them. */
void read_segment(struct sql_reader *r, struct segment *ret);
/* Reads what has become of a segment: the number of its entries, and its last deduction or null. */
void read_use(struct sql_reader *r, struct segment_use *ret);

/* The next array, in an arena; NULL, with nothing read of it, when that is full. */
struct id *read_id_list(struct sql_reader *r, struct arena *a, size_t *ret_count);
const char **read_text_list(struct sql_reader *r, struct arena *a, size_t *ret_count);
struct segment_use *read_uses(struct sql_reader *r, struct arena *a);
/* Of records of key and value. */
struct pair *read_pair_list(struct sql_reader *r, struct arena *a, size_t *ret_count);
/* Reads a balance as the statements about transactions show it: id, kind, whether it is archived,
 * allow_overdraft, the rollover's cap or null, and its segments, each with its id. `ret` is zeroed;
 * the segments are in the arena. */
MUST_CHECK enum err read_account(struct sql_reader *r, struct arena *a, struct balance *ret);
