/* Which charges a balance may cover (domain.md A5.1, A8, B17). Pure; time has no say here, that is
 * the segments'. What is pointed to is borrowed. */
#pragma once

#include "ledger/charge.h"

/* All that is set must hold; all tags of one specifier must be the product's. */
struct specifier {
    bool has_product;
    struct id product;
    const char *const *tags;
    size_t tag_count;
    const struct pair *pricing, *presentation;
    size_t pricing_count, presentation_count;
};

/* An empty list asks for nothing. */
struct coverage {
    struct id credit_type;
    bool has_contract; /* the balance is of this one alone */
    struct id contract;
    const struct id *contracts; /* any of them */
    size_t contract_count;
    const struct id *products; /* any of them, or of the tags */
    size_t product_count;
    const char *const *tags;
    size_t tag_count;
    const struct specifier *specifiers; /* any of them */
    size_t specifier_count;
    unsigned line_item_types; /* a bit for each, `1u << LINE_USAGE`; 0 means every one */
};

bool coverage_has(const struct coverage *c, const struct charge *charge);

/* How many specifiers have conditions on group values and none on the product (domain.md B11). */
size_t coverage_group_specifiers(const struct coverage *c);
