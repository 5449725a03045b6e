/* Decimal text and sums of amounts. Formatting is on the way of every answer, so it leaves 64 bits
 * only where the number does; parsing checks the whole form first, so that text that is no number
 * is never reported as a number that is too large. */
#include "ledger/amount.h"

#include <assert.h>

static const amount amount_limit =
    (amount)10000000000000000000u * 10000000000000000000u; /* 10^38 */

/* Splits the digits in front off `text`. */
static struct bytes take_digits(struct bytes *text)
{
    size_t len = 0;

    while (len < text->len && text->data[len] >= '0' && text->data[len] <= '9')
        len++;
    const struct bytes digits = bytes_of(text->data, len);
    if (len > 0)
        *text = bytes_of(text->data + len, text->len - len);
    return digits;
}

static bool take_char(struct bytes *text, char c)
{
    if (text->len == 0 || text->data[0] != (uint8_t)c)
        return false;
    *text = bytes_of(text->data + 1, text->len - 1);
    return true;
}

enum err amount_parse(struct bytes text, amount *ret)
{
    struct bytes fraction = {0};
    const bool negative = take_char(&text, '-');
    struct bytes whole = take_digits(&text);

    if (whole.len == 0)
        return ERR_INVALID;
    if (take_char(&text, '.')) {
        fraction = take_digits(&text);
        if (fraction.len == 0)
            return ERR_INVALID;
    }
    if (text.len != 0)
        return ERR_INVALID;

    while (whole.len > 0 && whole.data[0] == '0')
        whole = bytes_of(whole.data + 1, whole.len - 1);
    while (fraction.len > 0 && fraction.data[fraction.len - 1] == '0')
        fraction.len--;
    if (whole.len > AMOUNT_INTEGER_DIGITS || fraction.len > AMOUNT_SCALE)
        return ERR_RANGE;

    amount value = 0;
    for (size_t i = 0; i < whole.len; i++)
        value = value * 10 + (whole.data[i] - '0');
    for (size_t i = 0; i < AMOUNT_SCALE; i++)
        value = value * 10 + (i < fraction.len ? fraction.data[i] - '0' : 0);
    *ret = negative ? -value : value;
    return ERR_OK;
}

static amount_magnitude magnitude_of(amount value)
{
    return (amount_magnitude)(value < 0 ? -value : value);
}

/* Writes backwards from `end`, with zeros in front up to `width`; returns the first digit. */
static char *put_digits(char *end, uint64_t value, int width)
{
    for (int i = 0; i < width || value != 0; i++) {
        *--end = (char)('0' + value % 10);
        value /= 10;
    }
    return end;
}

struct amount_text amount_format(amount value)
{
    assert(amount_in_range(value));

    const amount_magnitude magnitude = magnitude_of(value);
    const uint64_t one = (uint64_t)AMOUNT_ONE;
    const uint64_t split = 10000000000000000000u; /* 10^19, the largest power in 64 bits */
    struct amount_text ret;
    char buffer[AMOUNT_TEXT_LEN];
    char *const end = buffer + sizeof buffer;
    char *at = end;
    amount_magnitude whole;
    uint64_t fraction;

    /* The division of 128 bits is a slow call, and nearly every amount does without. */
    if (magnitude <= UINT64_MAX) {
        whole = (uint64_t)magnitude / one;
        fraction = (uint64_t)magnitude % one;
    } else {
        whole = magnitude / one;
        fraction = (uint64_t)(magnitude % one);
    }
    if (fraction != 0) {
        int width = AMOUNT_SCALE;
        for (; fraction % 10 == 0; width--)
            fraction /= 10;
        at = put_digits(at, fraction, width);
        *--at = '.';
    }
    if (whole > UINT64_MAX) {
        at = put_digits(at, (uint64_t)(whole % split), 19);
        whole /= split;
    }
    at = put_digits(at, (uint64_t)whole, 1);
    if (value < 0)
        *--at = '-';

    const size_t len = (size_t)(end - at);
    memcpy(ret.text, at, len);
    ret.text[len] = '\0';
    return ret;
}

bool amount_in_range(amount value)
{
    return -amount_limit < value && value < amount_limit;
}

