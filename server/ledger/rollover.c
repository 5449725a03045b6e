#include "ledger/rollover.h"

#include <stdlib.h>

#include "ledger/balance.h"

static const enum entry_type types[BALANCE_KINDS] = {
    [BALANCE_PREPAID_COMMIT] = ENTRY_PREPAID_COMMIT_ROLLOVER,
    [BALANCE_POSTPAID_COMMIT] = ENTRY_POSTPAID_COMMIT_ROLLOVER,
    [BALANCE_CREDIT] = ENTRY_CREDIT_ROLLOVER,
};

static bool is_open(const struct segment *s, const struct rollover_terms *t)
{
    const instant first = t->now < t->starting_at ? t->now : t->starting_at;
    const instant last = t->now < t->starting_at ? t->starting_at : t->now;

    return s->starting_at <= last &&
           (s->ending_before > first || s->ending_before == t->starting_at);
}

static instant nearest(const struct segment *s, instant at)
{
    if (at < s->starting_at)
        return s->starting_at;
    return at < s->ending_before ? at : s->ending_before;
}

static int compare_parts(const void *left, const void *right)
{
    const struct segment *a = ((const struct rollover_part *)left)->segment;
    const struct segment *b = ((const struct rollover_part *)right)->segment;

    if (a->ending_before != b->ending_before)
        return a->ending_before < b->ending_before ? -1 : 1;
    if (a->starting_at != b->starting_at)
        return a->starting_at < b->starting_at ? -1 : 1;
    return id_compare(&a->id, &b->id);
}

/* All that could be carried, in the order in which it is. */
static enum err find_parts(const struct balance *b, const struct rollover_terms *terms,
                           struct rollover_part *parts, size_t *ret_count)
{
    size_t count = 0;

    for (size_t i = 0; i < b->segment_count; i++) {
        const struct segment *s = &b->segments[i];
        amount left;

        if (!is_open(s, terms))
            continue;
        const enum err err = segment_remaining(b, s, INCLUDE_FINAL_AND_DRAFT, &left);
        if (err != ERR_OK)
            return err;
        if (left > 0)
            parts[count++] = (struct rollover_part){s, left, nearest(s, terms->starting_at)};
    }
    qsort(parts, count, sizeof *parts, compare_parts);
    *ret_count = count;
    return ERR_OK;
}

/* Leaves what the cap allows. */
static enum err take_parts(struct rollover_part *parts, size_t count, amount cap,
                           struct rollover_result *result)
{
    for (size_t i = 0; i < count && cap > 0; i++) {
        amount total;

        if (parts[i].value > cap)
            parts[i].value = cap;
        if (amount_add(parts[i].segment->other, -parts[i].value, &total) != ERR_OK)
            return ERR_RANGE;
        cap -= parts[i].value;
        result->carried += parts[i].value;
        result->part_count++;
    }
    return ERR_OK;
}

enum rollover_outcome rollover_check(const struct balance *b, const struct rollover_terms *terms,
                                     struct rollover_part *parts, struct rollover_result *ret)
{
    struct rollover_result result = {.type = types[b->kind]};
    amount original, cap;
    size_t count;

    if (b->kind == BALANCE_ACCOUNT)
        return ROLLOVER_KIND;
    if (b->archived)
        return ROLLOVER_ARCHIVED;
    if (!terms->has_fraction)
        return ROLLOVER_NO_FRACTION;
    if (balance_granted(b, &original) != ERR_OK ||
        amount_mul(original, terms->fraction, &cap) != ERR_OK ||
        amount_add(cap, -terms->before, &cap) != ERR_OK ||
        find_parts(b, terms, parts, &count) != ERR_OK ||
        take_parts(parts, count, cap, &result) != ERR_OK)
        return ROLLOVER_TOO_LARGE;
    if (result.carried == 0)
        return ROLLOVER_NOTHING;
    *ret = result;
    return ROLLOVER_DUE;
}
