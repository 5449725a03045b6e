/* Everything is decided by the segments' sums: no entry is looked at. */
#include "ledger/transaction.h"

#include "ledger/balance.h"
#include "ledger/derived.h"
#include "ledger/schedule.h"

static const struct segment *find_segment(const struct balance *b, instant applied)
{
    for (size_t i = 0; i < b->segment_count; i++) {
        const struct segment *s = &b->segments[i];
        if (applied < s->ending_before && (applied >= s->starting_at || s->role == SEGMENT_ACCESS))
            return s;
    }
    return NULL;
}

/* Whether the sums stay amounts. */
static bool fits(const struct balance *b, const struct segment *segment, amount value)
{
    amount manual, total;

    return amount_add(segment->manual, value, &manual) == ERR_OK &&
           balance_total(b, &total) == ERR_OK && amount_add(total, value, &total) == ERR_OK;
}

struct transaction_verdict transaction_check(const struct balance *b, instant now, instant applied,
                                             amount value)
{
    struct transaction_verdict v = {.outcome = TRANSACTION_KIND};

    if (b->kind != BALANCE_ACCOUNT)
        return v;
    v.outcome = TRANSACTION_ARCHIVED;
    if (b->archived)
        return v;
    v.segment = find_segment(b, applied);
    v.outcome = TRANSACTION_OUTSIDE;
    if (!v.segment)
        return v;
    v.outcome = TRANSACTION_EXPIRED;
    if (segment_state_at(v.segment, now) == SEGMENT_EXPIRED)
        return v;
    v.outcome = TRANSACTION_TOO_LARGE;
    if (!fits(b, v.segment, value) || segment_drawable(b, v.segment, &v.left) != ERR_OK)
        return v;
    v.outcome = value < 0 && -value > v.left && !b->allow_overdraft ? TRANSACTION_BEYOND_LEFT
                                                                    : TRANSACTION_DUE;
    return v;
}

/* What the ledger shows as expired of a segment. A segment that ended in debt has nothing to
 * expire. */
static enum err add_expired(struct amount_sum *sum, const struct balance *b,
                            const struct segment *s, instant now)
{
    struct entry derived[DERIVED_PER_SEGMENT_MAX];
    size_t count = 0;
    enum err err = derive_entries(b, s, now, derived, &count);

    for (size_t i = 0; i < count && err == ERR_OK; i++)
        if (derived[i].type == ENTRY_ACCOUNT_BALANCE_EXPIRATION && derived[i].value < 0)
            amount_sum_add(sum, -derived[i].value);
    return err;
}

static enum err consumed_of(const struct segment *s, amount *ret)
{
    struct amount_sum sum = {0};

    amount_sum_add(&sum, -s->final);
    amount_sum_add(&sum, -s->other);
    return amount_sum_value(&sum, ret);
}

enum err transaction_summarize(const struct balance *b, instant now, amount put_in,
                               struct transaction_summary *ret)
{
    struct amount_sum credited = {0}, debited = {0}, expired = {0};
    struct transaction_summary summary = {0};
    enum err err = ERR_OK;

    if (b->archived) {
        *ret = summary;
        return ERR_OK;
    }
    amount_sum_add(&credited, put_in);
    amount_sum_add(&debited, put_in); /* the transactions' sum less this is what they took */
    for (size_t i = 0; i < b->segment_count && err == ERR_OK; i++) {
        const struct segment *s = &b->segments[i];
        amount_sum_add(&credited, s->other);
        amount_sum_add(&debited, -s->final);
        amount_sum_add(&debited, -s->manual);
        err = add_expired(&expired, b, s, now);
        if (err == ERR_OK)
            err = consumed_of(s, s->role == SEGMENT_ROLLOVER ? &summary.rollover_consumed
                                                             : &summary.consumed);
    }
    if (err == ERR_OK)
        err = amount_sum_value(&credited, &summary.credited);
    if (err == ERR_OK)
        err = amount_sum_value(&debited, &summary.debited);
    if (err == ERR_OK)
        err = amount_sum_value(&expired, &summary.expired);
    if (err == ERR_OK)
        *ret = summary;
    return err;
}
