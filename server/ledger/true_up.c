#include "ledger/true_up.h"

#include "ledger/balance.h"
#include "ledger/schedule.h"

enum true_up_outcome true_up_check(const struct balance *b, instant now,
                                   const struct segment **ret_segment, amount *ret)
{
    const struct segment *s = b->segments;
    amount left, total;

    if (b->kind != BALANCE_POSTPAID_COMMIT)
        return TRUE_UP_KIND;
    if (b->archived)
        return TRUE_UP_ARCHIVED;
    if (b->true_up_disabled)
        return TRUE_UP_DISABLED;
    if (b->segment_count == 0)
        return TRUE_UP_MET;
    if (segment_state_at(s, now) == SEGMENT_UPCOMING)
        return TRUE_UP_UPCOMING;
    if (s->draft != 0) /* every draft's deduction is negative: they never cancel out */
        return TRUE_UP_DRAFTED;
    if (segment_remaining(b, s, INCLUDE_FINAL_AND_DRAFT, &left) != ERR_OK)
        return TRUE_UP_TOO_LARGE;
    if (left <= 0)
        return TRUE_UP_MET;
    if (amount_add(s->other, -left, &total) != ERR_OK)
        return TRUE_UP_TOO_LARGE;
    *ret_segment = s;
    *ret = left;
    return TRUE_UP_DUE;
}
