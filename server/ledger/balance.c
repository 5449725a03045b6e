/* Sums first, then the floor: every term goes into an order-free sum, and only what is handed out
 * must be in range. A debt is kept as it is in the segment; the floor at zero is part of the
 * reading (domain.md B6), so money that is added later first pays the debt. */
#include "ledger/balance.h"

#include "ledger/schedule.h"

static void add_entries(struct amount_sum *sum, const struct segment *s, enum inclusion inclusion)
{
    amount_sum_add(sum, s->final);
    amount_sum_add(sum, s->manual);
    amount_sum_add(sum, s->other);
    if (inclusion == INCLUDE_FINAL_AND_DRAFT)
        amount_sum_add(sum, s->draft);
}

static const struct segment *find_role(const struct balance *b, enum segment_role role)
{
    for (size_t i = 0; i < b->segment_count; i++)
        if (b->segments[i].role == role)
            return &b->segments[i];
    return NULL;
}

enum err balance_carried(const struct balance *b, enum inclusion inclusion, amount *ret)
{
    const struct segment *from = find_role(b, SEGMENT_ACCESS);
    const struct segment *to = find_role(b, SEGMENT_ROLLOVER);
    amount left = 0;

    if (from != NULL && to != NULL) {
        const enum err err = segment_remaining(b, from, inclusion, &left);
        if (err != ERR_OK)
            return err;
    }
    if (left < 0)
        left = 0;
    *ret = b->has_rollover_cap && b->rollover_cap < left ? b->rollover_cap : left;
    return ERR_OK;
}

enum err segment_remaining(const struct balance *b, const struct segment *s,
                           enum inclusion inclusion, amount *ret)
{
    struct amount_sum sum = {0};
    amount carried = 0;

    if (s->role == SEGMENT_ROLLOVER) {
        const enum err err = balance_carried(b, inclusion, &carried);
        if (err != ERR_OK)
            return err;
    }
    amount_sum_add(&sum, s->granted);
    amount_sum_add(&sum, carried);
    add_entries(&sum, s, inclusion);
    return amount_sum_value(&sum, ret);
}

/* What the rollover spent was there before in the access segment, so that much of it is gone, too:
 * also where a debt was made, or the cap was lowered since. */
static enum err held_by_rollover(const struct balance *b, amount *ret)
{
    const struct segment *to = find_role(b, SEGMENT_ROLLOVER);
    struct amount_sum sum = {0};
    amount put_in = 0;

    if (to != NULL)
        add_entries(&sum, to, INCLUDE_FINAL_AND_DRAFT);
    const enum err err = amount_sum_value(&sum, &put_in);
    *ret = put_in < 0 ? -put_in : 0;
    return err;
}

enum err segment_drawable(const struct balance *b, const struct segment *s, amount *ret)
{
    amount left, held = 0;
    enum err err = segment_remaining(b, s, INCLUDE_FINAL_AND_DRAFT, &left);

    if (err == ERR_OK && s->role == SEGMENT_ACCESS)
        err = held_by_rollover(b, &held);
    if (err != ERR_OK)
        return err;
    *ret = left > held ? left - held : 0;
    return ERR_OK;
}

enum err balance_now(const struct balance *b, instant now, enum inclusion inclusion, amount *ret)
{
    struct amount_sum sum = {0};

    for (size_t i = 0; i < b->segment_count && !b->archived; i++) {
        const struct segment *s = &b->segments[i];
        amount left;

        if (segment_state_at(s, now) != SEGMENT_ACTIVE)
            continue;
        const enum err err = segment_remaining(b, s, inclusion, &left);
        if (err != ERR_OK)
            return err;
        if (left > 0 || b->allow_overdraft)
            amount_sum_add(&sum, left);
    }
    return amount_sum_value(&sum, ret);
}

enum err balance_total(const struct balance *b, amount *ret)
{
    struct amount_sum sum = {0};

    for (size_t i = 0; i < b->segment_count; i++)
        add_entries(&sum, &b->segments[i], INCLUDE_FINAL);
    return amount_sum_value(&sum, ret);
}

enum err balance_granted(const struct balance *b, amount *ret)
{
    struct amount_sum sum = {0};

    for (size_t i = 0; i < b->segment_count; i++)
        amount_sum_add(&sum, b->segments[i].granted);
    return amount_sum_value(&sum, ret);
}
