/* How charges are split over balances (domain.md B10, B11, B17; design: rulings 1, 4, 10). Pure.
 *
 * Nothing is created or lost: what left balances at the list rate, and the list equivalent of what
 * left those at the commit rate, and what is uncovered, are exactly the charge. A charge that is
 * split keeps the proportion of its two rates; what is left of one is the other's share of the
 * whole, rounded once. */
#pragma once

#include "ledger/burn_order.h"
#include "ledger/coverage.h"

/* A balance that may be drawn on. What is taken goes to the `draft` of its segments. */
struct source {
    struct balance balance; /* its `segments` are these */
    struct segment *segments;
    struct coverage coverage;
    bool at_commit_rate;
    bool has_surcharge; /* an account balance's, for what stays uncovered */
    amount surcharge_percent;
};

/* A segment in its place in the burn order. */
struct burner {
    struct burn_key key;
    struct source *source;
    struct segment *segment;
};

/* In burn order; see burn_compare(). */
void burners_sort(struct burner *burners, size_t count, bool balances_first);

/* What one segment covers of a charge. */
struct allocation {
    const struct burner *burner;
    amount taken;     /* what left it: positive */
    amount remaining; /* in the segment, right after */
};

struct split {
    size_t allocation_count;
    amount uncovered; /* at the list rate */
    amount overage;   /* that, with the surcharge of the first account balance that may cover the
                       * charge and has one */
};

/* Takes a charge from the burners, which are in burn order, from those whose segment covers its
 * start. A balance that allows an overdraft takes all that is left of the charge when its turn
 * comes. `room` is for as many allocations as there are burners.
 *
 * ERR_RANGE where a sum would have more digits than an amount may have: what was taken until then
 * is for the caller to put back. */
MUST_CHECK enum err draw_charge(const struct burner *burners, size_t count,
                                const struct charge *charge, struct allocation *room,
                                struct split *ret);
