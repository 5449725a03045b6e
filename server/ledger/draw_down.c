#include "ledger/draw_down.h"

#include <stdlib.h>

#include "ledger/balance.h"
#include "ledger/schedule.h"

static int compare(const void *a, const void *b)
{
    const struct burner *x = a, *y = b;

    return burn_compare(&x->key, &y->key, false, NULL);
}

static int compare_balances_first(const void *a, const void *b)
{
    const struct burner *x = a, *y = b;

    return burn_compare(&x->key, &y->key, true, NULL);
}

void burners_sort(struct burner *burners, size_t count, bool balances_first)
{
    if (count > 0)
        qsort(burners, count, sizeof *burners, balances_first ? compare_balances_first : compare);
}

/* What is left of a charge, at both rates. */
struct rest {
    amount at_list, at_commit;
};

static enum err cover_at_list(const struct charge *charge, amount taken, struct rest *rest)
{
    rest->at_list -= taken;
    return amount_mul_div(charge->at_commit, rest->at_list, charge->at_list, &rest->at_commit);
}

static enum err cover_at_commit(const struct charge *charge, amount taken, struct rest *rest)
{
    rest->at_commit -= taken;
    return amount_mul_div(charge->at_list, rest->at_commit, charge->at_commit, &rest->at_list);
}

/* Moves it from the charge to the segment's deductions. */
static enum err take(const struct burner *b, const struct charge *charge, amount taken,
                     struct rest *rest)
{
    const enum err err = amount_add(b->segment->draft, -taken, &b->segment->draft);

    if (err != ERR_OK)
        return err;
    return b->source->at_commit_rate ? cover_at_commit(charge, taken, rest)
                                     : cover_at_list(charge, taken, rest);
}

static enum err draw_on(const struct burner *b, const struct charge *charge, struct rest *rest,
                        struct allocation *room, struct split *split)
{
    const amount wanted = b->source->at_commit_rate ? rest->at_commit : rest->at_list;
    amount taken = wanted;
    enum err err = ERR_OK;

    if (!b->source->balance.allow_overdraft)
        err = segment_drawable(&b->source->balance, b->segment, &taken);
    if (taken > wanted)
        taken = wanted;
    if (err != ERR_OK || taken == 0)
        return err;
    err = take(b, charge, taken, rest);
    if (err != ERR_OK)
        return err;
    struct allocation *a = &room[split->allocation_count++];
    a->burner = b;
    a->taken = taken;
    return segment_remaining(&b->source->balance, b->segment, INCLUDE_FINAL_AND_DRAFT,
                             &a->remaining);
}

static enum err add_surcharge(const struct source *s, amount uncovered, amount *ret)
{
    amount surcharge;
    const enum err err =
        amount_mul_div(uncovered, s->surcharge_percent, 100 * AMOUNT_ONE, &surcharge);

    return err == ERR_OK ? amount_add(uncovered, surcharge, ret) : err;
}

enum err draw_charge(const struct burner *burners, size_t count, const struct charge *charge,
                     struct allocation *room, struct split *ret)
{
    struct rest rest = {charge->at_list, charge->at_commit};
    const struct source *surcharging = NULL;
    struct split split = {0};

    for (size_t i = 0; i < count; i++) {
        const struct burner *b = &burners[i];
        if (rest.at_list == 0)
            break; /* though rounding may have left something of the other rate */
        if (segment_state_at(b->segment, charge->starting_at) != SEGMENT_ACTIVE ||
            b->source->balance.archived || !coverage_has(&b->source->coverage, charge))
            continue;
        if (surcharging == NULL && b->source->has_surcharge)
            surcharging = b->source;
        const enum err err = draw_on(b, charge, &rest, room, &split);
        if (err != ERR_OK)
            return err;
    }
    split.uncovered = split.overage = rest.at_list;
    if (surcharging != NULL) {
        const enum err err = add_surcharge(surcharging, split.uncovered, &split.overage);
        if (err != ERR_OK)
            return err;
    }
    *ret = split;
    return ERR_OK;
}
