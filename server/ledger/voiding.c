/* One cancellation for a segment undoes everything of the invoice at once, so that it cannot be
 * undone by halves. */
#include "ledger/voiding.h"

static const enum entry_type types[BALANCE_KINDS] = {
    [BALANCE_PREPAID_COMMIT] = ENTRY_PREPAID_COMMIT_CANCELED,
    [BALANCE_POSTPAID_COMMIT] = ENTRY_POSTPAID_COMMIT_CANCELED,
    [BALANCE_CREDIT] = ENTRY_CREDIT_CANCELED,
    [BALANCE_ACCOUNT] = ENTRY_ACCOUNT_BALANCE_CANCELED,
};

enum void_outcome void_check(const struct invoice_draw *draw, enum entry_type *ret_type,
                             amount *ret)
{
    amount standing, total;

    if (draw->canceled)
        return VOID_GIVES_NOTHING;
    if (amount_add(draw->taken, draw->credited, &standing) != ERR_OK)
        return VOID_TOO_LARGE;
    if (standing >= 0)
        return VOID_GIVES_NOTHING;
    if (amount_add(draw->other, -standing, &total) != ERR_OK)
        return VOID_TOO_LARGE;
    *ret_type = types[draw->kind];
    *ret = -standing;
    return VOID_GIVES_BACK;
}
