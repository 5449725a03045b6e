/* Carrying what is left of a commit or a credit to a new contract (domain.md B12). Pure.
 *
 *     carried = min(remaining, fraction x original amount - what was carried before)
 *
 * However often a balance is rolled over, the fraction bounds all of it together.
 *
 * What remains is that of the segments which can be used at some instant between now and the start
 * of the new balance, whichever comes first, or which end right where it starts: one that ended
 * before has expired, one that starts after stays where it is. Drafts count as used, a debt of one
 * segment takes nothing from another. What ends first is carried first (the order of B11), since it
 * would be the first to be lost. */
#pragma once

#include "ledger/model.h"

struct rollover_terms {
    bool has_fraction;
    amount fraction; /* 0 to 1 */
    amount before;   /* what has been carried already, positive */
    instant now;
    instant starting_at; /* of the new balance */
};

/* What is taken from one segment. */
struct rollover_part {
    const struct segment *segment;
    amount value; /* positive */
    instant at;   /* when the new balance starts, or as near as the segment comes to that */
};

enum rollover_outcome {
    ROLLOVER_DUE,
    ROLLOVER_NOTHING, /* is left to carry */

    /* or it cannot be, because */
    ROLLOVER_KIND,        /* account balances roll over by themselves; */
    ROLLOVER_ARCHIVED,    /* the balance is archived; */
    ROLLOVER_NO_FRACTION, /* it has none: all of it expires; */
    ROLLOVER_TOO_LARGE    /* a sum would have more digits than an amount may have */
};

struct rollover_result {
    enum entry_type type;
    size_t part_count;
    amount carried;
};

/* `parts` has room for as many as the balance has segments. `ret` is for what is due. */
enum rollover_outcome rollover_check(const struct balance *b, const struct rollover_terms *terms,
                                     struct rollover_part *parts, struct rollover_result *ret);
