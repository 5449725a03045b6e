/* Billing what is left of a postpaid commit, which ends the obligation (domain.md B5). Pure. */
#pragma once

#include "ledger/model.h"

enum true_up_outcome {
    TRUE_UP_DUE,

    /* or it cannot be, because */
    TRUE_UP_KIND,     /* only postpaid commits are trued up; */
    TRUE_UP_ARCHIVED, /* the commit is archived; */
    TRUE_UP_DISABLED, /* its shortfall lapses instead; */
    TRUE_UP_UPCOMING, /* it has not started: nobody could have met it yet; */
    TRUE_UP_DRAFTED,  /* a draft draws on it, so what is left may still change; */
    TRUE_UP_MET,      /* nothing is left; */
    TRUE_UP_TOO_LARGE /* a sum would have more digits than an amount may have */
};

/* Where it is due, `ret_segment` is the one that is billed, the only one that a postpaid commit
 * has, and `ret` the amount, positive. */
enum true_up_outcome true_up_check(const struct balance *b, instant now,
                                   const struct segment **ret_segment, amount *ret);
