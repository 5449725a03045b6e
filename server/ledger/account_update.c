#include "ledger/account_update.h"

#include "ledger/balance.h"

static bool ends_before_deduction(const struct segment_use *use, instant end)
{
    return use->has_deduction && end < use->last_deduction;
}

/* Whether the rollover would have less than nothing, and less than now. */
static enum err is_overdrawn(const struct balance *b, const struct segment *rollover,
                             const struct account_terms *terms, bool *ret)
{
    struct balance after = *b;
    amount had, has;

    after.allow_overdraft = terms->allow_overdraft;
    after.has_rollover_cap = terms->has_rollover_cap;
    after.rollover_cap = terms->rollover_cap;
    enum err err = segment_remaining(b, rollover, INCLUDE_FINAL_AND_DRAFT, &had);
    if (err == ERR_OK)
        err = segment_remaining(&after, rollover, INCLUDE_FINAL_AND_DRAFT, &has);
    if (err == ERR_OK)
        *ret = has < 0 && has < had && !terms->allow_overdraft;
    return err;
}

static enum err check_rollover(const struct balance *b, const struct segment *rollover,
                               const struct segment_use *use, const struct account_terms *terms,
                               struct account_update_verdict *ret)
{
    bool overdrawn = false;
    enum err err = ERR_OK;

    if (!use->has_entries)
        return ERR_OK;
    ret->segment = rollover;
    if (!terms->has_rollover || terms->ending_before != rollover->starting_at) {
        ret->outcome = ACCOUNT_UPDATE_MOVES_USED;
    } else if (ends_before_deduction(use, terms->rollover_ending_before)) {
        ret->outcome = ACCOUNT_UPDATE_BEFORE_DEDUCTION;
        ret->limit = use->last_deduction;
    } else {
        err = is_overdrawn(b, rollover, terms, &overdrawn);
        if (overdrawn)
            ret->outcome = ACCOUNT_UPDATE_BELOW_USED;
    }
    return err;
}

enum err account_update_check(const struct balance *b, const struct segment_use *uses,
                              const struct account_terms *terms, struct account_update_verdict *ret)
{
    enum err err = ERR_OK;

    *ret = (struct account_update_verdict){.outcome = ACCOUNT_UPDATE_DUE};
    for (size_t i = 0; i < b->segment_count; i++) {
        const struct segment *s = &b->segments[i];
        if (ret->outcome != ACCOUNT_UPDATE_DUE || err != ERR_OK)
            break;
        if (s->role == SEGMENT_ROLLOVER)
            err = check_rollover(b, s, &uses[i], terms, ret);
        else if (ends_before_deduction(&uses[i], terms->ending_before))
            *ret = (struct account_update_verdict){ACCOUNT_UPDATE_BEFORE_DEDUCTION,
                                                   uses[i].last_deduction, s};
    }
    return err;
}