enum err amount_add(amount a, amount b, amount *ret)
{
    amount sum;

    if (__builtin_add_overflow(a, b, &sum) || !amount_in_range(sum))
        return ERR_RANGE;
    *ret = sum;
    return ERR_OK;
}

/* The product of the counts has 256 bits. With a = A * 10^12 + p and b = B * 10^12 + q, what is
 * wanted of it, a * b / 10^12, is A * b + p * B + p * q / 10^12: no term but the first can be
 * larger than a count that is in range, and only the last has a remainder. */
enum err amount_mul(amount a, amount b, amount *ret)
{
    assert(amount_in_range(a) && amount_in_range(b));

    const amount_magnitude one = (amount_magnitude)AMOUNT_ONE;
    const amount_magnitude x = magnitude_of(a), y = magnitude_of(b);
    const amount_magnitude tail = x % one * (y % one);
    const amount_magnitude rest = tail % one;
    amount_magnitude product;

    if (__builtin_mul_overflow(x / one, y, &product) ||
        __builtin_add_overflow(product, x % one * (y / one), &product) ||
        __builtin_add_overflow(product, tail / one, &product) ||
        product >= (amount_magnitude)amount_limit)
        return ERR_RANGE;
    product += rest > one / 2 || (rest == one / 2 && product % 2 == 1);
    if (product >= (amount_magnitude)amount_limit)
        return ERR_RANGE;
    *ret = (a < 0) != (b < 0) ? -(amount)product : (amount)product;
    return ERR_OK;
}

/* The product of two magnitudes, in two halves. */
static void multiply(amount_magnitude x, amount_magnitude y, amount_magnitude *ret_high,
                     amount_magnitude *ret_low)
{
    const amount_magnitude x1 = x >> 64, x0 = (uint64_t)x, y1 = y >> 64, y0 = (uint64_t)y;
    const amount_magnitude low = x0 * y0, left = x1 * y0, right = x0 * y1;
    const amount_magnitude middle = (low >> 64) + (uint64_t)left + (uint64_t)right;

    *ret_low = middle << 64 | (uint64_t)low;
    *ret_high = x1 * y1 + (left >> 64) + (right >> 64) + (middle >> 64);
}

/* Long division, bit by bit: the quotient of 256 bits by 127 has a remainder that never needs more
 * than 128 on the way. */
enum err amount_mul_div(amount a, amount b, amount c, amount *ret)
{
    assert(amount_in_range(a) && amount_in_range(b) && amount_in_range(c) && c > 0);

    const amount_magnitude divisor = (amount_magnitude)c;
    amount_magnitude rest, low, quotient = 0;

    multiply(magnitude_of(a), magnitude_of(b), &rest, &low);
    if (rest >= divisor)
        return ERR_RANGE;
    if (rest == 0) {
        quotient = low / divisor;
        rest = low % divisor;
    } else {
        for (int bit = 127; bit >= 0; bit--) {
            rest = rest << 1 | (low >> bit & 1);
            if (rest >= divisor) {
                rest -= divisor;
                quotient |= (amount_magnitude)1 << bit;
            }
        }
    }
    if (quotient >= (amount_magnitude)amount_limit)
        return ERR_RANGE;
    quotient += rest > divisor - rest || (rest == divisor - rest && quotient % 2 == 1);
    if (quotient >= (amount_magnitude)amount_limit)
        return ERR_RANGE;
    *ret = (a < 0) != (b < 0) ? -(amount)quotient : (amount)quotient;
    return ERR_OK;
}

void amount_sum_add(struct amount_sum *sum, amount term)
{
    sum->high += term >> 64; /* rounds down, which the low half makes up for */
    sum->low += (uint64_t)term;
}

enum err amount_sum_value(const struct amount_sum *sum, amount *ret)
{
    const amount high = sum->high + (amount)(sum->low >> 64);

    if (high < INT64_MIN || high > INT64_MAX)
        return ERR_RANGE;
    const amount value = high * ((amount)1 << 64) + (uint64_t)sum->low;
    if (!amount_in_range(value))
        return ERR_RANGE;
    *ret = value;
    return ERR_OK;
}
