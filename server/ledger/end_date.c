/* What is refused first is what no other date would mend: the kind, the archive, the direction. */
#include "ledger/end_date.h"

enum segment_fate segment_fate_at(const struct segment *s, instant end)
{
    if (s->starting_at >= end)
        return SEGMENT_VANISHES;
    return s->ending_before > end ? SEGMENT_IS_CUT : SEGMENT_STAYS;
}

static instant last_end(const struct balance *b)
{
    instant last = INT64_MIN;

    for (size_t i = 0; i < b->segment_count; i++)
        if (b->segments[i].ending_before > last)
            last = b->segments[i].ending_before;
    return last;
}

static const struct segment_use *last_deducted(const struct balance *b,
                                               const struct balance_use *use)
{
    const struct segment_use *last = NULL;

    for (size_t i = 0; i < b->segment_count; i++) {
        const struct segment_use *s = &use->segments[i];
        if (s->has_deduction && (!last || s->last_deduction > last->last_deduction))
            last = s;
    }
    return last;
}

static struct end_date_verdict verdict(enum end_date_outcome outcome, instant limit,
                                       const struct segment *segment)
{
    return (struct end_date_verdict){outcome, limit, segment};
}

struct end_date_verdict end_date_check(const struct balance *b, const struct balance_use *use,
                                       instant end)
{
    size_t left = 0;

    if (b->kind != BALANCE_PREPAID_COMMIT && b->kind != BALANCE_CREDIT)
        return verdict(END_DATE_KIND, 0, NULL);
    if (b->archived)
        return verdict(END_DATE_ARCHIVED, 0, NULL);
    if (b->rolled_over)
        return verdict(END_DATE_ROLLED_OVER, 0, NULL);
    const instant current = last_end(b);
    if (end == current || end == END_DATE_NONE)
        return verdict(END_DATE_STAYS, current, NULL);
    if (end > current)
        return verdict(END_DATE_LATER, current, NULL);

    const struct segment_use *deducted = last_deducted(b, use);
    if (deducted && end < deducted->last_deduction)
        return verdict(END_DATE_BEFORE_DEDUCTION, deducted->last_deduction, NULL);
    for (size_t i = 0; i < b->segment_count; i++) {
        const bool vanishes = segment_fate_at(&b->segments[i], end) == SEGMENT_VANISHES;
        if (vanishes && use->segments[i].has_entries)
            return verdict(END_DATE_DROPS_USED, 0, &b->segments[i]);
        left += !vanishes;
    }
    return verdict(left > 0 ? END_DATE_MOVES : END_DATE_DROPS_ALL, 0, NULL);
}

enum invoice_end_outcome invoice_end_check(const struct balance_use *use, instant end,
                                           const struct invoice_item **ret_item)
{
    enum invoice_end_outcome outcome = INVOICE_END_STAYS;

    for (size_t i = 0; i < use->item_count; i++) {
        if (use->items[i].at < end)
            continue;
        if (use->items[i].invoiced) {
            *ret_item = &use->items[i];
            return INVOICE_END_DROPS_INVOICED;
        }
        outcome = INVOICE_END_MOVES;
    }
    return outcome;
}
