/* Both sums must stay in range: the running total that the database keeps, and what remains of the
 * segment, since an entry that makes every later read fail must not get in. */
#include "ledger/adjustment.h"

#include "ledger/balance.h"
#include "ledger/schedule.h"

static const struct {
    bool allowed;
    enum entry_type type;
} types[][BALANCE_KINDS] = {
    [ADJUSTMENT_MANUAL] =
        {
            [BALANCE_PREPAID_COMMIT] = {true, ENTRY_PREPAID_COMMIT_MANUAL},
            [BALANCE_POSTPAID_COMMIT] = {true, ENTRY_POSTPAID_COMMIT_MANUAL},
            [BALANCE_CREDIT] = {true, ENTRY_CREDIT_MANUAL},
        },
    [ADJUSTMENT_SEATS] =
        {
            [BALANCE_PREPAID_COMMIT] = {true, ENTRY_PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT},
            [BALANCE_CREDIT] = {true, ENTRY_CREDIT_SEAT_BASED_ADJUSTMENT},
        },
};

enum adjustment_outcome adjustment_check(const struct balance *b, const struct segment *s,
                                         instant now, enum adjustment adjustment, amount value,
                                         enum entry_type *ret_type)
{
    const bool manual = adjustment == ADJUSTMENT_MANUAL;
    amount remaining;

    if (!types[adjustment][b->kind].allowed)
        return ADJUSTMENT_KIND;
    if (b->archived)
        return ADJUSTMENT_ARCHIVED;
    if (b->rolled_over && !manual)
        return ADJUSTMENT_ROLLED_OVER;
    if (segment_state_at(s, now) == SEGMENT_EXPIRED)
        return ADJUSTMENT_EXPIRED;
    if (amount_add(manual ? s->manual : s->other, value, &remaining) != ERR_OK ||
        segment_remaining(b, s, INCLUDE_FINAL_AND_DRAFT, &remaining) != ERR_OK ||
        amount_add(remaining, value, &remaining) != ERR_OK)
        return ADJUSTMENT_TOO_LARGE;
    *ret_type = types[adjustment][b->kind].type;
    return ADJUSTMENT_DUE;
}
