/* Exact decimal amounts: an integer count of 10^-12 units, at most 26 integer and 12 fractional
 * digits, the same range as the database's. No binary floating point comes near them, nothing but
 * a product is rounded, and what does not fit is an error (design: ruling 1). */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

__extension__ typedef __int128 amount;
__extension__ typedef unsigned __int128 amount_magnitude;

enum {
    AMOUNT_SCALE = 12, /* fractional digits */
    AMOUNT_INTEGER_DIGITS = 26,
    AMOUNT_TEXT_LEN =
        1 + AMOUNT_INTEGER_DIGITS + 1 + AMOUNT_SCALE, /* sign, digits, point, digits */
};

/* One whole unit. */
#define AMOUNT_ONE ((amount)1000000000000)

struct amount_text {
    char text[AMOUNT_TEXT_LEN + 1];
};

/* Reads "125", "-0.5", "0.000000000001": an optional "-", digits, and optionally a point with
 * digits on both sides. Zeros that say nothing are accepted ("007.50", "-0"). ERR_INVALID for
 * anything else (empty, "+1", ".5", "1.", "1e3", blanks); ERR_RANGE for more than 26 integer or 12
 * fractional digits that count. */
MUST_CHECK enum err amount_parse(struct bytes text, amount *ret);
/* The shortest text: no needless zeros, no exponent, no "-0". `value` must be in range. */
struct amount_text amount_format(amount value);

/* ERR_RANGE where the result has more digits than an amount may have. */
MUST_CHECK enum err amount_add(amount a, amount b, amount *ret);
/* The product, rounded half to even at the last fractional digit; ERR_RANGE likewise. */
MUST_CHECK enum err amount_mul(amount a, amount b, amount *ret);
/* a * b / c with c > 0, rounded once, half to even at the last fractional digit; ERR_RANGE
 * likewise.
 */
MUST_CHECK enum err amount_mul_div(amount a, amount b, amount c, amount *ret);
/* Whether it has at most 26 integer digits. */
bool amount_in_range(amount value);

/* A sum whose terms may come in any order: the result must fit, what is in between need not. A debt
 * that follows a fortune is therefore never an overflow or not by luck of the order. {0} is zero.
 */
struct amount_sum {
    amount high;          /* counts 2^64 */
    amount_magnitude low; /* of the low halves, carries not yet moved up */
};

void amount_sum_add(struct amount_sum *sum, amount term);
/* ERR_RANGE where the sum has more digits than an amount may have. */
MUST_CHECK enum err amount_sum_value(const struct amount_sum *sum, amount *ret);
