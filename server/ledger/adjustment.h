/* What people add to a segment or take from it: manual entries, and the amounts of new seats
 * (design: ruling 11; domain.md A4, B6). Pure. */
#pragma once

#include "ledger/model.h"

enum adjustment {
    ADJUSTMENT_MANUAL,
    ADJUSTMENT_SEATS,
};

enum adjustment_outcome {
    ADJUSTMENT_DUE,

    /* or it cannot be, because */
    ADJUSTMENT_KIND,        /* balances of this kind take none; */
    ADJUSTMENT_ARCHIVED,    /* the balance is archived; */
    ADJUSTMENT_ROLLED_OVER, /* it came of a rollover, which has no seats of its own; */
    ADJUSTMENT_EXPIRED,     /* the segment has ended; an upcoming one is fine; */
    ADJUSTMENT_TOO_LARGE    /* a sum would have more digits than an amount may have */
};

/* `s` is one of the balance's. `ret_type` is the entry's, where it is due. */
enum adjustment_outcome adjustment_check(const struct balance *b, const struct segment *s,
                                         instant now, enum adjustment adjustment, amount value,
                                         enum entry_type *ret_type);
