/* Moving the end of a balance's access earlier (design: ruling 13; domain.md A5.3, B13). Segments
 * that begin at or after the new end vanish, those that cover it are cut. Pure. */
#pragma once

#include "ledger/use.h"

enum end_date_outcome {
    END_DATE_MOVES,
    END_DATE_STAYS, /* it is the end already, or none: nothing changes */

    /* or it cannot move, because */
    END_DATE_KIND,             /* only prepaid commits and credits have one to move; */
    END_DATE_ARCHIVED,         /* the balance is archived; */
    END_DATE_ROLLED_OVER,      /* it came of a rollover, and is not edited; */
    END_DATE_LATER,            /* it would be later than `limit`, the end; */
    END_DATE_BEFORE_DEDUCTION, /* or before `limit`, when a final invoice deducted; */
    END_DATE_DROPS_USED,       /* `segment` would vanish, and has entries or drafts; */
    END_DATE_DROPS_ALL,        /* no segment would be left */
};

struct end_date_verdict {
    enum end_date_outcome outcome;
    instant limit;
    const struct segment *segment;
};

/* The end that leaves the access as it is, for those who ask whether it could be moved at all. */
#define END_DATE_NONE INSTANT_NEVER

struct end_date_verdict end_date_check(const struct balance *b, const struct balance_use *use,
                                       instant end);

/* What moving the end makes of one segment. */
enum segment_fate {
    SEGMENT_STAYS,
    SEGMENT_IS_CUT,
    SEGMENT_VANISHES,
};

enum segment_fate segment_fate_at(const struct segment *s, instant end);

/* The same for a commit's invoices: items at or after the new end vanish. */
enum invoice_end_outcome {
    INVOICE_END_MOVES,
    INVOICE_END_STAYS, /* there is none to remove */
    INVOICE_END_DROPS_INVOICED,
};

/* `ret_item` is the one that is invoiced already, where one is. */
enum invoice_end_outcome invoice_end_check(const struct balance_use *use, instant end,
                                           const struct invoice_item **ret_item);
