/* A chart of an amount over time, in plain text: bars on a line of zero, an axis of amounts in
 * round numbers on the left, the first and the last instant below. It knows neither the clock nor
 * the terminal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ledger/amount.h"

/* From this instant on until the next point, this amount. */
struct chart_point {
    int64_t at; /* in any unit */
    amount value;
};

/* Everything is borrowed. */
struct chart {
    const struct chart_point *points; /* by instant, each of them later than the one before */
    size_t count;
    const char *from; /* what the first and the last instant are called, in ASCII */
    const char *to;
    size_t width;    /* of a line; it gets longer where the amounts and the two names need more */
    bool has_blocks; /* whether the terminal shows block characters; plain ASCII otherwise */
};

/* Each column shows the amount at its instant, the last column the last amount. Without points
 * there is no chart. */
void chart_print(FILE *out, const struct chart *chart);
