/* Everything is decided by the segments' sums: no entry is looked at. */
#include "ledger/transaction.h"

#include "ledger/balance.h"
#include "ledger/derived.h"
#include "ledger/schedule.h"

enum { SEGMENTS = 2 }; /* of an account balance at most: access and rollover */

static const struct segment *find_segment(const struct balance *b, instant applied)
{
    for (size_t i = 0; i < b->segment_count; i++) {
        const struct segment *s = &b->segments[i];
        if (applied < s->ending_before && (applied >= s->starting_at || s->role == SEGMENT_ACCESS))
            return s;
    }
    return NULL;
}

/* Whether a segment would have less than nothing, and less than now. */
static enum err is_overdrawn(const struct balance *before, const struct balance *after, size_t i,
                             bool *ret)
{
    amount had, has;

    enum err err = segment_remaining(before, &before->segments[i], INCLUDE_FINAL_AND_DRAFT, &had);
    if (err == ERR_OK)
        err = segment_remaining(after, &after->segments[i], INCLUDE_FINAL_AND_DRAFT, &has);
    if (err == ERR_OK)
        *ret = has < 0 && has < had;
    return err;
}

static enum err check_left(const struct balance *b, size_t at, amount value, bool *ret_beyond)
{
    struct segment segments[SEGMENTS];
    struct balance after = *b;
    amount total;

    for (size_t i = 0; i < b->segment_count; i++)
        segments[i] = b->segments[i];
    after.segments = segments;
    enum err err = amount_add(segments[at].manual, value, &segments[at].manual);
    if (err == ERR_OK)
        err = balance_total(&after, &total);
    for (size_t i = 0; i < b->segment_count && err == ERR_OK; i++) {
        bool overdrawn = false;
        err = is_overdrawn(b, &after, i, &overdrawn);
        *ret_beyond |= overdrawn && !b->allow_overdraft;
    }
    return err;
}

struct transaction_verdict transaction_check(const struct balance *b, instant now, instant applied,
                                             amount value)
{
    struct transaction_verdict v = {.outcome = TRANSACTION_KIND};
    bool beyond = false;

    if (b->kind != BALANCE_ACCOUNT || b->segment_count > SEGMENTS)
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
    if (check_left(b, (size_t)(v.segment - b->segments), value, &beyond) != ERR_OK ||
        segment_remaining(b, v.segment, INCLUDE_FINAL_AND_DRAFT, &v.left) != ERR_OK)
        return v;
    v.outcome = beyond ? TRANSACTION_BEYOND_LEFT : TRANSACTION_DUE;
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
