/* One small predicate per condition, and the two ways to join them: a list filter takes the AND of
 * what is set; net filters take the OR of ANDs. What costs a computation comes last, for the few
 * balances that everything else let through. */
#include "ledger/filter.h"

#include "ledger/balance.h"

static bool kinds_have(unsigned kinds, enum balance_kind kind)
{
    return kinds == 0 || (kinds & 1u << kind) != 0;
}

static bool ids_have(const struct id *ids, size_t count, const struct id *id)
{
    for (size_t i = 0; i < count; i++)
        if (id_equal(&ids[i], id))
            return true;
    return count == 0;
}

static bool some_covers(const struct balance *b, instant at)
{
    for (size_t i = 0; i < b->segment_count; i++)
        if (b->segments[i].starting_at <= at && at < b->segments[i].ending_before)
            return true;
    return false;
}

static bool some_ends_after(const struct balance *b, instant at)
{
    for (size_t i = 0; i < b->segment_count; i++)
        if (b->segments[i].ending_before > at)
            return true;
    return false;
}

static bool some_starts_before(const struct balance *b, instant at)
{
    for (size_t i = 0; i < b->segment_count; i++)
        if (b->segments[i].starting_at < at)
            return true;
    return false;
}

static bool all_end_before(const struct balance *b, instant at)
{
    for (size_t i = 0; i < b->segment_count; i++)
        if (b->segments[i].ending_before >= at)
            return false;
    return true;
}

enum err list_filter_selects(const struct list_filter *f, const struct balance *b, instant now,
                             bool *ret)
{
    bool selects =
        kinds_have(f->kinds, b->kind) && ids_have(f->ids, f->id_count, &b->id) &&
        (f->include_contract_level || !b->contract_level) &&
        (f->include_archived || !b->archived) &&
        (!f->has_covering || some_covers(b, f->covering)) &&
        (!f->has_starting_at || some_ends_after(b, f->starting_at)) &&
        (!f->has_effective_before || some_starts_before(b, f->effective_before)) &&
        (!f->has_ends_from || !all_end_before(b, f->ends_from)) &&
        (!f->has_ends_before || (b->segment_count > 0 && all_end_before(b, f->ends_before)));

    if (selects && f->exclude_zero) {
        amount usable;
        const enum err err = balance_now(b, now, INCLUDE_FINAL_AND_DRAFT, &usable);
        if (err != ERR_OK)
            return err;
        selects = usable != 0;
    }
    *ret = selects;
    return ERR_OK;
}

static bool fields_have(const struct pair *fields, size_t count, const struct pair *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].key, wanted->key) == 0)
            return strcmp(fields[i].value, wanted->value) == 0;
    return false;
}

static bool net_filter_selects(const struct net_filter *f, const struct balance *b,
                               const struct pair *fields, size_t field_count)
{
    if (!kinds_have(f->kinds, b->kind) || !ids_have(f->ids, f->id_count, &b->id))
        return false;
    for (size_t i = 0; i < f->field_count; i++)
        if (!fields_have(fields, field_count, &f->fields[i]))
            return false;
    return true;
}

bool net_filters_select(const struct net_filter *filters, size_t count, const struct balance *b,
                        const struct pair *fields, size_t field_count)
{
    for (size_t i = 0; i < count; i++)
        if (net_filter_selects(&filters[i], b, fields, field_count))
            return true;
    return count == 0;
}
