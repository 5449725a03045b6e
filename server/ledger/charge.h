/* What a customer owes for something, and what the charge is for: as much of it as decides which
 * balances may cover it (domain.md A8, B10, B11, B17). Plain values; whoever fills them in owns
 * what they point to. */
#pragma once

#include "ledger/model.h"

/* In the order in which charges are covered. */
enum charge_kind {
    CHARGE_USAGE,
    CHARGE_SUBSCRIPTION,
    CHARGE_COMPOSITE,
};

enum line_item_type {
    LINE_STANDING_CHARGE,
    LINE_USAGE,
    LINE_MINIMUM_SPEND,
    LINE_COUNTER_RUNNING_TOTAL_CHARGE,
    LINE_COUNTER_ADJUSTMENT_DEBIT,
    LINE_AD_HOC,
};

struct charge {
    amount at_list, at_commit; /* the same usage at both rates, positive */
    struct id credit_type;
    bool has_product;
    struct id product;
    const char *const *tags; /* of the product */
    size_t tag_count;
    const struct pair *pricing, *presentation; /* group values */
    size_t pricing_count, presentation_count;
    bool has_contract; /* of the invoice */
    struct id contract;
    enum charge_kind kind;
    bool has_line_item_type;
    enum line_item_type line_item_type;
    instant starting_at;
    amount unit_price; /* 0: not known */
    const char *name;
};

/* Which of two is covered first: by kind, earlier start, higher unit price, name by its bytes
 * (domain.md B11): < 0, 0 or > 0. */
int charge_compare(const struct charge *a, const struct charge *b);
