/* The table is data: for each kind the steps that count, in their order. The rows that the guide
 * leaves out for a kind are left out here. */
#include "ledger/burn_order.h"

enum stage {
    STAGE_ROLLOVER,
    STAGE_PREPAID,
    STAGE_POSTPAID,
    STAGE_ACCOUNT,
};

static const enum burn_step table[][BURN_STEP_NONE] = {
    [STAGE_ROLLOVER] = {BURN_STEP_ROLLOVER_TYPE, BURN_STEP_PRIORITY, BURN_STEP_PRODUCTS,
                        BURN_STEP_GROUP_SPECIFIERS, BURN_STEP_END, BURN_STEP_LEVEL, BURN_STEP_ID,
                        BURN_STEP_NONE},
    [STAGE_PREPAID] = {BURN_STEP_PRIORITY, BURN_STEP_COST_BASIS, BURN_STEP_PRODUCTS,
                       BURN_STEP_GROUP_SPECIFIERS, BURN_STEP_END, BURN_STEP_START,
                       BURN_STEP_CONTRACTS, BURN_STEP_LEVEL, BURN_STEP_ID, BURN_STEP_NONE},
    [STAGE_POSTPAID] = {BURN_STEP_PRIORITY, BURN_STEP_COST_BASIS, BURN_STEP_PRODUCTS, BURN_STEP_END,
                        BURN_STEP_START, BURN_STEP_CONTRACTS, BURN_STEP_LEVEL, BURN_STEP_ID,
                        BURN_STEP_NONE},
    [STAGE_ACCOUNT] = {BURN_STEP_END, BURN_STEP_START, BURN_STEP_ID, BURN_STEP_NONE},
};

static enum stage stage_of(const struct burn_key *k)
{
    if (k->kind == BALANCE_ACCOUNT)
        return STAGE_ACCOUNT;
    if (k->rolled_over)
        return STAGE_ROLLOVER;
    return k->kind == BALANCE_POSTPAID_COMMIT ? STAGE_POSTPAID : STAGE_PREPAID;
}

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_priorities(const struct burn_key *a, const struct burn_key *b)
{
    if (!a->has_priority || !b->has_priority)
        return b->has_priority - a->has_priority;
    return ORDER(a->priority, b->priority);
}

static int compare_ids(const struct burn_key *a, const struct burn_key *b)
{
    const int order = id_compare(&a->balance_id, &b->balance_id);

    return order != 0 ? order : id_compare(&a->segment_id, &b->segment_id);
}

static int compare_by(enum burn_step step, const struct burn_key *a, const struct burn_key *b)
{
    switch (step) {
    case BURN_STEP_ROLLOVER_TYPE:
        return ORDER(a->kind != BALANCE_POSTPAID_COMMIT, b->kind != BALANCE_POSTPAID_COMMIT);
    case BURN_STEP_PRIORITY:
        return compare_priorities(a, b);
    case BURN_STEP_COST_BASIS:
        return ORDER(a->paid, b->paid);
    case BURN_STEP_PRODUCTS:
        return ORDER(a->products, b->products);
    case BURN_STEP_GROUP_SPECIFIERS:
        return ORDER(a->group_specifiers, b->group_specifiers);
    case BURN_STEP_END:
        return ORDER(a->ending_before, b->ending_before);
    case BURN_STEP_START:
        return ORDER(a->starting_at, b->starting_at);
    case BURN_STEP_CONTRACTS:
        return ORDER(a->contracts, b->contracts);
    case BURN_STEP_LEVEL:
        return ORDER(!a->contract_level, !b->contract_level);
    case BURN_STEP_ID:
        return compare_ids(a, b);
    default:
        return 0;
    }
}

static enum burn_step decide(const struct burn_key *a, const struct burn_key *b,
                             bool balances_first, int *ret)
{
    const enum stage x = stage_of(a), y = stage_of(b);

    if ((x == STAGE_ACCOUNT) != (y == STAGE_ACCOUNT)) {
        *ret = (x == STAGE_ACCOUNT) == balances_first ? -1 : 1;
        return BURN_STEP_INSTRUMENT;
    }
    *ret = ORDER(x, y);
    if (x != y)
        return BURN_STEP_KIND;
    for (const enum burn_step *step = table[x]; *step != BURN_STEP_NONE; step++) {
        *ret = compare_by(*step, a, b);
        if (*ret != 0)
            return *step;
    }
    return BURN_STEP_NONE;
}

int burn_compare(const struct burn_key *a, const struct burn_key *b, bool balances_first,
                 enum burn_step *ret_step)
{
    int order;
    const enum burn_step step = decide(a, b, balances_first, &order);

    if (ret_step != NULL)
        *ret_step = step;
    return order;
}
