/* Which balance is drawn on first (domain.md B11, B17; design: ruling 10). Pure.
 *
 * The kind comes first, and priority never crosses it: rollovers, then prepaid commits and credits
 * together, then postpaid commits; account balances before or after all of them. Within a kind the
 * rows of the guide's table decide, one after the other, then contract-level before customer-level,
 * then the id. */
#pragma once

#include "ledger/model.h"

/* Of products, or contracts: no limit. */
#define BURN_ALL SIZE_MAX

/* All that decides the place of a segment. */
struct burn_key {
    enum balance_kind kind;
    bool rolled_over;        /* of a commit or credit: it came from another one */
    bool has_priority;       /* without one it is the lowest */
    double priority;         /* the lower, the earlier */
    bool paid;               /* its cost basis is not zero */
    size_t products;         /* distinct ones that it names */
    size_t group_specifiers; /* that have conditions on group values alone */
    size_t contracts;        /* that it applies to; a contract-level balance to one */
    bool contract_level;
    /* The segment's; of an account balance from its start to the end of its rollover. */
    instant starting_at, ending_before;
    struct id balance_id, segment_id;
};

/* What decided, in the order of the table. */
enum burn_step {
    BURN_STEP_INSTRUMENT, /* commits and credits, or account balances */
    BURN_STEP_KIND,
    BURN_STEP_ROLLOVER_TYPE,
    BURN_STEP_PRIORITY,
    BURN_STEP_COST_BASIS,
    BURN_STEP_PRODUCTS,
    BURN_STEP_GROUP_SPECIFIERS,
    BURN_STEP_END,
    BURN_STEP_START,
    BURN_STEP_CONTRACTS,
    BURN_STEP_LEVEL,
    BURN_STEP_ID,
    BURN_STEP_NONE, /* they are the same segment */
};

/* < 0 where `a` burns first, > 0 where `b` does, 0 for the same segment. `balances_first`: account
 * balances come before commits and credits. `ret_step` may be NULL. */
int burn_compare(const struct burn_key *a, const struct burn_key *b, bool balances_first,
                 enum burn_step *ret_step);
