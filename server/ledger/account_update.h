/* Whether the dates and the rollover of an account balance may be changed: not so that a deduction
 * would lie outside of the segment that it was made in, and not below what has been used of a
 * rollover (design: ruling 13; domain.md A13, B17). Pure. */
#pragma once

#include "ledger/use.h"

/* As they are to be; the start may be any that is before the end. */
struct account_terms {
    instant ending_before; /* of the access */
    bool has_rollover;
    instant rollover_ending_before; /* after ending_before */
    bool has_rollover_cap;
    amount rollover_cap;
    bool allow_overdraft;
};

enum account_update_outcome {
    ACCOUNT_UPDATE_DUE,

    /* or it cannot be, because */
    ACCOUNT_UPDATE_BEFORE_DEDUCTION, /* `segment` would end before `limit`, when a final invoice
                                        deducted; */
    ACCOUNT_UPDATE_MOVES_USED,       /* the rollover, `segment`, has entries or drafts, and would
                                        start elsewhere or vanish; */
    ACCOUNT_UPDATE_BELOW_USED,       /* more than the new cap has been used of it, and there is no
                                        overdraft */
};

struct account_update_verdict {
    enum account_update_outcome outcome;
    instant limit;
    const struct segment *segment;
};

/* `uses` has one for each of the balance's segments, in the same order. ERR_RANGE where a sum has
 * more digits than an amount may have. */
MUST_CHECK enum err account_update_check(const struct balance *b, const struct segment_use *uses,
                                         const struct account_terms *terms,
                                         struct account_update_verdict *ret);
