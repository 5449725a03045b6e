/* What voiding an invoice gives back to one segment (design: rulings 4 and 5; domain.md B14). Pure.
 */
#pragma once

#include "ledger/model.h"

/* All that the ledger has of one invoice in one segment. */
struct invoice_draw {
    enum balance_kind kind;
    amount taken;    /* its deductions and true-ups: negative */
    amount credited; /* by credit notes, in advance: positive */
    bool canceled;   /* given back already */
    amount other;    /* the segment's running total, which a cancellation goes to */
};

enum void_outcome {
    VOID_GIVES_BACK,
    VOID_GIVES_NOTHING,
    VOID_TOO_LARGE, /* a sum would have more digits than an amount may have */
};

/* Where something is given back, `ret_type` is the entry's type and `ret` its amount, positive:
 * what was taken, less what credit notes have given back of it. */
enum void_outcome void_check(const struct invoice_draw *draw, enum entry_type *ret_type,
                             amount *ret);
