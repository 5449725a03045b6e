/* Any bytes as an amount: what is refused leaves the result alone, and what is accepted has one
 * canonical text, which reads as the same amount. Adding it to itself stays in range or is told. */
#include <stdlib.h>

#include "ledger/amount.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const amount untouched = 7;
    amount value = untouched, again = 0, doubled = untouched;

    if (amount_parse(bytes_of(data, size), &value) != ERR_OK) {
        require(value == untouched);
        return 0;
    }
    require(amount_in_range(value));

    const struct amount_text text = amount_format(value);
    require(strlen(text.text) <= AMOUNT_TEXT_LEN);
    require(amount_parse(bytes_text(text.text), &again) == ERR_OK);
    require(again == value);
    /* The shortest of all texts of this value, "-0" and needless zeros included. */
    require(strlen(text.text) <= size);

    struct amount_sum sum = {0};
    amount_sum_add(&sum, value);
    amount_sum_add(&sum, value);
    if (amount_add(value, value, &doubled) == ERR_OK) {
        require(doubled == value * 2);
        require(amount_sum_value(&sum, &again) == ERR_OK && again == doubled);
    } else {
        require(doubled == untouched);
        require(amount_sum_value(&sum, &again) == ERR_RANGE);
    }
    return 0;
}
