/* Which balances an answer is about. Filters choose whole balances: schedules and ledgers are not
 * cut (design: rulings 6, 8, 12; domain.md B7, B8, B15). Pure; what filters point to is borrowed.
 */
#pragma once

#include "ledger/model.h"

/* The filters of the list methods. `kinds` has a bit per kind of balance that the list is about,
 * `1u << BALANCE_CREDIT`; 0 means every kind. */
struct list_filter {
    const struct id *ids; /* any of them; none means all */
    size_t id_count;
    bool has_covering, has_starting_at, has_effective_before;
    instant covering, starting_at, effective_before;
    bool has_ends_from,
        has_ends_before; /* the end of the last segment: start inclusive, end exclusive */
    instant ends_from, ends_before;
    bool include_contract_level, include_archived, exclude_zero;
    unsigned kinds;
};

/* Whether a list answer shows the balance. Each of the first three date filters asks whether some
 * segment satisfies it, not necessarily the same one. Only `exclude_zero` computes something:
 * ERR_RANGE is its. */
MUST_CHECK enum err list_filter_selects(const struct list_filter *f, const struct balance *b,
                                        instant now, bool *ret);

/* One filter of a net balance: all of its conditions must hold, and an empty one always does. */
struct net_filter {
    unsigned kinds;       /* a bit each, any of them; 0 means every kind */
    const struct id *ids; /* any of them */
    size_t id_count;
    const struct pair *fields; /* all of them, compared exactly */
    size_t field_count;
};

/* Whether any filter selects the balance, whose custom fields are `fields`; no filter selects
 * everything. Archived balances are not its concern: they count as zero in any case. */
bool net_filters_select(const struct net_filter *filters, size_t count, const struct balance *b,
                        const struct pair *fields, size_t field_count);
