#include "ledger/archiving.h"

struct archive_verdict archive_check(const struct balance *b, const struct balance_use *use)
{
    if (b->archived)
        return (struct archive_verdict){.outcome = ARCHIVE_DONE};
    for (size_t i = 0; i < b->segment_count; i++) {
        const struct segment *s = &b->segments[i];
        if (use->segments[i].has_deduction)
            return (struct archive_verdict){ARCHIVE_DEDUCTED, s, NULL};
        if (s->draft != 0) /* every draft's deduction is negative: they never cancel out */
            return (struct archive_verdict){ARCHIVE_DRAFTED, s, NULL};
    }
    for (size_t i = 0; i < use->item_count; i++)
        if (use->items[i].invoiced && !use->items[i].invoice_is_void)
            return (struct archive_verdict){ARCHIVE_INVOICED, NULL, &use->items[i]};
    return (struct archive_verdict){.outcome = ARCHIVE_DUE};
}
