/* Transactions of account balances: which segment takes one, whether it may be, and what all of
 * them come to (design: rulings 2, 3, 8 and 11; domain.md A13, B17). Pure. */
#pragma once

#include "ledger/model.h"

enum transaction_outcome {
    TRANSACTION_DUE,

    /* or it cannot be, because */
    TRANSACTION_KIND,        /* only account balances have transactions; */
    TRANSACTION_ARCHIVED,    /* the balance is archived; */
    TRANSACTION_EXPIRED,     /* the segment that it applies to has ended; */
    TRANSACTION_OUTSIDE,     /* it is applied at or after the end of the last segment; */
    TRANSACTION_BEYOND_LEFT, /* it takes more than is left, and there is no overdraft; */
    TRANSACTION_TOO_LARGE    /* a sum would have more digits than an amount may have */
};

struct transaction_verdict {
    enum transaction_outcome outcome;
    const struct segment *segment; /* that takes it, or has ended; NULL if there is none */
    amount left;                   /* what a debit may take from it */
};

/* The segment is the one that covers `applied`. What is applied before the balance starts goes to
 * the access segment and, like everything in an upcoming segment, waits for its start.
 *
 * A debit takes no more than a charge could, whatever the date: what is left after the deductions
 * of drafts and, in the access segment, without what the rollover has spent of it. */
struct transaction_verdict transaction_check(const struct balance *b, instant now, instant applied,
                                             amount value);

/* Amounts that went in or out, as positive numbers. */
struct transaction_summary {
    amount credited;          /* all that was put in, cancellations of invoices included */
    amount debited;           /* all that was taken out, deductions of invoices included */
    amount expired;           /* what the ledger's expirations took, as it shows them now */
    amount consumed;          /* what invoices took, less what cancellations gave back, */
    amount rollover_consumed; /* in the access segment and in the rollover segment */
};

/* `put_in` is the sum of the balance's positive transactions. Of an archived balance, which has no
 * ledger, everything is zero. ERR_RANGE where a sum has more digits than an amount may have. */
MUST_CHECK enum err transaction_summarize(const struct balance *b, instant now, amount put_in,
                                          struct transaction_summary *ret);
