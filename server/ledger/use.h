/* What became of a balance so far, as far as a change of it must ask: which of its segments were
 * drawn on, and what was invoiced for it. */
#pragma once

#include "ledger/model.h"

/* Beside a segment. A deduction that a cancellation of the same invoice and segment gave back is
 * none. */
struct segment_use {
    bool has_entries; /* stored ones, or deductions of drafts */
    bool has_deduction;
    instant last_deduction; /* of those of final invoices */
};

/* An item of a commit's invoice schedule. */
struct invoice_item {
    struct id id;
    instant at;
    bool invoiced;
    bool invoice_is_void;
};

struct balance_use {
    const struct segment_use *segments; /* one for each of the balance's, in the same order */
    const struct invoice_item *items;
    size_t item_count;
};
