/* Whether a balance may be archived: not while an invoice stands on it (domain.md A5.5). Pure. */
#pragma once

#include "ledger/use.h"

enum archive_outcome {
    ARCHIVE_DUE,
    ARCHIVE_DONE, /* it is archived already */

    /* or it cannot be, because */
    ARCHIVE_DEDUCTED, /* a final invoice drew on `segment`; */
    ARCHIVE_DRAFTED,  /* a draft draws on `segment`; */
    ARCHIVE_INVOICED, /* an invoice that is not void bills `item` */
};

struct archive_verdict {
    enum archive_outcome outcome;
    const struct segment *segment;
    const struct invoice_item *item;
};

struct archive_verdict archive_check(const struct balance *b, const struct balance_use *use);
